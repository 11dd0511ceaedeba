//! The Postfix policy delegation protocol, without I/O.
//!
//! Postfix asks a policy server about each mail: it sends lines `name=value` and a blank line, and
//! gets a line `action=...` and a blank line (`SMTPD_POLICY_README`). This crate turns bytes into
//! [`Request`]s and [`Response`]s and back. It opens no socket, reads no clock and spawns nothing:
//! `policy-net` does that, on top of it.
//!
//! # Answer a request
//!
//! Whatever has arrived goes to a [`MessageDecoder`], which keeps its place however the stream is cut:
//!
//! ```
//! use bytes::BytesMut;
//! use policy_proto::{Action, MessageDecoder, Response, attr};
//!
//! let mut decoder = MessageDecoder::new();
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
//! use policy_proto::{Action, MessageDecoder, Request, attr};
//!
//! let request = Request::from_attributes([
//!     (attr::REQUEST, attr::SMTPD_ACCESS_POLICY),
//!     (attr::PROTOCOL_STATE, "RCPT"),
//!     (attr::RECIPIENT, "bob@example.org"),
//! ])?;
//! // Write `request.as_bytes()`, read the answer:
//! let mut input = BytesMut::from("action=DEFER_IF_PERMIT greylisted\n\n");
//! let response = MessageDecoder::new().response(&mut input)?.expect("a whole answer");
//! assert_eq!(response.action(), Action::DeferIfPermit(b"greylisted"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Use it with tokio
//!
//! With the feature `tokio-util` (on by default) [`ServerCodec`] and [`ClientCodec`] plug into
//! `tokio_util::codec::Framed`, and a connection is a stream of requests and a sink of responses. A
//! codec by itself is as simple:
//!
#![cfg_attr(feature = "tokio-util", doc = "```")]
#![cfg_attr(not(feature = "tokio-util"), doc = "```ignore")]
//! use bytes::BytesMut;
//! use policy_proto::{Limits, MessageDecoder, Response, ServerCodec};
//! use tokio_util::codec::{Decoder, Encoder};
//!
//! let mut codec = ServerCodec::from(MessageDecoder::new().with_limits(Limits::default().with_line(2048)));
//! let mut read = BytesMut::from("request=smtpd_access_policy\n\n");
//! let mut written = BytesMut::new();
//! while let Some(request) = codec.decode(&mut read)? {
//!     assert!(request.is_access_policy());
//!     codec.encode(Response::dunno(), &mut written)?;
//! }
//! assert_eq!(written, "action=DUNNO\n\n");
//! # Ok::<(), policy_proto::CodecError>(())
//! ```
//!
//! # What it costs
//!
//! A [`Request`] *is* the bytes that arrived, proved valid: no map, no index, no copy. What a caller
//! does not ask for is not done, and what it asks for is looked up in some 700 bytes.
//!
//! - **Time.** In one run over requests of 697 bytes and 29 attributes, a request is proved valid in 0.17
//!   of the time that httparse takes for the same fields, and in 0.44 of what `memchr_iter` takes to find
//!   the line feeds alone. Httparse makes pairs on its way: with a walk over all
//!   [attributes](Request::attributes) it is 0.42. [`Request::get`] costs less than decoding did,
//!   wherever the attribute stands, and [`Action::parse`] a fifth of it.
//! - **Where it is slower.** Merely counting line feeds, which says nothing about a line, takes half of
//!   the time. Over values of 4 kB `memchr_iter` skips ahead and takes 0.8 of it, over 64 kB 0.44. A
//!   request that comes byte by byte takes 24 times as long as in one piece; two thirds of that is what it
//!   costs to put each byte into the buffer.
//! - **Processors.** It is the same everywhere, in 16 bytes at once with SSE2 and NEON. Built for AVX2
//!   (`-C target-cpu=x86-64-v3`) it takes about 0.7 of the time.
//! - **Work.** Linear in the bytes however they are cut: a message of 128 KiB that comes byte by byte
//!   is looked at five times, and 23 times at the very worst, if all of its lines are `a=`. Blank lines
//!   between requests are each looked at with the 64 bytes that follow.
//! - **Memory.** On a warm connection decoding allocates nothing, and neither does looking into a
//!   request, reading an action or encoding into a buffer with room. [`Request::from_attributes`]
//!   allocates once, up to 4 KiB, and gives back what it did not need. A request with CR LF, or one of
//!   which a [lenient](MessageDecoder::lenient) decoder leaves out lines, is copied once.
//!
//! Times are recorded in the repository with the machine they were measured on (`benches/record/`);
//! work and memory are tests.
//!
//! # Limits and untrusted input
//!
//! Everything that a peer can grow has a limit: 16 KiB a line and 128 KiB a message unless
//! [`Limits`] say otherwise, so a connection costs no more than that, and what was last read from it.
//! Bytes that are not the protocol are an error that says what is wrong and where, never a panic, and
//! the same error however the stream was cut. The crate has no `unsafe` code.
//!
//! Everything that exists is well-formed. A [`Request`] and a [`Response`] can only be decoded or
//! built through a check, so that writing cannot fail, and no value, whatever a mail client said, can
//! hold a second attribute or a second message.
//!
//! ```
//! use policy_proto::{DecodeError, MessageDecoder, Request, Response};
//!
//! assert!(Request::from_attributes([("helo_name", "x\n\nrequest=forged")]).is_err());
//! assert!(Response::new("REJECT\n\naction=OK").is_err());
//!
//! let mut banner = "220 mail.example.org ESMTP\n".into();
//! let error = MessageDecoder::new().request(&mut banner).unwrap_err();
//! assert!(matches!(error, DecodeError::NoEquals { offset: 0, .. }));
//! ```
//!
//! # Features and versions
//!
//! - `tokio-util`, on by default: the codecs, and nothing else. Without it the crate depends on no part
//!   of tokio, and all that is said here holds as well.
//!
//! The crate needs the standard library, for addresses and I/O errors. The least Rust it builds with
//! (MSRV) is the `rust-version` of its manifest; to ask for a newer one takes a minor release.
//!
//! # What it does not do
//!
//! - No I/O, no time-outs, no retries, no balancing: that is for what holds the connection. A Postfix
//!   that waits for an answer does so for 100 seconds by default (`smtpd_policy_service_timeout`).
//! - It does not judge mail, and it does not hold a server to good manners: whether an action's text
//!   makes sense to Postfix is between that server and Postfix. [`Action`] says how Postfix reads it.
//! - It does not decode values but where asked to: they are bytes, and need not be UTF-8.
//!   [`xtext`] decodes the names of certificates.
//! - No table maps and tcp tables, which are other protocols.
//!
//! The rules of the protocol, and what Postfix makes of an answer, stand in [`protocol`]; the grammar, as ABNF and in
//! code, in the source file `grammar.rs`.
//!
#![cfg_attr(
    not(feature = "tokio-util"),
    doc = " [`ServerCodec`]: #features-and-versions"
)]
#![cfg_attr(
    not(feature = "tokio-util"),
    doc = " [`ClientCodec`]: #features-and-versions"
)]
#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::panic))]
#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod attr;

mod bitmap;

#[cfg(feature = "tokio-util")]
mod codec;
#[cfg(feature = "tokio-util")]
#[cfg_attr(docsrs, doc(cfg(feature = "tokio-util")))]
pub use codec::{ClientCodec, CodecError, ServerCodec};

mod decoder;
pub use decoder::{MessageDecoder, SkippedLines};

mod error;
pub use error::{DecodeError, InvalidActionSet, InvalidAttribute, InvalidResponse, InvalidXtext};

mod grammar;

mod limits;
pub use limits::Limits;

mod metering;

pub mod protocol;

mod request;
pub use request::{Attributes, ProtocolState, Request};

mod response;
pub use response::{Action, ActionSet, Response};

pub mod xtext;

/// The example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
