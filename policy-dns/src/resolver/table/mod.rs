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
/// `!refused` and `!alias-only`, which does not follow an alias, are there as well. `!truncated` and `!cut-within`
/// (over UDP), `!silent-tcp`, `!wrong-id` and `!wrong-name` are for a name server in tests, and the last two are as
/// good as silence here. A fault below `*.` holds for each name there.
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

/// A fault of a question.
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
    /// The answer over UDP is cut off within its last record.
    CutWithin,
    /// No answer comes over TCP.
    SilentTcp,
    /// The answer has the id of another question.
    WrongId,
    /// The answer is to a question for another name.
    WrongName,
}

/// The entry of a [`Table`] for a question.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Found {
    /// The outcome as the zone has it, or as a fault wants it.
    pub outcome: Outcome,
    /// The records of the answer section, aliases included.
    pub records: Vec<Record>,
    /// The faults of the question.
    pub faults: Vec<Fault>,
}

impl Table {
    /// The answer of the zone to a question, without delay. Aliases are followed, up to 16.
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
                    sleep(SILENCE_TIMEOUT).await;
                    return Answer::without_records(Outcome::Timeout);
                }
                Fault::Outcome(_)
                | Fault::Truncated
                | Fault::CutWithin
                | Fault::SilentTcp
                | Fault::AliasOnly => {}
            }
        }
        Answer::from_section(&question, found.outcome, found.records, Duration::MAX)
    }
}

fn wildcard(zone: &Name) -> Option<Name> {
    Name::from_labels([&b"*"[..]].into_iter().chain(zone.labels())).ok()
}

/// How long a question that nobody answers takes.
const SILENCE_TIMEOUT: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests;
