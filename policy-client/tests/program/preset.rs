//! `policy-client query --preset`: what a real Postfix sends at each stage.

use std::collections::BTreeSet;

use policy_proto::attr;
use policy_testing::stub::{Script, Stub};

use crate::{assert_answered, query, standard_input::query_with_input};

#[test]
fn a_preset_knows_at_each_stage_what_a_real_postfix_knows_there() {
    for (stage, more, captured) in STAGES {
        let args = ["--preset", stage, "--postfix", "3.7"];
        let asked = asked(&[&args, more].concat());
        let captured = String::from_utf8_lossy(captured);
        assert_eq!(names(&asked), names(&captured), "{stage}");
        assert_eq!(known(&asked), known(&captured), "{stage}");
        for name in [attr::PROTOCOL_STATE, attr::RECIPIENT_COUNT] {
            assert_eq!(value(&asked, name), value(&captured, name), "{stage}");
        }
    }
}

#[test]
fn a_preset_is_of_the_newest_postfix_unless_told_otherwise() {
    for (args, version) in [
        (&[][..], Some("3.12.0")),
        (&["--postfix", "3.12"], Some("3.12.0")),
        (&["--postfix", "3.8"], Some("3.8.0")),
        (&["--postfix", "3.7"], None),
    ] {
        let asked = asked(&[&["--preset", "rcpt"], args].concat());
        assert_eq!(value(&asked, attr::MAIL_VERSION), version, "{args:?}");
        let has_sni = value(&asked, attr::TLS_SNI).is_some();
        assert_eq!(has_sni, version == Some("3.12.0"), "{args:?}");
    }
    let newest = asked(&["--preset", "rcpt"]);
    assert_eq!(names(&newest), attr::ALL);
}

#[test]
fn what_is_given_replaces_a_value_of_the_preset_in_its_place() {
    let asked = asked(&[
        "--preset",
        "rcpt",
        "x=own",
        "recipient=b@example.org",
        "sender=",
    ]);
    assert_eq!(value(&asked, attr::RECIPIENT), Some("b@example.org"));
    assert_eq!(value(&asked, attr::SENDER), Some(""));
    let mut all = attr::ALL.to_vec();
    all.push("x");
    assert_eq!(names(&asked), all);
}

#[test]
fn requests_on_standard_input_are_completed_by_the_preset_and_have_an_instance_each() {
    let stub = Stub::tcp(Script::default());
    let args = [&stub.address(), "-", "--preset", "data"];
    let ended = query_with_input(&args, "recipient_count=3\n\nsender=a\n\n");
    assert_answered(&ended, "dunno\ndunno\n");
    let requests = stub.requests();
    let [first, second] =
        [&requests[0], &requests[1]].map(|request| String::from_utf8_lossy(request));
    assert_eq!(value(&first, attr::RECIPIENT_COUNT), Some("3"));
    assert_eq!(value(&second, attr::RECIPIENT_COUNT), Some("1"));
    assert_eq!(value(&second, attr::SENDER), Some("a"));
    let instances = [&first, &second].map(|request| value(request, attr::INSTANCE));
    assert_ne!(instances[0], instances[1]);
}

/// The one request that this sends.
fn asked(args: &[&str]) -> String {
    let stub = Stub::tcp(Script::default());
    let address = stub.address();
    assert_answered(&query(&[&[address.as_str()], args].concat()), "dunno\n");
    String::from_utf8(stub.requests().remove(0)).unwrap()
}

fn pairs(request: &str) -> impl Iterator<Item = (&str, &str)> {
    request.lines().filter_map(|line| line.split_once('='))
}

fn names(request: &str) -> Vec<&str> {
    pairs(request).map(|(name, _)| name).collect()
}

/// The attributes with a value, but for those that say nothing about the stage.
fn known(request: &str) -> BTreeSet<&str> {
    let says_something = |(name, value): &(&str, &str)| {
        !["", "0"].contains(value) && ![attr::POLICY_CONTEXT, attr::SIZE].contains(name)
    };
    pairs(request)
        .filter(says_something)
        .map(|(name, _)| name)
        .collect()
}

fn value<'a>(request: &'a str, name: &str) -> Option<&'a str> {
    let mut pairs = pairs(request);
    pairs.find_map(|(given, value)| (given == name).then_some(value))
}

macro_rules! captured {
    ($file:literal) => {
        include_bytes!(concat!("../../../policy-proto/tests/data/", $file))
    };
}

/// Requests of sessions without a login; the session of one had no HELO.
const STAGES: [(&str, &[&str], &[u8]); 9] = [
    ("connect", &[], captured!("000-connect-plain.req")),
    ("ehlo", &[], captured!("001-ehlo-plain.req")),
    ("helo", &[], captured!("019-helo-plain.req")),
    ("mail", &[], captured!("025-mail-plain.req")),
    ("rcpt", &[], captured!("003-rcpt-plain.req")),
    ("data", &[], captured!("004-data-plain.req")),
    (
        "end-of-message",
        &["helo_name="],
        captured!("081-end-of-message-plain.req"),
    ),
    ("vrfy", &[], captured!("076-vrfy-plain.req")),
    ("etrn", &[], captured!("075-etrn-plain.req")),
];
