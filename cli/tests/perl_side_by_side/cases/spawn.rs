//! Clause 9 and the defect 16: under spawn(8), one socket is standard input, output and error. What the client gets is
//! what counts, so nothing but replies may be in it.

use crate::case::{Case, Step, Syslog, asks, case, cases, rows};
use crate::expect::{Expecting, reply};
use crate::stdio::Stdio;
use crate::texts::{
    FULL, NOTHING, ask, first, garbage, invalid, invalid_service, numbered, policy, refused,
    timed_out, verbose,
};
use crate::{Reply, Script};

pub const TABLES: super::Tables = &[replies, sequences, failures, ends, asked, others, noise];

fn base(name: &'static str) -> Case {
    case(name, "-s A={A}:::9").stdio(Stdio::Spawn)
}

fn replies() -> Vec<Case> {
    let one = |name| base(name).send(FULL).answer("A");
    cases! {
        one("3.9.a exactly the reply").quiet();
        one("3.9.b on a UNIX socket").stdio(Stdio::SpawnUnix).quiet();
        one("3.9.c with -l").args("-l").log([first("A").line()]);
        one("3.9.d with -v").args("-v").log(verbose("A"));
    }
}

fn sequences() -> Vec<Case> {
    let three = |name| base(name).answers(["A"; 3]).received("A", numbered(3));
    cases! {
        three("3.9.e one request after the other").send(ask(1)).replies(1).sleep(300).send(ask(2)).replies(2)
            .send(ask(3));
        three("3.9.f pipelined").send(numbered(3).concat());
        base("3.9.g byte by byte").step(Step::Bytewise(FULL.into())).answer("A").received("A", [FULL]);
    }
}

fn failures() -> Vec<Case> {
    cases! {
        asks("3.9.h a refusal, a time-out, and the next service", "-s A={A}:1 -s B={B}:2:1:1 -s C={C}:3")
            .stdio(Stdio::Spawn).refusing("A").hanging("B")
            .answer("C").log([refused("A"), timed_out("B")]).received("C", [FULL]);
        asks("3.9.i the default action", "-s A={A}: -d").stdio(Stdio::Spawn).refusing("A")
            .arg("DEFER_IF_PERMIT down")
            .answer("DEFER_IF_PERMIT down").log([refused("A")]);
        base("3.9.j garbage and invalid services: only in the log").args("-s nonsense").send("garbage\n")
            .send(FULL)
            .answer("A").log([invalid_service("nonsense"), garbage("garbage")]);
    }
}

fn ends() -> Vec<Case> {
    let answered = |name| base(name).send(FULL).replies(1).answer("A");
    cases! {
        base("3.9.k the client closes at once: exit 0").step(Step::Close).stdout("");
        answered("3.9.l the client closes after a reply: exit 0").step(Step::Close);
        answered("3.9.m the client resets after a reply: exit 0").step(Step::Reset);
        base("3.9.n the client closes within a request: exit 0")
            .send("request=smtpd_access_policy\nsender=x\n").step(Step::Close)
            .stdout("").received("A", [""; 0]);
        base("3.9.s the client ends its side with requests waiting").send(numbered(2).concat()).step(Step::Eof)
            .answers(["A"; 2]).received("A", numbered(2));
    }
}

fn asked() -> Vec<Case> {
    let asked = |name, stdio, end, stdout: &str| {
        base(name)
            .stdio(stdio)
            .set("A", [Script::answer("A").held()])
            .send(FULL)
            .step(Step::Arrived("A", 1))
            .step(end)
            .sleep(200)
            .step(Step::Release("A"))
            .received("A", [FULL])
            .stdout(stdout)
    };
    rows! { asked;
        "3.9.o the client closes while a server is asked: exit 0", Stdio::Spawn, Step::Close, "";
        "3.9.p it resets while a server is asked: exit 0", Stdio::Spawn, Step::Reset, "";
        "3.9.q it ends its side while a server is asked", Stdio::Spawn, Step::Eof, "action=A\n\n";
        "3.9.r a UNIX client closes while a server is asked", Stdio::SpawnUnix, Step::Close, "";
    }
}

/// The same requests and ends where descriptors are of another kind.
fn others() -> Vec<Case> {
    let two = |name, stdio| {
        let case = base(name)
            .stdio(stdio)
            .send(FULL)
            .send(ask(2))
            .step(Step::Eof);
        let case = case.answers(["A"; 2]).quiet();
        case.received("A", [FULL, &ask(2)])
    };
    rows! { two;
        "3.9.t a socket pair for input, another for output", Stdio::TwoSockets;
        "3.9.u one socket pair for input and output", Stdio::OneSocket;
        "3.9.v input from a file", Stdio::File;
    }
}

/// Defect 16: what Perl prints on standard error arrives at Postfix.
fn noise() -> Vec<Case> {
    let noise = |case: Case, perl: &str| {
        let perl = format!("{perl} …\n{}", reply("A"));
        case.stdout_differs("defect 16", &perl, &reply("A"))
    };
    let line = first("A").line_about(NOTHING);
    let close = Script::reply(Reply::CloseUnanswered);
    let no_log = base("2.16.a no /dev/log: a word on standard error at each start");
    let missing = base("2.16.b a warning for each attribute that is missing");
    let closes = asks(
        "2.16.c a server that closes without an answer",
        "-s B={B}:1 -s A={A}:2",
    );
    let closes = closes.stdio(Stdio::Spawn);
    cases! {
        noise(no_log.syslog(Syslog::Absent).send(FULL).quiet(), "setlogsock():");
        noise(missing.args("-l").send(policy("")).log([line]), "Use of uninitialized value");
        noise(closes.stub("B", close).log([invalid("B", "…")]), "Use of uninitialized value");
    }
}
