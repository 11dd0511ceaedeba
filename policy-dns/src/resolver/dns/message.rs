//! The answer to a query, out of a message.

use std::{iter::successors, ops::Range, time::Duration};

use hickory_proto::{
    op::{Message, MessageType, OpCode, ResponseCode},
    rr::{self, RData},
};
use thiserror::Error;

use super::super::{
    Data, Outcome, Question, Record, RecordType,
    answer::{MAX_ALIASES, belonging},
};
use crate::Name;

/// An answer as a server has sent it, for those that bring a transport of their own.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Decoded {
    outcome: Outcome,
    is_truncated: bool,
    is_negative_proven: bool,
    ttl: Duration,
    records: Vec<Record>,
}

/// Why a message is no answer to a question.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum DecodeError {
    /// The message has another id or another question, or is no answer at all.
    #[error("not an answer to this question")]
    OtherQuestion,
    /// The message breaks the rules of DNS.
    #[error("malformed message")]
    Malformed,
}

impl Decoded {
    /// Reads the answer to `question`, asked with the id `id`, in a message over UDP. One that was cut off within a
    /// record has no records: they are not to be used anyway (RFC 2181, 9).
    ///
    /// # Errors
    ///
    /// See [`DecodeError`].
    pub fn decode(question: &Question, id: u16, message: &[u8]) -> Result<Self, DecodeError> {
        match Self::decode_whole(question, id, message) {
            Err(DecodeError::Malformed) => {
                let head = head_of_cut(message).ok_or(DecodeError::Malformed)?;
                Self::decode_whole(question, id, &head)
            }
            decoded => decoded,
        }
    }

    /// Reads an answer that cannot be asked for once more: one over TCP.
    pub(super) fn decode_whole(
        question: &Question,
        id: u16,
        message: &[u8],
    ) -> Result<Self, DecodeError> {
        // The id comes first: what somebody else has sent cannot end the wait by being malformed.
        if message.first_chunk::<2>() != Some(&id.to_be_bytes()) {
            return Err(DecodeError::OtherQuestion);
        }
        let message = Message::from_vec(message).map_err(|_| DecodeError::Malformed)?;
        let metadata = message.metadata;
        let is_answer =
            metadata.message_type == MessageType::Response && metadata.op_code == OpCode::Query;
        let is_question = match &*message.queries {
            [query] => {
                query.query_type() == proto_type(question.kind)
                    && query.query_class() == rr::DNSClass::IN
                    && is_name(query.name(), &question.name)
            }
            // A server that does not understand a query need not repeat its question.
            [] => is_not_understood(metadata.response_code),
            _ => false,
        };
        if !is_answer || !is_question {
            return Err(DecodeError::OtherQuestion);
        }
        let outcome = match metadata.response_code {
            ResponseCode::NoError => Outcome::Records,
            ResponseCode::NXDomain => Outcome::NxDomain,
            ResponseCode::ServFail => Outcome::ServFail,
            ResponseCode::Refused => Outcome::Refused,
            other => Outcome::Failed(other.into()),
        };
        let soa = message
            .authorities
            .iter()
            .find_map(|record| match &record.data {
                RData::SOA(soa) => Some(record.ttl.min(soa.minimum)),
                _ => None,
            });
        let records: Vec<_> = message.answers.iter().filter_map(our_record).collect();
        // Records of other names are no answer.
        let belonging = belonging(question, records.clone());
        let has_records = belonging
            .iter()
            .any(|record| record.data.kind() == question.kind);
        let mut decoded = Self {
            outcome,
            is_truncated: metadata.truncation,
            is_negative_proven: soa.is_some(),
            ttl: Duration::ZERO,
            records,
        };
        // A "no" without an SOA must not be kept (RFC 2308, 5); an alias that leads on is none.
        let ttl = if has_records || decoded.unfollowed_alias(question).is_some() {
            u32::MAX
        } else {
            soa.unwrap_or(0)
        };
        let ttls = decoded.records.iter().map(|record| record.ttl);
        decoded.ttl = Duration::from_secs(ttls.fold(ttl, u32::min).into());
        Ok(decoded)
    }

    /// The outcome by the response code: [`Outcome::Records`] for any success.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        self.outcome
    }

    /// Whether the message was cut off: it is to be asked for over TCP, and its records are not to be used.
    #[must_use]
    pub fn is_truncated(&self) -> bool {
        self.is_truncated
    }

    /// For how long the answer may be kept.
    #[must_use]
    pub fn ttl(&self) -> Duration {
        self.ttl
    }

    /// Whether the server says that it does not understand the query, as one does that does not know EDNS.
    pub(super) fn knows_no_edns(&self) -> bool {
        let codes = NOT_UNDERSTOOD.map(|code| Outcome::Failed(code.into()));
        codes.contains(&self.outcome)
    }

    /// The answer section, of any names; see [`Answer::from_section`](crate::Answer::from_section).
    #[must_use]
    pub fn into_records(self) -> Vec<Record> {
        self.records
    }

    /// The end of a chain of aliases for which the server says neither what there is nor that there is nothing.
    pub(super) fn unfollowed_alias(&self, question: &Question) -> Option<Name> {
        if self.outcome != Outcome::Records || self.is_negative_proven {
            return None;
        }
        let names: Vec<_> = self.chain(question).collect();
        let is_answered = |name: &&Name| self.has(name, question.kind);
        // One that is longer than those that are followed may be a circle.
        if names.len() > MAX_ALIASES + 1 || names.iter().any(is_answered) {
            return None;
        }
        let end = names.last().filter(|end| **end != &question.name);
        end.map(|end| (*end).clone())
    }

    /// The question's name and the names that it stands for, one after the other, as far as these are followed: a
    /// server may send a circle, or thousands.
    fn chain<'a>(&'a self, question: &'a Question) -> impl Iterator<Item = &'a Name> {
        let target = |name: &&Name| {
            let mut here = self.records.iter().filter(|record| record.name == **name);
            here.find_map(|record| match &record.data {
                Data::Cname(target) => Some(target),
                _ => None,
            })
        };
        successors(Some(&question.name), target).take(MAX_ALIASES + 2)
    }

    fn has(&self, name: &Name, kind: RecordType) -> bool {
        let mut records = self.records.iter();
        records.any(|record| record.name == *name && record.data.kind() == kind)
    }
}

/// The header and the question of a message that says that it was cut off.
fn head_of_cut(message: &[u8]) -> Option<Vec<u8>> {
    if message.get(FLAGS)? & TRUNCATED == 0 {
        return None;
    }
    let mut head = message.to_vec();
    head.get_mut(RECORD_COUNTS)?.fill(0);
    Some(head)
}

fn is_not_understood(code: ResponseCode) -> bool {
    NOT_UNDERSTOOD.contains(&code)
}

fn our_record(record: &rr::Record) -> Option<Record> {
    let data = match &record.data {
        RData::A(address) => Data::A(address.0),
        RData::AAAA(address) => Data::Aaaa(address.0),
        RData::CNAME(name) => Data::Cname(our_name(&name.0)?),
        RData::PTR(name) => Data::Ptr(our_name(&name.0)?),
        RData::MX(mx) => Data::Mx {
            preference: mx.preference,
            exchange: our_name(&mx.exchange)?,
        },
        RData::TXT(txt) => Data::Txt(txt.txt_data.to_vec()),
        _ => return None,
    };
    let is_in = record.dns_class == rr::DNSClass::IN;
    is_in.then_some(Record {
        name: our_name(&record.name)?,
        ttl: record.ttl,
        data,
    })
}

fn is_name(name: &rr::Name, ours: &Name) -> bool {
    let mut theirs = name.iter();
    let mut is_next = |label: &[u8]| {
        theirs
            .next()
            .is_some_and(|theirs| theirs.eq_ignore_ascii_case(label))
    };
    ours.labels().all(&mut is_next) && theirs.next().is_none()
}

fn our_name(name: &rr::Name) -> Option<Name> {
    Name::from_labels(name.iter()).ok()
}

pub(super) fn proto_type(kind: RecordType) -> rr::RecordType {
    match kind {
        RecordType::A => rr::RecordType::A,
        RecordType::Aaaa => rr::RecordType::AAAA,
        RecordType::Cname => rr::RecordType::CNAME,
        RecordType::Mx => rr::RecordType::MX,
        RecordType::Ptr => rr::RecordType::PTR,
        RecordType::Txt => rr::RecordType::TXT,
    }
}

/// Where a header has its first flags, and how many records there are (RFC 1035, 4.1.1).
pub(super) const FLAGS: usize = 2;
const RECORD_COUNTS: Range<usize> = 6..12;
/// The flag of an answer that was cut off.
pub(super) const TRUNCATED: u8 = 2;
/// The codes of servers that do not understand a query (RFC 6891, 7).
const NOT_UNDERSTOOD: [ResponseCode; 2] = [ResponseCode::FormErr, ResponseCode::NotImp];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_circle_of_aliases_takes_no_more_steps_than_are_followed() {
        let name = |index: usize| Name::parse(format!("a{index}.test")).unwrap();
        let circle = (0..100).map(|index| Record {
            name: name(index),
            ttl: 60,
            data: Data::Cname(name((index + 1) % 100)),
        });
        let decoded = Decoded {
            outcome: Outcome::Records,
            is_truncated: false,
            is_negative_proven: false,
            ttl: Duration::ZERO,
            records: circle.collect(),
        };
        let question = Question::new(name(0), RecordType::A);
        assert_eq!(decoded.chain(&question).count(), MAX_ALIASES + 2);
        assert_eq!(decoded.unfollowed_alias(&question), None);
    }
}
