//! DNS answers: whatever a server sends, an answer holds only what belongs to the question, and what is not for the
//! question is no answer.

#![no_main]

use libfuzzer_sys::fuzz_target;
use policy_dns::{Answer, Data, DecodeError, Decoded, Name, Outcome, Question, RecordType};

fuzz_target!(|input: &[u8]| {
    let Some((&way, message)) = input.split_first() else {
        return;
    };
    let kind = RecordType::ALL[usize::from(way) % RecordType::ALL.len()];
    let question = Question::new(Name::parse("a.test").expect("a name"), kind);
    let id = message
        .first_chunk()
        .map_or(0, |id| u16::from_be_bytes(*id));

    let other = Decoded::decode(&question, id.wrapping_add(1), message);
    assert_eq!(
        other,
        Err(DecodeError::OtherQuestion),
        "taken with another id"
    );
    let Ok(decoded) = Decoded::decode(&question, id, message) else {
        return;
    };
    let (outcome, ttl) = (decoded.outcome(), decoded.ttl());
    let answer = Answer::from_section(&question, outcome, decoded.into_records(), ttl);
    check(&question, &answer, outcome);
    assert!(answer.ttl() <= ttl);
});

fn check(question: &Question, answer: &Answer, sent: Outcome) {
    let mut names = vec![&question.name];
    names.extend(answer.aliases());
    for record in answer.section() {
        let kind = record.data.kind();
        assert!(
            kind == question.kind || kind == RecordType::Cname,
            "{record:?}"
        );
        assert!(names.contains(&&record.name), "{record:?}");
        for name in names_in(&record.data).chain([&record.name]) {
            let again = Name::from_labels(name.labels()).expect("a name that was read is a name");
            assert_eq!(&again, name);
        }
    }
    let has = answer
        .section()
        .iter()
        .any(|record| record.data.kind() == question.kind);
    match sent {
        Outcome::Records => assert_eq!(answer.outcome() == Outcome::Records, has),
        other => assert_eq!(answer.outcome(), other),
    }
    assert_eq!(
        answer.records().next().is_some(),
        answer.outcome() == Outcome::Records
    );
    let counted = answer.addresses().count()
        + answer.exchanges().count()
        + answer.pointers().count()
        + answer.texts().count();
    if question.kind != RecordType::Cname {
        assert_eq!(counted, answer.records().count());
    }
}

fn names_in(data: &Data) -> impl Iterator<Item = &Name> {
    match data {
        Data::Cname(name) | Data::Ptr(name) | Data::Mx { exchange: name, .. } => Some(name),
        _ => None,
    }
    .into_iter()
}
