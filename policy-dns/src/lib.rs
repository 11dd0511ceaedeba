//! DNS for mail policy servers.
//!
//! | to | use |
//! | --- | --- |
//! | ask DNS, and tell apart what went wrong | [`Resolver`], [`DnsResolver`], [`Answer`] |
//! | know whether a client or a domain is on a list | [`list`] |
//! | know whether a client may send for a domain | [`spf`] |
//! | know which domain somebody has registered | `RegisteredDomain` (feature `public-suffix`) |
//! | test what asks DNS | [`Table`] |
//!
//! # What holds everywhere
//!
//! Questions do not fail: a failure is an [`Outcome`] of an [`Answer`], and each user says what it means. An SPF
//! check that cannot find out is a temporary error, a list that does not answer is an error of that list.
//!
//! Everything that DNS can grow or delay has a limit: questions, answers, aliases, the time of a question, of a list
//! and of a check, the bytes of the cache and of explanations. For one request with all its questions there is
//! [`Resolver::until`].
//!
//! Names are bytes ([`Name`]): what a client says in HELO is asked as it is, without IDNA and without a search list.
//!
//! Everything runs on any tokio runtime, also on a current-thread one, and takes its clock, which tests can pause.
//! The only task is the reader of a socket, which ends with its questions. Dropping a future gives up its work.
//!
//! # Features
//!
//! `hickory` (default) is [`DnsResolver`]; without it there are the trait, lists and SPF for a resolver of your own.
//! `public-suffix` is `RegisteredDomain`.

#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::panic))]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

mod name;
pub use name::{Name, NameError};

mod resolver;
pub use resolver::{
    Answer, Data, Fault, Found, Outcome, Question, Record, RecordType, Resolver, Table, Until,
    ZoneError,
};
#[cfg(feature = "hickory")]
pub use resolver::{DecodeError, Decoded, DnsCounts, DnsOptions, DnsResolver, ResolvConfError};

#[cfg(feature = "public-suffix")]
mod domain;
#[cfg(feature = "public-suffix")]
pub use domain::{RegisteredDomain, Suffix};

pub mod list;
pub mod spf;
