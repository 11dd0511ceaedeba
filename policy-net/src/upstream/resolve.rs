//! The task that looks up where a backend is.

use std::{
    io,
    sync::{Arc, Weak},
};

use policy_flow::{Address, Failure, Slot};

use super::{Connect, machine::Inner};
use crate::client::failure;

/// Looks up where a backend is.
pub(super) struct LookUp<C: Connect> {
    upstream: Weak<Inner<C>>,
    backend: Slot,
    is_over: bool,
}

impl<C: Connect> LookUp<C> {
    pub(super) const fn new(upstream: Weak<Inner<C>>, backend: Slot) -> Self {
        Self {
            upstream,
            backend,
            is_over: false,
        }
    }

    pub(super) async fn run(mut self, connect: Arc<C>) {
        let found = connect.resolve().await;
        self.end(found.map_err(|error| failure(error, &*connect)));
    }

    fn end(&mut self, found: Result<Vec<Address>, Failure>) {
        self.is_over = true;
        if let Some(upstream) = self.upstream.upgrade() {
            upstream.with(|flow, driver| flow.resolved(self.backend, found, driver));
        }
    }
}

impl<C: Connect> Drop for LookUp<C> {
    fn drop(&mut self) {
        if !self.is_over {
            let ended = Failure::Local(io::Error::other("the runtime of the look-up has ended"));
            self.end(Err(ended));
        }
    }
}
