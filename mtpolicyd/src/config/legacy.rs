//! The global keys of mtpolicyd 1.x, in the blocks that they mean.

use super::build::Build;
use crate::config_general::{Block, Entry, Parsed, Place, Value};

/// Puts the blocks into the configuration that old keys stand for, and notes the new form. Blocks that are there win.
pub(super) fn convert(parsed: &mut Parsed, build: &mut Build) {
    let root = &mut parsed.root;
    for old in OLD {
        let given = |keys: &[&str]| {
            let mut entries = root.entries.iter();
            entries.find(|entry| keys.contains(&entry.key.as_str()))
        };
        let needed = given(old.needs);
        let mut block = Vec::new();
        let mut first: Option<Place> = None;
        for (old_key, key) in old.keys {
            let Some(entry) = root.get(old_key) else {
                continue;
            };
            if needed.is_none() {
                let text = format!("`{old_key}` means nothing without {}", old.needs[0]);
                build.findings.warning(&entry.place, text);
            }
            first.get_or_insert_with(|| entry.place.clone());
            block.push((*key, entry.value.clone()));
        }
        let Some(place) = needed.map(|needed| first.unwrap_or_else(|| needed.place.clone())) else {
            continue;
        };
        let keys: Vec<_> = old.keys.iter().map(|(key, _)| *key).collect();
        let text = format!(
            "{} are of mtpolicyd 1.x: write {} with module = \"{}\"",
            keys.join(", "),
            old.form(),
            old.module
        );
        build.findings.warning(&place, text);
        block.insert(0, ("module", Value::Text(old.module.to_owned())));
        for (key, value) in old.defaults {
            if block.iter().all(|(name, _)| name != key) {
                block.push((*key, Value::Text((*value).to_owned())));
            }
        }
        let entries = block
            .into_iter()
            .map(|(key, value)| entry(key, value, &place))
            .collect();
        if add(root, old, Block { entries }, &place) {
            let name = old.name.unwrap_or(old.kind);
            build.old_blocks.insert(name.to_owned());
        } else {
            let text = format!("{} is there as well, and wins", old.form());
            build.findings.warning(&place, text);
        }
    }
    let is_old = |entry: &Entry| {
        OLD.iter()
            .any(|old| old.keys.iter().any(|(key, _)| *key == entry.key))
    };
    root.entries.retain(|entry| !is_old(entry));
}

/// A set of old keys.
struct Old {
    kind: &'static str,
    /// The name of the block; the session cache has none.
    name: Option<&'static str>,
    module: &'static str,
    keys: &'static [(&'static str, &'static str)],
    /// One of these has to be there; then the block is meant, whatever else is given.
    needs: &'static [&'static str],
    defaults: &'static [(&'static str, &'static str)],
}

impl Old {
    fn form(&self) -> String {
        match self.name {
            Some(name) => format!("<{} {name}>", self.kind),
            None => format!("<{}>", self.kind),
        }
    }
}

/// False if there is such a block already.
fn add(root: &mut Block, old: &Old, block: Block, place: &Place) -> bool {
    let Some(name) = old.name else {
        let is_new = root.get(old.kind).is_none();
        if is_new {
            root.entries
                .push(entry(old.kind, Value::Block(block), place));
        }
        return is_new;
    };
    if root.get(old.kind).is_none() {
        root.entries
            .push(entry(old.kind, Value::Block(Block::default()), place));
    }
    let found = root.entries.iter_mut().find(|entry| entry.key == old.kind);
    if let Some(Value::Block(named)) = found.map(|entry| &mut entry.value)
        && named.get(name).is_none()
    {
        named.entries.push(entry(name, Value::Block(block), place));
        return true;
    }
    false
}

fn entry(key: &str, value: Value, place: &Place) -> Entry {
    Entry {
        key: key.to_owned(),
        value,
        place: place.clone(),
    }
}

const OLD: [&Old; 4] = [&DATABASE, &MEMCACHED, &SESSION, &LDAP];

const DATABASE: Old = Old {
    kind: "Connection",
    name: Some("db"),
    module: "Sql",
    keys: &[
        ("db_dsn", "dsn"),
        ("db_user", "user"),
        ("db_password", "password"),
    ],
    needs: &["db_dsn"],
    defaults: &[],
};

const MEMCACHED: Old = Old {
    kind: "Connection",
    name: Some("memcached"),
    module: "Memcached",
    keys: &[
        ("memcached_servers", "servers"),
        ("memcached_namespace", "namespace"),
    ],
    needs: &["memcached_servers", "memcached_namespace"],
    defaults: &[("servers", "127.0.0.1:11211"), ("namespace", "mt-")],
};

const SESSION: Old = Old {
    kind: "SessionCache",
    name: None,
    module: "Memcached",
    keys: &[
        ("memcached_expire", "expire"),
        ("session_lock_wait", "lock_wait"),
        ("session_lock_max_retry", "lock_max_retry"),
        ("session_lock_timeout", "lock_timeout"),
    ],
    needs: &["memcached_servers", "memcached_namespace"],
    defaults: &[],
};

const LDAP: Old = Old {
    kind: "Connection",
    name: Some("ldap"),
    module: "Ldap",
    keys: &[
        ("ldap_host", "host"),
        ("ldap_port", "port"),
        ("ldap_keepalive", "keepalive"),
        ("ldap_timeout", "timeout"),
        ("ldap_binddn", "binddn"),
        ("ldap_password", "password"),
        ("ldap_starttls", "starttls"),
    ],
    needs: &["ldap_host"],
    defaults: &[],
};
