//! Tests of the answer to a question.

use super::*;

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

fn record(owner: &str, ttl: u32, data: Data) -> Record {
    Record {
        name: name(owner),
        ttl,
        data,
    }
}

fn address(owner: &str, last: u8) -> Record {
    record(owner, 300, Data::A([192, 0, 2, last].into()))
}

fn alias(owner: &str, target: &str) -> Record {
    record(owner, 60, Data::Cname(name(target)))
}

fn answer(outcome: Outcome, section: Vec<Record>) -> Answer {
    let question = Question::new(name("a.test"), RecordType::A);
    Answer::from_section(&question, outcome, section, Duration::from_secs(1000))
}

#[test]
fn records_of_other_names_and_types_are_left_out() {
    let text = record("a.test", 300, Data::Txt(vec![]));
    let got = answer(
        Records,
        vec![address("b.test", 1), address("A.test", 2), text],
    );
    assert_eq!(got.section(), [address("a.test", 2)]);
    assert_eq!(
        answer(Records, vec![address("b.test", 1)]).outcome(),
        NoData
    );
}

#[test]
fn a_chain_is_followed_in_any_order() {
    let section = vec![
        address("c.test", 3),
        alias("b.test", "c.test"),
        alias("a.test", "b.test"),
    ];
    let got = answer(Records, section);
    assert_eq!(
        got.addresses().collect::<Vec<_>>(),
        ["192.0.2.3".parse::<IpAddr>().unwrap()]
    );
    assert_eq!(got.ttl(), Duration::from_secs(60));
    assert_eq!(got.aliases().count(), 2);
}

#[test]
fn a_loop_ends_without_data() {
    let got = answer(
        Records,
        vec![alias("a.test", "b.test"), alias("b.test", "a.test")],
    );
    assert_eq!((got.outcome(), got.aliases().count()), (NoData, 2));
}

#[test]
fn a_chain_without_end_is_cut() {
    let link = |index: usize| match index {
        0 => alias("a.test", "x1.test"),
        index => alias(&format!("x{index}.test"), &format!("x{}.test", index + 1)),
    };
    let mut section: Vec<_> = (0..100).map(link).collect();
    section.push(address("x100.test", 1));
    let got = answer(Records, section);
    assert_eq!(
        (got.outcome(), got.aliases().count()),
        (NoData, MAX_ALIASES + 1)
    );
}

#[test]
fn failures_keep_what_came_with_them_apart() {
    let got = answer(ServFail, vec![address("a.test", 1)]);
    assert_eq!(
        (got.outcome(), got.section().len(), got.addresses().count()),
        (ServFail, 1, 0)
    );
    assert_eq!(got.ttl(), Duration::ZERO);
    let got = answer(NxDomain, vec![alias("a.test", "b.test")]);
    assert_eq!((got.outcome(), got.aliases().count()), (NxDomain, 1));
}

#[test]
fn an_alias_itself_can_be_asked_for() {
    let question = Question::new(name("a.test"), RecordType::Cname);
    let section = vec![alias("a.test", "b.test"), alias("b.test", "c.test")];
    let got = Answer::from_section(&question, Records, section, Duration::MAX);
    assert_eq!((got.outcome(), got.records().count()), (Records, 1));
}
