//! Clause 8, `-L`, the log on standard output; the defect 13: Perl's taint mode kills the script at most lines there.

use crate::Script;
use crate::case::{Case, Step, Syslog, asks, case, cases};
use crate::expect::{Expecting, expect, reply};
use crate::texts::{
    ASK, FULL, NOTHING, attributes, failed, first, garbage, invalid, invalid_service, lines,
    opening, policy, refused, taken, timed_out, unrecognized, verbose,
};

pub const TABLES: super::Tables = &[refusing, kept, dies, loses];

/// Lines as -L prints them, then the reply. Nothing goes to syslog.
fn printed<L: AsRef<str>>(lines: impl IntoIterator<Item = L>, action: &str) -> String {
    let print = |line: L| {
        let (level, text) = line.as_ref().split_once(": ").expect("a level");
        format!("[LOG {level}]: {text}\n")
    };
    lines.into_iter().map(print).collect::<String>() + &reply(action)
}

/// What -v logs of a request, where A refuses and this is the action.
fn steps(request: &str, about: &str, action: &str) -> Vec<String> {
    let attempt = failed("A").line_about(about);
    lines([
        attributes(request),
        vec![opening("A"), refused("A"), attempt, taken(action)],
    ])
}

fn refusing() -> Vec<Case> {
    let to_a = |name, flags: &str, request: &str, lines: Vec<String>| {
        let case = case(name, &format!("{flags} -s A={{A}}:")).refusing("A");
        case.send(request).stdout(printed(lines, "dunno")).quiet()
    };
    let short = steps(ASK, NOTHING, "dunno");
    cases! {
        to_a("3.8.z -L: a warning", "-L", FULL, vec![refused("A")]);
        to_a("3.8.aa -L -l", "-Ll", FULL, vec![refused("A"), failed("A").line()]);
        to_a("3.8.ab -L -v", "-Lv", ASK, short);
        to_a("3.8.ag -L without a /dev/log", "-L", FULL, vec![refused("A")]).syslog(Syslog::Absent);
    }
}

fn kept() -> Vec<Case> {
    let notice = unrecognized("junk");
    cases! {
        asks("3.8.y -L: quiet when all is well", "-L -s A={A}:").answer("A").quiet();
        asks("3.8.ac -L: a time-out", "-L -s A={A}:::1").hanging("A")
            .stdout(printed([timed_out("A")], "dunno")).quiet();
        asks("3.8.ad -L: no address", "-L -s B=0:1: -s A={A}:")
            .stdout(printed(["warning: No address or port for 'B'"], "A")).quiet();
        case("3.8.ae -L: garbage", "-L -s A={A}:").send("garbage\n").send(FULL)
            .stdout(printed([garbage("garbage")], "A")).quiet().received("A", [FULL]);
        case("3.8.af -L: another type", "-L -s A=127.0.0.1:1:").send("request=junk\n\n")
            .quiet()
            .stdout_differs("defect 5",
                "[LOG notice]: ignoring unrecognized request type: 'junk'\n",
                &printed([&notice], "dunno"));
    }
}

/// The script dies: how, and what it has printed before.
fn dies() -> Vec<Case> {
    let dies = |case: Case, status: &str, perl: &str, ours: String| {
        case.quiet().differs(
            "defect 13",
            expect().stdout(perl).status(status),
            expect().stdout(ours).status("exit 0"),
        )
    };
    let answers = |name, args| asks(name, args).received("A", [FULL]);
    let logged = answers("2.13.a -L -l and an answer", "-Ll -s A={A}:::2");
    let alarm = answers(
        "2.13.b -L -v and an answer; the alarm goes off later",
        "-Lv -s A={A}:::2",
    );
    let default = case("2.13.d -L -v and -d", "-Lv -s A={A}: -d X").refusing("A");
    let default = default.send(ASK).step(Step::Eof);
    let line = printed([first("A").line()], "A");
    let invalid = printed([invalid_service("x")], "A");
    cases! {
        dies(logged, "exit 29", "", line);
        dies(alarm.replies(1).sleep(3000), "signal 14", "…action=dunno\n\n", printed(verbose("A"), "A"));
        dies(default, "exit 111", "…", printed(steps(ASK, NOTHING, "X"), "X"));
        asks("2.13.c -L and an invalid service", "-L -s x -s A={A}:")
            .quiet()
            .differs("defect 13",
                expect().stdout("").status("exit 255").not_asked("A"),
                expect().stdout(invalid).status("exit 0").asked("A", FULL));
    }
}

/// The script loses what it should print.
fn loses() -> Vec<Case> {
    cases! {
        case("2.13.e -L: % is not a format", "-Ll -s A={A}:").refusing("A").send(policy("sender=100%%d\n"))
            .quiet().stdout_differs("defect 13", "…from: <100%d>…", "…from: <100%%d>…");
        asks("2.13.f -L: the warning of an invalid answer", "-L -s A={A}:::1")
            .stub("A", Script::bytes("bad\n"))
            .quiet().stdout_differs("defect 13", &reply("dunno"), &printed([invalid("A", "bad")], "dunno"));
    }
}
