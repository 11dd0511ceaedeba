//! Section 3, clauses 2 and 3: the services as they are written, and the default action.

use super::case::{Case, Why, case};
use super::expect::Expect;
use super::parts::{Attempt, ERROR_AT_START, FULL, NONE, attributes, refused, timed_out};
use policy_testing::stub::{Reply, Script};

pub fn cases() -> Vec<Case> {
    let mut cases = fields();
    cases.extend(names_and_hosts());
    cases.extend(bad_ones());
    cases.extend(default_actions());
    cases
}

/// One service A with this text after its address, seen in the line of `-l`.
fn with_fields(
    number: &'static str,
    name: &'static str,
    fields: &'static str,
    seen: Attempt,
) -> Case {
    case(number, name)
        .named("A")
        .args(["-l", "-s", &format!("A={{A}}{fields}")])
        .send(FULL)
        .stdout("action=A\n\n")
        .log([seen.line()])
        .received("A", [FULL])
}

/// A server that hangs is given up after the default of thirty seconds.
fn takes_thirty_seconds(number: &'static str, name: &'static str, fields: &'static str) -> Case {
    case(number, name)
        .stub("A", Script::reply(Reply::Hang))
        .args(["-l", "-s", &format!("A={{A}}{fields}")])
        .send(FULL)
        .stdout("action=dunno\n\n")
        .log([timed_out("A"), Attempt::failed("A").line()])
        .received("A", [FULL])
        .seconds(29.0, 38.0)
        .limit(45)
}

fn fields() -> Vec<Case> {
    let a = Attempt::first("A");
    vec![
        with_fields("3.2.a", "name=addr:port:", ":", a),
        with_fields("3.2.b", "with a prio", ":7", a.prio(7)),
        with_fields("3.2.c", "with a weight", ":7:3", a.prio(7).weight(3)),
        with_fields("3.2.d", "with a time-out", ":7:3:5", a.prio(7).weight(3)),
        with_fields("3.2.e", "empty fields: 10 and 1", ":::", a),
        with_fields("3.2.f", "an empty prio", "::4:5", a.weight(4)),
        with_fields("3.2.g", "an empty weight", ":4::5", a.prio(4)),
        with_fields("3.2.h", "weight 0 is 1", ":4:0:5", a.prio(4)),
        takes_thirty_seconds("3.2.i", "no time-out is 30 seconds", ":"),
        takes_thirty_seconds("3.2.j", "an empty time-out is 30 seconds", ":10:1:"),
        takes_thirty_seconds("3.2.k", "time-out 0 is 30 seconds", ":10:1:0"),
        case("3.2.l", "a time-out of its own")
            .stub("A", Script::reply(Reply::Hang))
            .args(["-s", "A={A}:::1"])
            .send(FULL)
            .stdout("action=dunno\n\n")
            .log([timed_out("A")])
            .seconds(0.9, 7.0),
    ]
}

fn names_and_hosts() -> Vec<Case> {
    let line = |shown: &str, address: &str| {
        let line = Attempt::first("A").line();
        line.replace("[A] ({A})", &format!("[{shown}] ({address})"))
    };
    let named = |number, name, service: &'static str| {
        case(number, name)
            .named("A")
            .args(["-l", "-s", &format!("{service}={{A}}:")])
            .send(FULL)
            .stdout("action=A\n\n")
            .log([line(service, "{A}")])
    };
    let at = |number, name, address: &'static str| {
        case(number, name)
            .named("A")
            .args(["-l", "-s", &format!("A={address}:")])
            .send(FULL)
            .stdout("action=A\n\n")
            .log([line("A", address)])
            .received("A", [FULL])
    };
    vec![
        named("3.2.m", "a name with blanks", "my first service"),
        named("3.2.n", "a name with colons and quotes", "a:b'c\"d:"),
        named("3.2.o", "a name in UTF-8", "grün-Ω"),
        case("3.2.ag", "two names in Latin 1 are two services")
            .refusing("A")
            .named("B")
            .args([b"-s".as_slice(), b"\xe4={B}:2", b"-s", b"\xf6={A}:1"])
            .send(FULL)
            .stdout("action=B\n\n")
            .received("B", [FULL])
            .differs(
                Why::Decided("bytes that are not UTF-8 in the log"),
                Expect::new().log(["warning: Could not open socket to '{f6}' ({A})"]),
                Expect::new().log([r"warning: Could not open socket to '\xf6' ({A})"]),
            ),
        at("3.2.p", "localhost", "localhost:{A.port}"),
        at("3.2.q", "a host's name", "policy.example:{A.port}")
            .file("/etc/hosts", "127.0.0.1 localhost policy.example\n"),
        at("3.2.r", "an address in the short form", "127.1:{A.port}"),
        at("3.2.s", "a port's name", "127.0.0.1:hapolicy-test")
            .file("/etc/services", "hapolicy-test {A.port}/tcp\n"),
    ]
}

fn bad_ones() -> Vec<Case> {
    let invalid = |number, name, service: &'static str| {
        case(number, name)
            .named("A")
            .args(["-s", service, "-s", "A={A}:"])
            .send(FULL)
            .stdout("action=A\n\n")
            .log([format!("warning: ignoring invalid service '{service}'")])
            .received("A", [FULL])
    };
    let later_wins = |warning: Vec<&'static str>| {
        let line = Attempt::first("A").prio(3).weight(2).line();
        let mut log: Vec<String> = warning.into_iter().map(str::to_owned).collect();
        log.push(line);
        Expect::new().log(log)
    };
    vec![
        case("3.2.t", "the later of two with one name wins")
            .named("A")
            .named("B")
            .args(["-l", "-s", "A={B}:1:7", "-s", "A={A}:3:2"])
            .send(FULL)
            .stdout("action=A\n\n")
            .received("A", [FULL])
            .received("B", NONE)
            .differs(
                Why::Defect(20),
                later_wins(vec![]),
                later_wins(vec!["warning: …A…"]),
            ),
        case("3.2.af", "and takes over what it does not say itself")
            .named("A")
            .named("B")
            .args(["-l", "-s", "A={B}:3:2:5", "-s", "A={A}:"])
            .send(FULL)
            .stdout("action=A\n\n")
            .received("A", [FULL])
            .received("B", NONE)
            .differs(
                Why::Defect(20),
                later_wins(vec![]),
                later_wins(vec!["warning: …A…"]),
            ),
        invalid("3.2.u", "invalid: a word", "A"),
        invalid("3.2.v", "invalid: nothing", ""),
        invalid("3.2.w", "invalid: nothing after the =", "A="),
        invalid("3.2.x", "invalid: no name", "=127.0.0.1:10031:"),
        invalid("3.2.y", "invalid: no port", "B=127.0.0.1"),
        invalid("3.2.z", "invalid: no host", "B=:10031:"),
        invalid("3.2.aa", "invalid: an empty port", "B=127.0.0.1::"),
        invalid("3.2.ab", "invalid: what follows -s", "-l"),
        case("3.2.ac", "invalid ones amid good ones")
            .refusing("A")
            .named("B")
            .args([
                "-s", "x", "-s", "A={A}:1", "-s", "y", "-s", "B={B}:2", "-s", "z",
            ])
            .send(FULL)
            .stdout("action=B\n\n")
            .log([
                "warning: ignoring invalid service 'x'".to_owned(),
                "warning: ignoring invalid service 'y'".to_owned(),
                "warning: ignoring invalid service 'z'".to_owned(),
                refused("A"),
            ]),
        case("3.2.ad", "no valid service: the default action")
            .args(["-s", "nonsense"])
            .send(FULL)
            .send(FULL)
            .stdout("action=dunno\n\naction=dunno\n\n")
            .differs(
                Why::Defect(4),
                Expect::new().log(["warning: ignoring invalid service 'nonsense'"]),
                Expect::new().log([
                    "warning: ignoring invalid service 'nonsense'",
                    ERROR_AT_START,
                ]),
            ),
    ]
}

fn default_actions() -> Vec<Case> {
    let verbatim = |number, name, action: &'static [u8]| {
        let mut expected = b"action=".to_vec();
        expected.extend_from_slice(action);
        expected.extend_from_slice(b"\n\n");
        case(number, name)
            .refusing("A")
            .args(["-s", "A={A}:", "-d"])
            .args([action])
            .send(FULL)
            .stdout(expected)
            .log([refused("A")])
    };
    let mut logged = attributes(FULL);
    logged.extend([
        "info: Opening socket to 'A' ({A})".to_owned(),
        refused("A"),
        Attempt::failed("A").line(),
        "info: Action: DEFER_IF_PERMIT policy service down".to_owned(),
    ]);
    vec![
        case("3.3.a", "dunno, in lower case")
            .refusing("A")
            .args(["-s", "A={A}:"])
            .send(FULL)
            .stdout("action=dunno\n\n")
            .log([refused("A")]),
        verbatim(
            "3.3.b",
            "-d verbatim: text",
            b"DEFER_IF_PERMIT 4.3.0 policy service down",
        ),
        verbatim("3.3.c", "-d verbatim: blanks at both ends", b"  X  Y "),
        verbatim("3.3.d", "-d verbatim: signs", b"REJECT 100% \"'$`\\;<>=&|"),
        verbatim("3.3.e", "-d verbatim: UTF-8", "REJECT déjà vu".as_bytes()),
        verbatim("3.3.f", "-d verbatim: 8-bit bytes", b"REJECT \xe9\xff\x80"),
        verbatim("3.3.g", "-d verbatim: 0", b"0"),
        verbatim("3.3.h", "-d verbatim: lower case", b"reject"),
        case("3.3.i", "for each request anew, and in the log")
            .refusing("A")
            .args([
                "-v",
                "-s",
                "A={A}:",
                "-d",
                "DEFER_IF_PERMIT policy service down",
            ])
            .send(FULL)
            .stdout("action=DEFER_IF_PERMIT policy service down\n\n")
            .log(logged),
    ]
}
