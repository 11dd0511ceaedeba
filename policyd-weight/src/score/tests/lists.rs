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
                " NOT_IN_SBL_XBL_SPAMHAUS=-1.5 SPAMCOP=ERR(0) [TIMEOUT] CL_IP_EQ_FROM_MX=-3.1; rate: -4.6",
            ),
            row(
                "..SD",
                " NOT_IN_SBL_XBL_SPAMHAUS=-1.5 SPAMCOP=SKIP(0) [too many errors in a row] CL_IP_EQ_FROM_MX=-3.1; rate: -4.6",
            ),
            row(
                "..BF",
                " NOT_IN_SBL_XBL_SPAMHAUS=-1.5 SPAMCOP=ERR(0) [the list does not answer us: 127.255.255.254] IX_MANITU=SKIP(0) [the list has what it must not have] CL_IP_EQ_FROM_MX=-3.1; rate: -4.6",
            ),
            // A client without an address.
            row(
                "----",
                " DYN_PBL_SPAMHAUS=SKIP(0) [the client has no address] SBL_XBL_SPAMHAUS=SKIP(0) [the client has no address] SPAMCOP=SKIP(0) [the client has no address] IX_MANITU=SKIP(0) [the client has no address] CL_IP_EQ_FROM_MX=-3.1; rate: -3.1",
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

/// Whatever is skipped by then, a mail in an outage has what the first one has had. Where anything is answered, lists that
/// are skipped do not count.
#[test]
fn lists_that_are_skipped_count_as_errors_while_nothing_is_answered() {
    let passed =
        |what| format!("PREPEND X-policyd-weight: passed - too many local DNS-errors in {what}");
    let no_mx = " NO_MX_A_RECS_FOUND=1.4 (check from: .acme. - helo: .localhost. - helo-domain: .localhost.)  FROM_NOT_FAILED_HELO(DOMAIN)=3";
    let silent = "!MX acme.test; !A acme.test; !AAAA acme.test";
    for (lists, dns, expected) in [
        ("EEEE", silent, passed("bl.spamcop.net lookups")),
        // Some are skipped, and one is tried again.
        ("SSEE", silent, passed("pbl.spamhaus.org lookups")),
        ("SSSE", silent, passed("sbl-xbl.spamhaus.org lookups")),
        ("SSSS", silent, passed("bl.spamcop.net lookups")),
        ("SSSD", silent, passed("bl.spamcop.net lookups")),
        // No name was asked for.
        ("SSSS", "", passed("bl.spamcop.net lookups")),
        // Two lists, and the names.
        ("SSDD", silent, passed("FROM MX lookups for acme.test")),
        // A list answers: DNS is there, and the others are away.
        (
            "SSS.",
            silent,
            format!(
                " DYN_PBL_SPAMHAUS=SKIP(0) [too many errors in a row] SBL_XBL_SPAMHAUS=SKIP(0) [too many errors in a row] SPAMCOP=SKIP(0) [too many errors in a row]{no_mx} NO_DNS_RECORDS=0.5 RESOLVED_IP_IS_NOT_HELO=1.5; rate: 6.4"
            ),
        ),
        // So is it where a name or the address is answered for.
        (
            "SSDD",
            "!MX acme.test; PTR x.test",
            format!(
                " DYN_PBL_SPAMHAUS=SKIP(0) [too many errors in a row] SBL_XBL_SPAMHAUS=SKIP(0) [too many errors in a row]{no_mx} RESOLVED_IP_IS_NOT_HELO=1.5; rate: 5.9"
            ),
        ),
        // The lists of domains as well.
        (
            "SDDD",
            "!MX acme.test; RH S",
            passed("multi.surbl.org lookups"),
        ),
    ] {
        let row = Row {
            mail: ["100.64.2.10", "unknown", "localhost", "carol@acme.test"],
            lists,
            dns,
            score: "",
        };
        // What is rejected by its sum asks no lists of domains.
        let config = config(false, "$REJECTLEVEL = 99;");
        assert_eq!(shown(&decide(&config, &row)), expected, "{lists} {dns}");
    }
    // The Perl program asks for nothing any more, and defers the mail.
    let row = Row {
        mail: ["100.64.2.10", "unknown", "localhost", "carol@acme.test"],
        lists: "SSSS",
        dns: silent,
        score: "",
    };
    let action = decide(&config(true, ""), &row).action;
    assert!(action.starts_with("450 No DNS entries"), "{action}");
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
