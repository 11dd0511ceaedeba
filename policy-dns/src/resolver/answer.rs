//! The answer to a question: an outcome, and records.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
    time::Duration,
};

use super::{
    Data,
    Outcome::{self, *},
    Question, Record, RecordType,
};
use crate::Name;

/// The answer to a question: an outcome, and the records that belong to it.
///
/// The records are those of the name that was asked for and of the names that it stands for: a server's records
/// of other names are not in it.
///
/// ```
/// use policy_dns::{Name, Outcome, Question, RecordType, Resolver, Table};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let table: Table = "www.acme.test CNAME acme.test\nacme.test A 192.0.2.1".parse()?;
/// let answer = table.ask(Question::new(Name::parse("www.acme.test")?, RecordType::A)).await;
/// assert_eq!(answer.outcome(), Outcome::Records);
/// assert_eq!(answer.addresses().next(), Some("192.0.2.1".parse()?));
/// assert_eq!(answer.aliases().next(), Some(&Name::parse("acme.test")?));
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Answer {
    outcome: Outcome,
    /// The type that was asked for; none where nothing was answered.
    kind: Option<RecordType>,
    section: Arc<[Record]>,
    ttl: Duration,
}

impl Answer {
    /// An answer without records.
    #[must_use]
    pub fn without_records(outcome: Outcome) -> Self {
        Self {
            outcome,
            kind: None,
            section: Arc::default(),
            ttl: Duration::ZERO,
        }
    }

    /// The answer to `question` of the records in a server's answer section, where that says success or that the
    /// name does not exist. Records that do not belong to the question are left out. `ttl` bounds for how long
    /// the answer may be kept.
    ///
    /// Any other `outcome` stays, with the records that came with it.
    #[must_use]
    pub fn from_section(
        question: &Question,
        outcome: Outcome,
        section: Vec<Record>,
        ttl: Duration,
    ) -> Self {
        let section = belonging(question, section);
        let found = section
            .iter()
            .any(|record| record.data.kind() == question.kind);
        let outcome = match outcome {
            Records | NoData if found => Records,
            Records | NoData => NoData,
            other => other,
        };
        let least = section
            .iter()
            .map(|record| record.ttl)
            .min()
            .unwrap_or(u32::MAX);
        let ttl = if outcome.is_answer() {
            ttl.min(Duration::from_secs(least.into()))
        } else {
            Duration::ZERO
        };
        Self {
            outcome,
            kind: Some(question.kind),
            section: section.into(),
            ttl,
        }
    }

    /// The answer, to be kept no longer than for `time`.
    #[cfg(feature = "hickory")]
    pub(super) fn within(self, time: Duration) -> Self {
        let ttl = self.ttl.min(time);
        Self { ttl, ..self }
    }

    /// How the question ended.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        self.outcome
    }

    /// For how long the answer may be kept from now on: one that a resolver has kept has what is left. Zero for
    /// failures.
    #[must_use]
    pub fn ttl(&self) -> Duration {
        self.ttl
    }

    /// All records, also aliases, in the server's order, whatever the outcome: a server that fails, or says that
    /// the end of a chain does not exist, may send some.
    #[must_use]
    pub fn section(&self) -> &[Record] {
        &self.section
    }

    /// The records of the type that was asked for, if the outcome is [`Outcome::Records`].
    pub fn records(&self) -> impl Iterator<Item = &Record> {
        let kind = self.kind.filter(|_| self.outcome == Records);
        self.section
            .iter()
            .filter(move |record| Some(record.data.kind()) == kind)
    }

    /// The addresses among the [`records`](Self::records).
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        self.records().filter_map(|record| match record.data {
            Data::A(address) => Some(address.into()),
            Data::Aaaa(address) => Some(address.into()),
            _ => None,
        })
    }

    /// The hosts that take mail, with their preferences, in the server's order.
    pub fn exchanges(&self) -> impl Iterator<Item = (u16, &Name)> {
        self.records().filter_map(|record| match &record.data {
            Data::Mx {
                preference,
                exchange,
            } => Some((*preference, exchange)),
            _ => None,
        })
    }

    /// The names of an address.
    pub fn pointers(&self) -> impl Iterator<Item = &Name> {
        self.records().filter_map(|record| match &record.data {
            Data::Ptr(name) => Some(name),
            _ => None,
        })
    }

    /// The texts, the strings of each joined.
    pub fn texts(&self) -> impl Iterator<Item = Vec<u8>> {
        self.records().filter_map(|record| match &record.data {
            Data::Txt(strings) => Some(strings.concat()),
            _ => None,
        })
    }

    /// The names that the name stands for, whatever the outcome.
    pub fn aliases(&self) -> impl Iterator<Item = &Name> {
        self.section.iter().filter_map(|record| match &record.data {
            Data::Cname(target) => Some(target),
            _ => None,
        })
    }

    /// The IPv4 addresses of the whole section, whatever the outcome: the codes of DNS lists.
    pub(crate) fn codes(&self) -> impl Iterator<Item = Ipv4Addr> {
        self.section.iter().filter_map(|record| match record.data {
            Data::A(address) => Some(address),
            _ => None,
        })
    }

    /// The bytes that the answer takes in memory, about.
    #[cfg(feature = "hickory")]
    pub(super) fn size(&self) -> usize {
        let record =
            |record: &Record| size_of::<Record>() + record.name.size() + record.data.size();
        self.section.iter().map(record).sum()
    }
}

/// The records of the question's name and of what it stands for, in their order.
pub(super) fn belonging(question: &Question, mut section: Vec<Record>) -> Vec<Record> {
    if section.is_empty() {
        return section;
    }
    let mut names = vec![question.name.clone()];
    if question.kind != RecordType::Cname {
        // An alias that comes before the one that leads to it is found in the next round.
        for _ in 0..MAX_ALIASES {
            let known = names.len();
            for record in &section {
                if let Data::Cname(target) = &record.data
                    && names.contains(&record.name)
                    && !names.contains(target)
                    && names.len() <= MAX_ALIASES
                {
                    names.push(target.clone());
                }
            }
            if names.len() == known {
                break;
            }
        }
    }
    let kinds = [question.kind, RecordType::Cname];
    section.retain(|record| kinds.contains(&record.data.kind()) && names.contains(&record.name));
    section
}

/// How many aliases are followed.
pub(crate) const MAX_ALIASES: usize = 8;

#[cfg(test)]
mod tests;
