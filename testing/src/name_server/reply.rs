//! Queries and the messages that answer them.

use hickory_proto::{
    op::{Message, MessageType, ResponseCode},
    rr::{
        self, RData,
        rdata::{A, AAAA, CNAME, MX, PTR, SOA, TXT},
    },
};
use policy_dns::{Data, Fault, Found, Name, Outcome, Question, Record, RecordType};

/// What a server answers to a query that has EDNS.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Edns {
    /// As to any other query.
    #[default]
    Known,
    /// FORMERR, with the question.
    FormErr,
    /// FORMERR, and nothing else.
    FormErrAlone,
    /// NOTIMP, with the question.
    NotImp,
}

/// A query that came in.
#[derive(Debug)]
pub(super) struct Query {
    message: Message,
    question: Question,
}

impl Query {
    /// Reads a message; none if it is no query, or for a type that zones do not have.
    pub(super) fn parse(message: &[u8]) -> Option<Self> {
        let message = Message::from_vec(message).ok()?;
        let [query] = &*message.queries else {
            return None;
        };
        let kind = RecordType::ALL
            .into_iter()
            .find(|kind| proto_type(*kind) == query.query_type())?;
        let question = Question::new(Name::from_labels(query.name().iter()).ok()?, kind);
        (message.metadata.message_type == MessageType::Query).then_some(Self { message, question })
    }

    pub(super) fn question(&self) -> &Question {
        &self.question
    }

    /// The message that says that the query is not understood, if it has EDNS and the server does not know that.
    pub(super) fn refused_for_edns(&self, edns: Edns) -> Option<Vec<u8>> {
        let code = match edns {
            Edns::Known => return None,
            Edns::FormErr | Edns::FormErrAlone => ResponseCode::FormErr,
            Edns::NotImp => ResponseCode::NotImp,
        };
        self.message.edns.as_ref()?;
        let mut reply = Message::response(self.message.metadata.id, self.message.metadata.op_code);
        reply.metadata.response_code = code;
        if edns != Edns::FormErrAlone {
            reply.add_queries(self.message.queries.clone());
        }
        reply.to_vec().ok()
    }

    /// The message that answers with what was found.
    pub(super) fn reply(&self, found: &Found, is_udp: bool) -> Vec<u8> {
        let mut reply = Message::response(self.message.metadata.id, self.message.metadata.op_code);
        let has = |fault| found.faults.contains(&fault);
        reply.metadata.recursion_desired = self.message.metadata.recursion_desired;
        reply.metadata.recursion_available = true;
        reply.metadata.response_code = code(found.outcome);
        if has(Fault::WrongId) {
            reply.metadata.id = reply.metadata.id.wrapping_add(1);
        }
        let mut queries = self.message.queries.clone();
        if has(Fault::WrongName) {
            for query in &mut queries {
                query.name =
                    proto_name(&Name::parse("wrong.name.test").unwrap_or_else(|_| Name::root()));
            }
        }
        reply.add_queries(queries);
        reply.add_answers(found.records.iter().map(proto_record));
        let says_no = matches!(found.outcome, Outcome::NoData | Outcome::NxDomain);
        if says_no && !has(Fault::AliasOnly) {
            let root = rr::Name::root();
            let soa = SOA::new(root.clone(), root.clone(), 1, 3600, 600, 86400, 60);
            reply.add_authority(rr::Record::from_rdata(root, 60, RData::SOA(soa)));
        }
        if is_udp && has(Fault::CutWithin) {
            reply.metadata.truncation = true;
            let mut bytes = reply.to_vec().unwrap_or_default();
            bytes.truncate(bytes.len().saturating_sub(1));
            return bytes;
        }
        let bytes = reply.to_vec().unwrap_or_default();
        let is_long = bytes.len() > usize::from(self.message.max_payload());
        if is_udp && (is_long || has(Fault::Truncated)) {
            return reply.truncate().to_vec().unwrap_or_default();
        }
        bytes
    }
}

fn code(outcome: Outcome) -> ResponseCode {
    match outcome {
        Outcome::Records | Outcome::NoData => ResponseCode::NoError,
        Outcome::NxDomain => ResponseCode::NXDomain,
        Outcome::Refused => ResponseCode::Refused,
        Outcome::Failed(code) => ResponseCode::from_low(u8::try_from(code & 15).unwrap_or(0)),
        _ => ResponseCode::ServFail,
    }
}

fn proto_record(record: &Record) -> rr::Record {
    let data = match &record.data {
        Data::A(address) => RData::A(A(*address)),
        Data::Aaaa(address) => RData::AAAA(AAAA(*address)),
        Data::Cname(name) => RData::CNAME(CNAME(proto_name(name))),
        Data::Ptr(name) => RData::PTR(PTR(proto_name(name))),
        Data::Mx {
            preference,
            exchange,
        } => RData::MX(MX::new(*preference, proto_name(exchange))),
        Data::Txt(strings) => RData::TXT(TXT::from_bytes(
            strings.iter().map(|string| &**string).collect(),
        )),
        other => unreachable!("a zone has no {other:?}"),
    };
    rr::Record::from_rdata(proto_name(&record.name), record.ttl, data)
}

fn proto_name(name: &Name) -> rr::Name {
    let labels: Vec<_> = name.labels().collect();
    rr::Name::from_labels(labels).unwrap_or_else(|_| rr::Name::root())
}

fn proto_type(kind: RecordType) -> rr::RecordType {
    match kind {
        RecordType::A => rr::RecordType::A,
        RecordType::Aaaa => rr::RecordType::AAAA,
        RecordType::Cname => rr::RecordType::CNAME,
        RecordType::Mx => rr::RecordType::MX,
        RecordType::Ptr => rr::RecordType::PTR,
        RecordType::Txt => rr::RecordType::TXT,
        other => unreachable!("a zone has no {other}"),
    }
}
