//! The Postfix policy delegation protocol, without I/O.
//!
//! Postfix asks a policy server about each mail: it sends lines `name=value` and a blank line, and
//! gets a line `action=...` and a blank line (`SMTPD_POLICY_README`). This crate turns bytes into
//! [`Request`]s and [`Response`]s and back. It opens no socket, reads no clock and spawns nothing:
//! `policy-net` does that, on top of it.
//!
//! # Answer a request
//!
//! Whatever has arrived goes to a [`Decoder`], which keeps its place however the stream is cut:
//!
//! ```
//! use bytes::BytesMut;
//! use policy_proto::{Action, Decoder, Response, attr};
//!
//! let mut decoder = Decoder::new();
//! let mut input = BytesMut::new();
//! let mut output = BytesMut::new();
//! for read in [&b"request=smtpd_access_policy\nsen"[..], b"der=spam@example.net\n", b"\n"] {
//!     input.extend_from_slice(read);
//!     while let Some(request) = decoder.request(&mut input)? {
//!         let action = match request.get(attr::SENDER) {
//!             Some(b"spam@example.net") => Action::Reject(b"not today"),
//!             _ => Action::Dunno,
//!         };
//!         Response::try_from(action)?.encode(&mut output);
//!     }
//! }
//! assert_eq!(output, "action=REJECT not today\n\n");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Ask a server
//!
//! ```
//! use bytes::BytesMut;
//! use policy_proto::{Action, Decoder, Request, attr};
//!
//! let request = Request::from_attributes([
//!     (attr::REQUEST, attr::SMTPD_ACCESS_POLICY),
//!     (attr::PROTOCOL_STATE, "RCPT"),
//!     (attr::RECIPIENT, "bob@example.org"),
//! ])?;
//! // Write `request.as_bytes()`, read the answer:
//! let mut input = BytesMut::from("action=DEFER_IF_PERMIT greylisted\n\n");
//! let response = Decoder::new().response(&mut input)?.expect("a whole answer");
//! assert_eq!(response.action(), Action::DeferIfPermit(b"greylisted"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Use it with tokio
//!
//! With the feature `tokio-util` (on by default) [`ServerCodec`] and [`ClientCodec`] plug into
//! `tokio_util::codec::Framed`. Without it the crate depends on no part of tokio.
//!
//! # What it costs
//!
//! A [`Request`] *is* the bytes that arrived, proved valid: no map, no index, no copy. The decoder's
//! work is linear in the bytes however they are cut. Everything that a peer can grow has a limit
//! ([`Limits`]), and everything that exists is well-formed, so that writing cannot fail and no value
//! can hold a second message.
//!
//! # What it does not do
//!
//! It does not judge mail, and it does not hold a server to good manners: whether an action's text
//! makes sense to Postfix is between that server and Postfix.
//!
//! The grammar stands, as ABNF and in code, in the source file `grammar.rs`.

#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::panic))]

mod action;
pub use action::Action;

pub mod attr;

mod attributes;
pub use attributes::Attributes;

#[cfg(feature = "tokio-util")]
mod codec;
#[cfg(feature = "tokio-util")]
pub use codec::{ClientCodec, CodecError, ServerCodec};

mod decoder;
pub use decoder::Decoder;

mod error;
pub use error::{DecodeError, InvalidAttribute, InvalidResponse, InvalidXtext};

mod grammar;

mod limits;
pub use limits::Limits;

mod marks;

mod request;
pub use request::Request;

mod response;
pub use response::Response;

mod scan;

mod state;
pub use state::ProtocolState;

mod work;

pub mod xtext;

/// The example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
