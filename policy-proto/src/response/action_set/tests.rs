//! Tests of which answers a list allows.

use super::*;

fn allows(list: &str, answer: &str) -> bool {
    let allowed: ActionSet = list.parse().unwrap();
    allowed.allows(&Response::new(answer.to_owned()).unwrap())
}

#[test]
fn an_answer_is_allowed_as_postfix_reads_it() {
    for (list, answer, allowed) in [
        // A word of access(5) ends at a blank, and its text is free.
        ("reject", "REJECT", true),
        ("Reject", "reject 5.7.1 REDIRECT a@b", true),
        ("reject", "reject\tx", true),
        ("reject", "rejected", false),
        ("reject", "reject_unauth_destination", false),
        ("reject", "redirect a@b", false),
        ("redirect", "REDIRECT a@b", true),
        ("prepend", "PREPEND X: y", true),
        ("bcc", "BCC a@b", true),
        ("filter", "FILTER a:b", true),
        ("hold", "HOLD", true),
        ("info", "INFO x", true),
        ("warn", "WARN x", true),
        ("discard", "DISCARD x", true),
        ("defer", "DEFER_IF_PERMIT x", false),
        ("defer_if_permit", "DEFER_IF_PERMIT x", true),
        ("defer_if_reject", "DEFER_IF_REJECT x", true),
        ("defer", "DEFER", true),
        ("dunno", "dunno whatever", true),
        // What accepts, in all its forms.
        ("ok", "OK, says the text", false),
        ("ok", "OK says the text", true),
        ("ok", "relay", true),
        ("relay", "OK", true),
        ("ok", "12", true),
        ("ok", "450", true),
        ("450,4xx,5xx", "450", false),
        ("dunno", ",", false),
        ("ok", " ,", true),
        // Codes have a text, which may be anything.
        ("4xx", "450 4.7.1 x", true),
        ("4xx", "550 x", false),
        ("5xx", "550\tx", true),
        ("450", "450 x", true),
        ("450", "451 x", false),
        ("4xx", "4xx x", false),
        ("4xx", "450 ", false),
        ("4xx", "4500 x", false),
        // Lists of restrictions: each word.
        ("a,b", "a", true),
        ("a,b", "A b", true),
        ("a,b", "b,a", true),
        ("a,b", ", a\t,,b ,", true),
        ("a,b", "a b c", false),
        ("a", "a, REDIRECT x@y", false),
        ("reject", "reject,permit", false),
        ("reject", "permit,reject", false),
        ("reject,permit", "permit,reject", true),
        ("reject", " reject x", false),
        // To Postfix the others are no restrictions: it would defer all mail.
        ("reject", ",reject", true),
        ("dunno", " DUNNO", false),
        ("dunno", ",dunno", false),
        ("warn,a", "a, warn", false),
        ("450,a", "a 450", false),
        ("a", "a{ b }", false),
        ("a", "{ a }", false),
        ("check_client_access", "check_client_access hash:/x", false),
        ("sleep", "sleep 5", false),
        ("sleep,5xx", "sleep 500", false),
        ("a", "a\x0bb", false),
    ] {
        assert_eq!(allows(list, answer), allowed, "{list}: {answer:?}");
    }
}

#[test]
fn a_list_is_words_codes_and_classes_of_codes() {
    for (list, shown) in [
        ("ok", "ok"),
        ("OK,Reject", "ok,reject"),
        (" ok ,\treject", "ok,reject"),
        ("relay", "ok"),
        ("4XX,5xx,400,599", "4xx,5xx,400,599"),
        ("My_Class.2-x", "my_class.2-x"),
    ] {
        let set: ActionSet = list.parse().unwrap();
        assert_eq!(set.to_string(), shown, "{list}");
    }
    for (list, offset) in [
        ("", 0),
        (" ", 0),
        (",", 0),
        ("ok,", 3),
        ("ok, ,reject", 3),
        ("ok,6xx", 3),
        ("ok,399,x", 3),
        ("600", 0),
        ("4x", 0),
        ("45", 0),
        ("4500", 0),
        ("reject now", 0),
        ("a:b", 0),
        ("{a}", 0),
        ("dunno,r\u{e9}ject", 6),
    ] {
        let error = InvalidActionSet { offset };
        assert_eq!(list.parse::<ActionSet>(), Err(error), "{list}");
    }
}

#[test]
fn what_is_not_utf_8_is_never_allowed() {
    let allowed: ActionSet = "dunno".parse().unwrap();
    assert!(!allowed.allows(&Response::new(&b"dunno \xff"[..]).unwrap()));
    assert!(allowed.allows(&Response::new("dunno \u{e9}").unwrap()));
}
