//! Steps 12 to 14: the names of the client's address, and clients that were dialled in.

use super::*;

#[test]
fn a_client_that_seems_to_be_dialled_in_is_one_by_its_name_or_by_numbers_in_its_helo_name() {
    let numbers = [
        "100.65.113.60",
        "mx.carrier.test",
        "host-203-0-113-60.carrier.test",
        "x@carrier.test",
    ];
    check_with(
        "",
        &[
            (
                [
                    "100.70.5.77",
                    "p5077.dip.dialin.test",
                    "mail.acme.test",
                    "x@acme.test",
                ],
                ".",
                "MX acme.test=mail.acme.test; A mail.acme.test=100.64.2.10; PTR p5077.dip.dialin.test",
                " CL_IP_NE_HELO=1.5 (check from: .acme. - helo: .mail.acme. - helo-domain: .acme.)  MAIL_SEEMS_FORGED=2.5 CL_SEEMS_DIALUP=3.75 RESOLVED_IP_IS_NOT_HELO=1.5; rate: 9.25",
            ),
            (
                numbers,
                ".",
                "A host-203-0-113-60.carrier.test=100.65.113.60; A carrier.test=100.65.113.41; PTR gw.carrier.test",
                " CL_IP_EQ_HELO_IP=-2 (check from: .carrier. - helo: .host-203-0-113-60.carrier. - helo-domain: .carrier.)  FROM/MX_MATCHES_HELO(DOMAIN)=-2 CL_SEEMS_DIALUP=3.75 HELO_SEEMS_DIALUP=4.5; rate: 4.25",
            ),
            // A name like a mail server's, and those after it, say nothing.
            (
                numbers,
                ".",
                "A host-203-0-113-60.carrier.test=100.65.113.60; A carrier.test=100.65.113.41; PTR mx.gw.carrier.test; PTR p1.dip.dialin.test",
                " CL_IP_EQ_HELO_IP=-2 (check from: .carrier. - helo: .host-203-0-113-60.carrier. - helo-domain: .carrier.)  FROM/MX_MATCHES_HELO(DOMAIN)=-2 HELO_SEEMS_DIALUP=4.5; rate: 0.5",
            ),
            (
                ACME,
                ".",
                "MX acme.test=mail.acme.test; A mail.acme.test=100.64.2.10; PTR p1.dip.dialin.test",
                " CL_IP_EQ_FROM_MX=-3.1; rate: -3.1",
            ),
        ],
    );
}

#[test]
fn a_reverse_name_agrees_with_the_helo_name_whole_or_by_its_domain() {
    let row = |helo, score| -> Case {
        let mail = ["100.70.7.1", "a.rev.test", helo, "x@shop.test"];
        (
            mail,
            ".",
            "A shop.test=100.66.100.200; PTR a.rev.test",
            score,
        )
    };
    check_with(
        "",
        &[
            row(
                "a.rev.test",
                " CL_IP_NE_HELO=1.5 (check from: .shop. - helo: .a.rev. - helo-domain: .rev.)  FROM_NOT_FAILED_HELO(DOMAIN)=3 REV_IP_EQ_HELO=-1.25; rate: 3.25",
            ),
            row(
                "b.rev.test",
                " CL_IP_NE_HELO=1.5 (check from: .shop. - helo: .b.rev. - helo-domain: .rev.)  FROM_NOT_FAILED_HELO(DOMAIN)=3 REV_IP_EQ_HELO_DOMAIN=-1.25; rate: 3.25",
            ),
            row(
                "unrelated.test",
                " CL_IP_NE_HELO=1.5 (check from: .shop. - helo: .unrelated. - helo-domain: .unrelated.)  FROM_NOT_FAILED_HELO(DOMAIN)=3 RESOLVED_IP_IS_NOT_HELO=1.5; rate: 6",
            ),
        ],
    );
}

#[test]
fn a_helo_name_that_seems_to_be_dialled_in_costs_more_where_it_is_not_the_clients() {
    let stranger = ["100.70.7.7", "unknown", "ppp1.pool.nx.test", "x@shop.test"];
    let dns = "A shop.test=100.66.100.200";
    check_with(
        "",
        &[(
            stranger,
            ".",
            dns,
            " CL_IP_NE_HELO=1.5 (check from: .shop. - helo: .ppp1.pool.nx. - helo-domain: .nx.)  FROM_NOT_FAILED_HELO(DOMAIN)=3 RESOLVED_IP_IS_NOT_HELO=1.5 NOK_HELO_SEEMS_DIALUP=5; rate: 11",
        )],
    );
    // Without a score for those who should use DynDNS, nothing is counted twice.
    check_with(
        "@enforce_dyndns_score = (0, 0);",
        &[(
            stranger,
            ".",
            "A shop.test=100.66.100.200; PTR p1.dip.dialin.test",
            " CL_IP_NE_HELO=1.5 (check from: .shop. - helo: .ppp1.pool.nx. - helo-domain: .nx.)  FROM_NOT_FAILED_HELO(DOMAIN)=3 CL_SEEMS_DIALUP=3.75 RESOLVED_IP_IS_NOT_HELO=1.5; rate: 9.75",
        )],
    );
}
