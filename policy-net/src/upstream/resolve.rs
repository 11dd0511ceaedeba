//! The task that looks up where a backend is.

use std::{io, sync::Arc};

use policy_flow::{Address, Failure};

use super::Connect;
use crate::client::failure;

/// The task that looks up where a backend is, and tells it.
pub(super) struct LookUp<T: FnOnce(Found)>(Option<T>);

type Found = Result<Vec<Address>, Failure>;

impl<T: FnOnce(Found)> LookUp<T> {
    pub(super) const fn new(tell: T) -> Self {
        Self(Some(tell))
    }

    pub(super) async fn run(mut self, connect: Arc<impl Connect>) {
        let found = connect.resolve().await;
        self.end(found.map_err(|error| failure(error, &*connect)));
    }

    fn end(&mut self, found: Found) {
        if let Some(tell) = self.0.take() {
            tell(found);
        }
    }
}

impl<T: FnOnce(Found)> Drop for LookUp<T> {
    fn drop(&mut self) {
        let ended = io::Error::other("the runtime of the look-up has ended");
        self.end(Err(Failure::Local(ended)));
    }
}
