//! Steps 8 to 18: names, addresses, and the steps without a score by default.

use super::*;

#[test]
fn names_belong_to_the_client_or_not() {
    let start = " NOT_IN_SBL_XBL_SPAMHAUS=-1.5 NOT_IN_SPAMCOP=-1.5";
    for (mail, dns, score) in [
        (
            ["100.64.2.30", "aonly.test", "aonly.test", "x@aonly.test"],
            "A aonly.test=100.64.2.30",
            " CL_IP_EQ_FROM_IP=-2 (check from: .aonly. - helo: .aonly. - helo-domain: .aonly.)  FROM/MX_MATCHES_HELO(DOMAIN)=-2; rate: -7",
        ),
        (
            [
                "100.65.9.78",
                "unknown",
                "relay.carrier.test",
                "x@shop.test",
            ],
            "A shop.test=100.66.1.1; A relay.carrier.test=100.65.1.1; PTR host.else.test",
            " HELO_IP_IN_CL16_SUBNET=-0.41 (check from: .shop. - helo: .relay.carrier. - helo-domain: .carrier.)  FROM/MX_MATCHES_NOT_UNVR_HELO(DOMAIN)_NOR_CL_NAME(DOMAIN)=1.6 RESOLVED_IP_IS_NOT_HELO=1.5; rate: -0.31",
        ),
        (
            [
                "100.65.9.78",
                "unknown",
                "relay.carrier.test",
                "x@shop.test",
            ],
            "A shop.test=100.66.1.1; A relay.carrier.test=100.65.9.1",
            " HELO_IP_IN_CL_SUBNET=-1.2 (check from: .shop. - helo: .relay.carrier. - helo-domain: .carrier.)  FROM/MX_MATCHES_NOT_HELO(DOMAIN)=1; rate: -3.2",
        ),
        // The names agree, although no host of the sender's takes mail.
        (
            ["100.65.9.78", "unknown", "h.aonly.test", "x@aonly.test"],
            "A aonly.test=100.64.9.9; A h.aonly.test=100.65.1.1; PTR host.else.test",
            " HELO_IP_IN_CL16_SUBNET=-0.41 (check from: .aonly. - helo: .h.aonly. - helo-domain: .aonly.)  FROM/MX_MATCHES_UNVR_HELO(DOMAIN)_OR_CL_NAME(DOMAIN)=-1.5 RESOLVED_IP_IS_NOT_HELO=1.5; rate: -3.41",
        ),
        // An address without a digit is none, as in the original.
        (
            ["100.64.2.10", "unknown", "h.aonly.test", "x@six.test"],
            "AAAA six.test=fdaa:bbbb:cccc:dddd:eeee:ffff:aaaa:bbbb; A h.aonly.test=100.64.2.10",
            " BOGUS_MX=2.1 CL_IP_EQ_HELO_IP=-2 (check from: .six. - helo: .h.aonly. - helo-domain: .aonly.)  FROM/MX_MATCHES_NOT_HELO(DOMAIN)=5.41; rate: 2.51",
        ),
        (
            ["100.70.7.4", "unknown", "localhost", "x@localhost"],
            "",
            " NO_MX_A_RECS_FOUND=1.4 (check from: .localhost. - helo: .localhost. - helo-domain: .localhost.)  MAIL_SEEMS_FORGED=2.5 NO_DNS_RECORDS=0.5 RESOLVED_IP_IS_NOT_HELO=1.5; rate: 2.9",
        ),
        (
            [
                "100.65.113.120",
                "h.carrier.test",
                "h.carrier.test",
                "x@nx.test",
            ],
            "A h.carrier.test=100.65.113.120",
            " BOGUS_MX=2.1 CL_IP_EQ_HELO_IP=-2 (check from: .nx. - helo: .h.carrier. - helo-domain: .carrier.)  FROM/MX_MATCHES_NOT_HELO(DOMAIN)=5.41; rate: 2.51",
        ),
        (
            ["100.70.7.7", "unknown", "[100.70.7.7]", "x@acme.test"],
            ACME_DNS,
            " HELO_NUMERIC=2.5 (check from: .acme. - helo: .[100.70.7.7]. - helo-domain: .7]. )",
        ),
    ] {
        let got = shown(&decide(
            &config(true, ""),
            &Row {
                mail,
                lists: "....",
                dns,
                score: "",
            },
        ));
        let expected = format!("{start}{score}");
        // The last one is about its item alone.
        let is_begin = score.ends_with(')');
        assert!(
            got == expected || (is_begin && got.starts_with(&format!("{start} HELO_NUMERIC=2.5"))),
            "{got}\n{expected}"
        );
    }
}

#[test]
fn errors_of_dns_let_a_request_through() {
    let row = |dns, score| Row {
        mail: ACME,
        lists: "",
        dns,
        score,
    };
    check(
        &config(true, "$MAXDNSERR = 1; @dnsbl_score = ();"),
        &[
            row(
                "!MX acme.test",
                "PREPEND X-policyd-weight: passed - too many local DNS-errors in FROM MX lookups for acme.test",
            ),
            row(
                "MX acme.test=h.test; !A h.test",
                "PREPEND X-policyd-weight: passed - too many local DNS-errors in FROM MX -> A lookups",
            ),
            row(
                "!A acme.test",
                "PREPEND X-policyd-weight: passed - too many local DNS-errors in FROM A lookup for acme.test",
            ),
            row(
                "MX acme.test=mail.acme.test; A mail.acme.test=100.64.2.10; RH E",
                "PREPEND X-policyd-weight: passed - too many local DNS-errors in multi.surbl.org lookups",
            ),
        ],
    );
    // A sender's domain that is the client's address needs no host, but an answer of DNS.
    check(
        &config(true, "$MAXDNSERR = 2; @dnsbl_score = ();"),
        &[Row {
            mail: ["100.70.7.7", "unknown", "foo.test", "x@100.70.7.7"],
            lists: "",
            dns: "!MX 100.70.7.7; !MX 70.7.7",
            score: "PREPEND X-policyd-weight: passed - too many local DNS-errors in FROM MX lookups for 70.7.7",
        }],
    );
}

#[test]
fn options_of_our_own_add_items() {
    let config = config(
        false,
        "@spf_score = ('fail', 3, 'pass', -1.5); @country_score = ('XX', 2); @dnsbl_score = ();",
    );
    let row = |dns, score| Row {
        mail: ACME,
        lists: "",
        dns,
        score,
    };
    check(
        &config,
        &[
            row(
                "MX acme.test=mail.acme.test; A mail.acme.test=100.64.2.10; SPF pass; COUNTRY xx",
                " CL_IP_EQ_FROM_MX=-3.1 SPF_PASS=-1.5 COUNTRY_XX=2; rate: -2.6",
            ),
            row(
                "MX acme.test=mail.acme.test; A mail.acme.test=100.64.2.10; SPF none; COUNTRY de",
                " CL_IP_EQ_FROM_MX=-3.1; rate: -3.1",
            ),
        ],
    );
}

#[test]
fn by_default_the_registered_domain_is_compared() {
    let mail = ["100.70.7.7", "unknown", "mail.acme.gov.br", "x@shop.gov.br"];
    let row = |score| Row {
        mail,
        lists: "",
        dns: "A shop.gov.br=100.64.2.10",
        score,
    };
    check(
        &config(true, "@dnsbl_score = ();"),
        &[row(
            " CL_IP_NE_HELO=1.5 (check from: .gov. - helo: .mail.acme.gov. - helo-domain: .gov.)  MAIL_SEEMS_FORGED=2.5 RESOLVED_IP_IS_NOT_HELO=1.5; rate: 5.5",
        )],
    );
    check(
        &config(false, "@dnsbl_score = ();"),
        &[row(
            " CL_IP_NE_HELO=1.5 (check from: .shop. - helo: .mail.acme. - helo-domain: .acme.)  FROM_NOT_FAILED_HELO(DOMAIN)=3 RESOLVED_IP_IS_NOT_HELO=1.5; rate: 6",
        )],
    );
}
