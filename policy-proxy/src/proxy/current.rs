//! The proxy of the settings that hold now, for threads that are no workers.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::proxy::Proxy;

/// The proxy of the settings that hold now. Clones are the same.
#[derive(Clone, Debug)]
pub(crate) struct CurrentProxy {
    proxy: Arc<Mutex<Arc<Proxy>>>,
    changes: Arc<Mutex<()>>,
}

impl CurrentProxy {
    pub(crate) fn new(proxy: Arc<Proxy>) -> Self {
        Self {
            proxy: Arc::new(Mutex::new(proxy)),
            changes: Arc::default(),
        }
    }

    pub(crate) fn get(&self) -> Arc<Proxy> {
        Arc::clone(&self.lock())
    }

    pub(crate) fn set(&self, proxy: Arc<Proxy>) {
        *self.lock() = proxy;
    }

    /// Keeps other threads from changing settings, so that a command has its effect before or after a reload, and is never
    /// lost in between. Not to be held while anything is waited for.
    pub(crate) fn hold(&self) -> MutexGuard<'_, ()> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, Arc<Proxy>> {
        // No holder of the lock can panic.
        self.proxy.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
