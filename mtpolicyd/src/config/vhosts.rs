//! `<VirtualHost>` blocks, and the session cache.

use std::{path::Path, sync::Arc, time::Duration};

use super::{build::Build, globals::Globals, section::Section};
use crate::{
    chain::Chain,
    config_general::{Block, Entry, Place, Value},
    connection::StoreHandle,
    counters::HostCounters,
    session::{SessionCache, SessionOptions},
};

/// A chain, and which requests it is for.
#[derive(Debug)]
pub struct VirtualHost {
    /// The port or the path of the UNIX socket whose requests it is for.
    pub key: String,
    /// The same as a number, if it is written as a port.
    pub(crate) port: Option<u16>,
    /// Its name: for the log, and for `policy_context`.
    pub name: Arc<str>,
    /// Its chain.
    pub chain: Chain,
    /// What is answered.
    pub(crate) counters: Arc<HostCounters>,
}

impl VirtualHost {
    /// The one for requests over a UNIX socket: the first that names it, or else the first one, if all have the same port or
    /// path and that is allowed.
    ///
    /// The kernel knows the path by which the socket was bound, which may lead there in another way: so the name of the file is
    /// enough, if it is that of one path alone.
    pub(crate) fn at_path<'h>(
        hosts: &'h [Self],
        path: &Path,
        has_default: bool,
    ) -> Option<&'h Self> {
        let key = path.to_string_lossy();
        let is_named = |host: &&Self| host.key == key;
        let same_name = |host: &&Self| {
            host.key.starts_with('/') && Path::new(&host.key).file_name() == path.file_name()
        };
        hosts
            .iter()
            .find(is_named)
            .or_else(|| of_one_key(hosts.iter().filter(same_name)))
            .or_else(|| of_one_key(hosts.iter()).filter(|_| has_default))
    }
}

/// The first one, if all have the same port or path.
fn of_one_key<'h>(mut hosts: impl Iterator<Item = &'h VirtualHost>) -> Option<&'h VirtualHost> {
    let first = hosts.next()?;
    hosts.all(|host| host.key == first.key).then_some(first)
}

/// Builds all virtual hosts.
pub(super) fn build(root: &Block, place: &Place, build: &mut Build) -> Vec<VirtualHost> {
    let Some(entry) = root.get("VirtualHost") else {
        build.findings.error(
            place,
            "no virtual hosts configured: a <VirtualHost PORT> is missing",
        );
        return Vec::new();
    };
    let Value::Block(named) = &entry.value else {
        build.findings.error(
            &entry.place,
            "`VirtualHost` is a value, but a block is wanted",
        );
        return Vec::new();
    };
    named
        .entries
        .iter()
        .filter_map(|entry| virtual_host(entry, build))
        .collect()
}

fn virtual_host(entry: &Entry, build: &mut Build) -> Option<VirtualHost> {
    let Value::Block(block) = &entry.value else {
        let text = format!(
            "a <VirtualHost> needs a port or a path, as in <VirtualHost {}>",
            entry.key
        );
        build.findings.error(&entry.place, text);
        return None;
    };
    build.references.next_host();
    let mut section = Section::new(&entry.key, block, &entry.place, build);
    let name = section.required("name");
    let counters = section.host_counters(&name);
    if block.get("Plugin").is_none() {
        section.error(
            "Plugin",
            format!("no <Plugin> defined for <VirtualHost {}>", entry.key),
        );
    }
    let chain = section.chain();
    section.finish();
    Some(VirtualHost {
        port: port_of(&entry.key),
        key: entry.key.clone(),
        name: name.into(),
        chain: chain?,
        counters,
    })
}

/// The port that a key is; with a sign or zeros before it, it is none.
fn port_of(key: &str) -> Option<u16> {
    key.parse()
        .ok()
        .filter(|port: &u16| port.to_string() == key)
}

/// Notes virtual hosts that no request gets to.
pub(super) fn check(hosts: &[VirtualHost], globals: &Globals, place: &Place, build: &mut Build) {
    let listen = &globals.listen;
    let key_at = |address: &str| {
        let key = key_of(address);
        let found = if address.starts_with("unix:") {
            VirtualHost::at_path(hosts, Path::new(key), !build.compat)
        } else {
            hosts.iter().find(|host| host.key == key)
        };
        found.map(|host| host.key.as_str())
    };
    let keys: Vec<_> = listen.iter().map(|address| key_at(address)).collect();
    for (index, host) in hosts.iter().enumerate() {
        let is_first = hosts.iter().take(index).all(|other| other.key != host.key);
        let is_listened = keys.contains(&Some(&*host.key));
        if !globals.vhost_by_policy_context && (!is_first || !is_listened) {
            let reason = if is_first {
                "the daemon does not listen there"
            } else {
                "another one is before it"
            };
            let text = format!(
                "no request gets to <VirtualHost {}> named `{}`: {reason}",
                host.key, host.name
            );
            build.findings.warning(place, text);
        }
    }
    for (address, host_key) in listen.iter().zip(&keys) {
        if host_key.is_none() {
            let key = key_of(address);
            let text =
                format!("there is no <VirtualHost {key}> for requests that come to {address}");
            build.findings.warning(place, text);
        }
    }
}

/// The port or the path in an address.
fn key_of(address: &str) -> &str {
    let address = address.split(',').next().unwrap_or_default();
    match address.strip_prefix("unix:") {
        Some(path) => path,
        None => address.rsplit(':').next().unwrap_or_default(),
    }
}

/// Builds the session cache. Without a block sessions live for one request.
pub(super) fn session_cache(root: &Block, build: &mut Build) -> SessionCache {
    let Some(entry) = root.get("SessionCache") else {
        return SessionCache::none();
    };
    let Value::Block(block) = &entry.value else {
        build.findings.error(
            &entry.place,
            "`SessionCache` is a value, but a block is wanted",
        );
        return SessionCache::none();
    };
    let is_old = build.old_blocks.contains("SessionCache");
    if is_old && build.connections.store("memcached").is_none() {
        return SessionCache::none();
    }
    let mut section = Section::new("SessionCache", block, &entry.place, build).lenient(is_old);
    let cache = cache(&mut section);
    section.finish();
    cache
}

fn cache(section: &mut Section<'_>) -> SessionCache {
    let module = section.required("module");
    let store: StoreHandle = match module.as_str() {
        "None" | "" => return SessionCache::none(),
        "Memory" => section.memory(),
        "Memcached" => section.store("memcached", "memcached"),
        "Redis" => section.store("redis", "redis"),
        "Sql" => section.store("db", "db"),
        _ => {
            let text = format!(
                "there is no module `{module}` for sessions: use one of None, Memory, Memcached, Redis, Sql"
            );
            section.error("module", text);
            return SessionCache::none();
        }
    };
    let options = SessionOptions {
        expire: Duration::from_secs(section.count("expire", 300)),
        lock_wait: Duration::from_micros(section.count("lock_wait", 50)),
        lock_max_retry: u32::try_from(section.count("lock_max_retry", 50)).unwrap_or(u32::MAX),
        lock_timeout: Duration::from_secs(section.count("lock_timeout", 10)),
    };
    SessionCache::new(store, options)
}
