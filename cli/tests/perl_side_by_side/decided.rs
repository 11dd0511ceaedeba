//! Differences that `interfaces.md` decides and section 2 of `compat.md` does not number.

use super::case::{Aspect, Case, Why, case};
use super::expect::Expect;
use super::parts::{Attempt, FULL, NONE, refused};
use policy_testing::stub::Script;

pub fn cases() -> Vec<Case> {
    let mut cases = duplicates();
    cases.extend(lines());
    cases.extend(sizes());
    cases.extend(services());
    cases
}

fn duplicates() -> Vec<Case> {
    let sent = "request=smtpd_access_policy\nsender=1\nhelo_name=h\nsender=2\n\n";
    let once = "request=smtpd_access_policy\nhelo_name=h\nsender=2\n\n";
    let line = |from: &str| {
        let about = format!("client: [], helo: <h>, from: <{from}>, to: <>");
        Attempt::first("A").line_about(&about)
    };
    let types = "request=smtpd_access_policy\nrequest=junk\n\n";
    vec![
        case(
            "I.1",
            "duplicates go on as they came, and the first is logged",
        )
        .named("A")
        .args(["-l", "-s", "A={A}:"])
        .send(sent)
        .stdout("action=A\n\n")
        .differs(
            Why::Decided("duplicates"),
            Expect::new().log([line("2")]).received("A", [once]),
            Expect::new().log([line("1")]).received("A", [sent]),
        ),
        case("I.2", "the first type of two counts")
            .named("A")
            .args(["-s", "A={A}:"])
            .send(types)
            .differs(
                Why::Decided("duplicates"),
                Expect::new()
                    .stdout("")
                    .log(["notice: ignoring unrecognized request type: 'junk'"])
                    .received("A", NONE)
                    .connections("A", 0),
                Expect::new()
                    .stdout("action=A\n\n")
                    .log(NONE)
                    .received("A", [types])
                    .connections("A", 1),
            ),
    ]
}

fn lines() -> Vec<Case> {
    let garbage = |number, name, why, line: &str, logged: &str, perl: &[u8]| {
        case(number, name)
            .named("A")
            .args(["-s", "A={A}:"])
            .send(format!("request=smtpd_access_policy\n{line}\nsender=s\n\n"))
            .stdout("action=A\n\n")
            .differs(
                why,
                Expect::new().log(NONE).received("A", [perl]),
                Expect::new()
                    .log([format!("notice: error: ignoring garbage \"{logged}\"")])
                    .received("A", ["request=smtpd_access_policy\nsender=s\n\n"]),
            )
    };
    let mut inner_cr = garbage(
        "I.4",
        "a CR that is not before the LF",
        Why::Decided("a CR within a line"),
        "x=a\rb",
        "x=a?b",
        b"request=smtpd_access_policy\nsender=s\n\n",
    );
    // Perl leaves the line out as well, only silently.
    inner_cr.perl.received.clear();
    inner_cr.ours.received.clear();
    vec![
        garbage(
            "I.3",
            "a NUL",
            Why::Decided("a NUL in a line"),
            "x=a\0b",
            "x=a?b",
            b"request=smtpd_access_policy\nx=a\0b\nsender=s\n\n",
        ),
        inner_cr.received("A", ["request=smtpd_access_policy\nsender=s\n\n"]),
        garbage(
            "I.5",
            "a line that begins with =",
            Why::Decided("an empty name"),
            "=x=y",
            "=x=y",
            b"request=smtpd_access_policy\nx=y\nsender=s\n\n",
        ),
        case("I.6", "blank lines before a request are skipped")
            .named("A")
            .args(["-s", "A={A}:"])
            .send("\n\r\n")
            .send(FULL)
            .send("\n")
            .stdout("action=A\n\n")
            .received("A", [FULL])
            .differs(
                Why::Decided("blank lines"),
                Expect::new().log(["notice: ignoring unrecognized request type: '<undef>'"; 3]),
                Expect::new().log(NONE),
            ),
        case("I.7", "action=0 is an answer")
            .stub("A", Script::answer("0"))
            .args(["-s", "A={A}:"])
            .send(FULL)
            .received("A", [FULL])
            .differs(
                Why::Decided("the action 0"),
                Expect::new()
                    .stdout("action=dunno\n\n")
                    .log(["warning: Invalid answer from 'A' -> '0'"]),
                Expect::new().stdout("action=0\n\n").log(NONE),
            ),
    ]
}

fn sizes() -> Vec<Case> {
    let over = |number, name, request: String| {
        case(number, name)
            .named("A")
            .args(["-s", "A={A}:"])
            .send(request)
            .send(FULL)
            .by_check(&[Aspect::Received])
            .differs(
                Why::Decided("oversized requests"),
                Expect::new()
                    .stdout("action=A\n\naction=A\n\n")
                    .log(NONE)
                    .connections("A", 2),
                Expect::new()
                    .stdout("")
                    .log(["warning: …"])
                    .connections("A", 0),
            )
    };
    let mut many = String::from("request=smtpd_access_policy\n");
    for number in 0..400 {
        many += &format!("attribute_{number}={}\n", "x".repeat(500));
    }
    let long = format!(
        "request=smtpd_access_policy\nx={}\n\n",
        "x".repeat(1_000_000)
    );
    vec![
        over(
            "I.8",
            "a line of a megabyte ends the process without a reply",
            long,
        ),
        over("I.9", "so does a request of 200 kB", many + "\n"),
    ]
}

fn services() -> Vec<Case> {
    let number = |number, name, fields: &str, perl: Attempt, value: &str| {
        case(number, name)
            .named("A")
            .args(["-l", "-s", &format!("A={{A}}{fields}")])
            .send(FULL)
            .stdout("action=A\n\n")
            .received("A", [FULL])
            .differs(
                Why::Decided("the ranges of fields"),
                Expect::new().log([perl.line()]),
                Expect::new().log([format!("warning: …{value}…"), Attempt::first("A").line()]),
            )
    };
    let a = Attempt::first("A");
    vec![
        number(
            "I.10",
            "a prio over 65535",
            ":65536",
            a.prio(65536),
            "65536",
        ),
        number(
            "I.11",
            "a weight over 1000",
            "::1024",
            a.weight(1024),
            "1024",
        ),
        case("I.12", "a time-out over 3600")
            .named("A")
            .args(["-l", "-s", "A={A}:::3601"])
            .send(FULL)
            .stdout("action=A\n\n")
            .differs(
                Why::Decided("the ranges of fields"),
                Expect::new().log([a.line()]),
                Expect::new().log(["warning: …3601…".to_owned(), a.line()]),
            ),
        case("I.13", "inet:host:port")
            .named("A")
            .refusing("B")
            .args(["-s", "A=inet:{A}:5", "-s", "B={B}:99999"])
            .send(FULL)
            .by_check(&[Aspect::Log])
            .differs(
                Why::Decided("inet: and unix:"),
                Expect::new()
                    .stdout("action=dunno\n\n")
                    .received("A", NONE)
                    .connections("A", 0),
                Expect::new()
                    .stdout("action=A\n\n")
                    .received("A", [FULL])
                    .connections("A", 1),
            ),
        case("I.14", "unix:/path")
            .unix("A")
            .args(["-l", "-s", "A={A}:5"])
            .send(FULL)
            .differs(
                Why::Decided("inet: and unix:"),
                Expect::new()
                    .stdout("action=dunno\n\n")
                    .log([
                        refused("A"),
                        // Perl: host `unix`, port `/path`, prio 5.
                        Attempt::failed("A").prio(5).line(),
                    ])
                    .received("A", NONE)
                    .connections("A", 0),
                Expect::new()
                    .stdout("action=A\n\n")
                    .log([a.prio(5).line()])
                    .received("A", [FULL])
                    .connections("A", 1),
            ),
        case("I.15", "the 65th service is left out")
            .refusing("A")
            .named("B")
            .args((0..64).flat_map(|n| ["-s".to_owned(), format!("a{n}={{A}}:1")]))
            .args(["-s", "B={B}:2"])
            .send(FULL)
            .by_check(&[Aspect::Log])
            .differs(
                Why::Decided("at most 64 services"),
                Expect::new()
                    .stdout("action=B\n\n")
                    .received("B", [FULL])
                    .connections("B", 1),
                Expect::new()
                    .stdout("action=dunno\n\n")
                    .received("B", NONE)
                    .connections("B", 0),
            )
            .check(|_, ours| match &ours.log[0] {
                warning if warning.starts_with("warning: ") && warning.contains('B') => Ok(()),
                other => Err(format!("no warning that names B, but {other:?}")),
            }),
    ]
}
