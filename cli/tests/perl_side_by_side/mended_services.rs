//! Section 2: the defects 3, 11 and 12, mended: numbers and addresses of services.

use super::case::{Aspect, Case, Why, case};
use super::expect::Expect;
use super::parts::{FULL, NONE, ask, refused};
use policy_testing::stub::Script;

pub fn cases() -> Vec<Case> {
    let mut cases = priorities();
    cases.extend(weights());
    cases.extend(addresses());
    cases
}

/// Defect 3: prio compared as text.
fn priorities() -> Vec<Case> {
    let ours_a = |number, name, a: &str, b: &str, warnings: Vec<&'static str>| {
        case(number, name)
            .named("A")
            .named("B")
            .args(["-s", &format!("B={{B}}:{b}"), "-s", &format!("A={{A}}:{a}")])
            .send(FULL)
            .differs(
                Why::Defect(3),
                Expect::new()
                    .stdout("action=B\n\n")
                    .log(NONE)
                    .received("A", NONE)
                    .connections("A", 0)
                    .received("B", [FULL])
                    .connections("B", 1),
                Expect::new()
                    .stdout("action=A\n\n")
                    .log(warnings)
                    .received("A", [FULL])
                    .connections("A", 1)
                    .received("B", NONE)
                    .connections("B", 0),
            )
    };
    // Where both lists of warnings are empty, only the rest differs.
    let alike = |mut case: Case| {
        (case.perl.log, case.ours.log) = (None, None);
        case.log(NONE)
    };
    vec![
        alike(ours_a("2.3.a", "9 before 10", "9", "10", vec![])),
        alike(ours_a("2.3.b", "5 before 10", "5", "10", vec![])),
        alike(ours_a("2.3.c", "20 before 100", "20", "100", vec![])),
        alike(ours_a("2.3.d", "0 is 0, not 10", "0", "1", vec![])),
        ours_a(
            "2.3.e",
            "a word is 10, with a warning",
            "high",
            "20",
            vec!["warning: …high…"],
        ),
    ]
}

/// Defect 11.
fn weights() -> Vec<Case> {
    let dies = |number, name, weight: &'static str, warnings: &[&str]| {
        case(number, name)
            .named("A")
            .refusing("B")
            .args(["-s", "B={B}:1", "-s", &format!("A={{A}}:2:{weight}")])
            .send(FULL)
            .differs(
                Why::Defect(11),
                Expect::new()
                    .stdout("")
                    .status("exit 255")
                    .log(NONE)
                    .received("A", NONE)
                    .connections("A", 0),
                Expect::new()
                    .stdout("action=A\n\n")
                    .status("exit 0")
                    .log(
                        warnings
                            .iter()
                            .map(ToString::to_string)
                            .chain([refused("B")]),
                    )
                    .received("A", [FULL])
                    .connections("A", 1),
            )
    };
    vec![
        dies(
            "2.11.a",
            "a word for a weight: a warning, and 1",
            "abc",
            &["warning: …abc…"],
        ),
        dies(
            "2.11.b",
            "a weight of 0.0: a warning, and 1",
            "0.0",
            &["warning: …0.0…"],
        ),
        case("2.11.c", "a negative weight: a warning, and 1")
            .stub("A", Script::answer("x"))
            .stub("B", Script::answer("x"))
            .args(["-s", "A={A}::-1", "-s", "B={B}:"])
            .send((1..=20).map(ask).collect::<String>())
            .stdout("action=x\n\n".repeat(20))
            .by_check(&[Aspect::Received, Aspect::Connections])
            .differs(
                Why::Defect(11),
                Expect::new().log(NONE),
                Expect::new().log(["warning: …-1…"]),
            )
            .check(|perl, ours| {
                let (perl, ours) = (perl.connections_of("A"), ours.connections_of("A"));
                match perl >= 19 && ours == 10 {
                    true => Ok(()),
                    false => Err(format!("A got of 20: perl {perl}, ours {ours}")),
                }
            }),
    ]
}

/// Defect 12.
fn addresses() -> Vec<Case> {
    let misread = |number, name, address: &'static str, seen: &str| {
        case(number, name)
            .named("B")
            .args(["-s", &format!("A={address}"), "-s", "B={B}:20"])
            .send(FULL)
            .stdout("action=B\n\n")
            .differs(
                Why::Defect(12),
                Expect::new().log([format!("warning: Could not open socket to 'A' ({seen})")]),
                Expect::new().log([format!("warning: ignoring invalid service 'A={address}'")]),
            )
    };
    vec![
        case("2.12.a", "[v6]:port")
            .named("A")
            .args(["-s", "A=[::ffff:127.0.0.1]:{A.port}:5"])
            .send(FULL)
            .differs(
                Why::Defect(12),
                Expect::new()
                    .stdout("action=dunno\n\n")
                    .log(["warning: ignoring invalid service 'A=[::ffff:127.0.0.1]:{A.port}:5'"])
                    .received("A", NONE)
                    .connections("A", 0),
                Expect::new()
                    .stdout("action=A\n\n")
                    .log(NONE)
                    .received("A", [FULL])
                    .connections("A", 1),
            ),
        misread(
            "2.12.b",
            "v6 without brackets",
            "2001:db8::1:10031",
            "2001:db8",
        ),
        misread(
            "2.12.c",
            "several addresses",
            "127.0.0.1,127.0.0.2:1:",
            "127.0.0.1,127.0.0.2:1",
        ),
        case("2.12.d", "a port over 65535")
            .named("A")
            .named("B")
            .args(["-s", "A=127.0.0.1:{A.port + 65536}:1", "-s", "B={B}:2"])
            .send(FULL)
            .differs(
                Why::Defect(12),
                Expect::new()
                    .stdout("action=A\n\n")
                    .log(NONE)
                    .received("A", [FULL])
                    .connections("A", 1)
                    .received("B", NONE)
                    .connections("B", 0),
                Expect::new()
                    .stdout("action=B\n\n")
                    .log(["warning: ignoring invalid service 'A=127.0.0.1:…:1'"])
                    .received("A", NONE)
                    .connections("A", 0)
                    .received("B", [FULL])
                    .connections("B", 1),
            ),
        misread(
            "2.12.e",
            "blanks around the host",
            " 127.0.0.1 :1:",
            " 127.0.0.1 :1",
        ),
    ]
}
