//! The defects 5, 6, 14 and 20, and what is decided beside them: requests that Postfix does not send.

use std::time::Duration;

use crate::case::{Aspect, Case, Step, case, cases, ensure, rows};
use crate::expect::{Expecting, expect, reply};
use crate::texts::{ASK, FULL, NOTHING, first, garbage, policy, unrecognized};

pub const TABLES: super::Tables = &[types, long, order, duplicates, lines, blank, oversized];

fn base(name: &'static str) -> Case {
    case(name, "-s A={A}:")
}

fn types() -> Vec<Case> {
    let junk = "request=junk\nsasl_username=boss\n\n";
    cases! {
        base("2.5.a another type of request is answered at once").args("-d X").send("request=junk\n\n")
            .step(Step::Replies(1, Duration::from_secs(2))).send(FULL)
            .log([unrecognized("junk")]).received("A", [FULL])
            .stdout_differs("defect 5", &reply("A"), &(reply("X") + &reply("A")));
        base("2.5.b a request without a type too").send("sender=x\n\n")
            .log([unrecognized("<undef>")]).received("A", [""; 0])
            .stdout_differs("defect 5", "", &reply("dunno"));
        base("2.6.a attributes of a request that was ignored do not leak into the next")
            .send([junk, ASK].concat())
            .log([unrecognized("junk")])
            .differs("defect 6",
                expect().answer("A").received("A", [policy("sasl_username=boss\n")]),
                expect().answers(["dunno", "A"]).received("A", [ASK])).because("defect 5");
    }
}

/// Defect 14: names and values are cut to 512 bytes.
fn long() -> Vec<Case> {
    let forwarded = |name, sent: &str, by_perl: &str| {
        let [by_ours, by_perl] = [sent, by_perl].map(policy);
        base(name).send(&by_ours).answer("A").quiet().differs(
            "defect 14",
            expect().received("A", [by_perl]),
            expect().received("A", [by_ours]),
        )
    };
    let (value, n) = ("x".repeat(5000), "n".repeat(512));
    cases! {
        forwarded("2.14.a long values are whole", &format!("x={value}\n"), &format!("x={}\n", &value[..512]));
        forwarded("2.14.b long names are whole", &format!("{n}a=1\n{n}b=2\n"), &format!("{n}=2\n"));
    }
}

fn order() -> Vec<Case> {
    cases! {
        base("2.20.b attributes keep their order").env("PERL_HASH_SEED", "0").send(FULL.repeat(3))
            .step(Step::Eof)
            .answers(["A"; 3]).received("A", [FULL; 3]).because("defect 20").by_check(&[Aspect::Received])
            .check(|perl, ours| {
                let [perl, ours] = [perl, ours].map(|side| side.seen.received["A"].iter());
                if perl.clone().any(|request| request == FULL.as_bytes()) {
                    return Err("Perl kept the order: no difference".to_owned());
                }
                let kept = ours.clone().all(|request| request == FULL.as_bytes());
                ensure(kept, "ours changed the order")
            });
    }
}

fn duplicates() -> Vec<Case> {
    let sent = policy("sender=1\nhelo_name=h\nsender=2\n");
    let about = NOTHING.replace("helo: <>", "helo: <h>");
    let line = |from| first("A").line_about(&about.replace("from: <>", from));
    let types = policy("request=junk\n");
    cases! {
        case("I.1 duplicates go on as they came, and the first is logged", "-l -s A={A}:").send(&sent)
            .answer("A")
            .differs("duplicates",
                expect().log([line("from: <2>")]).received("A", [policy("helo_name=h\nsender=2\n")]),
                expect().log([line("from: <1>")]).received("A", [&sent]));
        base("I.2 the first type of two counts").send(&types)
            .differs("duplicates",
                expect().stdout("").log([unrecognized("junk")]).not_asked("A"),
                expect().answer("A").quiet().asked("A", &types));
    }
}

/// Lines that ours leaves out, with a notice: what Perl's script forwards instead, and logs not.
fn lines() -> Vec<Case> {
    let left_out = |name, why, line: &str, noticed: &str, perl: &str| {
        let case = base(name)
            .send(policy(&format!("{line}\nsender=s\n")))
            .answer("A");
        let (perl, ours) = (policy(perl), policy("sender=s\n"));
        let notice = expect().log([garbage(noticed)]);
        if perl == ours {
            case.received("A", [ours])
                .differs(why, expect().quiet(), notice)
        } else {
            let perl = expect().quiet().received("A", [perl]);
            case.differs(why, perl, notice.received("A", [ours]))
        }
    };
    rows! { left_out;
        "I.3 a NUL", "a NUL in a line", "x=a\0b", "x=a?b", "x=a\0b\nsender=s\n";
        "I.4 a CR that is not before the LF", "a CR within a line", "x=a\rb", "x=a?b", "sender=s\n";
        "I.5 a line that begins with =", "an empty name", "=x=y", "=x=y", "x=y\nsender=s\n";
    }
}

fn blank() -> Vec<Case> {
    let case = base("I.6 blank lines before a request are skipped")
        .send("\n\r\n")
        .send(FULL);
    let case = case.send("\n").answer("A").received("A", [FULL]);
    let notices = vec![unrecognized("<undef>"); 3];
    vec![case.log_differs("blank lines", notices, [""; 0])]
}

fn oversized() -> Vec<Case> {
    let over = |name, request: String| {
        let case = base(name)
            .send(request)
            .send(FULL)
            .by_check(&[Aspect::Received]);
        case.differs(
            "oversized requests",
            expect().answers(["A"; 2]).quiet().connections("A", 2),
            expect().stdout("").log(["warning: …"]).connections("A", 0),
        )
    };
    let long = format!("x={}\n", "x".repeat(1_000_000));
    let many: String = (0..400)
        .map(|n| format!("attribute_{n}={}\n", "x".repeat(500)))
        .collect();
    cases! {
        over("I.8 a line of a megabyte ends the process without a reply", policy(&long));
        over("I.9 so does a request of 200 kB", policy(&many));
    }
}
