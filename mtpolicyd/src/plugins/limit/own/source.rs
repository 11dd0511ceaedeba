//! The sources of limits of single users: a file, a database, a directory, or a store such as Redis.

use std::time::Duration;

use policy_store::{Filter, MapKind, MemoryOptions, MemoryStore, Store as _, Value};

use crate::{
    chain::plugin::PluginError,
    config::Section,
    connection::{DirectoryHandle, SqlHandle, StoreHandle},
    plugins::{
        ldap_user_config::{filter, only_entry},
        map_handle::MapHandle,
    },
};

/// Where limits of single users are. All that are given are asked, in this order, until one has a text.
#[derive(Debug)]
pub(super) struct Sources {
    file: Option<MapHandle>,
    database: Option<(SqlHandle, String)>,
    directory: Option<Place>,
    store: Option<(StoreHandle, String)>,
    /// What came lately, also that nothing came. A file is in memory already.
    recent: MemoryStore,
    keep: Duration,
}

#[derive(Debug)]
struct Place {
    directory: DirectoryHandle,
    base: String,
    filter: Option<Filter>,
    attribute: String,
}

impl Sources {
    pub(super) fn new(section: &mut Section<'_>) -> Self {
        let file = section.text("limits_file");
        let query = section.text("limits_query");
        let has_directory = section.text("limits_ldap").is_some();
        let has_store = section.text("limits_store").is_some();
        let mut options = MemoryOptions::default();
        options.max_entries = 10_000;
        options.max_bytes = 8 << 20;
        Self {
            file: file.map(|name| MapHandle::new(section, "limits_file", &name, MapKind::Texthash)),
            database: query.map(|query| (section.sql("limits_db", "db"), query)),
            directory: has_directory.then(|| Place {
                directory: section.directory("limits_ldap", ""),
                base: section.text_or("limits_basedn", ""),
                filter: filter(section, "limits_filter"),
                attribute: section.text_or("limits_attribute", "mailLimits"),
            }),
            store: has_store.then(|| {
                let prefix = section.text_or("limits_prefix", "limits:");
                (section.store("limits_store", ""), prefix)
            }),
            recent: MemoryStore::new(options),
            keep: Duration::from_secs(section.count("limits_cache", 60)),
        }
    }

    /// The texts of the user in the file and elsewhere, and what went wrong on the way.
    pub(super) async fn look_up(&self, user: &str) -> (Vec<String>, Vec<String>) {
        let (mut texts, mut errors) = (Vec::new(), Vec::new());
        if let Some(file) = &self.file {
            match file.get().await {
                Ok(map) => texts.extend(map.get(user.as_bytes()).map(|text| lossy(&text))),
                Err(error) => errors.push(error.to_string()),
            }
        }
        if texts.is_empty()
            && (self.database.is_some() || self.directory.is_some() || self.store.is_some())
        {
            match self.remote(user).await {
                Ok(text) => texts.extend(Some(text).filter(|text| !text.trim().is_empty())),
                Err(error) => errors.push(error.to_string()),
            }
        }
        (texts, errors)
    }

    /// What a server says, or said lately; empty if none has anything.
    async fn remote(&self, user: &str) -> Result<String, PluginError> {
        if let Ok(Some(text)) = self.recent.get(user.as_bytes()).await {
            return Ok(lossy(&text));
        }
        let mut found = self.ask_database(user).await?;
        if found.is_none() {
            found = self.ask_directory(user).await?;
        }
        if found.is_none() {
            found = self.ask_store(user).await?;
        }
        let text = found.unwrap_or_default();
        if !self.keep.is_zero() {
            // A memory does not fail but for texts that are too large.
            let kept = self
                .recent
                .set(user.as_bytes(), text.as_bytes(), Some(self.keep));
            _ = kept.await;
        }
        Ok(text)
    }

    async fn ask_database(&self, user: &str) -> Result<Option<String>, PluginError> {
        let Some((database, query)) = &self.database else {
            return Ok(None);
        };
        let failed = |error| database.failed(error);
        let open = database.get().await.map_err(failed)?;
        let rows = open
            .rows(query, &[Value::from(user)])
            .await
            .map_err(failed)?;
        let value = rows.first().and_then(|row| row.first());
        Ok(value.and_then(Value::text).map(|text| lossy(&text)))
    }

    async fn ask_directory(&self, user: &str) -> Result<Option<String>, PluginError> {
        let Some(place) = &self.directory else {
            return Ok(None);
        };
        let Some(filter) = &place.filter else {
            return Ok(None);
        };
        let filter = filter.with(user.as_bytes());
        let attributes = [place.attribute.as_str()];
        let found = only_entry(&place.directory, &place.base, &filter, &attributes).await;
        let entry = found.map_err(|error| place.directory.failed(error))?;
        let entry = entry.ok();
        let value = entry
            .as_ref()
            .and_then(|entry| entry.values(&place.attribute).first());
        Ok(value.map(|text| lossy(text)))
    }

    async fn ask_store(&self, user: &str) -> Result<Option<String>, PluginError> {
        let Some((handle, prefix)) = &self.store else {
            return Ok(None);
        };
        let failed = |error| handle.failed(error);
        let store = handle.get().await.map_err(failed)?;
        let key = format!("{prefix}{user}");
        let value = store.get(key.as_bytes()).await.map_err(failed)?;
        Ok(value.map(|text| lossy(&text)))
    }
}

fn lossy(text: &[u8]) -> String {
    String::from_utf8_lossy(text).into_owned()
}
