//! `policy-client query --expect`: whether the answer is the one that was meant.

use policy_testing::{
    process::Daemon,
    stub::{Script, Stub},
};

use crate::{query, standard_input::query_with_input};

#[test]
fn an_answer_that_is_not_the_expected_one_ends_with_1_and_is_printed_all_the_same() {
    let stub = Stub::tcp(Script::answer("DEFER_IF_PERMIT 4.2.0 Greylisted"));
    let address = stub.address();
    for (expression, status) in [
        ("DEFER_IF_PERMIT", 0),
        ("Greylisted$", 0),
        ("^(?i)defer_if_permit 4\\.2\\.0", 0),
        ("^DUNNO", 1),
        ("dunno|^Greylisted", 1),
        ("defer_if_permit", 1),
    ] {
        let ended = query(&[&address, "--expect", expression]);
        assert_eq!(ended.code, Some(status), "{expression}: {ended:?}");
        assert_eq!(ended.out, "DEFER_IF_PERMIT 4.2.0 Greylisted\n");
        let said = ["", "unexpected answer: DEFER_IF_PERMIT 4.2.0 Greylisted\n"];
        assert_eq!(ended.err, said[usize::from(status == 1)], "{expression}");
    }
}

#[test]
fn the_default_action_of_hapolicy_is_told_from_the_answer_of_a_server() {
    let stub = Stub::tcp(Script::answer("dunno"));
    let service = format!("a={}", stub.address());
    let daemon = Daemon::tcp(&["-d", "DUNNO (no service)", "-s", &service]);
    let ask = || query(&[daemon.endpoint(), "--expect", "^(?i)dunno$"]);
    assert_eq!(ask().code, Some(0));
    stub.stop();
    let ended = ask();
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert_eq!(ended.out, "DUNNO (no service)\n");
}

#[test]
fn one_unexpected_answer_of_many_counts_and_one_without_an_answer_counts_more() {
    let stub = Stub::tcp(Script::default());
    let yes = Script::answer("yes");
    let no = Script::answer("no");
    let none = Script::bytes("x=y\n\n");
    for (scripts, status) in [
        ([yes.clone(), yes.clone(), yes.clone()], 0),
        ([yes.clone(), no.clone(), yes.clone()], 1),
        ([none.clone(), no.clone(), yes.clone()], 69),
        ([no, none, yes], 69),
    ] {
        stub.set_sequence(scripts);
        let args = [&stub.address(), "-", "--expect", "yes"];
        let ended = query_with_input(&args, "a=1\n\na=2\n\na=3\n\n");
        assert_eq!(ended.code, Some(status), "{ended:?}");
    }
}

/// Postfix takes such an answer for none.
#[test]
fn an_action_that_is_not_utf_8_has_status_69_whatever_is_expected() {
    let stub = Stub::tcp(Script::bytes(&b"action=REJECT \xe9t\xe9\n\n"[..]));
    for expected in ["^REJECT", "^DUNNO"] {
        let ended = query(&[&stub.address(), "--expect", expected]);
        assert_eq!(ended.code, Some(69), "{ended:?}");
    }
}
