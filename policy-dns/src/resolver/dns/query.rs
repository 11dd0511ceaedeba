//! A query, ready to be sent. It is a header, a name as it is kept, and some numbers, so that it is written as it is:
//! building it in the library's types took a quarter of all that a question costs.

use hickory_proto::{op::Message, rr::DNSClass};

use super::{
    super::Question,
    message::{DecodeError, Decoded, proto_type},
};

/// A query with an id by chance.
#[derive(Debug)]
pub(super) struct Query {
    question: Question,
    id: u16,
    bytes: Vec<u8>,
}

impl Query {
    pub(super) fn new(question: &Question) -> Self {
        let mut query = Self::without_edns(question);
        if let Some(additional) = query.bytes.get_mut(ADDITIONAL_COUNT) {
            *additional = 1;
        }
        query.bytes.extend(EDNS);
        query
    }

    /// The query for a server that does not know EDNS.
    pub(super) fn without_edns(question: &Question) -> Self {
        let id = Message::query().metadata.id;
        let name = question.name.wire();
        let mut bytes = Vec::with_capacity(HEADER.len() + name.len() + 18);
        bytes.extend(id.to_be_bytes());
        bytes.extend(HEADER);
        bytes.extend(name);
        bytes.push(0);
        bytes.extend(u16::from(proto_type(question.kind)).to_be_bytes());
        bytes.extend(u16::from(DNSClass::IN).to_be_bytes());
        Self {
            question: question.clone(),
            id,
            bytes,
        }
    }

    pub(super) fn id(&self) -> u16 {
        self.id
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The answer in a datagram.
    pub(super) fn decode(&self, datagram: &[u8]) -> Result<Decoded, DecodeError> {
        Decoded::decode(&self.question, self.id, datagram)
    }

    /// The answer in a message over TCP.
    pub(super) fn decode_whole(&self, message: &[u8]) -> Result<Decoded, DecodeError> {
        Decoded::decode_whole(&self.question, self.id, message)
    }
}

/// After the id: recursion is desired; one question, and no records (RFC 1035, 4.1.1).
const HEADER: [u8; 10] = [1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
/// Where the last byte of the number of additional records is.
const ADDITIONAL_COUNT: usize = 11;
/// A record OPT (RFC 6891, 6.1.2) with the size of answers: one that fits through any path without fragments, 1232 bytes
/// (DNS flag day 2020).
const EDNS: [u8; 11] = [0, 0, 41, 0x04, 0xd0, 0, 0, 0, 0, 0, 0];

#[cfg(test)]
mod tests {
    use hickory_proto::{
        op::{Edns, Query as ProtoQuery},
        rr,
    };

    use super::*;
    use crate::{Name, RecordType};

    #[test]
    fn a_query_is_as_the_library_writes_it() {
        let long = [
            "a".repeat(63),
            "b".repeat(63),
            "c".repeat(63),
            "d".repeat(61),
        ]
        .join(".");
        for text in ["", "test", "1.2.0.192.in-addr.arpa", "a-b.X.test", &long] {
            for kind in RecordType::ALL {
                let name = Name::parse(text).unwrap();
                let question = Question::new(name, kind);
                for (query, has_edns) in [
                    (Query::new(&question), true),
                    (Query::without_edns(&question), false),
                ] {
                    let labels = question.name.labels().collect::<Vec<_>>();
                    let name = rr::Name::from_labels(labels).unwrap();
                    let mut message = Message::query();
                    message.metadata.id = query.id();
                    message.metadata.recursion_desired = true;
                    message.add_query(ProtoQuery::query(name, proto_type(kind)));
                    if has_edns {
                        let mut edns = Edns::new();
                        edns.set_max_payload(1232);
                        message.set_edns(edns);
                    }
                    assert_eq!(query.bytes(), message.to_vec().unwrap(), "{question}");
                }
            }
        }
    }

    #[test]
    fn ids_differ() {
        let question = Question::new(Name::root(), RecordType::A);
        let ids: std::collections::HashSet<_> =
            (0..100).map(|_| Query::new(&question).id()).collect();
        assert!(ids.len() > 90);
    }
}
