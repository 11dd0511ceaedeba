//! Sockets of policy servers and clients, without a runtime: addresses, peers, failures, and descriptors that a peer
//! sends.
//!
//! | to | use |
//! | --- | --- |
//! | name a server | [`Endpoint`] |
//! | know the other end of a connection | [`Peer`] |
//! | close what a peer has sent | [`close_apart`], [`close_unix`], [`close_shared`] |
//! | have the system refuse descriptors | [`refuse_rights`], [`refuses_rights`] |
//! | notice a peer that is gone | [`keep_alive`] |
//! | tell whose fault a failure is | [`is_local`], [`is_unread`] |
//! | tell one UNIX socket's file from the next | [`SocketFileId`] |

#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::panic))]

mod disposal;
mod endpoint;
mod failure;
mod keep_alive;
mod pass_rights;
mod peer;
mod socket_file_id;

pub use disposal::{close_apart, close_shared, close_unix};
pub use endpoint::{Endpoint, InvalidEndpoint};
pub use failure::{is_local, is_unread};
pub use keep_alive::keep_alive;
pub use pass_rights::{refuse_rights, refuses_rights};
pub use peer::Peer;
pub use socket_file_id::SocketFileId;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
