//! A resolver that answers from a zone in text, with delays and faults, for tests.

mod text;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::sleep;

use super::{Answer, Data, Outcome, Question, Record, RecordType, Resolver, answer::MAX_ALIASES};
use crate::Name;

pub use text::ZoneError;

/// A resolver that answers from a zone in text, for tests of what asks questions.
///
/// A line is `NAME [TTL] TYPE DATA` or `NAME !FAULT [TYPE...]`; `;` begins a comment.
///
/// ```text
/// acme.test            MX 10 mail.acme.test
/// mail.acme.test 60    A 192.0.2.1
/// acme.test            TXT "v=spf1 mx " "-all"   ; two strings
/// www.acme.test        CNAME acme.test
/// 192.0.2.1            PTR mail.acme.test        ; an address stands for its reverse name
/// 192.0.2.9@list.test  A 127.0.0.2               ; and for its place in a list
/// *.all.test           A 127.0.0.2               ; any name below all.test that is not there itself
/// slow.test            !delay 300ms
/// dead.test            !silent                   ; no answer
/// half.test            !servfail TXT             ; of one type only
/// lie.test             !servfail                 ; with a record
/// lie.test             A 192.0.2.1
/// odd.test             !code 4                   ; NOTIMP
/// ```
///
/// `!refused` and `!alias-only`, which does not follow an alias, are there as well. `!truncated` (over UDP),
/// `!wrong-id` and `!wrong-name` are for a name server in tests, and the last two are as good as silence here. A fault below `*.` holds for each name there.
///
/// Time is tokio's: with the clock paused a delay takes none. [`asked`](Self::asked) is the list of all
/// questions, which grows without a bound.
#[derive(Debug, Default)]
pub struct Table {
    records: BTreeMap<Name, Vec<Record>>,
    faults: BTreeMap<Name, Vec<(Fault, BTreeSet<RecordType>)>>,
    /// Names that have names below them: they exist.
    parents: BTreeSet<Name>,
    asked: Mutex<Vec<Question>>,
}

/// What goes wrong with a question.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Fault {
    /// The answer comes late.
    Delay(Duration),
    /// No answer comes.
    Silent,
    /// The answer has this outcome, and the records that there are.
    Outcome(Outcome),
    /// An alias is not followed.
    AliasOnly,
    /// The answer over UDP is cut off.
    Truncated,
    /// The answer has the id of another question.
    WrongId,
    /// The answer is to a question for another name.
    WrongName,
}

/// What a [`Table`] has for a question.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Found {
    /// The outcome as the zone has it, or as a fault wants it.
    pub outcome: Outcome,
    /// The records of the answer section, aliases included.
    pub records: Vec<Record>,
    /// What goes wrong.
    pub faults: Vec<Fault>,
}

impl Table {
    /// What the zone has for a question, without delay. Aliases are followed, up to 16.
    #[must_use]
    pub fn find(&self, question: &Question) -> Found {
        let mut found = Found {
            outcome: Outcome::NxDomain,
            records: vec![],
            faults: self.faults_of(question),
        };
        let mut name = question.name.clone();
        for _ in 0..2 * MAX_ALIASES {
            let records = self.records_of(&name);
            found.outcome = if records.is_some() {
                Outcome::NoData
            } else {
                Outcome::NxDomain
            };
            let of_kind = |record: &&Record| record.data.kind() == question.kind;
            let mut matching: Vec<_> = records
                .into_iter()
                .flatten()
                .filter(of_kind)
                .cloned()
                .collect();
            if !matching.is_empty() {
                found.outcome = Outcome::Records;
                matching
                    .iter_mut()
                    .for_each(|record| record.name = name.clone());
                found.records.append(&mut matching);
                break;
            }
            let target = records
                .into_iter()
                .flatten()
                .find_map(|record| match &record.data {
                    Data::Cname(target) => Some((target.clone(), record.ttl)),
                    _ => None,
                });
            let Some((target, ttl)) = target else { break };
            found.records.push(Record {
                name,
                ttl,
                data: Data::Cname(target.clone()),
            });
            name = target;
            if found.faults.contains(&Fault::AliasOnly) {
                found.outcome = Outcome::NoData;
                break;
            }
        }
        for fault in &found.faults {
            if let Fault::Outcome(outcome) = fault {
                found.outcome = *outcome;
            }
        }
        found
    }

    /// The questions that were asked so far, in their order.
    #[must_use]
    pub fn asked(&self) -> Vec<Question> {
        self.asked
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn records_of(&self, name: &Name) -> Option<&[Record]> {
        if let Some(records) = self.records.get(name) {
            return Some(records);
        }
        if self.parents.contains(name) || self.faults.contains_key(name) {
            return Some(&[]);
        }
        // The nearest name above that exists is the one whose wildcard counts (RFC 4592).
        let mut above = name.parent();
        while let Some(zone) = above {
            if let Some(records) = wildcard(&zone).and_then(|wildcard| self.records.get(&wildcard))
            {
                return Some(records);
            }
            if self.records.contains_key(&zone) || self.parents.contains(&zone) {
                return None;
            }
            above = zone.parent();
        }
        None
    }

    fn faults_of(&self, question: &Question) -> Vec<Fault> {
        let above = std::iter::successors(question.name.parent(), Name::parent);
        let names =
            std::iter::once(question.name.clone()).chain(above.filter_map(|zone| wildcard(&zone)));
        let faults = names.filter_map(|name| self.faults.get(&name)).flatten();
        let of_kind =
            faults.filter(|(_, kinds)| kinds.is_empty() || kinds.contains(&question.kind));
        of_kind.map(|(fault, _)| *fault).collect()
    }
}

impl Resolver for Table {
    async fn ask(&self, question: Question) -> Answer {
        self.asked
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(question.clone());
        let found = self.find(&question);
        for fault in found.faults {
            match fault {
                Fault::Delay(delay) => sleep(delay).await,
                Fault::Silent | Fault::WrongId | Fault::WrongName => {
                    sleep(PATIENCE).await;
                    return Answer::without_records(Outcome::Timeout);
                }
                Fault::Outcome(_) | Fault::Truncated | Fault::AliasOnly => {}
            }
        }
        Answer::from_section(&question, found.outcome, found.records, Duration::MAX)
    }
}

fn wildcard(zone: &Name) -> Option<Name> {
    Name::from_labels([&b"*"[..]].into_iter().chain(zone.labels())).ok()
}

/// How long a question that nobody answers takes.
const PATIENCE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let zone = r#"
            acme.test 60  MX 10 mail.acme.test
            acme.test     TXT "v=spf1 mx " "-all" ; two strings
            mail.acme.test A 192.0.2.1
            192.0.2.1     PTR mail.acme.test
            192.0.2.9@list.test A 127.0.0.2
            2001:db8::1@list.test A 127.0.0.3
            *.all.test    A 127.0.0.2
            sub.all.test  A 127.0.0.9
            www.test      CNAME web.test
            web.test      CNAME acme.test
            gone.test     CNAME nowhere.test
            loop.test     CNAME loop.test
            slow.test     !delay 300ms
            slow.test     AAAA 2001:db8::5
            dead.test     !silent
            half.test     !servfail TXT
            half.test     A 192.0.2.3
            lie.test      !servfail
            lie.test      A 192.0.2.4
            odd.test      !code 4
            no.test       !refused
            *.drop.test   !silent
        "#;
        zone.parse().unwrap()
    }

    fn question(name: &str, kind: RecordType) -> Question {
        Question::new(Name::parse(name).unwrap(), kind)
    }

    #[test]
    fn a_zone_answers() {
        use {Outcome::*, RecordType::*};
        let table = table();
        for (name, kind, outcome, section) in [
            ("acme.test", Mx, Records, 1),
            ("ACME.test", Txt, Records, 1),
            ("acme.test", A, NoData, 0),
            ("test", A, NoData, 0),
            ("none.test", A, NxDomain, 0),
            ("1.2.0.192.in-addr.arpa", Ptr, Records, 1),
            ("9.2.0.192.list.test", A, Records, 1),
            ("8.2.0.192.list.test", A, NxDomain, 0),
            (
                "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.list.test",
                A,
                Records,
                1,
            ),
            ("x.y.all.test", A, Records, 1),
            ("x.sub.all.test", A, NxDomain, 0),
            ("all.test", A, NoData, 0),
            ("www.test", Mx, Records, 3),
            ("www.test", Cname, Records, 1),
            ("gone.test", A, NxDomain, 1),
            ("loop.test", A, NoData, 16),
            ("half.test", Txt, ServFail, 0),
            ("half.test", A, Records, 1),
            ("lie.test", A, ServFail, 1),
            ("odd.test", A, Failed(4), 0),
            ("no.test", A, Refused, 0),
        ] {
            let found = table.find(&question(name, kind));
            assert_eq!(
                (found.outcome, found.records.len()),
                (outcome, section),
                "{name} {kind}"
            );
        }
    }

    #[test]
    fn strings_may_hold_any_byte() {
        let table: Table = r#""a b\046c.test" A 192.0.2.1
            a.test TXT "\128\"a\\; b" c\100"#
            .parse()
            .unwrap();
        let found = table.find(&question("a.test", RecordType::Txt));
        assert_eq!(
            table.find(&question("a b.c.test", RecordType::A)).outcome,
            Outcome::Records
        );
        let strings = vec![b"\x80\"a\\; b"[..].into(), b"cd"[..].into()];
        assert_eq!(found.records[0].data, Data::Txt(strings));
    }

    #[tokio::test(start_paused = true)]
    async fn delays_take_their_time() {
        let (table, start) = (table(), tokio::time::Instant::now());
        let answer = table.ask(question("slow.test", RecordType::Aaaa)).await;
        assert_eq!(
            (answer.addresses().count(), start.elapsed()),
            (1, Duration::from_millis(300))
        );
        let answer = table.ask(question("x.drop.test", RecordType::Txt)).await;
        assert_eq!(
            (answer.outcome(), start.elapsed()),
            (Outcome::Timeout, Duration::from_millis(300) + PATIENCE)
        );
        assert_eq!(
            table.asked(),
            [
                question("slow.test", RecordType::Aaaa),
                question("x.drop.test", RecordType::Txt)
            ]
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_has_a_deadline() {
        let (table, start) = (table(), tokio::time::Instant::now());
        let until = table.until(start + Duration::from_secs(1));
        assert_eq!(
            until
                .ask(question("dead.test", RecordType::A))
                .await
                .outcome(),
            Outcome::Timeout
        );
        assert_eq!(start.elapsed(), Duration::from_secs(1));
        assert_eq!(
            until
                .ask(question("acme.test", RecordType::Mx))
                .await
                .outcome(),
            Outcome::Timeout
        );
    }

    #[test]
    fn a_line_that_cannot_be_read_is_named() {
        for (zone, expected) in [
            ("\na..b A 192.0.2.1", "line 2: 'a..b': empty label"),
            ("a.test A 1.2.3", "line 1: '1.2.3' is no data of the type A"),
            (
                "a.test MX mail.test",
                "line 1: 'mail.test' is no data of the type MX",
            ),
            ("a.test SOA x", "line 1: no type in 'SOA x'"),
            ("a.test", "line 1: no type in ''"),
            ("a.test !flood", "line 1: no fault '!flood'"),
            ("a.test !delay soon", "line 1: no fault '!delay soon'"),
            ("a.test TXT \"open", "line 1: a quote is not closed"),
        ] {
            assert_eq!(zone.parse::<Table>().unwrap_err().to_string(), expected);
        }
    }
}
