//! The defects 3, 4, 11 and 12, and what is decided beside them: numbers and addresses of services.

use crate::Script;
use crate::case::{Aspect, Case, asks, case, cases, forwards, rows};
use crate::expect::{Expect, Expecting, expect};
use crate::servers::Listen;
use crate::texts::{Attempt, FULL, failed, first, invalid_service, numbered, refused};

pub const TABLES: super::Tables = &[
    priorities, weights, negative, misread, brackets, ranges, kinds, many,
];

/// The one request goes to another service than Perl's: what Perl's script and ours log.
fn goes_to(asked: &'static str, other: &'static str) -> Expect {
    expect().answer(asked).asked(asked, FULL).not_asked(other)
}

/// Defect 3: prio compared as text, so that B comes first.
fn priorities() -> Vec<Case> {
    let base = |name, b: &str, a: &str| asks(name, &format!("-s B={{B}}:{b} -s A={{A}}:{a}"));
    let a_first = |name, a: &str, b: &str| {
        let case = base(name, b, a).quiet();
        case.differs("defect 3", goes_to("B", "A"), goes_to("A", "B"))
    };
    let mut cases = rows! { a_first;
        "2.3.a 9 before 10", "9", "10";
        "2.3.b 5 before 10", "5", "10";
        "2.3.c 20 before 100", "20", "100";
        "2.3.d 0 is 0, not 10", "0", "1";
    };
    let (perl, ours) = (
        goes_to("B", "A").quiet(),
        goes_to("A", "B").log(["warning: …high…"]),
    );
    let word = base("2.3.e a word is 10, with a warning", "20", "high");
    cases.push(word.differs("defect 3", perl, ours));
    cases
}

/// Defect 11: the script dies.
fn weights() -> Vec<Case> {
    let dies = |name, weight: &str| {
        let case = asks(name, &format!("-s B={{B}}:1 -s A={{A}}:2:{weight}"));
        let log = [format!("warning: …{weight}…"), refused("B")];
        let perl = expect().stdout("").status("exit 255").quiet();
        let ours = expect().answer("A").status("exit 0").log(log);
        let (perl, ours) = (perl.not_asked("A"), ours.asked("A", FULL));
        case.refusing("B").differs("defect 11", perl, ours)
    };
    cases! {
        dies("2.11.a a word for a weight: a warning, and 1", "abc");
        dies("2.11.b a weight of 0.0: a warning, and 1", "0.0");
    }
}

fn negative() -> Vec<Case> {
    cases! {
        case("2.11.c a negative weight: a warning, and 1", "-s A={A}::-1 -s B={B}:")
            .stub("A", Script::answer("x")).stub("B", Script::answer("x")).send(numbered(20).concat())
            .answers(["x"; 20]).by_check(&[Aspect::Received, Aspect::Connections])
            .log_differs("defect 11", [""; 0], ["warning: …-1…"])
            .check(|perl, ours| {
                let [perl, ours] = [perl, ours].map(|side| side.seen.connections["A"]);
                if perl >= 19 && ours == 10 {
                    Ok(())
                } else {
                    Err(format!("A got of 20: perl {perl}, ours {ours}"))
                }
            });
    }
}

/// Defect 12: an address that is none, and what Perl's script makes of it.
fn misread() -> Vec<Case> {
    let misread = |name, address: &str, seen: &str| {
        let case = case(name, "-s").arg(format!("A={address}"));
        case.args("-s B={B}:20")
            .send(FULL)
            .answer("B")
            .line_differs(
                "defect 12",
                &format!("warning: Could not open socket to 'A' ({seen})"),
                &invalid_service(&format!("A={address}")),
            )
    };
    rows! { misread;
        "2.12.b v6 without brackets", "2001:db8::1:10031", "2001:db8";
        "2.12.c several addresses", "127.0.0.1,127.0.0.2:1:", "127.0.0.1,127.0.0.2:1";
        "2.12.e blanks around the host", " 127.0.0.1 :1:", " 127.0.0.1 :1";
    }
}

fn brackets() -> Vec<Case> {
    let v6 = "A=[::ffff:127.0.0.1]:{A.port}:5";
    let unused = || expect().answer("dunno").not_asked("A");
    let used = || expect().answer("A").asked("A", FULL);
    cases! {
        asks("2.4.a name=addr:port, as documented", "-s A={A} -l")
            .differs("defect 4", unused().log([invalid_service("A={A}")]), used().log([first("A").line()]));
        asks("2.12.a [v6]:port", &format!("-s {v6}"))
            .differs("defect 12", unused().log([invalid_service(v6)]), used().quiet());
        asks("2.12.d a port over 65535", "-s").arg("A=127.0.0.1:{A.port + 65536}:1").args("-s B={B}:2")
            .differs("defect 12",
                goes_to("A", "B").quiet(),
                goes_to("B", "A").log([invalid_service("A=127.0.0.1:…:1")]));
    }
}

/// Values out of their range: a warning, and the default.
fn ranges() -> Vec<Case> {
    let warned = |name, why, fields: &str, perl: Attempt, ours: Attempt, value: &str| {
        let warning = format!("warning: …{value}");
        forwards(name, &format!("-l -s A={{A}}{fields}")).log_differs(
            why,
            [perl.line()],
            [warning, ours.line()],
        )
    };
    let a = first("A");
    let (sixth, range) = (a.prio(7).weight(2), "the ranges of fields");
    rows! { warned;
        "I.10 a prio over 65535", range, ":65536", a.prio(65536), a, "65536…";
        "I.11 a weight over 1000", range, "::1024", a.weight(1024), a, "1024…";
        "I.12 a time-out over 3600", range, ":::3601", a, a, "3601…";
        "2.20.c a sixth field: a warning", "defect 20", ":7:2:5:junk", sixth, sixth, "";
    }
}

fn kinds() -> Vec<Case> {
    let unused = expect().answer("dunno").not_asked("A");
    let used = expect().answer("A").asked("A", FULL);
    // Perl: host `unix`, port `/path`, prio 5.
    let no_host = [refused("A"), failed("A").prio(5).line()];
    let reached = [first("A").prio(5).line()];
    cases! {
        asks("I.13 inet:host:port", "-s A=inet:{A}:5 -s B={B}:99999").refusing("B").by_check(&[Aspect::Log])
            .differs("inet: and unix:", unused.clone(), used.clone());
        asks("I.14 unix:/path", "-l -s A={A}:5").listen("A", Listen::Unix(Script::answer("A")))
            .differs("inet: and unix:", unused.log(no_host), used.log(reached));
    }
}

fn many() -> Vec<Case> {
    let services = (0..64).map(|n| format!("-s a{n}={{A}}:1 "));
    let services: String = services.collect();
    cases! {
        asks("I.15 the 65th service is left out", &(services + "-s B={B}:2")).refusing("A")
            .by_check(&[Aspect::Log])
            .differs("at most 64 services",
                expect().answer("B").asked("B", FULL),
                expect().answer("dunno").not_asked("B"))
            .check(|_, ours| match ours.log().first() {
                Some(warning) if warning.starts_with("warning: ") && warning.contains('B') => Ok(()),
                other => Err(format!("no warning that names B, but {other:?}")),
            });
    }
}
