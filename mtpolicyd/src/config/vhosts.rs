//! `<VirtualHost>` blocks, and the session cache.

use std::{sync::Arc, time::Duration};

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
    /// The one for requests over a UNIX socket that none names: the first, if all have the same port or path.
    pub(crate) fn of_one_key(hosts: &[Self]) -> Option<&Self> {
        let first = hosts.first()?;
        hosts
            .iter()
            .all(|host| host.key == first.key)
            .then_some(first)
    }
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
    // Requests over a UNIX socket that none names have a host all the same.
    let has_default = !build.compat && VirtualHost::of_one_key(hosts).is_some();
    let is_default = |address: &str| has_default && address.starts_with("unix:");
    for (index, host) in hosts.iter().enumerate() {
        let is_first = hosts.iter().take(index).all(|other| other.key != host.key);
        let gets = |address: &String| key_of(address) == host.key || is_default(address);
        let is_listened = listen.iter().any(gets);
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
    for address in listen {
        let key = key_of(address);
        if hosts.iter().all(|host| host.key != key) && !is_default(address) {
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
