//! The questions of a request, against a name server.

mod answers;

use policy_dns::{
    Outcome, RecordType,
    list::{Failing, ListError, Skipped},
};
use policy_testing::NameServer;

use super::*;
use crate::{
    config::DefaultSet,
    mail::Attributes,
    perl::evaluate,
    score::{Addresses, ListFact, Lookup, Scoring},
};

fn dns(server: &NameServer, text: &str, compat: bool) -> (Config, Dns) {
    of_set(DefaultSet::Debian, server, text, compat)
}

fn of_set(set: DefaultSet, server: &NameServer, text: &str, compat: bool) -> (Config, Dns) {
    let text = format!(
        "$NS = '{}'; $DNS_RETRIES = 0; $DNS_RETRY_IVAL = 1; {text}",
        server.address()
    );
    let options = evaluate(text.as_bytes(), &set.options(compat).unwrap());
    let options = options.unwrap().options;
    let config = Config::new(&options, compat);
    let dns = Dns::new(&config, &options, None).unwrap();
    (config, dns)
}

fn mail(address: &str, helo: &str, sender: &str) -> Mail {
    Mail::new(&Attributes {
        client_address: address.as_bytes(),
        helo_name: helo.as_bytes(),
        sender: sender.as_bytes(),
        ..Attributes::default()
    })
}

fn deadline() -> Instant {
    Instant::now() + Duration::from_secs(10)
}

fn found(records: &[&str]) -> Lookup {
    Lookup::Answer(records.iter().map(|&record| record.to_owned()).collect())
}

const TIMEOUT: ListFact = ListFact::Error(ListError::Dns(Outcome::Timeout));
const GOOD: &str = "2.0.0.127.bl.test A 127.0.0.2\n192.0.2.9@bl.test A 127.0.0.3\n";
const ONE: &str = "@dnsbl_score = ('bl.test', 3, -1, 'BL'); @rhsbl_score = ();";

#[tokio::test]
async fn all_names_are_asked_for_at_once() {
    let server = NameServer::start(
        "acme.test MX 10 mail.acme.test\nmail.acme.test A 192.0.2.1\nmail.acme.test AAAA 2001:db8::1\n\
         1.2.0.192.in-addr.arpa PTR Mail.Acme.test\nsf.test !servfail",
    );
    let (config, dns) = dns(&server, ONE, false);
    let mail = mail("192.0.2.1", "mail.acme.test", "x@sf.test");
    let facts = dns.facts(&config, &mail, deadline()).await;
    assert_eq!(facts.exchanges["acme.test"], found(&["mail.acme.test"]));
    assert_eq!(facts.exchanges["sf.test"], Lookup::Failed);
    assert_eq!(facts.addresses["mail.acme.test"].v4, found(&["192.0.2.1"]));
    let v6 = found(&["2001:0db8:0000:0000:0000:0000:0000:0001"]);
    assert_eq!(facts.addresses["mail.acme.test"].v6, v6);
    assert_eq!(facts.pointers, ["mail.acme.test"]);
}

#[tokio::test]
async fn a_name_that_does_not_exist_is_not_asked_for_by_each_type() {
    let server = NameServer::start("acme.test A 192.0.2.1\nsf.test !servfail\n");
    let (config, dns) = dns(&server, ONE, false);
    let types = |name: &str| {
        let mut types = vec![];
        for question in server.questions() {
            if question.name.to_string() == name && !types.contains(&question.kind) {
                types.push(question.kind);
            }
        }
        types.sort();
        types
    };
    let known = mail("192.0.2.1", "acme.test", "x@sf.test");
    let facts = dns.facts(&config, &known, deadline()).await;
    assert_eq!(
        types("acme.test"),
        [RecordType::A, RecordType::Aaaa, RecordType::Mx]
    );
    assert_eq!(
        types("sf.test"),
        [RecordType::A, RecordType::Aaaa, RecordType::Mx]
    );
    assert_eq!(facts.addresses["sf.test"].v6, Lookup::Failed);
    let unknown = mail("192.0.2.1", "nobody.test", "");
    let facts = dns.facts(&config, &unknown, deadline()).await;
    assert_eq!(types("nobody.test"), [RecordType::A, RecordType::Mx]);
    assert_eq!(facts.addresses["nobody.test"], Addresses::default());
}

#[tokio::test]
async fn lists_are_trusted_once_they_have_passed_their_test() {
    let skipped = |why: &str| ListStatus::Failing("bl.test".into(), why.into());
    for (zone, expected, told) in [
        (GOOD, ListFact::Listed { is_trusted: true }, None),
        // It has no test entry.
        (
            "192.0.2.9@bl.test A 127.0.0.3",
            ListFact::Skipped(Skipped::Failing(Failing::EntryMissing)),
            Some(skipped("the list has lost its test entry")),
        ),
        (
            "*.bl.test A 127.0.0.2",
            ListFact::Skipped(Skipped::Failing(Failing::ListsAll)),
            Some(skipped("the list has what it must not have")),
        ),
        (
            "*.bl.test !silent",
            TIMEOUT,
            Some(ListStatus::NoTest("bl.test".into())),
        ),
    ] {
        let server = NameServer::start(zone);
        let (config, dns) = dns(&server, ONE, false);
        dns.lists().test_once(dns.resolver()).await;
        let facts = dns
            .lists()
            .facts(&config, dns.resolver(), &mail("192.0.2.9", "", ""))
            .await;
        assert_eq!(facts, [expected], "{zone}");
        assert_eq!(
            dns.lists().changes().collect::<Vec<_>>(),
            Vec::from_iter(told)
        );
        assert_eq!(dns.lists().changes().next(), None, "once");
    }
}

#[tokio::test]
async fn as_the_perl_program_any_record_is_a_hit() {
    for (zone, expected) in [
        (
            "192.0.2.9@bl.test A 198.51.100.1",
            ListFact::Listed { is_trusted: true },
        ),
        ("192.0.2.9@bl.test !servfail", ListFact::NotListed),
        ("192.0.2.9@bl.test !silent", TIMEOUT),
        ("", ListFact::NotListed),
    ] {
        let server = NameServer::start(zone);
        let (config, dns) = dns(&server, ONE, true);
        dns.lists().test_once(dns.resolver()).await;
        assert_eq!(
            dns.lists()
                .facts(&config, dns.resolver(), &mail("192.0.2.9", "", ""))
                .await,
            [expected],
            "{zone}"
        );
        assert!(server.questions().len() <= 1, "no test");
    }
}

#[tokio::test]
async fn as_the_perl_program_a_list_with_errors_is_skipped_for_some_requests() {
    let server = NameServer::start("*.bl.test !silent");
    let (config, dns) = dns(
        &server,
        &format!("{ONE} $BL_ERROR_SKIP = 1; $BL_SKIP_RELEASE = 3; $DNS_RETRY_IVAL = 0.1;"),
        true,
    );
    let mut all = vec![];
    for _ in 0..6 {
        let facts = dns
            .lists()
            .facts(&config, dns.resolver(), &mail("192.0.2.9", "", ""))
            .await;
        dns.lists().count_errors(&config, &facts);
        all.extend(facts);
    }
    let errors = ListFact::Skipped(Skipped::Errors);
    assert_eq!(all, [TIMEOUT, TIMEOUT, errors, errors, TIMEOUT, TIMEOUT]);
}

#[tokio::test]
async fn a_dead_list_is_not_asked() {
    let server = NameServer::start("*.njabl.org A 127.0.0.2");
    let (config, dns) = dns(
        &server,
        "@dnsbl_score = ('dnsbl.njabl.org', 4, 0, 'NJ'); @rhsbl_score = ();",
        false,
    );
    dns.lists().test_once(dns.resolver()).await;
    assert_eq!(
        dns.lists()
            .facts(&config, dns.resolver(), &mail("192.0.2.9", "", ""))
            .await,
        [ListFact::Skipped(Skipped::Dead)]
    );
    assert_eq!(server.questions(), []);
}

#[tokio::test]
async fn codes_of_one_list_are_lists_of_their_own() {
    let server = NameServer::start(
        "2.0.0.127.zen.test A 127.0.0.2\n2.0.0.127.zen.test A 127.0.0.10\n192.0.2.9@zen.test A 127.0.0.10",
    );
    let lists = "@dnsbl_score = ('zen.test=127.0.0.2-9', 4, -1, 'SBL', 'zen.test=127.0.0.10-11', 3, 0, 'DYN_PBL'); @rhsbl_score = ();";
    let (config, dns) = dns(&server, lists, false);
    dns.lists().test_once(dns.resolver()).await;
    let before = server.questions().len();
    let facts = dns
        .lists()
        .facts(&config, dns.resolver(), &mail("192.0.2.9", "", ""))
        .await;
    assert_eq!(
        facts,
        [ListFact::NotListed, ListFact::Listed { is_trusted: true }]
    );
    assert_eq!(server.questions().len() - before, 1, "one question");
    // One list, with one state and one count.
    let lists: Vec<_> = dns.lists().with_uses().collect();
    let [(list, uses)] = &lists[..] else {
        panic!("{lists:?}")
    };
    assert_eq!((list.zone(), uses.as_str()), ("zen.test", "SBL, DYN_PBL"));
    assert_eq!((list.counts().listed, list.counts().not_listed), (1, 0));
}

/// A use without codes counts each of them, beside others of the same list.
#[tokio::test]
async fn a_list_with_codes_and_without_is_one_list() {
    let server = NameServer::start(
        "2.0.0.127.zen.test A 127.0.0.2\n192.0.2.9@zen.test A 127.0.0.10\n192.0.2.8@zen.test A 127.0.0.2",
    );
    let lists = "@dnsbl_score = ('zen.test', 1, 0, 'ANY', 'zen.test=127.0.0.2', 4, -1, 'SBL'); @rhsbl_score = ();";
    let (config, dns) = dns(&server, lists, false);
    dns.lists().test_once(dns.resolver()).await;
    let hit = ListFact::Listed { is_trusted: true };
    for (client, expected) in [
        ("192.0.2.9", [hit, ListFact::NotListed]),
        ("192.0.2.8", [hit, hit]),
        ("192.0.2.7", [ListFact::NotListed; 2]),
    ] {
        let client = mail(client, "", "");
        let facts = dns.lists().facts(&config, dns.resolver(), &client);
        assert_eq!(facts.await, expected);
    }
}

/// What is no address is in no list, and has no bonus for that. The Perl program gives it.
#[tokio::test]
async fn a_client_without_an_address_is_asked_for_in_no_list() {
    let server = NameServer::start(GOOD);
    for (compat, expected) in [(false, ListFact::NoAddress), (true, ListFact::NotListed)] {
        let (config, dns) = dns(&server, ONE, compat);
        for address in ["unknown", "", "192.0.2", "192.0.2.9x", "fe80::1%eth0"] {
            let client = mail(address, "", "");
            let facts = dns.lists().facts(&config, dns.resolver(), &client);
            assert_eq!(facts.await, [expected], "{address}");
        }
    }
}

/// The program has started before its name server: lists have their test soon after, and the log says both.
#[tokio::test]
async fn a_test_without_an_answer_is_done_again_soon() {
    let server = NameServer::start("*.bl.test !silent");
    let (_, dns) = dns(&server, &format!("{ONE} $DNS_RETRY_IVAL = 0.1;"), false);
    let changes = || dns.lists().changes().collect::<Vec<_>>();
    dns.lists().test_if_due(dns.resolver()).await;
    assert_eq!(changes(), [ListStatus::NoTest("bl.test".into())]);
    server.set_zone(GOOD);
    dns.lists().test_if_due(dns.resolver()).await;
    assert_eq!(changes(), [], "not at once");
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(3)).await;
    tokio::time::resume();
    dns.lists().test_if_due(dns.resolver()).await;
    assert_eq!(changes(), [ListStatus::Tested("bl.test".into())]);
}

/// The test and the list come back in one line.
#[tokio::test]
async fn of_a_list_that_was_not_tested_and_skipped_then_it_is_said_that_it_has_answered_its_test() {
    let server = NameServer::start("*.bl.test !silent");
    let (config, dns) = dns(&server, &format!("{ONE} $DNS_RETRY_IVAL = 0.1;"), false);
    let changes = || dns.lists().changes().collect::<Vec<_>>();
    dns.lists().test_if_due(dns.resolver()).await;
    assert_eq!(changes(), [ListStatus::NoTest("bl.test".into())]);
    for last in 1..=3 {
        let client = mail(&format!("192.0.2.{last}"), "", "");
        dns.lists().facts(&config, dns.resolver(), &client).await;
    }
    assert_eq!(changes(), [ListStatus::Errors("bl.test".into())]);
    server.set_zone(GOOD);
    tokio::time::pause();
    // A failure is kept that long.
    tokio::time::advance(Duration::from_secs(5)).await;
    tokio::time::resume();
    dns.lists().test_soon();
    dns.lists().test_if_due(dns.resolver()).await;
    assert_eq!(changes(), [ListStatus::Back("bl.test".into())]);
    assert_eq!(changes(), []);
}

#[tokio::test]
async fn lists_that_stay_keep_their_health_and_new_ones_are_tested() {
    let server = NameServer::start("*.bl.test A 127.0.0.2\n2.0.0.127.bm.test A 127.0.0.2");
    let (_, first) = dns(&server, ONE, false);
    first.lists().test_once(first.resolver()).await;
    let other_score = ONE.replace("3, -1", "4, -2");
    let two = ONE.replace("'BL'", "'BL', 'bm.test', 1, 0, 'BM'");
    for (text, is_tested) in [(other_score, true), (two, false)] {
        let text = format!(
            "$NS = '{}'; $DNS_RETRIES = 0; $DNS_RETRY_IVAL = 1; {text}",
            server.address()
        );
        let options = evaluate(text.as_bytes(), &DefaultSet::Debian.options(false).unwrap());
        let options = options.unwrap().options;
        let config = Config::new(&options, false);
        let next = Dns::new(&config, &options, Some(&first)).unwrap();
        let before = server.questions().len();
        next.lists().test_once(next.resolver()).await;
        assert_eq!(server.questions().len() == before, is_tested);
        let client = mail("192.0.2.9", "", "");
        let facts = next.lists().facts(&config, next.resolver(), &client);
        let failing = ListFact::Skipped(Skipped::Failing(Failing::ListsAll));
        assert_eq!(facts.await.first(), Some(&failing));
    }
}

#[tokio::test]
async fn the_time_of_a_request_bounds_all_its_questions() {
    let server = NameServer::start("*.test !silent");
    let (config, dns) = dns(&server, "$DNS_RETRIES = 9;", false);
    let deadline = Instant::now() + Duration::from_millis(50);
    let facts = dns
        .facts(&config, &mail("192.0.2.1", "a.test", "x@b.test"), deadline)
        .await;
    assert_eq!(facts.exchanges["b.test"], Lookup::Failed);
}

#[tokio::test]
async fn spf_is_asked_for_where_it_has_a_score() {
    let server = NameServer::start("acme.test TXT \"v=spf1 -all\"");
    for (text, expected) in [("", None), ("@spf_score = ('fail', 3);", Some("fail"))] {
        let (config, dns) = dns(&server, text, false);
        let facts = dns
            .facts(
                &config,
                &mail("192.0.2.1", "h.test", "x@acme.test"),
                deadline(),
            )
            .await;
        assert_eq!(facts.spf.as_deref(), expected);
    }
}

#[tokio::test]
async fn each_result_of_spf_may_have_a_score() {
    for (zone, expected) in [
        ("acme.test A 192.0.2.1", "none"),
        ("acme.test TXT \"v=spf1 ?all\"", "neutral"),
        ("acme.test TXT \"v=spf1 ip4:192.0.2.0/24 -all\"", "pass"),
        ("acme.test TXT \"v=spf1 -all\"", "fail"),
        ("acme.test TXT \"v=spf1 ~all\"", "softfail"),
        ("acme.test !servfail", "temperror"),
        ("acme.test TXT \"v=spf1 nonsense\"", "permerror"),
    ] {
        let server = NameServer::start(zone);
        let scores = format!("@spf_score = ('{expected}', 2.5); $REJECTLEVEL = 99;");
        let (config, dns) = dns(&server, &format!("{scores} @dnsbl_score = ();"), false);
        let mail = mail("192.0.2.1", "h.test", "x@acme.test");
        let facts = dns.facts(&config, &mail, deadline()).await;
        assert_eq!(facts.spf.as_deref(), Some(expected), "{zone}");
        let mut scoring = Scoring::new(&config, &mail);
        assert!(scoring.lists(&[]).is_continue());
        let item = format!(" SPF_{}=2.5", expected.to_ascii_uppercase());
        let action = scoring.finish(&facts).action;
        assert!(action.contains(&item), "{action}");
    }
}
