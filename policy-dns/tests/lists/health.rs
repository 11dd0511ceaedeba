//! The health of lists: tests, errors in a row, lists that have ended.

use std::{net::IpAddr, sync::Arc, time::Duration};

use policy_dns::{
    Name, Outcome, Table,
    list::{
        DnsList, Failing, ListError, ListResult, Release, SelfTest, Skipped, Status, Subject,
        keep_tested,
    },
};

use crate::{client, list, options, told, zone};

#[tokio::test(start_paused = true)]
async fn a_list_that_does_not_answer_is_skipped_for_all() {
    let list = Arc::new(list(options()));
    let dead = zone(&["!silent"]);
    for _ in 0..3 {
        assert_eq!(
            list.check(&dead, &client()).await,
            ListResult::Error(ListError::Dns(Outcome::Timeout))
        );
    }
    assert_eq!(list.status(), Status::Skipped);
    let good = zone(&["A 127.0.0.2"]);
    let other = Arc::clone(&list);
    assert_eq!(
        other.check(&good, &client()).await,
        ListResult::Skipped(Skipped::Errors)
    );
    assert!(good.asked().is_empty());
    tokio::time::advance(Duration::from_secs(60)).await;
    assert_eq!(
        told(&other.check(&good, &client()).await),
        "listed 127.0.0.2"
    );
    assert_eq!(list.status(), Status::Untested);
}

#[tokio::test(start_paused = true)]
async fn a_list_that_passes_its_test_is_asked_again_at_once() {
    let (list, silent) = (list(options()), zone(&["!silent"]));
    for _ in 0..3 {
        list.check(&silent, &client()).await;
    }
    assert_eq!(
        list.self_test(&HEALTHY.parse::<Table>().unwrap()).await,
        Some(Status::Good)
    );
    assert_eq!(
        told(&list.check(&zone(&["A 127.0.0.2"]), &client()).await),
        "listed 127.0.0.2"
    );
}

#[tokio::test(start_paused = true)]
async fn errors_that_were_no_fault_of_a_list_are_forgotten_and_its_test_is_not() {
    let (list, silent) = (list(options()), zone(&["!silent"]));
    for _ in 0..3 {
        list.check(&silent, &client()).await;
    }
    list.forget_errors();
    assert_eq!(list.status(), Status::Untested);
    assert_eq!(
        told(&list.check(&zone(&["A 127.0.0.2"]), &client()).await),
        "listed 127.0.0.2"
    );
    list.self_test(&Table::default()).await;
    list.forget_errors();
    assert_eq!(list.status(), Status::Failing(Failing::EntryMissing));
}

#[tokio::test(start_paused = true)]
async fn errors_that_are_not_in_a_row_do_not_skip() {
    let mut options = options();
    options.skip_after = 1;
    options.release = Release::Checks(2);
    let list = list(options);
    let (bad, good) = (zone(&["!servfail"]), zone(&["A 127.0.0.2"]));
    for table in [&bad, &good, &bad, &good, &bad, &bad] {
        assert!(!matches!(
            list.check(table, &client()).await,
            ListResult::Skipped(_)
        ));
    }
    for expected in [
        "skipped: too many errors in a row",
        "skipped: too many errors in a row",
        "listed 127.0.0.2",
    ] {
        assert_eq!(told(&list.check(&good, &client()).await), expected);
    }
}

const HEALTHY: &str = "127.0.0.2@list.test A 127.0.0.2\ntest.domains.test A 127.0.1.2";

#[tokio::test(start_paused = true)]
async fn a_list_has_to_pass_its_test() {
    for (zone, expected) in [
        (HEALTHY, Some(Status::Good)),
        (
            "list.test TXT gone",
            Some(Status::Failing(Failing::EntryMissing)),
        ),
        (
            "*.list.test A 127.0.0.2",
            Some(Status::Failing(Failing::ListsAll)),
        ),
        (
            "*.list.test A 192.0.2.80",
            Some(Status::Failing(Failing::Outside([192, 0, 2, 80].into()))),
        ),
        (
            "*.list.test A 127.255.255.254",
            Some(Status::Failing(Failing::Blocked(
                [127, 255, 255, 254].into(),
            ))),
        ),
        (
            "127.0.0.2@list.test A 127.0.0.2\n127.0.0.1@list.test !silent",
            None,
        ),
        ("*.list.test !servfail", None),
    ] {
        let list = list(options());
        let table: Table = zone.parse().unwrap();
        assert_eq!(list.self_test(&table).await, expected, "{zone}");
        let is_failing = matches!(expected, Some(Status::Failing(_)));
        let result = list.check(&table, &client()).await;
        assert_eq!(
            matches!(result, ListResult::Skipped(Skipped::Failing(_))),
            is_failing,
            "{zone}: {result:?}"
        );
        // It comes back when it passes.
        let healthy: Table = HEALTHY.parse().unwrap();
        list.self_test(&healthy).await;
        assert_eq!(list.status(), Status::Good);
        assert_eq!(list.check(&healthy, &client()).await, ListResult::NotListed);
    }
}

#[tokio::test]
async fn the_last_test_is_known_whatever_came_of_it() {
    let list = list(options());
    assert_eq!(list.last_test(), None);
    for (zone, outcome) in [
        (HEALTHY, "passed"),
        ("other.test A 127.0.0.2", "the list has lost its test entry"),
        ("*.list.test !servfail", "no answer"),
    ] {
        list.self_test(&zone.parse::<Table>().unwrap()).await;
        let last = list.last_test().unwrap();
        assert_eq!(last.outcome.to_string(), outcome, "{zone}");
        assert!(last.at <= tokio::time::Instant::now());
    }
    assert!(
        matches!(list.status(), Status::Failing(_)),
        "no answer changes nothing"
    );
}

#[tokio::test]
async fn lists_of_domains_have_a_test_of_their_own() {
    let table: Table = HEALTHY.parse().unwrap();
    let list = DnsList::domains("domains.test", options()).unwrap();
    assert_eq!(list.self_test(&table).await, Some(Status::Good));
    let asked: Vec<_> = table.asked().iter().map(ToString::to_string).collect();
    assert_eq!(asked, ["test.domains.test/A", "invalid.domains.test/A"]);

    let mut other = options();
    let name = |text| Subject::Domain(Name::parse(text).unwrap());
    other.self_test = SelfTest::With {
        listed: name("test"),
        unlisted: name("x.invalid"),
    };
    assert_eq!(
        DnsList::domains("domains.test", other)
            .unwrap()
            .self_test(&table)
            .await,
        Some(Status::Good)
    );
    let mut off = options();
    off.self_test = SelfTest::Off;
    assert_eq!(
        DnsList::domains("domains.test", off)
            .unwrap()
            .self_test(&table)
            .await,
        None
    );
}

#[tokio::test]
async fn an_address_that_is_no_code_disables_the_list() {
    let list = list(options());
    let parked = zone(&["A 192.0.2.80"]);
    assert_eq!(
        told(&list.check(&parked, &client()).await),
        "error: the answer 192.0.2.80 is no code"
    );
    assert_eq!(
        told(&list.check(&parked, &client()).await),
        "skipped: the answer 192.0.2.80 is no code"
    );
    assert_eq!(parked.asked().len(), 1);
    assert_eq!(
        list.self_test(&HEALTHY.parse::<Table>().unwrap()).await,
        Some(Status::Good)
    );
    assert_eq!(
        told(&list.check(&zone(&["A 127.0.0.2"]), &client()).await),
        "listed 127.0.0.2"
    );
}

#[tokio::test(start_paused = true)]
async fn a_list_without_a_test_comes_back_from_an_answer_that_is_no_code() {
    let mut untested = options();
    (untested.self_test, untested.skip_after) = (SelfTest::Off, 0);
    let list = list(untested);
    let parked = zone(&["A 192.0.2.80"]);
    assert_eq!(
        told(&list.check(&parked, &client()).await),
        "error: the answer 192.0.2.80 is no code"
    );
    assert_eq!(
        told(&list.check(&parked, &client()).await),
        "skipped: too many errors in a row"
    );
    tokio::time::advance(Duration::from_secs(60)).await;
    assert_eq!(
        told(&list.check(&zone(&["A 127.0.0.2"]), &client()).await),
        "listed 127.0.0.2"
    );
}

#[tokio::test]
async fn a_dead_list_is_never_asked() {
    let table: Table = "192.0.2.9@spam.dnsbl.sorbs.net A 127.0.0.6"
        .parse()
        .unwrap();
    let list = DnsList::addresses("spam.dnsbl.sorbs.net", options()).unwrap();
    assert_eq!(
        list.check(&table, &client()).await,
        ListResult::Skipped(Skipped::Dead)
    );
    assert_eq!(list.self_test(&table).await, None);
    assert!(matches!(list.status(), Status::Dead(dead) if dead.since == Some("2024-06")));
    assert!(table.asked().is_empty());
    let mut as_ever = options();
    as_ever.skip_dead = false;
    let list = DnsList::addresses("spam.dnsbl.sorbs.net", as_ever).unwrap();
    assert_eq!(
        told(&list.check(&table, &client()).await),
        "listed 127.0.0.6"
    );
}

#[tokio::test(start_paused = true)]
async fn lists_are_tested_at_once_and_hourly() {
    let table: Table = HEALTHY.parse().unwrap();
    let lists = [
        Arc::new(list(options())),
        Arc::new(DnsList::addresses("gone.test", options()).unwrap()),
    ];
    let mut changes = vec![];
    let hour = Duration::from_secs(3600);
    let testing = keep_tested(&lists, &table, hour, |list, status| {
        changes.push((list.zone().to_owned(), status))
    });
    assert!(
        tokio::time::timeout(3 * hour + Duration::from_secs(1), testing)
            .await
            .is_err()
    );
    // Each change is told once, but all lists are tested four times.
    let missing = Status::Failing(Failing::EntryMissing);
    assert_eq!(
        changes,
        [
            ("list.test".into(), Status::Good),
            ("gone.test".into(), missing)
        ]
    );
    assert_eq!(table.asked().len(), 16);
}

#[tokio::test(start_paused = true)]
async fn what_is_asked_ahead_counts_no_errors() {
    let table: Table = "192.0.2.9@list.test !servfail\n192.0.2.10@list.test A 127.0.0.2"
        .parse()
        .unwrap();
    let mut with_text = options();
    with_text.text = true;
    let list = list(with_text);
    let subject = |text: &str| Subject::from(text.parse::<IpAddr>().unwrap());
    for _ in 0..10 {
        list.ask_ahead(&table, &subject("192.0.2.9")).await;
    }
    assert_eq!(list.status(), Status::Untested);
    assert_eq!(table.asked().len(), 10);
    // The text is asked for as well.
    list.ask_ahead(&table, &subject("192.0.2.10")).await;
    assert_eq!(table.asked().len(), 12);
    // Nothing is asked of a list that errors have skipped.
    for _ in 0..3 {
        list.check(&table, &subject("192.0.2.9")).await;
    }
    assert_eq!(list.status(), Status::Skipped);
    let asked = table.asked().len();
    list.ask_ahead(&table, &subject("192.0.2.10")).await;
    assert_eq!(table.asked().len(), asked);
}

#[tokio::test(start_paused = true)]
async fn checks_are_counted_by_their_result() {
    let mut options = options();
    options.skip_after = 4;
    let list = list(options);
    assert_eq!(list.options().skip_after, 4);
    for (lines, times) in [
        (&["A 127.0.0.2"][..], 1),
        (&["TXT only"], 2),
        // The fifth error in a row has the list skipped.
        (&["!servfail"], 7),
    ] {
        let table = zone(lines);
        for _ in 0..times {
            list.check(&table, &client()).await;
        }
    }
    let counts = list.counts();
    assert_eq!((counts.listed, counts.not_listed), (1, 2));
    assert_eq!((counts.errors, counts.skipped), (5, 2));
    let domain = Subject::from(Name::parse("acme.test").unwrap());
    list.check(&zone(&[]), &domain).await;
    assert_eq!(
        list.counts(),
        counts,
        "a list of addresses has nothing to say of a domain"
    );
    let shown = format!("{list:?}");
    assert!(
        shown.starts_with("DnsList { zone: \"list.test\""),
        "{shown}"
    );
}
