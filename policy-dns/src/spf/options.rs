//! The limits of a check, and what explanations say of the receiver.

use std::time::Duration;

/// The limits of a check, and what explanations say of the receiver.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct SpfOptions {
    /// How many terms may ask DNS, in all records together. Default: 10 (RFC 7208, 4.6.4). More than 100 count
    /// as 100.
    pub max_dns_terms: u32,
    /// How many hosts of an `mx`, and names of an address, are looked up. Default: 10 (4.6.4).
    pub max_look_ups_per_term: u32,
    /// How many look-ups may find nothing. Default: 2 (4.6.4).
    pub max_void_look_ups: u32,
    /// How long a check may take. Default: 20 s, the least that the RFC wants (4.6.4). A policy server's client
    /// waits 100 s.
    pub timeout: Duration,
    /// The name of the receiving host: the macro `r`, and the headers. Default: `unknown`.
    pub receiver: String,
    /// The explanation for a sender whose domain gives none, with macros. Default: that of Mail::SPF.
    pub default_explanation: String,
}

impl Default for SpfOptions {
    fn default() -> Self {
        Self {
            max_dns_terms: 10,
            max_look_ups_per_term: 10,
            max_void_look_ups: 2,
            timeout: Duration::from_secs(20),
            receiver: "unknown".into(),
            default_explanation: "Rejected by SPF record".into(),
        }
    }
}
