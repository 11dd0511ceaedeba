//! The outcome of a question.

use Outcome::*;

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
