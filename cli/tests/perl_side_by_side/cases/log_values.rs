//! The defect 19, and what is decided beside it: what a peer could forge a line with is escaped in the log.

use crate::Script;
use crate::case::{Case, asks, case, cases, rows};
use crate::expect::{Expecting, expect};
use crate::texts::{FULL, NOTHING, first, garbage, invalid, policy, unrecognized};

pub const TABLES: super::Tables = &[attempts, actions, counts, quotations, names];

const SYNTAX: &str = "a line's own syntax in the values it tells";
const NOT_UTF8: &str = "bytes that are not UTF-8 in the log";
const COMMANDS: &str = "other characters that command a terminal";

/// A request's values in the line of -l.
fn attempts() -> Vec<Case> {
    let about = |name, why, request: &str, perl: &str, ours: &str| {
        let request = policy(request);
        let case = case(name, "-l -s A={A}:").send(&request);
        let case = case.answer("A").received("A", [request]);
        let [perl, ours] = [perl, ours].map(|about| first("A").line_about(about));
        case.line_differs(why, &perl, &ours)
    };
    let sender = |name, why, request: &str, perl: &str, ours: &str| {
        let [perl, ours] =
            [perl, ours].map(|s| NOTHING.replace("from: <>", &format!("from: <{s}>")));
        about(name, why, &format!("sender={request}\n"), &perl, &ours)
    };
    let client = |name: &str| NOTHING.replace("client: []", &format!("client: {name}[192.0.2.1]"));
    let both = |from: &str, to: &str| format!("client: [], helo: <>, from: <{from}>, to: <{to}>");
    let forged = "a> , client: v[203.0.113.8]@evil";
    let commands = "a\u{9b}1m\u{202e}b\u{2028}";
    let controls = "a\x01\t\x1b[2J\x7f";
    let logged = "2.19.b control characters are logged as ?";
    let mut cases = cases! {
        sender(logged, "defect 19", controls, controls, "a???[2J?").because("control characters in the log");
    };
    cases.extend(rows! { sender;
        "2.19.a % is not doubled", "defect 19", "a%s 100%", "a%%s 100%%", "a%s 100%";
        "I.16 -l: a sender that plays the client", SYNTAX, forged, forged,
            r"a\x3e \x2c client: v\x5b203.0.113.8\x5d@evil";
        "I.19 -l: C1 controls, marks of direction, line separators", COMMANDS, commands, commands,
            r"a\xc2\x9b1m\xe2\x80\xaeb\xe2\x80\xa8";
    });
    cases.extend(rows! { about;
        "I.17 -l: a client's name with brackets", SYNTAX,
            "client_name=v[203.0.113.8]\nclient_address=192.0.2.1\n",
            &client("v[203.0.113.8]"), &client(r"v\x5b203.0.113.8\x5d");
        "I.18 -l: quotes, and a backslash that plays an escape", SYNTAX,
            "sender=\"it's\"@a\nrecipient=a\\x27@b\n",
            &both(r#""it's"@a"#, r"a\x27@b"), &both(r"\x22it\x27s\x22@a", r"a\x5cx27@b");
    });
    cases
}

fn actions() -> Vec<Case> {
    let action = r"REJECT 'né' \n";
    let line = |action| first("A").action(action).line();
    cases! {
        asks("I.20 -l: quotes in an action", "-l -s A={A}:").stub("A", Script::answer(action))
            .answer(action).received("A", [FULL])
            .line_differs(SYNTAX, &line(action), &line(r"REJECT \x27né\x27 \x5cn"));
    }
}

fn counts() -> Vec<Case> {
    let lines = |last: &str| {
        let line = |n: u32| first("A").weight(5).counts(n, n, 0).line();
        let mut lines: Vec<String> = (1..=60).map(line).collect();
        lines[59] = lines[59].replace("queries: 60,", &format!("queries: {last},"));
        lines
    };
    cases! {
        case("2.19.c queries are counted in integers", "-l -s A={A}::5").send(FULL.repeat(60))
            .answers(["A"; 60]).log_differs("defect 19", lines("59.9999999999999"), lines("60"));
    }
}

/// The end of a quotation within it.
fn quotations() -> Vec<Case> {
    let answer = |name, why, bytes: &[u8], perl: &str, ours: &str| {
        let case = asks(name, "-s A={A}:::1").stub("A", Script::bytes(bytes));
        case.answer("dunno")
            .line_differs(why, &invalid("A", perl), &invalid("A", ours))
    };
    let mut cases = rows! { answer;
        "I.22 the end of a quotation in an invalid answer", SYNTAX, b"it's \\\n", r"it's \", r"it\x27s \x5c";
        "I.24 an invalid answer that is not UTF-8", NOT_UTF8, b"\xe9t\xe9\n", "{e9}t{e9}", r"\xe9t\xe9";
    };
    let quoted = r#""quoted" 'x' \"#;
    cases.extend(cases! {
        case("I.21 the end of a quotation in garbage", "-s A={A}:").send(policy(&format!("{quoted}\n")))
            .answer("A").received("A", [policy("")])
            .line_differs(SYNTAX, &garbage(quoted), &garbage(r"\x22quoted\x22 'x' \x5c"));
        case("I.23 the end of a quotation in another type", "-s A=127.0.0.1:1:").send("request=it's\n\n")
            .differs("defect 5",
                expect().stdout("").log([unrecognized("it's")]),
                expect().answer("dunno").log([unrecognized(r"it\x27s")])).because(SYNTAX);
    });
    cases
}

fn names() -> Vec<Case> {
    let named = |name: &str| first("A").line().replacen("[A]", name, 1);
    cases! {
        asks("I.25 a service's name in Latin 1", "-l -s").arg(b"gr\xfcn={A}:")
            .answer("A").line_differs(NOT_UTF8, &named("[gr{fc}n]"), &named(r"[gr\xfcn]"));
    }
}
