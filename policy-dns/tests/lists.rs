//! DNS lists: what counts as listed, which lists are asked, and what is never shown.

use std::{net::IpAddr, sync::Arc, time::Duration};

use policy_dns::{
    Name, Outcome, Table,
    list::{
        AnswerRule, Class, DnsList, Failing, ListError, ListOptions, ListResult, Release, SelfTest,
        Skipped, Status, Subject, check_all, keep_tested,
    },
};

const CLIENT: &str = "192.0.2.9";

fn client() -> Subject {
    CLIENT.parse::<IpAddr>().unwrap().into()
}

fn options() -> ListOptions {
    ListOptions::default()
}

fn list(options: ListOptions) -> DnsList {
    DnsList::addresses("list.test", options).unwrap()
}

/// A zone in which the client has these lines.
fn zone(lines: &[&str]) -> Table {
    let lines: Vec<_> = lines
        .iter()
        .map(|line| format!("{CLIENT}@list.test {line}"))
        .collect();
    lines.join("\n").parse().unwrap()
}

/// `listed CODE...`, `not listed`, `error: ...`, `skipped: ...`.
fn told(result: &ListResult) -> String {
    match result {
        ListResult::Listed(listed) => {
            let codes: Vec<_> = listed.codes().iter().map(ToString::to_string).collect();
            format!("listed {}", codes.join(" ")).trim_end().into()
        }
        ListResult::NotListed => "not listed".into(),
        ListResult::Error(error) => format!("error: {error}"),
        ListResult::Skipped(skipped) => format!("skipped: {skipped}"),
        other => format!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn only_codes_count() {
    for (lines, strict, any_record) in [
        (&["A 127.0.0.2"][..], "listed 127.0.0.2", "listed 127.0.0.2"),
        (
            &["A 127.0.0.10", "A 127.0.0.2"],
            "listed 127.0.0.10 127.0.0.2",
            "listed 127.0.0.10 127.0.0.2",
        ),
        (
            &["A 127.255.255.254"],
            "error: the list does not answer us: 127.255.255.254",
            "listed 127.255.255.254",
        ),
        (
            &["A 127.0.0.2", "A 127.255.255.252"],
            "error: the list does not answer us: 127.255.255.252",
            "listed 127.0.0.2 127.255.255.252",
        ),
        (
            &["A 192.0.2.80"],
            "error: the answer 192.0.2.80 is no code",
            "listed 192.0.2.80",
        ),
        (&["TXT only"], "not listed", "not listed"),
        (&["CNAME nowhere.test"], "not listed", "listed"),
        (&["!servfail"], "error: SERVFAIL", "not listed"),
        (
            &["!servfail", "A 127.0.0.2"],
            "error: SERVFAIL",
            "listed 127.0.0.2",
        ),
        (&["!refused"], "error: REFUSED", "not listed"),
        (&["!code 4"], "error: NOTIMP", "not listed"),
        (&["!silent"], "error: TIMEOUT", "error: TIMEOUT"),
        (
            &["!delay 6s", "A 127.0.0.2"],
            "error: TIMEOUT",
            "error: TIMEOUT",
        ),
        (
            &["!delay 4s", "A 127.0.0.2"],
            "listed 127.0.0.2",
            "listed 127.0.0.2",
        ),
    ] {
        let table = zone(lines);
        assert_eq!(
            told(&list(options()).check(&table, &client()).await),
            strict,
            "{lines:?}"
        );
        let mut options = options();
        options.rule = AnswerRule::AnyRecord;
        assert_eq!(
            told(&list(options).check(&table, &client()).await),
            any_record,
            "{lines:?}"
        );
    }
    let empty: Table = "list.test TXT x".parse().unwrap();
    assert_eq!(
        list(options()).check(&empty, &client()).await,
        ListResult::NotListed
    );
}

#[tokio::test]
async fn a_list_is_asked_once_for_all_its_classes() {
    let mut options = options();
    options.classes = vec![
        Class::new("SBL", "127.0.0.2-3").unwrap(),
        Class::new("PBL", "127.0.0.10-11").unwrap(),
        Class::new("ANY", "127.0.0.0/24").unwrap(),
    ];
    let list = list(options);
    for (lines, classes) in [
        (
            &["A 127.0.0.10", "A 127.0.0.3"][..],
            Some(vec!["SBL", "PBL", "ANY"]),
        ),
        (&["A 127.0.0.9"], Some(vec!["ANY"])),
        (&["A 127.0.1.2"], None),
    ] {
        let table = zone(lines);
        let result = list.check(&table, &client()).await;
        let got = match &result {
            ListResult::Listed(listed) => Some(
                listed
                    .classes()
                    .map(|index| list.class(index).unwrap())
                    .collect(),
            ),
            ListResult::NotListed => None,
            other => panic!("{other:?}"),
        };
        assert_eq!(got, classes);
        assert_eq!(table.asked().len(), 1);
    }
}

#[tokio::test]
async fn subjects_are_looked_for_below_the_zone() {
    let asked = async |list: DnsList, subject: Subject| {
        let table = Table::default();
        let result = list.check(&table, &subject).await;
        (result, table.asked().first().map(ToString::to_string))
    };
    let addresses = || list(options());
    let domains = || DnsList::domains("Domains.Test.", options()).unwrap();
    let not_listed = |name: &str| (ListResult::NotListed, Some(name.to_owned()));
    let skipped = (ListResult::Skipped(Skipped::OtherKind), None);
    assert_eq!(
        asked(addresses(), client()).await,
        not_listed("9.2.0.192.list.test/A")
    );
    let mapped = "::ffff:192.0.2.9".parse::<IpAddr>().unwrap().into();
    assert_eq!(
        asked(addresses(), mapped).await,
        not_listed("9.2.0.192.list.test/A")
    );
    let nibbles = "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.list.test/A";
    assert_eq!(
        asked(addresses(), "2001:db8::1".parse::<IpAddr>().unwrap().into()).await,
        not_listed(nibbles)
    );
    let domain = Subject::domain("Bad.Example").unwrap();
    assert_eq!(
        asked(domains(), domain.clone()).await,
        not_listed("bad.example.domains.test/A")
    );
    assert_eq!(asked(addresses(), domain).await, skipped);
    assert_eq!(asked(domains(), client()).await, skipped);
    let long = Subject::domain(vec!["label"; 41].join(".")).unwrap();
    assert_eq!(asked(domains(), long).await, (ListResult::NotListed, None));
}

#[tokio::test]
async fn texts_are_asked_for_when_something_is_listed() {
    let mut with_text = options();
    with_text.text = true;
    let list = DnsList::addresses("list.test", with_text)
        .unwrap()
        .with_key("s3cret")
        .unwrap();
    let table: Table = "192.0.2.9@s3cret.list.test A 127.0.0.2
        192.0.2.9@s3cret.list.test TXT \"see \" \"http://S3CRET.list.test\"
        192.0.2.9@s3cret.list.test TXT second
        192.0.2.10@s3cret.list.test A 127.0.0.2
        192.0.2.10@s3cret.list.test !servfail TXT"
        .parse()
        .unwrap();
    let ListResult::Listed(listed) = list.check(&table, &client()).await else {
        panic!()
    };
    assert_eq!(
        listed.texts(),
        [b"see http://***.list.test".to_vec(), b"second".to_vec()]
    );
    let other = "192.0.2.10".parse::<IpAddr>().unwrap().into();
    let ListResult::Listed(listed) = list.check(&table, &other).await else {
        panic!()
    };
    assert!(listed.texts().is_empty());
    assert_eq!(table.asked().len(), 4);
    list.check(&table, &"192.0.2.11".parse::<IpAddr>().unwrap().into())
        .await;
    assert_eq!(table.asked().len(), 5);
}

#[tokio::test]
async fn a_key_is_never_shown() {
    let list = DnsList::addresses(
        "s3cret.zen.dq.spamhaus.net",
        ListOptions::for_zone("zen.dq.spamhaus.net"),
    )
    .unwrap();
    let table: Table = "192.0.2.9@s3cret.zen.dq.spamhaus.net A 127.0.0.4"
        .parse()
        .unwrap();
    let result = list.check(&table, &client()).await;
    assert_eq!(told(&result), "listed 127.0.0.4");
    assert_eq!(list.zone(), "zen.dq.spamhaus.net");
    let shown = format!("{list:?} {result:?} {:?}", list.self_test(&table).await);
    assert!(!shown.contains("s3cret"), "{shown}");
}

#[tokio::test(start_paused = true)]
async fn many_lists_are_asked_at_once_and_answer_in_order() {
    let lines = |index: u64| {
        let (delay, code) = (100 * (10 - index), index + 2);
        format!(
            "{CLIENT}@l{index}.test !delay {delay}ms\n{CLIENT}@l{index}.test A 127.0.0.{code}\n"
        )
    };
    let table: Table = (0..10).map(lines).collect::<String>().parse().unwrap();
    let lists: Vec<_> = (0..10)
        .map(|index| DnsList::addresses(&format!("l{index}.test"), options()).unwrap())
        .collect();
    let (client, start) = (client(), tokio::time::Instant::now());
    let results = check_all(&table, lists.iter().map(|list| (list, &client))).await;
    assert_eq!(start.elapsed(), Duration::from_secs(1));
    let expected: Vec<_> = (0..10)
        .map(|index| format!("listed 127.0.0.{}", index + 2))
        .collect();
    assert_eq!(results.iter().map(told).collect::<Vec<_>>(), expected);
}

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
