//! Section 3, clause 5: what is read from a server.

use std::time::Duration;

use policy_testing::stub::{Reply, Script};

use super::case::{Case, Step, Why, case};
use super::expect::Expect;
use super::parts::{FULL, NONE, ask, timed_out};

pub fn cases() -> Vec<Case> {
    let mut cases = verbatim();
    cases.extend(what_counts());
    cases.extend(connections());
    cases.extend(pieces());
    cases
}

/// One request, answered by this script, which yields this reply and nothing in the log.
fn answered(
    number: &'static str,
    name: &'static str,
    script: Script,
    reply: impl AsRef<[u8]>,
) -> Case {
    case(number, name)
        .stub("A", script)
        .args(["-s", "A={A}:::9"])
        .send(FULL)
        .stdout(reply)
        .log(NONE)
        .received("A", [FULL])
        .connections("A", 1)
}

fn verbatim() -> Vec<Case> {
    let same = |number, name, action: &[u8]| {
        let reply = [b"action=", action, b"\n\n"].concat();
        answered(number, name, Script::bytes(reply.clone()), reply)
    };
    let long = "REJECT ".to_owned() + &"long ".repeat(2000);
    vec![
        same(
            "3.5.a",
            "verbatim: an action with a text",
            b"REJECT 5.7.1 not you",
        ),
        same("3.5.b", "verbatim: case is kept", b"dUnNo"),
        same(
            "3.5.c",
            "verbatim: blanks at both ends",
            b"  REJECT  two  blanks \t ",
        ),
        same("3.5.d", "verbatim: a second =", b"PREPEND X-A: b=c=d"),
        same(
            "3.5.e",
            "verbatim: signs",
            b"REJECT 100% %s %d \"'\\$@`<>{}",
        ),
        same("3.5.f", "verbatim: UTF-8", "REJECT grün 例え".as_bytes()),
        same(
            "3.5.g",
            "verbatim: control bytes",
            b"REJECT \x01\x08\x1b[0m\x7f",
        ),
        same("3.5.h", "verbatim: ten thousand bytes", long.as_bytes()),
        same(
            "3.5.i",
            "verbatim: no action of Postfix",
            b"permit_mynetworks, reject",
        ),
        same("3.5.j", "verbatim: 8-bit bytes", b"REJECT \xe9\xff").differs(
            // Postfix may not take it: one warning per service.
            Why::Decided("an answer that is not UTF-8"),
            Expect::new().log(NONE),
            Expect::new().log(["warning: …A…"]),
        ),
    ]
}

fn what_counts() -> Vec<Case> {
    vec![
        answered(
            "3.5.k",
            "the first action= counts",
            Script::bytes("action=first\naction=second\n\n"),
            "action=first\n\n",
        ),
        answered(
            "3.5.l",
            "later attributes are not used",
            Script::bytes("action=first\nfoo=bar\nlog=yes\n\n"),
            "action=first\n\n",
        ),
        case("3.5.m", "a second reply is never used")
            .stub("A", Script::answer("x"))
            .args(["-s", "A={A}:::9"])
            .step(Step::Set(
                "A",
                vec![
                    Script::bytes("action=one\n\naction=surplus\n\n"),
                    Script::answer("two"),
                    Script::answer("three"),
                ],
            ))
            .send(ask(1))
            .replies(1)
            .send(ask(2))
            .replies(2)
            .send(ask(3))
            .stdout("action=one\n\naction=two\n\naction=three\n\n")
            .log(NONE)
            .received("A", [ask(1), ask(2), ask(3)]),
        case("3.5.n", "a late answer is never used")
            .stub(
                "A",
                Script::answer("late").after(Duration::from_millis(1600)),
            )
            .args(["-s", "A={A}:::1"])
            .send(ask(1))
            .replies(1)
            .step(Step::Set("A", vec![Script::answer("in time")]))
            .send(ask(2))
            .replies(2)
            .sleep(1000)
            .send(ask(3))
            .stdout("action=dunno\n\naction=in time\n\naction=in time\n\n")
            .log([timed_out("A")])
            .received("A", [ask(1), ask(2), ask(3)]),
        case("3.5.o", "an answer for each of its own request")
            .stub("A", Script::reply(Reply::Call(mark)))
            .args(["-s", "A={A}:::9"])
            .send((1..=20).map(ask).collect::<String>())
            .stdout(
                (1..=20)
                    .map(|n| format!("action=mark {n}\n\n"))
                    .collect::<String>(),
            )
            .log(NONE)
            .connections("A", 20),
    ]
}

fn connections() -> Vec<Case> {
    let twice = |number, name, script| {
        case(number, name)
            .stub("A", script)
            .args(["-s", "A={A}:::9"])
            .send(ask(1))
            .replies(1)
            .send(ask(2))
            .stdout("action=A\n\naction=A\n\n")
            .log(NONE)
            .received("A", [ask(1), ask(2)])
            .connections("A", 2)
            .seconds(0.0, 7.0)
    };
    vec![
        twice(
            "3.5.p",
            "the server keeps the connection open",
            Script::answer("A"),
        ),
        twice(
            "3.5.q",
            "the server closes after the answer",
            Script::answer("A").closing(),
        ),
        twice(
            "3.5.r",
            "the server closes without the empty line",
            Script::bytes("action=A\n").closing(),
        ),
        twice(
            "3.5.s",
            "no empty line, and the connection stays: not waited for",
            Script::bytes("action=A\n"),
        ),
        twice(
            "3.5.t",
            "the server resets after the answer",
            Script::reply(Reply::Reset(b"action=A\n\n".to_vec())),
        ),
        twice(
            "3.5.u",
            "the empty line comes late",
            Script::reply(Reply::Pieces(
                vec![b"action=A\n".to_vec(), b"\n".to_vec()],
                Duration::from_millis(800),
            )),
        ),
        twice(
            "3.5.v",
            "the server sends on and on after its answer",
            Script::bytes([b"action=A\n\n".as_slice(), &[b'x'; 300_000]].concat()),
        ),
    ]
}

fn pieces() -> Vec<Case> {
    let cut = |number, name, pieces: &[&str]| {
        let pieces = pieces
            .iter()
            .map(|piece| piece.as_bytes().to_vec())
            .collect();
        let script = Script::reply(Reply::Pieces(pieces, Duration::from_millis(30)));
        answered(number, name, script, "action=REJECT me\n\n").seconds(0.0, 7.0)
    };
    vec![
        cut("3.5.w", "in two pieces", &["action=REJE", "CT me\n\n"]),
        cut("3.5.x", "cut in the name", &["act", "ion=REJECT me\n\n"]),
        cut(
            "3.5.y",
            "cut around the =",
            &["action", "=", "REJECT me\n\n"],
        ),
        cut(
            "3.5.z",
            "cut at the line's end",
            &["action=REJECT me", "\n", "\n"],
        ),
        answered(
            "3.5.aa",
            "byte by byte",
            Script::reply(Reply::Drip(
                b"action=REJECT me\n\n".to_vec(),
                Duration::from_millis(10),
            )),
            "action=REJECT me\n\n",
        ),
        answered(
            "3.5.ab",
            "after a second",
            Script::answer("REJECT me").after(Duration::from_secs(1)),
            "action=REJECT me\n\n",
        )
        .seconds(1.0, 7.0),
    ]
}

/// Answers with the number that the request carries.
fn mark(request: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(request);
    let mark = text.lines().find_map(|line| line.strip_prefix("queue_id="));
    format!("action=mark {}\n\n", mark.unwrap_or("none")).into_bytes()
}
