//! Clause 5: what is read from a server.

use std::time::Duration;

use crate::case::{Case, asks, case, cases, rows};
use crate::expect::{Expecting, reply};
use crate::texts::{FULL, ask, numbered, timed_out};
use crate::{Reply, Script};

pub const TABLES: super::Tables = &[verbatim, counted, late, own, reused, pieces];

/// One request, answered by this script, which yields this reply and nothing in the log.
fn answered(name: &'static str, script: Script, reply: impl AsRef<[u8]>) -> Case {
    let case = asks(name, "-s A={A}:::9").stub("A", script);
    case.stdout(reply).quiet().asked("A", FULL)
}

fn verbatim() -> Vec<Case> {
    let same = |name, action: &[u8]| {
        let reply = [b"action=", action, b"\n\n"].concat();
        answered(name, Script::bytes(reply.clone()), reply)
    };
    let long = "REJECT ".to_owned() + &"long ".repeat(2000);
    let mut cases = rows! { same;
        "3.5.a verbatim: an action with a text", b"REJECT 5.7.1 not you";
        "3.5.b verbatim: case is kept", b"dUnNo";
        "3.5.c verbatim: blanks at both ends", b"  REJECT  two  blanks \t ";
        "3.5.d verbatim: a second =", b"PREPEND X-A: b=c=d";
        "3.5.e verbatim: signs", b"REJECT 100% %s %d \"'\\$@`<>{}";
        "3.5.f verbatim: UTF-8", "REJECT grün 例え".as_bytes();
        "3.5.g verbatim: control bytes", b"REJECT \x01\x08\x1b[0m\x7f";
        "3.5.h verbatim: ten thousand bytes", long.as_bytes();
        "3.5.i verbatim: no action of Postfix", b"permit_mynetworks, reject";
    };
    // Postfix may not take it: one warning per service.
    let bytes = same("3.5.j verbatim: 8-bit bytes", b"REJECT \xe9\xff");
    cases.push(bytes.log_differs("an answer that is not UTF-8", [""; 0], ["warning: …A…"]));
    cases
}

fn counted() -> Vec<Case> {
    let first = |name, answer: &str| answered(name, Script::bytes(answer), reply("first"));
    cases! {
        first("3.5.k the first action= counts", "action=first\naction=second\n\n");
        first("3.5.l later attributes are not used", "action=first\nfoo=bar\nlog=yes\n\n");
        case("3.5.m a second reply is never used", "-s A={A}:::9").stub("A", Script::answer("x"))
            .set("A",
                [Script::bytes("action=one\n\naction=surplus\n\n"), Script::answer("two"), Script::answer("three")])
            .send_in_turn(&numbered(3))
            .answers(["one", "two", "three"]).quiet().received("A", numbered(3));
    }
}

fn late() -> Vec<Case> {
    let late = Script::answer("late").after(Duration::from_millis(1600));
    cases! {
        case("3.5.n a late answer is never used", "-s A={A}:::1").stub("A", late).send(ask(1)).replies(1)
            .set("A", [Script::answer("in time")]).send(ask(2)).replies(2).sleep(1000).send(ask(3))
            .answers(["dunno", "in time", "in time"]).log([timed_out("A")]).received("A", numbered(3));
    }
}

fn own() -> Vec<Case> {
    /// Answers with the number that the request carries.
    fn mark(request: &[u8]) -> Vec<u8> {
        let text = String::from_utf8_lossy(request);
        let mark = text.lines().find_map(|line| line.strip_prefix("queue_id="));
        reply(&format!("mark {}", mark.unwrap_or("none"))).into_bytes()
    }
    cases! {
        case("3.5.o an answer for each of its own request", "-s A={A}:::9")
            .stub("A", Script::reply(Reply::Call(mark))).send(numbered(20).concat())
            .answers((1..=20).map(|n| format!("mark {n}"))).quiet().connections("A", 20);
    }
}

fn reused() -> Vec<Case> {
    let twice = |name, script| {
        let case = case(name, "-s A={A}:::9").stub("A", script);
        let case = case.send_in_turn(&numbered(2)).answers(["A"; 2]).quiet();
        case.received("A", numbered(2))
            .connections("A", 2)
            .seconds(0.0, 7.0)
    };
    let says = |bytes: &[u8]| Script::bytes(bytes);
    let late = vec![b"action=A\n".to_vec(), b"\n".to_vec()];
    let late = Reply::Pieces(late, Duration::from_millis(800));
    let endless = [b"action=A\n\n".as_slice(), &[b'x'; 300_000]].concat();
    rows! { twice;
        "3.5.p the server keeps the connection open", Script::answer("A");
        "3.5.q the server closes after the answer", Script::answer("A").closing();
        "3.5.r the server closes without the empty line", says(b"action=A\n").closing();
        "3.5.s no empty line, and the connection stays: not waited for", says(b"action=A\n");
        "3.5.t the server resets after the answer", Script::reply(Reply::Reset(reply("A").into()));
        "3.5.u the empty line comes late", Script::reply(late);
        "3.5.v the server sends on and on after its answer", says(&endless);
    }
}

fn pieces() -> Vec<Case> {
    let action = || reply("REJECT me");
    let cut = |name, pieces: &[&str]| {
        let pieces = pieces.iter().map(|piece| piece.as_bytes().to_vec());
        let reply = Reply::Pieces(pieces.collect(), Duration::from_millis(30));
        answered(name, Script::reply(reply), action()).seconds(0.0, 7.0)
    };
    let drip = Reply::Drip(action().into(), Duration::from_millis(10));
    let slow = Script::answer("REJECT me").after(Duration::from_secs(1));
    cases! {
        cut("3.5.w in two pieces", &["action=REJE", "CT me\n\n"]);
        cut("3.5.x cut in the name", &["act", "ion=REJECT me\n\n"]);
        cut("3.5.y cut around the =", &["action", "=", "REJECT me\n\n"]);
        cut("3.5.z cut at the line's end", &["action=REJECT me", "\n", "\n"]);
        answered("3.5.aa byte by byte", Script::reply(drip), action());
        answered("3.5.ab after a second", slow, action()).seconds(1.0, 7.0);
    }
}
