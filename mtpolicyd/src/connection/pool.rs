//! The connections of a configuration, by name.

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
};

use policy_store::{Breaker, Store};

use super::{DirectoryHandle, SqlHandle, StoreHandle, Unwritten};

/// All connections of a configuration.
#[derive(Clone, Debug, Default)]
pub struct Connections {
    all: Vec<Connection>,
    /// Who uses a connection: the names of plugins, or the session cache.
    users: BTreeMap<String, Vec<Arc<str>>>,
    /// The names of those that have a fault, which was said.
    faulty: HashSet<String>,
    /// Where nothing is to be written, what would be.
    unwritten: Option<Unwritten>,
}

/// A connection with its name.
#[derive(Clone, Debug)]
pub(crate) struct Connection {
    pub(crate) name: Arc<str>,
    pub(crate) kind: Kind,
    /// Its parameters as the configuration has them: a reload keeps a connection whose parameters stay. No `Debug` shows
    /// them.
    pub(crate) parameters: Parameters,
}

/// What a connection leads to.
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    Store(Arc<dyn Store>),
    Database(SqlHandle),
    Directory(DirectoryHandle),
}

/// Parameters that may hold a password.
#[derive(Clone, Eq, PartialEq)]
pub(crate) struct Parameters(pub(crate) Vec<(String, String)>);

impl std::fmt::Debug for Parameters {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Parameters(..)")
    }
}

impl Connections {
    /// Connections on which nothing is written, if it is to be told what would be.
    pub(crate) fn new(unwritten: Option<Unwritten>) -> Self {
        Self {
            unwritten,
            ..Self::default()
        }
    }

    pub(crate) fn unwritten(&self) -> Option<Unwritten> {
        self.unwritten.clone()
    }

    /// Notes who uses a connection.
    pub(crate) fn used_by(&mut self, name: &str, user: &Arc<str>) {
        let users = self.users.entry(name.to_owned()).or_default();
        if !users.contains(user) {
            users.push(Arc::clone(user));
        }
    }

    /// Who uses the connection.
    pub(crate) fn users(&self, name: &str) -> &[Arc<str>] {
        self.users.get(name).map_or(&[], Vec::as_slice)
    }

    /// How often the file behind a connection was found to be another one than before.
    pub(crate) fn replaced(&self) -> impl Iterator<Item = (&str, Breaker, u64)> {
        self.all.iter().filter_map(|connection| {
            let Kind::Database(database) = &connection.kind else {
                return None;
            };
            Some((&*connection.name, database.breaker()?, database.replaced()))
        })
    }

    /// Closes the files of databases at the end of the program.
    pub(crate) async fn close(&self) {
        for connection in &self.all {
            if let Kind::Database(database) = &connection.kind {
                database.close().await;
            }
        }
    }

    pub(crate) fn push(&mut self, connection: Connection) {
        let mut connection = connection;
        if let (Some(unwritten), Kind::Store(store)) = (&self.unwritten, &mut connection.kind) {
            *store = unwritten.store(&connection.name, Arc::clone(store));
        }
        self.all.push(connection);
    }

    pub(crate) fn push_faulty(&mut self, name: &str) {
        self.faulty.insert(name.to_owned());
    }

    /// Whether there is a block of this name that has a fault.
    pub(crate) fn is_faulty(&self, name: &str) -> bool {
        self.faulty.contains(name)
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Connection> {
        self.all.iter().find(|connection| &*connection.name == name)
    }

    /// What is known of the servers and files behind the connections, with the connection's name.
    pub(crate) fn breakers(&self) -> Vec<(&str, Breaker)> {
        let breakers = |connection: &Connection| match &connection.kind {
            Kind::Store(store) => store.breakers(),
            Kind::Database(database) => database.breaker().into_iter().collect(),
            Kind::Directory(directory) => {
                let directory = directory.get().ok();
                directory
                    .map(|directory| directory.breaker().clone())
                    .into_iter()
                    .collect()
            }
        };
        let mut all = Vec::new();
        for connection in &self.all {
            let of_it = breakers(connection).into_iter();
            all.extend(of_it.map(|breaker| (&*connection.name, breaker)));
        }
        all
    }

    /// The store behind the connection of this name; a database is one as well.
    #[must_use]
    pub fn store(&self, name: &str) -> Option<StoreHandle> {
        match &self.get(name)?.kind {
            Kind::Store(store) => Some(StoreHandle::new(name, Arc::clone(store))),
            Kind::Database(database) => Some(StoreHandle::of_database(database.clone())),
            Kind::Directory(_) => None,
        }
    }

    /// The database behind the connection of this name.
    #[must_use]
    pub fn sql(&self, name: &str) -> Option<SqlHandle> {
        match &self.get(name)?.kind {
            Kind::Database(database) => Some(database.clone()),
            Kind::Store(_) | Kind::Directory(_) => None,
        }
    }

    /// The directory behind the connection of this name.
    #[must_use]
    pub fn directory(&self, name: &str) -> Option<DirectoryHandle> {
        match &self.get(name)?.kind {
            Kind::Directory(directory) => Some(directory.clone()),
            Kind::Store(_) | Kind::Database(_) => None,
        }
    }
}
