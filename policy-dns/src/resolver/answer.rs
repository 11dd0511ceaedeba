//! The answer to a question: an outcome, and records.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
    time::Duration,
};

use super::{Data, Outcome::*, Question, Record, RecordType};
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

/// How a question ended.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Outcome {
    /// There are records of the type that was asked for.
    Records,
    /// The name exists, but has no records of the type.
    NoData,
    /// The name does not exist.
    NxDomain,
    /// The server could not find out.
    ServFail,
    /// The server does not want to answer.
    Refused,
    /// Another response code (RFC 6895, 2.3), or an answer that cannot be read: FORMERR, 1.
    Failed(u16),
    /// No server has answered in time.
    Timeout,
    /// No server can be reached, or there are too few resources to ask one.
    Unreachable,
}

impl Outcome {
    /// Whether the question was answered: there are such records, or there are none.
    #[must_use]
    pub fn is_answer(self) -> bool {
        matches!(self, Records | NoData | NxDomain)
    }

    /// The name of the response code, as `dig` prints it; `RCODE16` and the like for those without a name here.
    #[must_use]
    pub fn code(self) -> String {
        let name = match self {
            Records | NoData => "NOERROR",
            NxDomain => "NXDOMAIN",
            ServFail => "SERVFAIL",
            Refused => "REFUSED",
            Failed(1) => "FORMERR",
            Failed(4) => "NOTIMP",
            Failed(9) => "NOTAUTH",
            Failed(code) => return format!("RCODE{code}"),
            Timeout => "TIMEOUT",
            Unreachable => "UNREACHABLE",
        };
        name.into()
    }
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
        let ttl = ttl.min(Duration::from_secs(least.into()));
        Self {
            outcome,
            kind: Some(question.kind),
            section: section.into(),
            ttl,
        }
    }

    /// How the question ended.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        self.outcome
    }

    /// For how long the answer may be kept. Zero for failures.
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
fn belonging(question: &Question, mut section: Vec<Record>) -> Vec<Record> {
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
mod tests {
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
}
