//! Steps 5, 6 and 19: lists, and what is made of those that do not answer or are not trusted.

use super::*;

#[test]
fn lists_add_their_scores_in_order() {
    let row = |lists, score| Row {
        mail: ACME,
        lists,
        dns: ACME_DNS,
        score,
    };
    check(
        &config(true, ""),
        &[
            row(
                "....",
                " NOT_IN_SBL_XBL_SPAMHAUS=-1.5 NOT_IN_SPAMCOP=-1.5 CL_IP_EQ_FROM_MX=-3.1; rate: -6.1",
            ),
            row(
                "..E.",
                " NOT_IN_SBL_XBL_SPAMHAUS=-1.5 SPAMCOP=ERR(-1.5) CL_IP_EQ_FROM_MX=-3.1; rate: -6.1",
            ),
            row(
                "..S.",
                " NOT_IN_SBL_XBL_SPAMHAUS=-1.5 SPAMCOP=SKIP(-1.5) CL_IP_EQ_FROM_MX=-3.1; rate: -6.1",
            ),
            row(
                "..I.",
                " NOT_IN_SBL_XBL_SPAMHAUS=-1.5 IN_SPAMCOP=3.75 CL_IP_EQ_FROM_MX=-3.1; rate: -0.85",
            ),
            row(
                "I.II",
                " IN_DYN_PBL_SPAMHAUS=3.25 NOT_IN_SBL_XBL_SPAMHAUS=-1.5 IN_SPAMCOP=3.75 IN_IX_MANITU=4.35; rate: 9.85",
            ),
            row(
                "EEE.",
                "PREPEND X-policyd-weight: passed - too many local DNS-errors in bl.spamcop.net lookups",
            ),
        ],
    );
}

#[test]
fn by_default_a_list_without_an_answer_has_no_score() {
    let row = |lists, score| Row {
        mail: ACME,
        lists,
        dns: ACME_DNS,
        score,
    };
    check(
        &config(false, ""),
        &[
            row(
                "..E.",
                " NOT_IN_SBL_XBL_SPAMHAUS=-1.5 SPAMCOP=ERR(0) CL_IP_EQ_FROM_MX=-3.1; rate: -4.6",
            ),
            row(
                "..SD",
                " NOT_IN_SBL_XBL_SPAMHAUS=-1.5 SPAMCOP=SKIP(0) CL_IP_EQ_FROM_MX=-3.1; rate: -4.6",
            ),
        ],
    );
    check(
        &config(false, "$LOG_BAD_RBL_ONLY = 0;"),
        &[row(
            "...D",
            " NOT_IN_DYN_PBL_SPAMHAUS=0 NOT_IN_SBL_XBL_SPAMHAUS=-1.5 NOT_IN_SPAMCOP=-1.5 IX_MANITU=DEAD(0) CL_IP_EQ_FROM_MX=-3.1; rate: -6.1",
        )],
    );
}

#[test]
fn a_list_that_is_not_trusted_does_not_multiply() {
    let stranger = ["100.70.7.7", "unknown", "foo.test", "x@acme.test"];
    let row = |lists, score| Row {
        mail: stranger,
        lists,
        dns: ACME_DNS,
        score,
    };
    check(
        &config(false, ""),
        &[
            row(
                "..I.",
                " NOT_IN_SBL_XBL_SPAMHAUS=-1.5 IN_SPAMCOP=3.75 CL_IP_NE_HELO=5.25 (check from: .acme. - helo: .foo. - helo-domain: .foo.)  FROM_NOT_FAILED_HELO(DOMAIN)=6.75 RESOLVED_IP_IS_NOT_HELO=1.5; rate: 15.75",
            ),
            row(
                "..U.",
                " NOT_IN_SBL_XBL_SPAMHAUS=-1.5 IN_SPAMCOP=3.75 CL_IP_NE_HELO=1.5 (check from: .acme. - helo: .foo. - helo-domain: .foo.)  FROM_NOT_FAILED_HELO(DOMAIN)=3 RESOLVED_IP_IS_NOT_HELO=1.5; rate: 8.25",
            ),
        ],
    );
}

#[test]
fn too_many_lists_are_remembered_with_their_own_sum() {
    let row = Row {
        mail: ["100.70.7.7", "unknown", "foo.test", "x@acme.test"],
        lists: "..II",
        dns: "",
        score: "",
    };
    let cached = |text| match decide(&config(true, text), &row).cached {
        Some(Cached::Spam {
            by_sender, rate, ..
        }) => Some((by_sender, rate)),
        _ => None,
    };
    assert_eq!(cached(""), Some((false, "8.1".into())));
    assert_eq!(cached("$CACHESIZE = 0;"), None);
}

#[test]
fn lists_alone_are_asked_by_option_or_for_clients_of_a_pattern() {
    let row = |score| Row {
        mail: ACME,
        lists: "..I.",
        dns: ACME_DNS,
        score,
    };
    let lists = "PREPEND X-policyd-weight:  NOT_IN_SBL_XBL_SPAMHAUS=-1.5 IN_SPAMCOP=3.75";
    for (text, end) in [
        ("$dnsbl_checks_only = 1;", " (only DNSBL check requested)"),
        (
            "@dnsbl_checks_only_regexps = (qr/^nothing$/, qr/\\.acme\\./);",
            " (only DNSBL check requested (regex-nr: 2))",
        ),
    ] {
        let decision = decide(&config(true, text), &row(""));
        assert_eq!(decision.action, format!("{lists}{end}"));
        assert_eq!(
            (decision.verdict, decision.cached),
            (Verdict::Undecided, None)
        );
    }
    check(
        &config(true, "@dnsbl_checks_only_regexps = (qr/^acme/);"),
        &[row(
            " NOT_IN_SBL_XBL_SPAMHAUS=-1.5 IN_SPAMCOP=3.75 CL_IP_EQ_FROM_MX=-3.1; rate: -0.85",
        )],
    );
}

#[test]
fn a_listed_domain_of_a_doubtful_client_costs_more() {
    let relay = |sender| {
        [
            "100.65.113.40",
            "relay.carrier.test",
            "relay.carrier.test",
            sender,
        ]
    };
    let dns = "A relay.carrier.test=100.65.113.40; A carrier.test=100.65.113.41; A shop.test=100.66.100.200; RH I";
    let config = config(true, "@dnsbl_score = (); $REJECTLEVEL = 20;");
    for (sender, score) in [
        (
            "x@carrier.test",
            " CL_IP_EQ_HELO_IP=-2 (check from: .carrier. - helo: .relay.carrier. - helo-domain: .carrier.)  FROM/MX_MATCHES_HELO(DOMAIN)=-2 IN_SURBL=4; rate: 0",
        ),
        (
            "x@shop.test",
            " CL_IP_EQ_HELO_IP=-2 (check from: .shop. - helo: .relay.carrier. - helo-domain: .carrier.)  FROM/MX_MATCHES_NOT_HELO(DOMAIN)=1 IN_SURBL=7.1; rate: 6.1",
        ),
        // A random sender adds to the penalty.
        (
            "xkcdqwrt@carrier.test",
            " CL_IP_EQ_HELO_IP=-2 (check from: .carrier. - helo: .relay.carrier. - helo-domain: .carrier.)  FROM/MX_MATCHES_HELO(DOMAIN)=-2 RANDOM_SENDER=0.25 IN_SURBL=4.775; rate: 1.025",
        ),
    ] {
        let row = Row {
            mail: relay(sender),
            lists: "",
            dns,
            score,
        };
        check(&config, &[row]);
    }
}
