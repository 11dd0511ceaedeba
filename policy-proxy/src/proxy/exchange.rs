//! Other settings on their way to the workers.

use std::sync::{Arc, mpsc::Sender};

use crate::proxy::settings::Proxy;

/// Other settings.
#[derive(Debug)]
pub(crate) struct Exchange {
    pub(crate) proxy: Arc<Proxy>,
    /// For each service its index in the list before, if it was there.
    pub(crate) kept: Vec<Option<usize>>,
    /// For each group, and for each number of a listener, of before: the one that it has now.
    pub(crate) groups: Vec<Option<u16>>,
    pub(crate) listeners: Vec<Option<u16>>,
    /// Each worker says here that it goes by them.
    pub(crate) done: Sender<()>,
}
