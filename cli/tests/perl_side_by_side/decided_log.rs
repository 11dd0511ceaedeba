//! Differences in the log: what a peer could forge a line with is escaped.

use super::case::{Case, Why, case};
use super::expect::Expect;
use super::parts::{Attempt, FULL, invalid};
use policy_testing::stub::Script;

pub fn cases() -> Vec<Case> {
    let mut cases = attempts();
    cases.extend(quotations());
    cases.extend(bytes());
    cases
}

const SYNTAX: Why = Why::Decided("a line's own syntax in the values it tells");
const NOT_UTF8: Why = Why::Decided("bytes that are not UTF-8 in the log");
const COMMANDS: Why = Why::Decided("other characters that command a terminal");

fn attempts() -> Vec<Case> {
    let about = |number, name, why, request: &str, perl: &str, ours: &str| {
        let request = format!("request=smtpd_access_policy\n{request}\n\n");
        let line = |about: &str| Attempt::first("A").line_about(about);
        case(number, name)
            .named("A")
            .args(["-l", "-s", "A={A}:"])
            .send(&request)
            .stdout("action=A\n\n")
            .received("A", [request])
            .differs(
                why,
                Expect::new().log([line(perl)]),
                Expect::new().log([line(ours)]),
            )
    };
    vec![
        about(
            "I.16",
            "-l: a sender that plays the client",
            SYNTAX,
            "sender=a> , client: v[203.0.113.8]@evil",
            "client: [], helo: <>, from: <a> , client: v[203.0.113.8]@evil>, to: <>",
            r"client: [], helo: <>, from: <a\x3e \x2c client: v\x5b203.0.113.8\x5d@evil>, to: <>",
        ),
        about(
            "I.17",
            "-l: a client's name with brackets",
            SYNTAX,
            "client_name=v[203.0.113.8]\nclient_address=192.0.2.1",
            "client: v[203.0.113.8][192.0.2.1], helo: <>, from: <>, to: <>",
            r"client: v\x5b203.0.113.8\x5d[192.0.2.1], helo: <>, from: <>, to: <>",
        ),
        about(
            "I.18",
            "-l: quotes, and a backslash that plays an escape",
            SYNTAX,
            r#"sender="it's"@a
recipient=a\x27@b"#,
            r#"client: [], helo: <>, from: <"it's"@a>, to: <a\x27@b>"#,
            r"client: [], helo: <>, from: <\x22it\x27s\x22@a>, to: <a\x5cx27@b>",
        ),
        about(
            "I.19",
            "-l: C1 controls, marks of direction, line separators",
            COMMANDS,
            "sender=a\u{9b}1m\u{202e}b\u{2028}",
            "client: [], helo: <>, from: <a\u{9b}1m\u{202e}b\u{2028}>, to: <>",
            r"client: [], helo: <>, from: <a\xc2\x9b1m\xe2\x80\xaeb\xe2\x80\xa8>, to: <>",
        ),
        case("I.20", "-l: quotes in an action")
            .stub("A", Script::answer(r"REJECT 'né' \n"))
            .args(["-l", "-s", "A={A}:"])
            .send(FULL)
            .stdout("action=REJECT 'né' \\n\n\n")
            .received("A", [FULL])
            .differs(
                SYNTAX,
                Expect::new().log([Attempt::first("A").action(r"REJECT 'né' \n").line()]),
                Expect::new().log([Attempt::first("A")
                    .action(r"REJECT \x27né\x27 \x5cn")
                    .line()]),
            ),
    ]
}

fn quotations() -> Vec<Case> {
    vec![
        case("I.21", "the end of a quotation in garbage")
            .named("A")
            .args(["-s", "A={A}:"])
            .send("request=smtpd_access_policy\n\"quoted\" 'x' \\\n\n")
            .stdout("action=A\n\n")
            .received("A", ["request=smtpd_access_policy\n\n"])
            .differs(
                SYNTAX,
                Expect::new().log([r#"notice: error: ignoring garbage ""quoted" 'x' \""#]),
                Expect::new().log([r#"notice: error: ignoring garbage "\x22quoted\x22 'x' \x5c""#]),
            ),
        case("I.22", "the end of a quotation in an invalid answer")
            .stub("A", Script::bytes("it's \\\n"))
            .args(["-s", "A={A}:::1"])
            .send(FULL)
            .stdout("action=dunno\n\n")
            .differs(
                SYNTAX,
                Expect::new().log([invalid("A", r"it's \")]),
                Expect::new().log([invalid("A", r"it\x27s \x5c")]),
            ),
        case("I.23", "the end of a quotation in another type")
            .args(["-s", "A=127.0.0.1:1:"])
            .send("request=it's\n\n")
            .differs(
                Why::Defect(5),
                Expect::new()
                    .stdout("")
                    .log(["notice: ignoring unrecognized request type: 'it's'"]),
                Expect::new()
                    .stdout("action=dunno\n\n")
                    .log([r"notice: ignoring unrecognized request type: 'it\x27s'"]),
            )
            .also(SYNTAX),
    ]
}

fn bytes() -> Vec<Case> {
    let named = |name: &str| Attempt::first("A").line().replacen("[A]", name, 1);
    vec![
        case("I.24", "an invalid answer that is not UTF-8")
            .stub("A", Script::bytes(b"\xe9t\xe9\n"))
            .args(["-s", "A={A}:::1"])
            .send(FULL)
            .stdout("action=dunno\n\n")
            .differs(
                NOT_UTF8,
                Expect::new().log([invalid("A", "{e9}t{e9}")]),
                Expect::new().log([invalid("A", r"\xe9t\xe9")]),
            ),
        case("I.25", "a service's name in Latin 1")
            .named("A")
            .args([b"-l".as_slice(), b"-s", b"gr\xfcn={A}:"])
            .send(FULL)
            .stdout("action=A\n\n")
            .differs(
                NOT_UTF8,
                Expect::new().log([named("[gr{fc}n]")]),
                Expect::new().log([named(r"[gr\xfcn]")]),
            ),
    ]
}
