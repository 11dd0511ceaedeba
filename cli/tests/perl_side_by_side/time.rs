//! Section 2: the defects that cost time (1, 2, 7, 8), mended.

use super::case::{Aspect, Case, Step, Why, case};
use super::expect::Expect;
use super::parts::{FULL, NONE, ask, timed_out};
use policy_testing::stub::{Reply, Script};

pub fn cases() -> Vec<Case> {
    let mut cases = budget();
    cases.extend(rests());
    cases.extend(time_outs());
    cases.push(resolver());
    cases
}

fn hang() -> Script {
    Script::reply(Reply::Hang)
}

/// Defect 1. Our deadline is 90 s by default; here a shorter one, so that the test need not wait.
fn budget() -> Vec<Case> {
    let three = [
        "-s",
        "A={A}:1:1:2",
        "-s",
        "B={B}:2:1:2",
        "-s",
        "C={C}:3:1:2",
    ];
    let long = [
        "-s",
        "A={A}:1:1:8",
        "-s",
        "B={B}:2:1:8",
        "-s",
        "C={C}:3:1:8",
        "-s",
        "D={D}:4:1:8",
    ];
    let all = [timed_out("A"), timed_out("B"), timed_out("C")];
    vec![
        case("2.1.a", "the default action comes when the time is over")
            .stub("A", hang())
            .stub("B", hang())
            .stub("C", hang())
            .args(three)
            .extra_args(&["--deadline", "3s"])
            .send(FULL)
            .stdout("action=dunno\n\n")
            .by_check(&[Aspect::Log, Aspect::Received, Aspect::Connections])
            .differs(
                Why::Defect(1),
                Expect::new().seconds(5.9, 15.0),
                Expect::new().seconds(2.5, 5.0),
            ),
        case(
            "2.1.b",
            "each attempt leaves time for the services not yet asked",
        )
        .stub("A", hang())
        .stub("B", hang())
        .stub("C", hang())
        .named("D")
        .args(long)
        .extra_args(&["--deadline", "24s"])
        .send(FULL)
        .stdout("action=D\n\n")
        .log(all)
        .received("D", [FULL])
        .limit(40)
        .differs(
            Why::Defect(1),
            Expect::new().seconds(23.5, 35.0),
            Expect::new().seconds(17.0, 22.0),
        ),
    ]
}

/// Defect 2: who did not answer in time rests while another one answers.
fn rests() -> Vec<Case> {
    let three = [ask(1), ask(2), ask(3)];
    let each = [timed_out("A"), timed_out("A"), timed_out("A")];
    vec![
        case("2.2.a", "a silent server costs its time once")
            .stub("A", hang())
            .named("B")
            .args(["-s", "A={A}:1:1:2", "-s", "B={B}:2:1:9"])
            .send(three.concat())
            .stdout("action=B\n\n".repeat(3))
            .received("B", &three)
            .differs(
                Why::Defect(2),
                Expect::new()
                    .log(each)
                    .received("A", &three)
                    .connections("A", 3)
                    .seconds(5.9, 15.0),
                Expect::new()
                    .log([timed_out("A")])
                    .received("A", &three[..1])
                    .connections("A", 1)
                    .seconds(1.9, 5.0),
            ),
        case("2.2.b", "it is tried all the same when nobody else answers")
            .stub("A", hang())
            .refusing("B")
            .args(["-s", "A={A}:1:1:2", "-s", "B={B}:2:1:9"])
            .step(Step::Set("A", vec![hang(), Script::answer("A")]))
            .send(ask(1))
            .replies(1)
            .send(ask(2))
            .stdout("action=dunno\n\naction=A\n\n")
            .received("A", &three[..2])
            .by_check(&[Aspect::Log]),
    ]
}

/// Defect 7. Perl's alarm() takes whole seconds; what is none is no time-out at all.
fn time_outs() -> Vec<Case> {
    let released = |number, name, time_out: &'static str| {
        case(number, name)
            .stub("A", Script::answer("late").held())
            .named("B")
            .args(["-s", &format!("A={{A}}:1:1:{time_out}"), "-s", "B={B}:2"])
            .send(FULL)
            .step(Step::Arrived("A", 1))
            .sleep(2500)
            .step(Step::Release("A"))
            .received("A", [FULL])
    };
    let endless = |number, name, time_out: &'static str| {
        case(number, name)
            .stub("A", hang())
            .named("B")
            .args(["-s", &format!("A={{A}}:1:1:{time_out}"), "-s", "B={B}:2"])
            .send(FULL)
            .received("A", [FULL])
            .limit(42)
            .differs(
                Why::Defect(7),
                Expect::new()
                    .stdout("")
                    .log(NONE)
                    .status("killed by the test")
                    .received("B", NONE)
                    .connections("B", 0),
                Expect::new()
                    .stdout("action=B\n\n")
                    .log([format!("warning: …{time_out}…"), timed_out("A")])
                    .status("exit 0")
                    .received("B", [FULL])
                    .connections("B", 1),
            )
    };
    vec![
        released("2.7.a", "fractions of a second count", "0.5").differs(
            Why::Defect(7),
            Expect::new()
                .stdout("action=late\n\n")
                .log(NONE)
                .received("B", NONE)
                .connections("B", 0),
            Expect::new()
                .stdout("action=B\n\n")
                .log([timed_out("A")])
                .received("B", [FULL])
                .connections("B", 1),
        ),
        released("2.7.b", "a negative time-out: a warning", "-1")
            .stdout("action=late\n\n")
            .received("B", NONE)
            .differs(
                Why::Defect(7),
                Expect::new().log(NONE),
                Expect::new().log(["warning: …-1…"]),
            ),
        endless(
            "2.7.c",
            "a word for a time-out: a warning, and 30 seconds",
            "abc",
        ),
        endless("2.7.d", "a negative time-out is 30 seconds too", "-1"),
    ]
}

/// Defect 8. A resolver that does not answer (at 127.0.0.1, where the test holds port 53) takes
/// Perl five seconds, whatever the service's time-out is.
fn resolver() -> Case {
    case("2.8.a", "the time-out covers the name's lookup")
        .named("B")
        .file(
            "/etc/resolv.conf",
            "nameserver 127.0.0.1\noptions timeout:5 attempts:1\n",
        )
        .args(["-s", "A=policy.example:10031:1:1:1", "-s", "B={B}:2:1:9"])
        .send(FULL)
        .stdout("action=B\n\n")
        .log(["warning: Timeout for 'A' (policy.example:10031)"])
        .received("B", [FULL])
        .differs(
            Why::Defect(8),
            Expect::new().seconds(4.9, 15.0),
            Expect::new().seconds(0.9, 4.5),
        )
}
