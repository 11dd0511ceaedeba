//! An answer whose action is unusual, or none to Postfix: what it makes of that.

use policy_testing::stub::{Script, Stub};

use crate::query;

/// Postfix knows no such action, or reads another one.
#[test]
fn what_postfix_makes_of_an_action_that_is_none_is_said() {
    let stub = Stub::tcp(Script::default());
    let name = stub.address();
    let unknown = "Postfix replies: 451 4.3.5 Server configuration error\n";
    let accepts = "Postfix goes on as after OK\n";
    for (answer, reason, log, reply) in [
        (
            &b"action=DUNNO\r\n\n"[..],
            "an action that Postfix does not know: 'action=DUNNO\\r'",
            "unknown smtpd restriction: \"DUNNO\"".to_owned(),
            unknown,
        ),
        (
            b"action=a\0b\n\n",
            "an action that Postfix does not know: 'action=a\\x00b'",
            "unknown smtpd restriction: \"a\"".to_owned(),
            unknown,
        ),
        (
            b"action=wait: 5 minutes\n\n",
            "an action that Postfix does not know: 'action=wait: 5 minutes'",
            format!(
                "access table inet:{name} has entry with lookup table: wait: 5 minutes\n\
                 Postfix logs: warning: do not specify lookup tables inside SMTPD access maps\n\
                 Postfix logs: warning: define a restriction class and specify its name instead."
            ),
            unknown,
        ),
        (
            b"action=,\n\n",
            "blank action: 'action=,'",
            format!("access table inet:{name} entry , has empty value"),
            accepts,
        ),
        (
            b"action=\n\n",
            "blank action: 'action='",
            format!("access table inet:{name} entry  has empty value"),
            accepts,
        ),
        (
            b"action=  \n\n",
            "blank action: 'action=  '",
            format!("access table inet:{name} entry    has empty value"),
            accepts,
        ),
    ] {
        stub.set(Script::bytes(answer));
        let ended = query(&[&name]);
        let said =
            format!("no answer: invalid answer: {reason}\nPostfix logs: warning: {log}\n{reply}");
        let got = (ended.code, &*ended.out, &*ended.err);
        assert_eq!(got, (Some(69), "", &*said));
    }
    // Of a text it is the last byte, and of a restriction's name none.
    for action in ["REJECT no", "REJECT"] {
        stub.set(Script::bytes(format!("action={action}\r\n\n")));
        let ended = query(&[&name]);
        let got = (ended.code, ended.out.trim_end());
        assert_eq!(got, (Some(0), action));
    }
}

/// A real Postfix beside it: `cli/tests/postfix/explained.rs`.
#[test]
fn what_postfix_takes_and_others_may_not_is_an_answer_and_told() {
    let stub = Stub::tcp(Script::default());
    for (bytes, action, unusual) in [
        (
            &b"220 hello\naction=DUNNO\n\n"[..],
            "DUNNO",
            "a line besides its action, which Postfix skips: '220 hello'",
        ),
        (
            b"action=REJECT no\r\n\n",
            "REJECT no",
            "a carriage return, which is a part of the text to Postfix: 'action=REJECT no\\r'",
        ),
        (
            b"action=DUNNO\0x\n\n",
            "DUNNO",
            "a NUL byte, after which Postfix reads nothing: 'action=DUNNO\\x00x'",
        ),
    ] {
        stub.set(Script::bytes(bytes));
        let ended = query(&[&stub.address()]);
        let said = format!("unusual: {unusual}\n");
        let got = (ended.code, ended.out.trim_end(), &*ended.err);
        assert_eq!(got, (Some(0), action, &*said));
        let ended = query(&[&stub.address(), "--json"]);
        let object: serde_json::Value = serde_json::from_str(&ended.out).unwrap();
        assert_eq!(object["unusual"], unusual);
    }
}

#[test]
fn an_answer_is_never_too_long_and_of_its_line_the_beginning_is_shown() {
    let action = format!("DUNNO {}", "x".repeat(20_000));
    let stub = Stub::tcp(Script::answer(&action));
    let ended = query(&[&stub.address()]);
    assert_eq!((ended.code, ended.out.trim_end()), (Some(0), &*action));
    let begin =
        "unusual: 20015 bytes, which Postfix takes, however many they are: 'action=DUNNO xxx";
    assert!(ended.err.starts_with(begin), "{}", ended.err);
    assert!(ended.err.ends_with("xxx...'\n"), "{ended:?}");
    assert!(ended.err.len() < 300, "{ended:?}");
}

#[test]
fn an_action_that_is_no_utf_8_is_none_and_explained() {
    let stub = Stub::tcp(Script::bytes(&b"action=REJECT \xe9t\xe9\n\n"[..]));
    let ended = query(&[&stub.address(), "recipient=bob@example.org"]);
    assert_eq!((ended.code, &*ended.out), (Some(69), ""), "{ended:?}");
    let log = format!(
        "no answer: invalid answer: an action that is not UTF-8: 'action=REJECT \\xe9t\\xe9'\nPostfix logs: warning: malformed UTF-8 in policy server inet:{} response: \"REJECT ?t?\"\n",
        stub.address()
    );
    assert!(ended.err.starts_with(&log), "{ended:?}");
    assert!(
        ended.err.contains("Postfix replies: 451 4.3.5 "),
        "{ended:?}"
    );
}
