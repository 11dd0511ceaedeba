//! Some values are replaced, and others stay.

use super::*;
use crate::input::capture::Facts;

#[test]
fn addresses_are_replaced_one_to_one_and_keep_their_networks() {
    let anonymiser = Anonymiser::new(&[1; 16]).unwrap();
    let replaced = |text: &str| anonymiser.host(text).parse::<IpAddr>().unwrap();
    let [IpAddr::V4(a), IpAddr::V4(b), IpAddr::V4(c)] =
        ["192.0.2.1", "192.0.2.200", "192.0.3.1"].map(replaced)
    else {
        panic!("an IPv4 address becomes one");
    };
    let common = |a: Ipv4Addr, b: Ipv4Addr| (a.to_bits() ^ b.to_bits()).leading_zeros();
    assert_eq!((common(a, b), common(a, c)), (24, 23));
    assert_ne!(a.to_string(), "192.0.2.1");
    let all: std::collections::BTreeSet<_> = (0..=255)
        .map(|last| replaced(&format!("192.0.2.{last}")))
        .collect();
    assert_eq!(all.len(), 256);
    let [IpAddr::V6(a), IpAddr::V6(b)] = ["2001:db8::1", "2001:db8::2:1"].map(replaced) else {
        panic!("an IPv6 address becomes one");
    };
    assert_eq!((a.to_bits() ^ b.to_bits()).leading_zeros(), 110);
    for same in ["127.0.0.1", "::1"] {
        assert_eq!(anonymiser.host(same), same);
    }
}

#[test]
fn names_keep_their_domains_and_another_key_has_other_names() {
    let anonymiser = Anonymiser::new(&[1; 16]).unwrap();
    let mail = anonymiser.host("mail.Example.com");
    let domain = anonymiser.host("example.com");
    assert!(mail.ends_with(&format!(".{domain}")), "{mail} {domain}");
    assert!(domain.ends_with(".com") && !domain.contains("example"));
    let sender = anonymiser.mailbox("Alice+list@example.com");
    let other = anonymiser.mailbox("alice@EXAMPLE.COM");
    let (local, of) = other.split_once('@').unwrap();
    assert!(sender.starts_with(&format!("{local}+")) && sender.ends_with(of));
    assert_ne!(
        Anonymiser::new(&[2; 16]).unwrap().host("example.com"),
        domain
    );
}

#[test]
fn nothing_of_a_person_is_left_in_a_request_and_its_answer() {
    let anonymiser = Anonymiser::random().unwrap();
    let attributes = [
        ("request", "smtpd_access_policy"),
        ("protocol_state", "RCPT"),
        ("client_address", "192.0.2.77"),
        ("client_name", "mail.secret.example"),
        ("reverse_client_name", "unknown"),
        ("helo_name", "[192.0.2.77]"),
        ("sender", "secret@secret.example"),
        ("recipient", "secret"),
        ("sasl_username", "secret"),
        ("ccert_subject", "secret"),
        ("tls_sni", "mx.secret.example"),
        ("own", "secret"),
        ("size", "1234"),
    ];
    let seen = Seen {
        request: Request::from_attributes(attributes).unwrap(),
        facts: Facts {
            action: Some(
                b"REJECT 5.7.1 <secret@secret.example>: [192.0.2.77] is at http://secret.example/?ip=192.0.2.77."
                    .to_vec(),
            ),
            ..Facts::default()
        },
    };
    let replaced = anonymiser.seen(&seen);
    let request = String::from_utf8(replaced.request.as_bytes().to_vec()).unwrap();
    let action = String::from_utf8(replaced.facts.action.unwrap()).unwrap();
    for text in [&request, &action] {
        assert!(
            !text.contains("secret") && !text.contains("192.0.2.77"),
            "{text}"
        );
    }
    for kept in [
        "protocol_state=RCPT\n",
        "reverse_client_name=unknown\n",
        "size=1234\n",
    ] {
        assert!(request.contains(kept), "{request}");
    }
    assert!(action.starts_with("REJECT 5.7.1 <u"), "{action}");
    // The same address is the same everywhere.
    let address = anonymiser.host("192.0.2.77");
    assert_eq!(request.matches(&address).count(), 2);
    assert_eq!(action.matches(&address).count(), 2);
}

/// In whatever form: of a person in the request, and of another one that a text names in full.
#[test]
fn nothing_of_a_person_is_left_in_a_text() {
    let anonymiser = Anonymiser::random().unwrap();
    let request = Request::from_attributes([
        ("client_address", "198.51.100.7"),
        ("client_name", "mx.private.example"),
        ("helo_name", "[IPv6:2001:db8::25]"),
        ("sender", "alice+list@private.example"),
        ("recipient", "\"bob\"@public.example"),
        ("ccert_subject", "Alice of Wonderland"),
        ("own", "42"),
    ])
    .unwrap();
    for (text, begin) in [
        (
            "REJECT connect to 198.51.100.7:25 failed",
            "REJECT connect to ",
        ),
        ("REJECT [IPv6:2001:db8::25]", "REJECT [IPv6:"),
        ("REJECT [2001:db8::25]:25", "REJECT ["),
        (
            "REJECT the network of 198-51-100-7 is bad",
            "REJECT the network of ",
        ),
        ("REJECT 7.100.51.198.zen.test", "REJECT "),
        ("DEFER id=alice@private.example=x", "DEFER id=u"),
        (
            "550 Why?s=mfrom;id=alice%40private.example;ip=198.51.100.7;r=mx.private.example",
            "550 Why?s=mfrom;id=u",
        ),
        ("REJECT alice=private.example@srs.test", "REJECT u"),
        ("REJECT alice.b=private.example", "REJECT u"),
        ("REJECT bounce-carol=private.test@srs.test", "REJECT u"),
        ("REJECT \"carol\"@private.test", "REJECT u"),
        ("REJECT \"alice\": no", "REJECT \"u"),
        ("REJECT carol%40private.test is not here", "REJECT u"),
        ("REJECT [198.51.100.99]:25 and 198-51-100-99", "REJECT ["),
        ("REJECT user bob is over quota", "REJECT user u"),
        ("REJECT Alice of Wonderland's certificate", "REJECT x"),
        ("REJECT <ALICE>: PRIVATE.EXAMPLE", "REJECT <u"),
        ("REJECT limit of alice-list", "REJECT limit of u"),
        ("REJECT see /x/alice.", "REJECT see /x/u"),
    ] {
        let replaced = anonymiser.text(text.as_bytes(), &request);
        let replaced = String::from_utf8(replaced).unwrap();
        assert!(replaced.starts_with(begin), "{text}: {replaced}");
        let lower = replaced.to_lowercase();
        for private in [
            "alice",
            "bob",
            "carol",
            "private",
            "wonderland",
            "198.51.100",
            "198-51-100",
            "7.100.51.198",
            "2001:db8",
        ] {
            assert!(!lower.contains(private), "{text}: {replaced}");
        }
    }
    for text in [
        "DEFER_IF_PERMIT 4.2.0 Greylisted, see you in 42 s (limit=5, score=3.4)",
        "450 4.7.1 try later: http://",
        "PREPEND X-Spam: yes = \"no\"",
    ] {
        let replaced = anonymiser.text(text.as_bytes(), &request);
        assert_eq!(String::from_utf8(replaced).unwrap(), text);
    }
    // Alike in the request and in each form.
    let replaced =
        |text: &str| String::from_utf8(anonymiser.text(text.as_bytes(), &request)).unwrap();
    let address = anonymiser.host("198.51.100.7");
    assert_eq!(
        replaced("x 198.51.100.7 198-51-100-7"),
        format!("x {address} {}", address.replace('.', "-"))
    );
    let local = anonymiser.mailbox("alice");
    assert_eq!(
        replaced("x alice@y.test"),
        format!("x {local}@{}", anonymiser.host("y.test"))
    );
    assert_eq!(replaced("x alice"), format!("x {local}"));
    let whole = anonymiser.mailbox("alice@y.test");
    assert_eq!(replaced("x \"alice\"@y.test"), format!("x {whole}"));
    let domain = anonymiser.host("private.example");
    assert_eq!(replaced("x @private.example"), format!("x @{domain}"));
}
