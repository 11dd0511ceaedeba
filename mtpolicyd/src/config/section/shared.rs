//! Parts that the blocks of a configuration share, and a reload keeps: stores in memory, DNS lists, and counters.

use std::sync::Arc;

use policy_dns::list::DnsList;
use policy_store::{MemoryOptions, MemoryStore};

use super::Section;
use crate::{
    config::lists::ListKind,
    connection::{Connection, Kind, Parameters, StoreHandle},
    counters::{HostCounters, LimitCounters},
};

impl Section<'_> {
    /// A store in memory that all blocks have in common that ask for it by this name, and that a reload keeps.
    pub(crate) fn shared_memory(&mut self, name: &str) -> StoreHandle {
        // No connection of a configuration can have a name with a line end in it.
        let hidden = format!("memory\n{name}");
        if self.build.connections.get(&hidden).is_none() {
            let previous = self.build.previous.0.get(&hidden).cloned();
            let connection = previous.unwrap_or_else(|| Connection {
                name: hidden.as_str().into(),
                kind: Kind::Store(Arc::new(MemoryStore::new(MemoryOptions::default()))),
                parameters: Parameters(Vec::new()),
            });
            self.build.connections.push(connection);
        }
        let store = self.build.connections.store(&hidden);
        store.unwrap_or_else(|| self.memory())
    }

    /// Whether the configuration has a connection of this name.
    pub(crate) fn has_connection(&self, name: &str) -> bool {
        self.build.connections.get(name).is_some()
    }

    /// A DNS list of this zone: the one that another plugin, or the configuration before, has with the same options.
    pub(crate) fn shared_list(
        &mut self,
        zone: &str,
        kind: ListKind,
        list: DnsList,
    ) -> Arc<DnsList> {
        let build = &mut *self.build;
        if let Some(list) = build.lists.find(zone, kind, &list) {
            return list;
        }
        let previous = build.previous.1.find(zone, kind, &list);
        let list = previous.unwrap_or_else(|| Arc::new(list));
        build.lists.push(zone, kind, &list);
        list
    }

    /// The counters of a virtual host of this name, whose plugins follow.
    pub(crate) fn host_counters(&mut self, name: &str) -> Arc<HostCounters> {
        self.build.counters.host(name, &self.build.previous.2)
    }

    /// The counters of the limit that this block is.
    pub(crate) fn limit_counters(
        &mut self,
        metric: &'static str,
        is_distinct: bool,
    ) -> Arc<LimitCounters> {
        let build = &mut *self.build;
        let previous = &build.previous.2;
        build
            .counters
            .limit(&self.name, metric, is_distinct, previous)
    }
}
