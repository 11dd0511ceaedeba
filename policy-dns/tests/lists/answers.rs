//! Answers of lists: the codes that count, their classes and texts.

use std::{net::IpAddr, time::Duration};

use policy_dns::{
    Table,
    list::{AnswerRule, Class, DnsList, ListOptions, ListResult, Skipped, Subject, check_all},
};

use crate::{CLIENT, client, list, options, told, zone};

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
    let as_it_is = Subject::Address("::ffff:192.0.2.9".parse().unwrap());
    assert_eq!(
        asked(addresses(), as_it_is).await,
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
async fn a_key_with_a_dot_at_its_end_is_not_shown_either() {
    let mut with_text = options();
    with_text.text = true;
    let list = DnsList::addresses("list.test", with_text)
        .unwrap()
        .with_key("S3cret.")
        .unwrap();
    let table: Table = "192.0.2.9@s3cret.list.test A 127.0.0.2
        192.0.2.9@s3cret.list.test TXT \"your key s3cret\""
        .parse()
        .unwrap();
    let ListResult::Listed(listed) = list.check(&table, &client()).await else {
        panic!()
    };
    assert_eq!(listed.texts(), [b"your key ***".to_vec()]);
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
