//! The defects 9 and 10, and what is decided beside them: answers that count for one program only.

use crate::case::{Case, asks, case, cases, rows};
use crate::expect::{Expecting, expect, reply};
use crate::texts::{FULL, invalid};
use crate::{Reply, Script};

pub const TABLES: super::Tables = &[refused, accepted];

/// Perl's script passes A's answer on. Ours asks B.
fn refused() -> Vec<Case> {
    let refuses = |name, script, action: &str, logged: &str| {
        let case = asks(name, "-s A={A}:1:1:9 -s B={B}:2").stub("A", script);
        let perl = expect().answer(action).quiet().not_asked("B");
        let ours = expect().answer("B").log([invalid("A", logged)]);
        case.received("A", [FULL])
            .differs("defect 9", perl, ours.asked("B", FULL))
    };
    let answer = Script::answer;
    let cut = Script::bytes("action=REJ").closing();
    let reset = Script::reply(Reply::Reset(b"action=REJ".to_vec()));
    let megabyte = "x".repeat(1_000_000);
    rows! { refuses;
        "2.9.a an answer cut by a close", cut, "REJ", "…";
        "2.9.b an answer cut by a reset", reset, "REJ", "…";
        "2.9.c a NUL", answer("a\0b"), "a\0b", "a?b";
        "2.9.d a CR within", answer("a\rb"), "a\rb", "a?b";
        "2.9.e a blank action", answer("  "), "  ", "  ";
        "2.9.g a megabyte", answer(&megabyte), &megabyte, "…";
    }
}

fn accepted() -> Vec<Case> {
    let base = |name, answer: &str| {
        let case = case(name, "-s A={A}:").stub("A", Script::bytes(answer));
        case.send(FULL).received("A", [FULL])
    };
    cases! {
        base("2.9.f one CR before the LF is dropped", "action=DUNNO\r\n\r\n")
            .quiet().stdout_differs("defect 9", &reply("DUNNO\r"), &reply("DUNNO"));
        base("2.10.a attributes before action=", "foo=bar\nlog=x\naction=DUNNO\n\n")
            .differs("defect 10",
                expect().answer("dunno").log([invalid("A", "foo=bar")]),
                expect().answer("DUNNO").quiet());
        base("I.7 action=0 is an answer", "action=0\n\n")
            .differs("the action 0",
                expect().answer("dunno").log([invalid("A", "0")]),
                expect().answer("0").quiet());
    }
}
