//! Clause 8, the log to syslog; the defects 18 and 20, a syslogd that hangs and attributes out of order.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::case::{Aspect, Case, Syslog, asks, case, cases, ensure, rows};
use crate::expect::{Expecting, expect, reply};
use crate::program::Outcome;
use crate::texts::{
    FULL, NOTHING, answered, ask, attributes, failed, first, invalid, lines, opened, opening,
    policy, refused, taken, timed_out, unrecognized, verbose,
};
use crate::{Reply, Script};

pub const TABLES: super::Tables = &[
    always, notices, attempts, values, delays, steps, datagrams, hung, order,
];

/// Logged without -l and -v.
fn always() -> Vec<Case> {
    let fails = |name, script, log: String| {
        let case = asks(name, "-s A={A}:::1").stub("A", script);
        case.answer("dunno").log([log])
    };
    let unusable = |name, address: &str| {
        let case = asks(name, &format!("-s B={address}: -s A={{A}}:")).answer("A");
        case.log(["warning: No address or port for 'B'"])
    };
    let refuses = asks("3.8.d warning: refused", "-s A={A}:").refusing("A");
    let quiet = asks("3.8.a quiet when all is well", "-s A={A}:");
    let odd = "été \"<[,";
    let mut cases = cases! {
        quiet.answer("A").quiet();
        unusable("3.8.b warning: no address", "0:10031");
        unusable("3.8.c warning: no port", "127.0.0.1:0");
        refuses.answer("dunno").log([refused("A")]);
    };
    cases.extend(rows! { fails;
        "3.8.e warning: time-out", Script::reply(Reply::Hang), timed_out("A");
        "3.8.f warning: time-out in connecting", Script::reply(Reply::Backlog), timed_out("A");
        "3.8.g warning: an invalid answer", Script::bytes("foo\n"), invalid("A", "foo");
        "3.8.h warning: an invalid answer of 8-bit bytes", Script::bytes(format!("{odd}\n")), invalid("A", odd);
    });
    cases
}

fn notices() -> Vec<Case> {
    let undefined = |name, request: &str| {
        let case = case(name, "-s A={A}:").send(request);
        let case = case.log([unrecognized("<undef>")]).received("A", [""; 0]);
        case.stdout_differs("defect 5", "", &reply("dunno"))
    };
    rows! { undefined;
        "3.8.i notice: the type is missing", "sender=x\n\n";
        "3.8.j notice: the type is empty", "request=\n\n";
        "3.8.k notice: the type is 0", "request=0\n\n";
    }
}

fn attempts() -> Vec<Case> {
    let bad = || Script::bytes("bad\n");
    let a = first("A");
    cases! {
        asks("3.8.l -l: one line per attempt, and the warnings",
            "-l -s A={A}:1 -s B={B}:2:1:1 -s C={C}:3 -s D={D}:4:7")
            .refusing("A").hanging("B").stub("C", bad())
            .answer("D")
            .log([
                refused("A"), failed("A").prio(1).line(), timed_out("B"), failed("B").prio(2).line(),
                invalid("C", "bad"), failed("C").prio(3).line(), first("D").prio(4).weight(7).line(),
            ]);
        case("3.8.m -l: the counts grow", "-l -s A={A}::4").send(FULL.repeat(5))
            .answers(["A"; 5]).log((1..=5).map(|n| a.weight(4).counts(n, n, 0).line()));
        case("3.8.n -l: failures are counted", "-l -s A={A}:").stub("A", bad())
            .set("A", [bad(), Script::answer("A")]).send_in_turn(&[FULL; 3])
            .answers(["dunno", "A", "A"])
            .log([
                invalid("A", "bad"), failed("A").line(), a.counts(2, 1, 1).line(), a.counts(3, 2, 1).line(),
            ]);
    }
}

fn values() -> Vec<Case> {
    let a = first("A");
    let (empty, action) = (NOTHING, "REJECT <né>, \"[1]\"");
    cases! {
        case("3.8.o -l: attributes that are missing or empty", "-l -s A={A}:").send(ask(1))
            .send(policy("sender=\nclient_name=\n"))
            .answers(["A"; 2]).log([a.line_about(empty), a.counts(2, 2, 0).line_about(empty)]);
        case("3.8.p -l: plain values and actions as they are", "-l -s A={A}:")
            .stub("A", Script::answer(action)).send(policy("sender=é'+x@[::1]\nhelo_name=[::1]\n"))
            .answer(action)
            .log([a.action(action).line_about("client: [], helo: <[::1]>, from: <é'+x@[::1]>, to: <>")]);
    }
}

fn delays() -> Vec<Case> {
    /// The seconds in the lines of `-l`, in turn each one of those allowed.
    fn delays(outcome: &Outcome, allowed: &[&[&str]]) -> Result<(), String> {
        let texts = outcome
            .entries
            .iter()
            .map(|entry| String::from_utf8_lossy(&entry.text));
        let seconds = |text: &str| {
            let (_, rest) = text.split_once(", delay: ")?;
            Some(rest.split_once("s, ")?.0.to_owned())
        };
        let seen: Vec<String> = texts.filter_map(|text| seconds(&text)).collect();
        let each = seen
            .iter()
            .zip(allowed)
            .all(|(seen, allowed)| allowed.contains(&seen.as_str()));
        let fine = seen.len() == allowed.len() && each;
        ensure(fine, format_args!("delays {seen:?}, allowed {allowed:?}"))
    }
    cases! {
        asks("3.8.q -l: the delay counts from the request, in whole seconds",
            "-l -s A={A}:1:1:1 -s B={B}:2:1:4")
            .hanging("A").stub("B", Script::answer("B").after(Duration::from_millis(1200)))
            .answer("B").log([timed_out("A"), failed("A").prio(1).line(), first("B").prio(2).line()])
            // 1.0 s and 2.2 s; Perl subtracts two clock readings cut to seconds.
            .check(|perl, ours| {
                delays(perl, &[&["1", "2"], &["2", "3"]])?;
                delays(ours, &[&["1"], &["2"]])
            });
    }
}

fn steps() -> Vec<Case> {
    let no = "REJECT 5.7.1 no";
    let other = lines([
        attributes("request=junk\nsender=x\n\n"),
        vec![unrecognized("junk")],
    ]);
    cases! {
        asks("3.8.r -v: each step of a request", "-v -s A={A}:").answer("A").log(verbose("A"));
        asks("3.8.u -v and -l: no line twice", "-vl -s A={A}:").answer("A").log(verbose("A"));
        asks("3.8.s -v: each kind of failure", "-v -s A={A}:1 -s B={B}:2:1:1 -s C={C}:3 -s D={D}:4")
            .refusing("A").hanging("B").stub("C", Script::bytes("bad\n")).stub("D", Script::answer(no))
            .answer(no)
            .log(lines([
                attributes(FULL), vec![opening("A"), refused("A"), failed("A").prio(1).line()], opened("B"),
                vec![timed_out("B"), failed("B").prio(2).line()], opened("C"),
                vec![invalid("C", "bad"), failed("C").prio(3).line()],
                answered(first("D").prio(4).action(no)),
            ]));
        case("3.8.t -v: attributes of a request that is ignored", "-v -s A={A}:")
            .send("request=junk\nsender=x\n\n")
            .differs("defect 5",
                expect().stdout("").log(other.clone()),
                expect().answer("dunno").log(lines([other, vec![taken("dunno")]])));
        case("3.8.v -v: an attribute's line as it is", "-v -s A={A}:").send(policy("x= a = b \ny=\nz=é\n"))
            .answer("A").by_check(&[Aspect::Log])
            .check_each(|side| {
                let mut due = attributes(&policy("x= a = b \ny=\nz=é\n")).into_iter();
                let missing = due.find(|line| !side.log().contains(line));
                missing.map_or(Ok(()), |line| {
                    Err(format!("no {line:?} in {:?}", side.log()))
                })
            });
    }
}

/// The datagram itself. Ident, process and the form of the time are looked at in every case.
fn datagrams() -> Vec<Case> {
    cases! {
        case("3.8.w facility mail: <20>, <21>, <22>", "-l -s A={A}:1 -s B={B}:2").refusing("A")
            .send(format!("garbage\n{FULL}"))
            .answer("B")
            .check_each(|side| {
                let seen: Vec<u32> = side.entries.iter().map(|entry| entry.priority).collect();
                let fine = seen == [21, 20, 22, 22];
                ensure(fine, format_args!("priorities {seen:?}"))
            });
        asks("3.8.x the time is local", "-l -s A={A}:").env("TZ", "TEST-05:30")
            .answer("A")
            .check_each(|side| {
                let utc = SystemTime::now().duration_since(UNIX_EPOCH);
                let utc = utc.expect("after 1970").as_secs();
                let local = (utc + 5 * 3600 + 30 * 60) % 86_400;
                let seen = side.entries.first().ok_or("nothing logged")?.seconds;
                let apart = (local + 86_400 - u64::from(seen)) % 86_400;
                let fine = apart <= 60;
                ensure(fine, format_args!("{apart} s off: {:?}", side.entries))
            });
    }
}

fn hung() -> Vec<Case> {
    cases! {
        case("2.18.a a syslogd that hangs does not block mail", "-v -s A={A}:").syslog(Syslog::Hung)
            .send(FULL.repeat(100)).limit(12).by_check(&[Aspect::Log, Aspect::Received, Aspect::Connections])
            .differs("defect 18",
                expect().stdout("action=A\n\n…").status("killed by the test"),
                expect().answers(["A"; 100]).status("exit 0"))
            .check(|perl, _| {
                let stdout = perl.seen.stdout.iter().flatten();
                let blocked = stdout.count() < reply("A").len() * 100;
                ensure(blocked, "Perl was not blocked")
            });
    }
}

fn order() -> Vec<Case> {
    cases! {
        asks("2.20.d attributes are logged in their order too", "-v -s A={A}:").env("PERL_HASH_SEED", "0")
            .answer("A").because("defect 20").by_check(&[Aspect::Log])
            .check(|_, ours| {
                let kept = ours.log().starts_with(&attributes(FULL));
                ensure(kept, format_args!("ours: {:?}", ours.log()))
            });
    }
}
