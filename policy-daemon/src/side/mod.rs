//! Side listeners: those of `--admin` and `--control`, for few clients at a time, on threads of their own, so that no request
//! waits for them.

mod places;
mod server;
mod start;

use std::os::fd::OwnedFd;

use policy_socket::Peer;

pub(crate) use places::{Client, MAX_DESCRIPTORS};
pub(crate) use start::{SideHandle, SideStart};

/// Serves one client to its end, on a thread of its own.
pub(crate) type ServeClient = dyn Fn(OwnedFd, Peer, &Client) + Send + Sync;

/// Something short that is done beside the clients.
pub(crate) type Work = dyn Fn() + Send + Sync;
