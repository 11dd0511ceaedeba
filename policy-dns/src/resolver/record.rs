//! A question and the records that answer it.

use std::{
    fmt,
    net::{Ipv4Addr, Ipv6Addr},
};

use crate::Name;

/// A name and the type of record that is asked for, of class IN.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Question {
    /// The name.
    pub name: Name,
    /// The type of record.
    pub kind: RecordType,
}

impl Question {
    /// A question.
    #[must_use]
    pub fn new(name: Name, kind: RecordType) -> Self {
        Self { name, kind }
    }
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.name, self.kind)
    }
}

/// The types of records that mail policies ask for.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum RecordType {
    /// An IPv4 address.
    A,
    /// An IPv6 address.
    Aaaa,
    /// The name that this one stands for.
    Cname,
    /// A host that takes mail.
    Mx,
    /// The name of an address.
    Ptr,
    /// A text.
    Txt,
}

impl RecordType {
    /// All types.
    pub const ALL: [Self; 6] = [
        Self::A,
        Self::Aaaa,
        Self::Cname,
        Self::Mx,
        Self::Ptr,
        Self::Txt,
    ];

    /// The name of the type in zone files.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::A => "A",
            Self::Aaaa => "AAAA",
            Self::Cname => "CNAME",
            Self::Mx => "MX",
            Self::Ptr => "PTR",
            Self::Txt => "TXT",
        }
    }
}

impl fmt::Display for RecordType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A record of an answer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Record {
    /// The name that has the record.
    pub name: Name,
    /// For how many seconds the record may be kept.
    pub ttl: u32,
    /// The content.
    pub data: Data,
}

/// The content of a record.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Data {
    /// An IPv4 address.
    A(Ipv4Addr),
    /// An IPv6 address.
    Aaaa(Ipv6Addr),
    /// The name that this one stands for.
    Cname(Name),
    /// A host that takes mail.
    Mx {
        /// Lower values come first.
        preference: u16,
        /// The host; the root where a domain takes no mail (RFC 7505).
        exchange: Name,
    },
    /// The name of an address.
    Ptr(Name),
    /// Strings of at most 255 bytes.
    Txt(Vec<Box<[u8]>>),
}

impl Data {
    /// The type of the record.
    #[must_use]
    pub fn kind(&self) -> RecordType {
        match self {
            Self::A(_) => RecordType::A,
            Self::Aaaa(_) => RecordType::Aaaa,
            Self::Cname(_) => RecordType::Cname,
            Self::Mx { .. } => RecordType::Mx,
            Self::Ptr(_) => RecordType::Ptr,
            Self::Txt(_) => RecordType::Txt,
        }
    }

    /// The bytes that the content takes in memory, about.
    #[cfg(feature = "hickory")]
    pub(crate) fn size(&self) -> usize {
        match self {
            Self::A(_) | Self::Aaaa(_) => 0,
            Self::Cname(name) | Self::Ptr(name) | Self::Mx { exchange: name, .. } => name.size(),
            Self::Txt(strings) => strings.iter().map(|string| string.len() + 16).sum(),
        }
    }
}
