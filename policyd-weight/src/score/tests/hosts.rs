//! Steps 8 to 11: hosts of the sender and of the HELO name, and whether both belong together.

use super::*;

#[test]
fn a_client_is_a_host_of_the_helo_name() {
    check_with(
        "",
        &[
            (
                ["192.0.2.9", "mx2.mega.test", "www.mega.test", "x@shop.test"],
                ".",
                "A shop.test=100.66.100.200; MX mega.test=mx2.mega.test; A mx2.mega.test=192.0.2.9",
                " CL_IP_EQ_HELO_MX=-3.1 (check from: .shop. - helo: .www.mega. - helo-domain: .mega.)  FROM/MX_MATCHES_NOT_HELO(DOMAIN)=1; rate: -2.1",
            ),
            // One that takes mail for the HELO name is not looked at as one that was dialled in.
            (
                [
                    "192.0.2.9",
                    "mx2.mega.test",
                    "ppp1.pool.mega.test",
                    "x@shop.test",
                ],
                ".",
                "A shop.test=100.66.100.200; MX mega.test=mx2.mega.test; A mx2.mega.test=192.0.2.9; PTR p1.dip.dialin.test",
                " CL_IP_EQ_HELO_MX=-3.1 (check from: .shop. - helo: .ppp1.pool.mega. - helo-domain: .mega.)  FROM/MX_MATCHES_NOT_HELO(DOMAIN)=1; rate: -2.1",
            ),
        ],
    );
}

#[test]
fn a_bad_host_of_the_sender_counts_for_a_listed_client_and_a_bogus_one_for_all() {
    let mail = ["100.70.1.1", "unknown", "mail.acme.test", "x@priv.test"];
    let dns = "MX priv.test=mx.priv.test; A mx.priv.test=192.168.5.5; A mail.acme.test=100.64.2.10";
    check_with(
        "",
        &[
            (
                mail,
                "I",
                dns,
                " IN_A=3.75 BAD_MX=7.875 BOGUS_MX=5.85 CL_IP_NE_HELO=5.25 (check from: .priv. - helo: .mail.acme. - helo-domain: .acme.)  FROM_NOT_FAILED_HELO(DOMAIN)=6.75 RESOLVED_IP_IS_NOT_HELO=1.5; rate: 30.975",
            ),
            (
                mail,
                ".",
                dns,
                " BOGUS_MX=2.1 CL_IP_NE_HELO=1.5 (check from: .priv. - helo: .mail.acme. - helo-domain: .acme.)  FROM_NOT_FAILED_HELO(DOMAIN)=3 RESOLVED_IP_IS_NOT_HELO=1.5; rate: 8.1",
            ),
        ],
    );
}

#[test]
fn a_numeric_helo_name_of_a_listed_client_costs_more() {
    check_with(
        "",
        &[(
            ["100.70.7.6", "unknown", "100.70.7.6", "x@shop.test"],
            "I",
            "MX shop.test=mx.shop.test; A mx.shop.test=100.70.7.9",
            " IN_A=3.75 HELO_IP_IN_CL_SUBNET=-1.2 HELO_NUMERIC=11.875 (check from: .shop. - helo: .100.70.7.6. - helo-domain: .6.)  FROM/MX_MATCHES_NOT_HELO(DOMAIN)=13.812 CLIENT_NOT_MX/A_FROM_DOMAIN=5.25; rate: 33.487",
        )],
    );
}

#[test]
fn a_client_of_the_senders_domain_may_say_what_it_likes() {
    check_with(
        "",
        &[(
            [
                "100.70.9.9",
                "out77.shop.test",
                "weird.nx.test",
                "x@shop.test",
            ],
            ".",
            "A shop.test=100.66.100.200; PTR out77.shop.test",
            " CL_IP_NE_HELO=1.5 (check from: .shop. - helo: .weird.nx. - helo-domain: .nx.)  CL_HOSTNAME_MATCHES_FROM(DOMAIN)=-1.2; rate: 0.3",
        )],
    );
}
