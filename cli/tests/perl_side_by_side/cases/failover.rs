//! Clause 6: servers that fail, and what is asked instead.

use std::time::Duration;

use crate::case::{Aspect, Case, Step, asks, case, cases, ensure, rows};
use crate::expect::{Expecting, expect};
use crate::texts::{
    ASK, FULL, answered, ask, attributes, big_request, first, invalid, lines, numbered, opening,
    refused, timed_out,
};
use crate::{Reply, Script};

pub const TABLES: super::Tables = &[kinds, names, garbage, floods, time_outs, tiers, recovery];

/// A fails in this way, then B answers; at once, or when A's time is over.
fn fails_over(name: &'static str, script: Script, log: &str) -> Case {
    let waits = log == timed_out("A");
    let (time_out, least) = if waits { (1, 0.9) } else { (9, 0.0) };
    asks(name, &format!("-s A={{A}}:1:1:{time_out} -s B={{B}}:2:1:9"))
        .stub("A", script)
        .answer("B")
        .log([log])
        // With the same attributes.
        .asked("B", FULL)
        .seconds(least, 6.0)
}

fn kinds() -> Vec<Case> {
    let kind = |name, reply, log: &str| fails_over(name, Script::reply(reply), log);
    let asked = |name, reply, log: &str| kind(name, reply, log).received("A", [FULL]);
    let (any, late) = (invalid("A", "…"), timed_out("A"));
    let drip = b"action=too slow to be used\n\n".to_vec();
    let drip = Reply::Drip(drip, Duration::from_millis(150));
    let pieces = ["action=", "sl", "ow", "\n"].map(|piece| piece.as_bytes().to_vec());
    let pieces = Reply::Pieces(pieces.into(), Duration::from_millis(600));
    cases! {
        asks("3.6.a refused", "-s A={A}:1 -s B={B}:2").refusing("A")
            .answer("B").log([refused("A")]).received("B", [FULL]).seconds(0.0, 6.0);
        kind("3.6.b a SYN that is lost", Reply::Backlog, &late);
        asked("3.6.c silence", Reply::Hang, &late);
        kind("3.6.d a trickle", drip, &late);
        asked("3.6.e a reset", Reply::Reset(Vec::new()), &any);
        asked("3.6.f closed after the request", Reply::CloseUnanswered, &any);
        kind("3.6.g closed at once", Reply::CloseAtOnce, &any);
        kind("3.6.w it covers the whole exchange", pieces, &late);
    }
}

fn names() -> Vec<Case> {
    let bad = |name, address: &str| {
        let case = asks(name, &format!("-s A={address}:1:1:1 -s B={{B}}:2"));
        case.answer("B").received("B", [FULL])
    };
    cases! {
        bad("3.6.i a name that does not resolve", "no.such.invalid:10031")
            .log(["warning: Could not open socket to 'A' (no.such.invalid:10031)"]);
        bad("3.6.j a port's name that is none", "127.0.0.1:no-such-port")
            .line_differs("unreadable addresses",
                "warning: Could not open socket to 'A' (127.0.0.1:no-such-port)",
                "warning: ignoring invalid service 'A=127.0.0.1:no-such-port:1:1:1'");
    }
}

fn garbage() -> Vec<Case> {
    let bad = |name, answer: &str, text: &str| {
        fails_over(name, Script::bytes(answer), &invalid("A", text)).received("A", [FULL])
    };
    let mut cases = rows! { bad;
        "3.6.k garbage", "garbage\n\n", "garbage";
        "3.6.n an empty action", "action=\n\n", "";
        "3.6.o no action but an empty line", "\n", "";
        "3.6.p an empty line before the action", "\naction=x\n\n", "";
        "3.6.q the action's name alone", "action\n\n", "action";
        "3.6.r another attribute", "foo=bar\n\n", "foo=bar";
        "3.6.s action= in capitals", "ACTION=x\n\n", "ACTION=x";
        "3.6.t a blank before the =", "action =x\n\n", "action =x";
        "3.6.u a blank before the name", " action=x\n\n", " action=x";
    };
    let [once, twice, greeting] = ["<html>100%", "<html>100%%", "220 mx.example.com ESMTP"];
    let dunno = Box::new(Reply::Bytes(b"action=dunno\n\n".to_vec()));
    let banner = Reply::Banner(format!("{greeting}\n").into(), dunno);
    cases.extend(cases! {
        bad("3.6.l garbage with signs", "<html>100%\n\n", once)
            .line_differs("defect 19", &invalid("A", twice), &invalid("A", once));
        fails_over("3.6.m a banner on connecting", Script::reply(banner), &invalid("A", greeting));
    });
    cases
}

fn floods() -> Vec<Case> {
    let both = "-s A={A}:1:1:9 -s B={B}:2:1:9";
    let [flood, close] = [Reply::Flood, Reply::CloseAtOnce].map(Script::reply);
    cases! {
        // Perl reads it all, and then syslog takes no line of ten megabytes.
        asks("3.6.h a flood without a line feed", both).stub("A", flood)
            .answer("B").received("B", [FULL]).log_differs("defect 9", [""; 0], [invalid("A", "…")]);
        // Where SIGPIPE is not ignored, and the server is gone before the request is written.
        case("2.20.a a big request to a server that closes at once", both).stub("A", close)
            .send(big_request().repeat(20))
            .by_check(&[Aspect::Log, Aspect::Received, Aspect::Connections])
            .differs("defect 20",
                expect().stdout("…").status("signal 13"),
                expect().answers(["B"; 20]).status("exit 0"));
    }
}

fn time_outs() -> Vec<Case> {
    let slow = Script::answer("B").after(Duration::from_millis(1500));
    cases! {
        asks("3.6.v each service has its own time-out", "-s A={A}:1:1:1 -s B={B}:2:1:9").hanging("A")
            .stub("B", slow)
            .answer("B").log([timed_out("A")]).received("A", [FULL]).received("B", [FULL]).seconds(2.4, 8.0);
        asks("3.6.x all fail, each in its way: the default action",
            "-s A={A}:1:1:1 -s B={B}:2:1:1 -s C={C}:3:1:1 -d X")
            .refusing("A").hanging("B").stub("C", Script::bytes("rubbish\n"))
            .answer("X").log([refused("A"), timed_out("B"), invalid("C", "rubbish")]).received("B", [FULL])
            .received("C", [FULL]).seconds(0.9, 7.0);
    }
}

fn tiers() -> Vec<Case> {
    cases! {
        asks("3.6.y the next tier once its own is used up", "-s A1={A1}:1 -s A2={A2}:1 -s B={B}:2 -s C={C}:3")
            .refusing("A1 A2")
            .answer("B").received("B", [FULL]).received("C", [""; 0]).by_check(&[Aspect::Log])
            .check_each(|side| {
                let mut log = side.log().to_vec();
                log.sort();
                let both = log == [refused("A1"), refused("A2")];
                ensure(both, format_args!("the first tier, and only it: {log:?}"))
            });
        case("3.6.z its own tier first", "-s A1={A1}:1 -s A2={A2}:1 -s B={B}:2").refusing("A1")
            .send(numbered(4).concat())
            .answers(["A2"; 4]).received("A2", numbered(4)).received("B", [""; 0]).by_check(&[Aspect::Log])
            .check_each(|side| {
                let log = side.log();
                let fine = !log.is_empty() && log.iter().all(|line| *line == refused("A1"));
                ensure(
                    fine,
                    format_args!("A1 was never or not only refused: {log:?}"),
                )
            });
        case("3.6.aa only one is asked when it answers", "-s A={A}:1 -s B={B}:2 -s C={C}:2")
            .send(ASK.repeat(3))
            .answers(["A"; 3]).quiet().received("A", [ASK; 3]).connections("B", 0).connections("C", 0);
    }
}

fn recovery() -> Vec<Case> {
    let (a, b) = (first("A").prio(1), first("B").prio(2));
    let fails = a.counts(2, 1, 1).action("").line();
    cases! {
        asks("3.6.ab back without a restart", "-v -s A={A}:1 -s B={B}:2").replies(1).step(Step::Stop("A"))
            .send(FULL).replies(2).step(Step::Restart("A")).sleep(2500).send(FULL)
            .answers(["A", "B", "A"])
            .log(lines([
                attributes(FULL), answered(a), attributes(FULL), vec![opening("A"), refused("A"), fails],
                answered(b), attributes(FULL), answered(a.counts(3, 2, 1)),
            ])).received("A", [FULL, FULL]).received("B", [FULL]);
        case("3.6.ac all down, and one is back at the next request", "-s A={A}:")
            .stub("A", Script::reply(Reply::CloseUnanswered)).send(ask(1)).replies(1)
            .set("A", [Script::answer("A")]).send(ask(2))
            .answers(["dunno", "A"]).log([invalid("A", "…")]).received("A", numbered(2));
    }
}
