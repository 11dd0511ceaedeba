//! Which answers of lists count, by default: those within 127.0.0.0/8 that are codes, of lists that answer.

use super::*;

#[tokio::test]
async fn an_answer_that_is_no_code_is_an_error_and_a_failure_is_not_taken_for_not_listed() {
    for (zone, expected) in [
        (
            "192.0.2.9@bl.test A 127.0.0.3",
            ListFact::Listed { is_trusted: true },
        ),
        ("", ListFact::NotListed),
        (
            "192.0.2.9@bl.test !servfail",
            ListFact::Error(ListError::Dns(Outcome::ServFail)),
        ),
        (
            "192.0.2.9@bl.test !refused",
            ListFact::Error(ListError::Dns(Outcome::Refused)),
        ),
        ("192.0.2.9@bl.test !silent", TIMEOUT),
        // Asked by a public resolver, and too often.
        (
            "192.0.2.9@bl.test A 127.255.255.254",
            ListFact::Error(ListError::Blocked([127, 255, 255, 254].into())),
        ),
        (
            "192.0.2.9@bl.test A 127.255.255.255",
            ListFact::Error(ListError::Blocked([127, 255, 255, 255].into())),
        ),
        // What a parked domain answers.
        (
            "192.0.2.9@bl.test A 198.51.100.1",
            ListFact::Error(ListError::Outside([198, 51, 100, 1].into())),
        ),
    ] {
        let server = NameServer::start(&format!("2.0.0.127.bl.test A 127.0.0.2\n{zone}"));
        let (config, dns) = dns(&server, ONE, false);
        dns.lists().test_once(dns.resolver()).await;
        let facts = dns
            .lists()
            .facts(&config, dns.resolver(), &mail("192.0.2.9", "", ""))
            .await;
        assert_eq!(facts, [expected], "{zone}");
    }
}

#[tokio::test]
async fn a_client_with_an_ipv6_address_is_looked_for_by_its_digits() {
    let server =
        NameServer::start("2.0.0.127.bl.test A 127.0.0.2\n2001:db8::9@bl.test A 127.0.0.2");
    let (config, dns) = dns(&server, ONE, false);
    dns.lists().test_once(dns.resolver()).await;
    for (address, expected) in [
        ("2001:db8::9", ListFact::Listed { is_trusted: true }),
        ("2001:db8::8", ListFact::NotListed),
        // An IPv4 address that is written as one of IPv6 is asked for as what it is.
        ("::ffff:127.0.0.2", ListFact::Listed { is_trusted: true }),
    ] {
        let client = mail(address, "", "");
        let facts = dns.lists().facts(&config, dns.resolver(), &client);
        assert_eq!(facts.await, [expected], "{address}");
    }
}

/// All connections share one state: the fourth client has no question.
#[tokio::test]
async fn a_list_with_three_errors_in_a_row_is_skipped_for_all() {
    let server = NameServer::start(GOOD);
    let (config, dns) = dns(&server, &format!("{ONE} $DNS_RETRY_IVAL = 0.1;"), false);
    dns.lists().test_once(dns.resolver()).await;
    server.set_zone("*.bl.test !silent");
    let mut all = vec![];
    for last in 1..=4 {
        let client = mail(&format!("192.0.2.{last}"), "", "");
        let before = server.questions().len();
        all.extend(dns.lists().facts(&config, dns.resolver(), &client).await);
        assert_eq!(server.questions().len() > before, last < 4, "{last}");
    }
    let errors = ListFact::Skipped(Skipped::Errors);
    assert_eq!(all, [TIMEOUT, TIMEOUT, TIMEOUT, errors]);
    let skipped = ListStatus::Errors("bl.test".into());
    assert_eq!(dns.lists().changes().collect::<Vec<_>>(), [skipped]);
    // What is known is told, and that it is over.
    server.set_zone(GOOD);
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(61)).await;
    tokio::time::resume();
    let client = mail("192.0.2.9", "", "");
    dns.lists().facts(&config, dns.resolver(), &client).await;
    let asked = ListStatus::Asked("bl.test".into());
    assert_eq!(dns.lists().changes().collect::<Vec<_>>(), [asked]);
}

/// The modern set's lists with the codes that count, beside those that do not and those by which a list does not answer.
#[tokio::test]
async fn the_codes_of_the_modern_lists_count_as_they_are_meant() {
    let tests = "2.0.0.127.zen.spamhaus.org A 127.0.0.2\n2.0.0.127.zen.spamhaus.org A 127.0.0.10\n\
        2.0.0.127.bl.spamcop.net A 127.0.0.2\n2.0.0.127.psbl.surriel.com A 127.0.0.2\n\
        2.0.0.127.bl.mailspike.net A 127.0.0.10\n2.0.0.127.list.dnswl.org A 127.0.10.1\n\
        2.0.0.127.list.dnswl.org A 127.0.10.2\n2.0.0.127.list.dnswl.org A 127.0.10.3\n\
        test.dbl.spamhaus.org A 127.0.1.2\ntest.multi.surbl.org A 127.0.0.254\n";
    const ADDRESS: &str = "192.0.2.9@";
    const DOMAIN: &str = "acme.test.";
    for (of, zone, code, expected) in [
        (ADDRESS, "zen.spamhaus.org", "0.0.2", "SBL_XBL_SPAMHAUS"),
        (ADDRESS, "zen.spamhaus.org", "0.0.3", "SBL_XBL_SPAMHAUS"),
        (ADDRESS, "zen.spamhaus.org", "0.0.4", "SBL_XBL_SPAMHAUS"),
        (ADDRESS, "zen.spamhaus.org", "0.0.9", "SBL_XBL_SPAMHAUS"),
        (ADDRESS, "zen.spamhaus.org", "0.0.10", "DYN_PBL_SPAMHAUS"),
        (ADDRESS, "zen.spamhaus.org", "0.0.11", "DYN_PBL_SPAMHAUS"),
        (ADDRESS, "zen.spamhaus.org", "255.255.252", "error"),
        (ADDRESS, "zen.spamhaus.org", "255.255.254", "error"),
        (ADDRESS, "bl.spamcop.net", "0.0.2", "SPAMCOP"),
        (ADDRESS, "psbl.surriel.com", "0.0.2", "PSBL"),
        (ADDRESS, "bl.mailspike.net", "0.0.10", "MAILSPIKE"),
        (ADDRESS, "bl.mailspike.net", "0.0.11", "MAILSPIKE"),
        (ADDRESS, "bl.mailspike.net", "0.0.12", "MAILSPIKE"),
        (ADDRESS, "bl.mailspike.net", "0.0.13", ""),
        (ADDRESS, "bl.mailspike.net", "0.0.18", ""),
        (ADDRESS, "list.dnswl.org", "0.10.0", ""),
        (ADDRESS, "list.dnswl.org", "0.10.1", "DNSWL_LOW"),
        (ADDRESS, "list.dnswl.org", "0.2.2", "DNSWL_MED"),
        (ADDRESS, "list.dnswl.org", "0.5.3", "DNSWL_HI"),
        (ADDRESS, "list.dnswl.org", "0.0.255", "error"),
        (DOMAIN, "dbl.spamhaus.org", "0.1.2", "DBL_SPAMHAUS"),
        (DOMAIN, "dbl.spamhaus.org", "0.1.99", "DBL_SPAMHAUS"),
        (DOMAIN, "dbl.spamhaus.org", "0.1.102", ""),
        (DOMAIN, "dbl.spamhaus.org", "0.1.255", "error"),
        (DOMAIN, "multi.surbl.org", "0.0.8", "SURBL"),
        (DOMAIN, "multi.surbl.org", "0.0.16", "SURBL"),
        (DOMAIN, "multi.surbl.org", "0.0.64", "SURBL"),
        (DOMAIN, "multi.surbl.org", "0.0.128", "SURBL"),
        (DOMAIN, "multi.surbl.org", "0.0.4", ""),
        (DOMAIN, "multi.surbl.org", "0.0.1", "error"),
    ] {
        let server = NameServer::start(&format!("{tests}{of}{zone} A 127.{code}"));
        let (config, dns) = of_set(DefaultSet::Modern, &server, "", false);
        dns.lists().test_once(dns.resolver()).await;
        assert_eq!(dns.lists().changes().next(), None, "all pass their tests");
        let mail = mail("192.0.2.9", "", "x@acme.test");
        let of_addresses = dns.lists().facts(&config, dns.resolver(), &mail).await;
        let of_domains = dns.lists().domain_facts(dns.resolver(), &mail).await;
        let lists = config.lists.iter().zip(of_addresses);
        let lists = lists.chain(config.domain_lists.iter().zip(of_domains));
        let mut found: Vec<_> = lists
            .filter_map(|(list, fact)| match fact {
                ListFact::Listed { is_trusted: true } => Some(list.name.as_str()),
                ListFact::NotListed => None,
                // Several options of one list ask it once.
                ListFact::Error(ListError::Blocked(_)) if list.zone == zone => Some("error"),
                other => panic!("{zone} {code}: {} {other:?}", list.zone),
            })
            .collect();
        found.dedup();
        assert_eq!(found.concat(), expected, "{zone} {code}");
    }
}
