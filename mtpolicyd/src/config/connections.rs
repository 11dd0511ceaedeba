//! `<Connection>` blocks become connections.

use std::sync::Arc;

use policy_store::{
    Directory, DirectoryOptions, Driver, Dsn, MemcachedOptions, MemcachedServer, MemcachedStore,
    MemoryOptions, MemoryStore, RedisOptions, RedisServers, RedisStore, StoreError,
};

use super::{build::Build, later::Use, section::Section, similar::similar};
use crate::{
    config_general::{Block, Entry, Value},
    connection::{Connection, Connections, DirectoryHandle, Kind, Parameters, SqlHandle},
};

/// Builds all connections. Those of `previous` whose parameters are the same live on.
pub(super) fn build(entry: &Entry, build: &mut Build, previous: Option<&Connections>) {
    let Value::Block(named) = &entry.value else {
        build.findings.error(
            &entry.place,
            "`Connection` is a value, but a block is wanted",
        );
        return;
    };
    for entry in &named.entries {
        let Value::Block(block) = &entry.value else {
            let text = format!(
                "a <Connection> needs a name, as in <Connection {}>",
                entry.key
            );
            build.findings.error(&entry.place, text);
            continue;
        };
        let is_old = build.old_blocks.contains(&entry.key);
        let mut section = Section::new(&entry.key, block, &entry.place, build).lenient(is_old);
        let made = kind(&mut section);
        section.finish();
        let Some(made) = made else {
            // Who uses it has no fault of its own.
            build.connections.push_faulty(&entry.key);
            continue;
        };
        let parameters = parameters(block);
        let same = previous.and_then(|previous| previous.get(&entry.key));
        let same = same.filter(|previous| previous.parameters == parameters);
        build.connections.push(Connection {
            name: entry.key.as_str().into(),
            kind: same.map_or(made, |previous| previous.kind.clone()),
            parameters,
        });
    }
}

fn kind(section: &mut Section<'_>) -> Option<Kind> {
    let module = section.required("module");
    let kind = match module.as_str() {
        "Ldap" => ldap(section),
        "Memcached" => memcached(section),
        "Memory" => memory(section),
        "Redis" => redis(section),
        "Sql" => return sql(section),
        "" => return None,
        _ => {
            let hint = similar(&module, MODULES.into_iter());
            let hint = hint.map_or_else(String::new, |name| format!(": did you mean {name}?"));
            section.error(
                "module",
                format!("there is no module `{module}` for connections{hint}"),
            );
            return None;
        }
    };
    match kind {
        Ok(kind) => Some(kind),
        Err(error) => {
            section.error("module", format!("{module}: {error}"));
            None
        }
    }
}

fn memory(section: &mut Section<'_>) -> Result<Kind, StoreError> {
    let mut options = MemoryOptions::default();
    let most = section.count("max_entries", options.max_entries as u64);
    options.max_entries = usize::try_from(most).unwrap_or(usize::MAX);
    Ok(Kind::Store(Arc::new(MemoryStore::new(options))))
}

fn memcached(section: &mut Section<'_>) -> Result<Kind, StoreError> {
    let mut servers = section.list("servers");
    if servers.is_empty() {
        servers.push("127.0.0.1:11211".to_owned());
    }
    let servers = servers
        .iter()
        .map(|server| MemcachedServer::from(server.as_str()));
    let mut options = MemcachedOptions::new(servers);
    options.prefix = section.text_or("namespace", "");
    _ = section.flag("debug", false);
    Ok(Kind::Store(Arc::new(MemcachedStore::new(options)?)))
}

fn redis(section: &mut Section<'_>) -> Result<Kind, StoreError> {
    let server = section.text_or("server", "127.0.0.1:6379");
    let (path, service) = (section.text("sock"), section.text("service"));
    if let Some(path) = &path {
        section.opens("sock", path, Use::Connect);
    }
    let sentinels = section.list("sentinels");
    let servers = match (service, path) {
        (Some(service), _) if !sentinels.is_empty() => RedisServers::Sentinels {
            addresses: sentinels,
            service,
            password: None,
        },
        (_, Some(path)) => RedisServers::One(path),
        _ => RedisServers::One(server),
    };
    let mut options = RedisOptions::new(servers);
    options.password = section.secret("password");
    options.database = u32::try_from(section.count("db", 0)).unwrap_or(u32::MAX);
    _ = section.flag("debug", false);
    Ok(Kind::Store(Arc::new(RedisStore::new(options)?)))
}

fn sql(section: &mut Section<'_>) -> Option<Kind> {
    let dsn = section.required("dsn").parse::<Dsn>();
    let user = section.text_or("user", "");
    _ = section.text_or("password", "");
    let password = section
        .secret("password")
        .filter(|password| !password.reveal().is_empty());
    match dsn {
        Ok(mut dsn) => {
            dsn.user = Some(user).filter(|user| !user.is_empty()).or(dsn.user);
            dsn.password = password.or(dsn.password);
            if dsn.driver == Driver::Sqlite && dsn.database != ":memory:" {
                section.opens("dsn", &dsn.database, Use::Database);
            }
            let handle = SqlHandle::new(section.name(), &dsn, section.unwritten());
            Some(Kind::Database(handle))
        }
        Err(error) => {
            section.error("dsn", format!("`dsn` names no database: {error}"));
            None
        }
    }
}

fn ldap(section: &mut Section<'_>) -> Result<Kind, StoreError> {
    let mut options = DirectoryOptions::new(section.text_or("host", "localhost"));
    let port = u16::try_from(section.count("port", 389)).unwrap_or_default();
    if port == 0 {
        section.error("port", "`port` is not a number from 1 to 65535");
    }
    options.port = port;
    options.starttls = section.flag("starttls", true);
    options.authority = section.text("cafile").map(Into::into);
    options.bind_dn = section.text("binddn");
    options.password = section.secret("password");
    _ = section.flag("keepalive", true);
    if section.text("timeout").is_some() {
        section.warning(
            "timeout",
            "`timeout` means nothing here: each question has 1 s",
        );
    }
    if section.text("connection_class").is_some() {
        section.warning(
            "connection_class",
            "`connection_class` means nothing here: it named a Perl class",
        );
    }
    let directory = Directory::new(options)?;
    Ok(Kind::Directory(DirectoryHandle::new(
        section.name(),
        directory,
    )))
}

fn parameters(block: &Block) -> Parameters {
    let text = |value: &Value| {
        if let Value::Text(text) = value {
            text.clone()
        } else {
            String::new()
        }
    };
    let pairs = block
        .entries
        .iter()
        .map(|entry| (entry.key.clone(), text(&entry.value)));
    Parameters(pairs.collect())
}

const MODULES: [&str; 5] = ["Ldap", "Memcached", "Memory", "Redis", "Sql"];
