//! Parameters that name a connection.

use std::sync::Arc;

use policy_store::{MemoryOptions, MemoryStore};

use super::Section;
use crate::connection::{DirectoryHandle, Missing, OWN_MEMORY, SqlHandle, StoreHandle, Unwritten};

impl Section<'_> {
    /// A store behind the connection that a parameter names: memory, memcached, Redis, or a database.
    pub fn store(&mut self, key: &str, default: &str) -> StoreHandle {
        let name = self.text_or(key, default);
        let found = self.build.connections.store(&name);
        self.connected(key, &name, found, "Memory, Memcached, Redis or Sql")
    }

    /// A database behind the connection that a parameter names.
    pub fn sql(&mut self, key: &str, default: &str) -> SqlHandle {
        let name = self.text_or(key, default);
        let found = self.build.connections.sql(&name);
        self.connected(key, &name, found, "Sql")
    }

    /// A directory behind the connection that a parameter names.
    pub fn directory(&mut self, key: &str, default: &str) -> DirectoryHandle {
        let name = self.text_or(key, default);
        let found = self.build.connections.directory(&name);
        self.connected(key, &name, found, "Ldap")
    }

    /// A store in memory of this block alone.
    pub(crate) fn memory(&self) -> StoreHandle {
        let store = MemoryStore::new(MemoryOptions::default());
        StoreHandle::new(OWN_MEMORY, Arc::new(store))
    }

    /// What would be written, where nothing is to be.
    pub(crate) fn unwritten(&self) -> Option<Unwritten> {
        self.build.connections.unwritten()
    }

    fn connected<T: Missing>(
        &mut self,
        key: &str,
        name: &str,
        found: Option<T>,
        modules: &str,
    ) -> T {
        self.build.connections.used_by(name, &self.owner);
        found.unwrap_or_else(|| {
            if !self.build.connections.is_faulty(name) {
                let text = format!("there is no <Connection {name}> with a module {modules}");
                self.error(key, text);
            }
            T::missing()
        })
    }
}
