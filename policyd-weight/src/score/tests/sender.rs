//! Steps 15 to 18: what the sender looks like, and clients of another domain.

use super::*;

#[test]
fn nobody_and_anonymous_cost_what_lists_and_numbers_say() {
    let relay = |sender| {
        [
            "100.65.113.40",
            "relay.carrier.test",
            "relay.carrier.test",
            sender,
        ]
    };
    let dns = "A relay.carrier.test=100.65.113.40; MX carrier.test=mx.carrier.test; A mx.carrier.test=100.65.113.42";
    let names = "CL_IP_EQ_HELO_IP=-2 (check from: .carrier. - helo: .relay.carrier. - helo-domain: .carrier.)  FROM/MX_MATCHES_HELO(DOMAIN)=-2";
    for (sender, lists, start, end) in [
        (
            "nobody@carrier.test",
            "I",
            " IN_A=3.75 ",
            " FROM_NBDY_ANON=4.92; rate: 4.67",
        ),
        (
            "anonymous@carrier.test",
            ".",
            " ",
            " FROM_NBDY_ANON=1.17; rate: -2.83",
        ),
        ("somebody@carrier.test", ".", " ", "; rate: -4"),
    ] {
        let row = Row {
            mail: relay(sender),
            lists,
            dns,
            score: "",
        };
        let got = shown(&decide(&config(true, ONE_LIST), &row));
        assert_eq!(got, format!("{start}{names}{end}"), "{sender}");
    }
}

#[test]
fn a_listed_client_of_another_domain_is_told_to_relay() {
    let mail = [
        "100.65.113.40",
        "relay.carrier.test",
        "relay.carrier.test",
        "x@shop.test",
    ];
    let names = "(check from: .shop. - helo: .relay.carrier. - helo-domain: .carrier.)  FROM/MX_MATCHES_NOT_HELO(DOMAIN)";
    for (dns, lists, expected) in [
        (
            "A relay.carrier.test=100.65.113.40; MX shop.test=mx.shop.test; A mx.shop.test=100.66.100.200",
            "I",
            format!(
                " IN_A=3.75 CL_IP_EQ_HELO_IP=-2 {names}=1.938 CLIENT_NOT_MX/A_FROM_DOMAIN=5.25 CLIENT/24_NOT_MX/A_FROM_DOMAIN=5.25; rate: 14.188"
            ),
        ),
        (
            "A relay.carrier.test=100.65.113.40; MX shop.test=mx.shop.test; A mx.shop.test=100.65.113.200",
            "I",
            format!(
                " IN_A=3.75 CL_IP_EQ_HELO_IP=-2 {names}=1.938 CLIENT_NOT_MX/A_FROM_DOMAIN=5.25; rate: 8.938"
            ),
        ),
        (
            "A relay.carrier.test=100.65.113.40; MX shop.test=mx.shop.test; A mx.shop.test=100.66.100.200",
            ".",
            format!(" CL_IP_EQ_HELO_IP=-2 {names}=1; rate: -1"),
        ),
    ] {
        let row = Row {
            mail,
            lists,
            dns,
            score: "",
        };
        let decision = decide(&config(true, ONE_LIST), &row);
        assert_eq!(shown(&decision), expected);
        let relays = decision
            .action
            .ends_with("; please relay via your ISP (shop.test)");
        assert_eq!(relays, lists == "I", "{}", decision.action);
    }
}

#[test]
fn many_labels_count_for_a_helo_name_of_which_nothing_is_known() {
    let client = |sender| ["100.65.9.79", "unknown", "relay.carrier.test", sender];
    let names = " HELO_IP_IN_CL16_SUBNET=-0.41 (check from: .carrier. - helo: .relay.carrier. - helo-domain: .carrier.)  FROM/MX_MATCHES_UNVR_HELO(DOMAIN)_OR_CL_NAME(DOMAIN)=-1.5 RESOLVED_IP_IS_NOT_HELO=1.5";
    let dns = "A relay.carrier.test=100.65.113.40; A news.carrier.test=100.65.113.41; A carrier.test=100.65.113.41";
    for (sender, end) in [
        ("x@news.carrier.test", " FROM_MULTIPARTED=1.09; rate: 0.68"),
        ("x@carrier.test", "; rate: -0.41"),
    ] {
        let row = Row {
            mail: client(sender),
            lists: ".",
            dns,
            score: "",
        };
        let got = shown(&decide(&config(true, ONE_LIST), &row));
        assert_eq!(got, format!("{names}{end}"), "{sender}");
    }
}

#[test]
fn a_sender_that_looks_random_counts_below_the_level() {
    let random = [
        "100.64.2.10",
        "mail.acme.test",
        "mail.acme.test",
        "xkcdqwrt@acme.test",
    ];
    check_with(
        "$REJECTLEVEL = 0.66;",
        &[
            (
                random,
                "I",
                ACME_DNS,
                " IN_A=3.75 CL_IP_EQ_FROM_MX=-3.1 RANDOM_SENDER=4.9375; rate: 5.588",
            ),
            (
                random,
                ".",
                ACME_DNS,
                " CL_IP_EQ_FROM_MX=-3.1 RANDOM_SENDER=0.25; rate: -2.85",
            ),
        ],
    );
    check_with(
        "$REJECTLEVEL = 0.6;",
        &[(
            random,
            "I",
            ACME_DNS,
            " IN_A=3.75 CL_IP_EQ_FROM_MX=-3.1; rate: 0.65",
        )],
    );
}
