//! Section 3, clause 9: under spawn(8), one socket is standard input, output and error. What the
//! client gets is what counts, so nothing but replies may be in it.

use super::case::{Case, Stdio, Step, Syslog, Why, case};
use super::expect::Expect;
use super::parts::{Attempt, FULL, NONE, ask, refused, timed_out, verbose};
use policy_testing::stub::{Reply, Script};

pub fn cases() -> Vec<Case> {
    let mut cases = replies();
    cases.extend(ends());
    cases.extend(other_descriptors());
    cases.extend(mended());
    cases
}

fn base(number: &'static str, name: &'static str) -> Case {
    case(number, name)
        .stdio(Stdio::Spawn)
        .named("A")
        .args(["-s", "A={A}:::9"])
}

fn replies() -> Vec<Case> {
    let three = [ask(1), ask(2), ask(3)];
    let answers = "action=A\n\n".repeat(3);
    vec![
        base("3.9.a", "exactly the reply")
            .send(FULL)
            .stdout("action=A\n\n")
            .log(NONE),
        base("3.9.b", "on a UNIX socket")
            .stdio(Stdio::SpawnUnix)
            .send(FULL)
            .stdout("action=A\n\n")
            .log(NONE),
        base("3.9.c", "with -l")
            .args(["-l"])
            .send(FULL)
            .stdout("action=A\n\n")
            .log([Attempt::first("A").line()]),
        base("3.9.d", "with -v")
            .args(["-v"])
            .send(FULL)
            .stdout("action=A\n\n")
            .log(verbose("A")),
        base("3.9.e", "one request after the other")
            .send(ask(1))
            .replies(1)
            .sleep(300)
            .send(ask(2))
            .replies(2)
            .send(ask(3))
            .stdout(&answers)
            .received("A", &three),
        base("3.9.f", "pipelined")
            .send(three.concat())
            .stdout(&answers)
            .received("A", &three),
        base("3.9.g", "byte by byte")
            .step(Step::Bytewise(FULL.into()))
            .stdout("action=A\n\n")
            .received("A", [FULL]),
        case("3.9.h", "a refusal, a time-out, and the next service")
            .stdio(Stdio::Spawn)
            .refusing("A")
            .stub("B", Script::reply(Reply::Hang))
            .named("C")
            .args(["-s", "A={A}:1", "-s", "B={B}:2:1:1", "-s", "C={C}:3"])
            .send(FULL)
            .stdout("action=C\n\n")
            .log([refused("A"), timed_out("B")])
            .received("C", [FULL]),
        case("3.9.i", "the default action")
            .stdio(Stdio::Spawn)
            .refusing("A")
            .args(["-s", "A={A}:", "-d", "DEFER_IF_PERMIT down"])
            .send(FULL)
            .stdout("action=DEFER_IF_PERMIT down\n\n")
            .log([refused("A")]),
        base("3.9.j", "garbage and invalid services: only in the log")
            .args(["-s", "nonsense"])
            .send("garbage\n")
            .send(FULL)
            .stdout("action=A\n\n")
            .log([
                "warning: ignoring invalid service 'nonsense'",
                "notice: error: ignoring garbage \"garbage\"",
            ]),
    ]
}

fn ends() -> Vec<Case> {
    let asked = |number, name, end| {
        base(number, name)
            .step(Step::Set("A", vec![Script::answer("A").held()]))
            .send(FULL)
            .step(Step::Arrived("A", 1))
            .step(end)
            .sleep(200)
            .step(Step::Release("A"))
            .received("A", [FULL])
    };
    vec![
        base("3.9.k", "the client closes at once: exit 0")
            .step(Step::Close)
            .stdout(""),
        base("3.9.l", "the client closes after a reply: exit 0")
            .send(FULL)
            .replies(1)
            .step(Step::Close)
            .stdout("action=A\n\n"),
        base("3.9.m", "the client resets after a reply: exit 0")
            .send(FULL)
            .replies(1)
            .step(Step::Reset)
            .stdout("action=A\n\n"),
        base("3.9.n", "the client closes within a request: exit 0")
            .send("request=smtpd_access_policy\nsender=x\n")
            .step(Step::Close)
            .stdout("")
            .received("A", NONE),
        asked(
            "3.9.o",
            "the client closes while a server is asked: exit 0",
            Step::Close,
        )
        .stdout(""),
        asked(
            "3.9.p",
            "it resets while a server is asked: exit 0",
            Step::Reset,
        )
        .stdout(""),
        asked(
            "3.9.q",
            "it ends its side while a server is asked",
            Step::Eof,
        )
        .stdout("action=A\n\n"),
        asked(
            "3.9.r",
            "a UNIX client closes while a server is asked",
            Step::Close,
        )
        .stdio(Stdio::SpawnUnix)
        .stdout(""),
        base("3.9.s", "the client ends its side with requests waiting")
            .send([ask(1), ask(2)].concat())
            .step(Step::Eof)
            .stdout("action=A\n\naction=A\n\n")
            .received("A", [ask(1), ask(2)]),
    ]
}

/// The same requests and ends where descriptors are of another kind.
fn other_descriptors() -> Vec<Case> {
    let all = |number, name, stdio| {
        base(number, name)
            .stdio(stdio)
            .send(FULL)
            .send(ask(2))
            .step(Step::Eof)
            .stdout("action=A\n\naction=A\n\n")
            .log(NONE)
            .received("A", [FULL, ask(2).as_str()])
    };
    vec![
        all(
            "3.9.t",
            "a socket pair for input, another for output",
            Stdio::TwoSockets,
        ),
        all(
            "3.9.u",
            "one socket pair for input and output",
            Stdio::OneSocket,
        ),
        all("3.9.v", "input from a file", Stdio::File),
    ]
}

/// Defect 16: what Perl prints on standard error arrives at Postfix.
fn mended() -> Vec<Case> {
    let noise = |case: Case, perl: &str| {
        case.differs(
            Why::Defect(16),
            Expect::new().stdout(perl),
            Expect::new().stdout("action=A\n\n"),
        )
    };
    vec![
        noise(
            base(
                "2.16.a",
                "no /dev/log: a word on standard error at each start",
            )
            .syslog(Syslog::Absent)
            .send(FULL)
            .log(NONE),
            "setlogsock(): …\naction=A\n\n",
        ),
        noise(
            base("2.16.b", "a warning for each attribute that is missing")
                .args(["-l"])
                .send("request=smtpd_access_policy\n\n")
                .log([Attempt::first("A").line_about("client: [], helo: <>, from: <>, to: <>")]),
            "Use of uninitialized value …\naction=A\n\n",
        ),
        noise(
            case("2.16.c", "a server that closes without an answer")
                .stdio(Stdio::Spawn)
                .stub("B", Script::reply(Reply::CloseUnanswered))
                .named("A")
                .args(["-s", "B={B}:1", "-s", "A={A}:2"])
                .send(FULL)
                .log(["warning: Invalid answer from 'B' -> '…'"]),
            "Use of uninitialized value …\naction=A\n\n",
        ),
    ]
}
