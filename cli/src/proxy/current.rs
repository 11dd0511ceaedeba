//! The proxy of the settings that hold now, for threads that are no workers.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::proxy::Proxy;

/// The proxy of the settings that hold now. Clones are the same.
#[derive(Clone, Debug)]
pub(crate) struct CurrentProxy(Arc<Mutex<Arc<Proxy>>>);

impl CurrentProxy {
    pub(crate) fn new(proxy: Arc<Proxy>) -> Self {
        Self(Arc::new(Mutex::new(proxy)))
    }

    pub(crate) fn get(&self) -> Arc<Proxy> {
        Arc::clone(&self.lock())
    }

    pub(crate) fn set(&self, proxy: Arc<Proxy>) {
        *self.lock() = proxy;
    }

    fn lock(&self) -> MutexGuard<'_, Arc<Proxy>> {
        // No holder of the lock can panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
