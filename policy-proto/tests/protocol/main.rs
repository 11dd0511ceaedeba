//! The protocol from outside: the decoder and its codecs, requests and responses, and what a real Postfix sent.
//!
//! What counts allocations has a process of its own: `../allocations.rs`.

mod actions;
#[cfg(feature = "tokio-util")]
mod codec;
mod corpus;
mod decode;
mod example;
mod generators;
mod properties;
mod support;
