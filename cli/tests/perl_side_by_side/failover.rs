//! Section 3, clause 6: servers that fail, and who is asked instead.

use std::time::Duration;

use policy_testing::stub::{Reply, Script};

use super::case::{Aspect, Case, Step, Why, case};
use super::expect::Expect;
use super::parts::{ASK, Attempt, FULL, NONE, ask, invalid, opening, refused, timed_out};

pub fn cases() -> Vec<Case> {
    let mut cases = kinds();
    cases.extend(names());
    cases.extend(bad_answers());
    cases.extend(time_outs());
    cases.extend(tiers());
    cases.extend(recovery());
    cases
}

/// A fails in this way, then B answers; at once, or when A's time is over.
fn fails_over(number: &'static str, name: &'static str, script: Script, log: &str) -> Case {
    let waits = log == timed_out("A");
    let (time_out, least, most) = if waits { (1, 0.9, 6.0) } else { (9, 0.0, 6.0) };
    case(number, name)
        .stub("A", script)
        .named("B")
        .args([
            "-s",
            &format!("A={{A}}:1:1:{time_out}"),
            "-s",
            "B={B}:2:1:9",
        ])
        .send(FULL)
        .stdout("action=B\n\n")
        .log([log])
        // With the same attributes.
        .received("B", [FULL])
        .connections("B", 1)
        .seconds(least, most)
}

fn kinds() -> Vec<Case> {
    let kind = |number, name, reply, log: &str| fails_over(number, name, Script::reply(reply), log);
    let any = invalid("A", "…");
    let slow = Duration::from_millis(150);
    vec![
        case("3.6.a", "refused")
            .refusing("A")
            .named("B")
            .args(["-s", "A={A}:1", "-s", "B={B}:2"])
            .send(FULL)
            .stdout("action=B\n\n")
            .log([refused("A")])
            .received("B", [FULL])
            .seconds(0.0, 6.0),
        kind(
            "3.6.b",
            "a SYN that is lost",
            Reply::Backlog,
            &timed_out("A"),
        ),
        kind("3.6.c", "silence", Reply::Hang, &timed_out("A")).received("A", [FULL]),
        kind(
            "3.6.d",
            "a trickle",
            Reply::Drip(b"action=too slow to be used\n\n".to_vec(), slow),
            &timed_out("A"),
        ),
        kind("3.6.e", "a reset", Reply::Reset(Vec::new()), &any).received("A", [FULL]),
        kind(
            "3.6.f",
            "closed after the request",
            Reply::CloseUnanswered,
            &any,
        )
        .received("A", [FULL]),
        kind("3.6.g", "closed at once", Reply::CloseAtOnce, &any),
        // Perl reads it all, and then syslog takes no line of ten megabytes.
        case("3.6.h", "a flood without a line feed")
            .stub("A", Script::reply(Reply::Flood))
            .named("B")
            .args(["-s", "A={A}:1:1:9", "-s", "B={B}:2:1:9"])
            .send(FULL)
            .stdout("action=B\n\n")
            .received("B", [FULL])
            .differs(
                Why::Defect(9),
                Expect::new().log(NONE),
                Expect::new().log([any]),
            ),
    ]
}

fn names() -> Vec<Case> {
    vec![
        case("3.6.i", "a name that does not resolve")
            .named("B")
            .args(["-s", "A=no.such.invalid:10031:1:1:1", "-s", "B={B}:2"])
            .send(FULL)
            .stdout("action=B\n\n")
            .log(["warning: Could not open socket to 'A' (no.such.invalid:10031)"])
            .received("B", [FULL]),
        case("3.6.j", "a port's name that is none")
            .named("B")
            .args(["-s", "A=127.0.0.1:no-such-port:1:1:1", "-s", "B={B}:2"])
            .send(FULL)
            .stdout("action=B\n\n")
            .received("B", [FULL])
            .differs(
                Why::Decided("unreadable addresses"),
                Expect::new()
                    .log(["warning: Could not open socket to 'A' (127.0.0.1:no-such-port)"]),
                Expect::new()
                    .log(["warning: ignoring invalid service 'A=127.0.0.1:no-such-port:1:1:1'"]),
            ),
    ]
}

fn bad_answers() -> Vec<Case> {
    let bad = |number, name, answer: &str, text: &str| {
        fails_over(number, name, Script::bytes(answer), &invalid("A", text)).received("A", [FULL])
    };
    vec![
        bad("3.6.k", "garbage", "garbage\n\n", "garbage"),
        bad(
            "3.6.l",
            "garbage with signs",
            "<html>100%\n\n",
            "<html>100%",
        )
        .differs(
            Why::Defect(19),
            Expect::new().log([invalid("A", "<html>100%%")]),
            Expect::new().log([invalid("A", "<html>100%")]),
        ),
        fails_over(
            "3.6.m",
            "a banner on connecting",
            Script::reply(Reply::Banner(
                b"220 mx.example.com ESMTP\n".to_vec(),
                Box::new(Reply::Bytes(b"action=dunno\n\n".to_vec())),
            )),
            &invalid("A", "220 mx.example.com ESMTP"),
        ),
        bad("3.6.n", "an empty action", "action=\n\n", ""),
        bad("3.6.o", "no action but an empty line", "\n", ""),
        bad(
            "3.6.p",
            "an empty line before the action",
            "\naction=x\n\n",
            "",
        ),
        bad("3.6.q", "the action's name alone", "action\n\n", "action"),
        bad("3.6.r", "another attribute", "foo=bar\n\n", "foo=bar"),
        bad("3.6.s", "action= in capitals", "ACTION=x\n\n", "ACTION=x"),
        bad(
            "3.6.t",
            "a blank before the =",
            "action =x\n\n",
            "action =x",
        ),
        bad(
            "3.6.u",
            "a blank before the name",
            " action=x\n\n",
            " action=x",
        ),
    ]
}

fn time_outs() -> Vec<Case> {
    let slow_answer = Script::answer("B").after(Duration::from_millis(1500));
    vec![
        case("3.6.v", "each service has its own time-out")
            .stub("A", Script::reply(Reply::Hang))
            .stub("B", slow_answer)
            .args(["-s", "A={A}:1:1:1", "-s", "B={B}:2:1:9"])
            .send(FULL)
            .stdout("action=B\n\n")
            .log([timed_out("A")])
            .received("A", [FULL])
            .received("B", [FULL])
            .seconds(2.4, 8.0),
        fails_over(
            "3.6.w",
            "it covers the whole exchange",
            Script::reply(Reply::Pieces(
                [
                    b"action=".to_vec(),
                    b"sl".to_vec(),
                    b"ow".to_vec(),
                    b"\n".to_vec(),
                ]
                .to_vec(),
                Duration::from_millis(600),
            )),
            &timed_out("A"),
        ),
        case("3.6.x", "all fail, each in its way: the default action")
            .refusing("A")
            .stub("B", Script::reply(Reply::Hang))
            .stub("C", Script::bytes("rubbish\n"))
            .args([
                "-s",
                "A={A}:1:1:1",
                "-s",
                "B={B}:2:1:1",
                "-s",
                "C={C}:3:1:1",
                "-d",
                "X",
            ])
            .send(FULL)
            .stdout("action=X\n\n")
            .log([refused("A"), timed_out("B"), invalid("C", "rubbish")])
            .received("B", [FULL])
            .received("C", [FULL])
            .seconds(0.9, 7.0),
    ]
}

fn tiers() -> Vec<Case> {
    let refusing = |case: Case| case.refusing("A1").refusing("A2");
    let all = [
        "-s",
        "A1={A1}:1",
        "-s",
        "A2={A2}:1",
        "-s",
        "B={B}:2",
        "-s",
        "C={C}:3",
    ];
    let four = [ask(1), ask(2), ask(3), ask(4)];
    vec![
        refusing(case("3.6.y", "the next tier once its own is used up"))
            .named("B")
            .named("C")
            .args(all)
            .send(FULL)
            .stdout("action=B\n\n")
            .received("B", [FULL])
            .received("C", NONE)
            .by_check(&[Aspect::Log])
            .check(|perl, ours| {
                for side in [perl, ours] {
                    let mut log = side.log.clone();
                    log.sort();
                    if log != [refused("A1"), refused("A2")] {
                        return Err(format!("both of the first tier, and only they: {log:?}"));
                    }
                }
                Ok(())
            }),
        case("3.6.z", "its own tier first")
            .refusing("A1")
            .named("A2")
            .named("B")
            .args(&all[..6])
            .send(four.concat())
            .stdout("action=A2\n\n".repeat(4))
            .received("A2", &four)
            .received("B", NONE)
            .by_check(&[Aspect::Log])
            .check(|perl, ours| {
                for side in [perl, ours] {
                    let fine = !side.log.is_empty() && side.log.iter().all(|l| *l == refused("A1"));
                    if !fine {
                        return Err(format!("A1 was never or not only refused: {:?}", side.log));
                    }
                }
                Ok(())
            }),
        case("3.6.aa", "only one is asked when it answers")
            .named("A")
            .named("B")
            .named("C")
            .args(["-s", "A={A}:1", "-s", "B={B}:2", "-s", "C={C}:2"])
            .send(ASK.repeat(3))
            .stdout("action=A\n\n".repeat(3))
            .log(NONE)
            .received("A", [ASK; 3])
            .connections("B", 0)
            .connections("C", 0),
    ]
}

fn recovery() -> Vec<Case> {
    let counted = |name, queries, answers, failed| {
        let attempt = Attempt::first(name).prio(if name == "A" { 1 } else { 2 });
        attempt.counts(queries, answers, failed)
    };
    let answer = |name: &str| format!("info: Answer from '{name}' -> '{name}'");
    let mut log = Vec::new();
    for (queries, _) in [(1, "before"), (3, "after")] {
        log.extend(super::parts::attributes(FULL));
        log.extend(opening("A"));
        log.push(answer("A"));
        let failed = queries / 3;
        log.push(counted("A", queries, queries - failed, failed).line());
        log.push("info: Action: A".to_owned());
        if queries == 1 {
            log.extend(super::parts::attributes(FULL));
            log.push(opening("A")[0].clone());
            log.push(refused("A"));
            log.push(counted("A", 2, 1, 1).action("").line());
            log.extend(opening("B"));
            log.push(answer("B"));
            log.push(counted("B", 1, 1, 0).line());
            log.push("info: Action: B".to_owned());
        }
    }
    vec![
        case("3.6.ab", "back without a restart")
            .named("A")
            .named("B")
            .args(["-v", "-s", "A={A}:1", "-s", "B={B}:2"])
            .send(FULL)
            .replies(1)
            .step(Step::Stop("A"))
            .send(FULL)
            .replies(2)
            .step(Step::Restart("A"))
            .sleep(2500)
            .send(FULL)
            .stdout("action=A\n\naction=B\n\naction=A\n\n")
            .log(log)
            .received("A", [FULL, FULL])
            .received("B", [FULL]),
        case("3.6.ac", "all down, and one is back at the next request")
            .stub("A", Script::reply(Reply::CloseUnanswered))
            .args(["-s", "A={A}:"])
            .send(ask(1))
            .replies(1)
            .step(Step::Set("A", vec![Script::answer("A")]))
            .send(ask(2))
            .stdout("action=dunno\n\naction=A\n\n")
            .log([invalid("A", "…")])
            .received("A", [ask(1), ask(2)]),
    ]
}
