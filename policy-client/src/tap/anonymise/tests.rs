//! What is replaced, and what stays.

use super::*;
use crate::capture::Facts;

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
