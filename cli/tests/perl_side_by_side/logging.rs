//! Section 3, clause 8: the log, to syslog and to standard output.

use super::case::{Aspect, Case, Step, Why, case};
use super::expect::Expect;
use super::parts::{
    Attempt, FULL, NONE, ask, attributes, invalid, opening, refused, timed_out, verbose,
};
use super::program::Outcome;
use policy_testing::stub::{Reply, Script};

pub fn cases() -> Vec<Case> {
    let mut cases = always();
    cases.extend(with_logging());
    cases.extend(with_verbose());
    cases.extend(form());
    cases
}

/// Logged without -l and -v.
fn always() -> Vec<Case> {
    let failing = |number, name, script, log: String| {
        case(number, name)
            .stub("A", script)
            .args(["-s", "A={A}:::1"])
            .send(FULL)
            .stdout("action=dunno\n\n")
            .log([log])
    };
    let unusable = |number, name, service: &'static str| {
        case(number, name)
            .named("A")
            .args(["-s", service, "-s", "A={A}:"])
            .send(FULL)
            .stdout("action=A\n\n")
            .log(["warning: No address or port for 'B'"])
    };
    let undefined = |number, name, request: &'static str| {
        case(number, name)
            .named("A")
            .args(["-s", "A={A}:"])
            .send(request)
            .log(["notice: ignoring unrecognized request type: '<undef>'"])
            .received("A", NONE)
            .differs(
                Why::Defect(5),
                Expect::new().stdout(""),
                Expect::new().stdout("action=dunno\n\n"),
            )
    };
    vec![
        case("3.8.a", "quiet when all is well")
            .named("A")
            .args(["-s", "A={A}:"])
            .send(FULL)
            .stdout("action=A\n\n")
            .log(NONE),
        unusable("3.8.b", "warning: no address", "B=0:10031:"),
        unusable("3.8.c", "warning: no port", "B=127.0.0.1:0:"),
        case("3.8.d", "warning: refused")
            .refusing("A")
            .args(["-s", "A={A}:"])
            .send(FULL)
            .stdout("action=dunno\n\n")
            .log([refused("A")]),
        failing(
            "3.8.e",
            "warning: time-out",
            Script::reply(Reply::Hang),
            timed_out("A"),
        ),
        failing(
            "3.8.f",
            "warning: time-out in connecting",
            Script::reply(Reply::Backlog),
            timed_out("A"),
        ),
        failing(
            "3.8.g",
            "warning: an invalid answer",
            Script::bytes("foo\n"),
            invalid("A", "foo"),
        ),
        failing(
            "3.8.h",
            "warning: an invalid answer of 8-bit bytes",
            Script::bytes("été \"<[,\n"),
            invalid("A", "été \"<[,"),
        ),
        undefined("3.8.i", "notice: the type is missing", "sender=x\n\n"),
        undefined("3.8.j", "notice: the type is empty", "request=\n\n"),
        undefined("3.8.k", "notice: the type is 0", "request=0\n\n"),
    ]
}

fn with_logging() -> Vec<Case> {
    let a = Attempt::first("A");
    let empty = "client: [], helo: <>, from: <>, to: <>";
    vec![
        case("3.8.l", "-l: one line per attempt, and the warnings")
            .refusing("A")
            .stub("B", Script::reply(Reply::Hang))
            .stub("C", Script::bytes("bad\n"))
            .named("D")
            .args([
                "-l",
                "-s",
                "A={A}:1",
                "-s",
                "B={B}:2:1:1",
                "-s",
                "C={C}:3",
                "-s",
                "D={D}:4:7",
            ])
            .send(FULL)
            .stdout("action=D\n\n")
            .log([
                refused("A"),
                Attempt::failed("A").prio(1).line(),
                timed_out("B"),
                Attempt::failed("B").prio(2).line(),
                invalid("C", "bad"),
                Attempt::failed("C").prio(3).line(),
                Attempt::first("D").prio(4).weight(7).line(),
            ]),
        case("3.8.m", "-l: the counts grow")
            .named("A")
            .args(["-l", "-s", "A={A}::4"])
            .send(FULL.repeat(5))
            .stdout("action=A\n\n".repeat(5))
            .log((1..=5).map(|n| a.weight(4).counts(n, n, 0).line())),
        case("3.8.n", "-l: failures are counted")
            .stub("A", Script::bytes("bad\n"))
            .args(["-l", "-s", "A={A}:"])
            .step(Step::Set(
                "A",
                vec![Script::bytes("bad\n"), Script::answer("A")],
            ))
            .send(FULL)
            .replies(1)
            .send(FULL)
            .replies(2)
            .send(FULL)
            .stdout("action=dunno\n\naction=A\n\naction=A\n\n")
            .log([
                invalid("A", "bad"),
                Attempt::failed("A").line(),
                a.counts(2, 1, 1).line(),
                a.counts(3, 2, 1).line(),
            ]),
        case("3.8.o", "-l: attributes that are missing or empty")
            .named("A")
            .args(["-l", "-s", "A={A}:"])
            .send(ask(1))
            .send("request=smtpd_access_policy\nsender=\nclient_name=\n\n")
            .stdout("action=A\n\naction=A\n\n")
            .log([a.line_about(empty), a.counts(2, 2, 0).line_about(empty)]),
        case("3.8.p", "-l: plain values and actions as they are")
            .stub("A", Script::answer("REJECT <né>, \"[1]\""))
            .args(["-l", "-s", "A={A}:"])
            .send("request=smtpd_access_policy\nsender=é'+x@[::1]\nhelo_name=[::1]\n\n")
            .stdout("action=REJECT <né>, \"[1]\"\n\n")
            .log([a
                .action("REJECT <né>, \"[1]\"")
                .line_about("client: [], helo: <[::1]>, from: <é'+x@[::1]>, to: <>")]),
        case(
            "3.8.q",
            "-l: the delay counts from the request, in whole seconds",
        )
        .stub("A", Script::reply(Reply::Hang))
        .stub(
            "B",
            Script::answer("B").after(std::time::Duration::from_millis(1200)),
        )
        .args(["-l", "-s", "A={A}:1:1:1", "-s", "B={B}:2:1:4"])
        .send(FULL)
        .stdout("action=B\n\n")
        .log([
            timed_out("A"),
            Attempt::failed("A").prio(1).line(),
            Attempt::first("B").prio(2).line(),
        ])
        // 1.0 s and 2.2 s; Perl subtracts two clock readings cut to seconds.
        .check(|perl, ours| {
            delays(perl, &[&["1", "2"], &["2", "3"]])?;
            delays(ours, &[&["1"], &["2"]])
        }),
    ]
}

fn with_verbose() -> Vec<Case> {
    let mut failed = attributes(FULL);
    failed.push(opening("A")[0].clone());
    failed.push(refused("A"));
    failed.push(Attempt::failed("A").prio(1).line());
    failed.extend(opening("B"));
    failed.push(timed_out("B"));
    failed.push(Attempt::failed("B").prio(2).line());
    failed.extend(opening("C"));
    failed.push(invalid("C", "bad"));
    failed.push(Attempt::failed("C").prio(3).line());
    failed.extend(opening("D"));
    failed.push("info: Answer from 'D' -> 'REJECT 5.7.1 no'".to_owned());
    failed.push(Attempt::first("D").prio(4).action("REJECT 5.7.1 no").line());
    failed.push("info: Action: REJECT 5.7.1 no".to_owned());
    let mut other = attributes("request=junk\nsender=x\n\n");
    other.push("notice: ignoring unrecognized request type: 'junk'".to_owned());
    vec![
        case("3.8.r", "-v: each step of a request")
            .named("A")
            .args(["-v", "-s", "A={A}:"])
            .send(FULL)
            .stdout("action=A\n\n")
            .log(verbose("A")),
        case("3.8.s", "-v: each kind of failure")
            .refusing("A")
            .stub("B", Script::reply(Reply::Hang))
            .stub("C", Script::bytes("bad\n"))
            .stub("D", Script::answer("REJECT 5.7.1 no"))
            .args([
                "-v",
                "-s",
                "A={A}:1",
                "-s",
                "B={B}:2:1:1",
                "-s",
                "C={C}:3",
                "-s",
                "D={D}:4",
            ])
            .send(FULL)
            .stdout("action=REJECT 5.7.1 no\n\n")
            .log(failed),
        case("3.8.t", "-v: attributes of a request that is ignored")
            .named("A")
            .args(["-v", "-s", "A={A}:"])
            .send("request=junk\nsender=x\n\n")
            .differs(
                Why::Defect(5),
                Expect::new().stdout("").log(other.clone()),
                Expect::new()
                    .stdout("action=dunno\n\n")
                    .log(other.into_iter().chain(["info: Action: dunno".to_owned()])),
            ),
        case("3.8.u", "-v and -l: no line twice")
            .named("A")
            .args(["-vl", "-s", "A={A}:"])
            .send(FULL)
            .stdout("action=A\n\n")
            .log(verbose("A")),
        case("3.8.v", "-v: an attribute's line as it is")
            .named("A")
            .args(["-v", "-s", "A={A}:"])
            .send("request=smtpd_access_policy\nx= a = b \ny=\nz=é\n\n")
            .stdout("action=A\n\n")
            .by_check(&[Aspect::Log])
            .check(|perl, ours| {
                let due = ["request=smtpd_access_policy", "x= a = b ", "y=", "z=é"];
                for side in [perl, ours] {
                    for attribute in due {
                        let line = format!("info: Attribute: {attribute}");
                        if !side.log.contains(&line) {
                            return Err(format!("no {line:?} in {:?}", side.log));
                        }
                    }
                }
                Ok(())
            }),
    ]
}

/// The datagram itself. Ident, process and the form of the time are looked at in every case.
fn form() -> Vec<Case> {
    vec![
        case("3.8.w", "facility mail: <20>, <21>, <22>")
            .refusing("A")
            .named("B")
            .args(["-l", "-s", "A={A}:1", "-s", "B={B}:2"])
            .send(format!("garbage\n{FULL}"))
            .stdout("action=B\n\n")
            .check(|perl, ours| {
                for side in [perl, ours] {
                    let seen: Vec<u32> = side.entries.iter().map(|e| e.priority).collect();
                    if seen != [21, 20, 22, 22] {
                        return Err(format!("priorities {seen:?}"));
                    }
                }
                Ok(())
            }),
        case("3.8.x", "the time is local")
            .named("A")
            .env("TZ", "TEST-05:30")
            .args(["-l", "-s", "A={A}:"])
            .send(FULL)
            .stdout("action=A\n\n")
            .check(|perl, ours| {
                let now = std::time::SystemTime::now();
                let since = now.duration_since(std::time::UNIX_EPOCH);
                let utc = since.expect("after 1970").as_secs();
                let local = (utc + 5 * 3600 + 30 * 60) % 86_400;
                for side in [perl, ours] {
                    let seen = side.entries.first().and_then(|e| e.seconds());
                    let seen = u64::from(seen.ok_or("nothing logged")?);
                    let apart = (local + 86_400 - seen) % 86_400;
                    if apart > 60 {
                        return Err(format!("{apart} s off: {:?}", side.entries));
                    }
                }
                Ok(())
            }),
    ]
}

/// The seconds in the lines of `-l`, in turn each one of those allowed.
fn delays(outcome: &Outcome, allowed: &[&[&str]]) -> Result<(), String> {
    let texts = outcome
        .entries
        .iter()
        .map(|e| String::from_utf8_lossy(&e.text).into_owned());
    let seen: Vec<String> = texts
        .filter_map(|text| {
            let (_, rest) = text.split_once(", delay: ")?;
            Some(rest.split_once("s, ")?.0.to_owned())
        })
        .collect();
    let fine = seen.len() == allowed.len()
        && seen
            .iter()
            .zip(allowed)
            .all(|(seen, allowed)| allowed.contains(&seen.as_str()));
    if fine {
        Ok(())
    } else {
        Err(format!("delays {seen:?}, allowed {allowed:?}"))
    }
}
