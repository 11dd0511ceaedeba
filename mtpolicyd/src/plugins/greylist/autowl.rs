//! The auto whitelist: clients that have passed often enough for a domain are not greylisted any more.

use std::time::Duration;

use super::{Triplet, autowl_table::AutowlTable, ticket::store};
use crate::{
    chain::plugin::PluginError, config::Section, connection::StoreHandle, plugins::shared::fitted,
    services::Services,
};

/// How often which client has passed with mail of which domain.
#[derive(Debug)]
pub(super) struct AutoWhitelist {
    backend: Backend,
    threshold: i64,
    compat: bool,
}

#[derive(Debug)]
enum Backend {
    /// A table of its own, as the original has it.
    Table(AutowlTable),
    /// Entries that forget themselves.
    Store {
        store: StoreHandle,
        prefix: String,
        expire: Duration,
    },
}

impl AutoWhitelist {
    /// The block `<AWL>`. What it does not have may be beside it, as in 1.x. None with `use_autowl = 0`.
    pub(super) fn read(section: &mut Section<'_>) -> Option<Self> {
        let compat = section.compat();
        let threshold = section.integer("autowl_threshold", 3);
        let mut days = section.count("autowl_expire_days", EXPIRE_DAYS);
        let mut table = section.text_or("autowl_table", TABLE);
        let is_used = section.flag("use_autowl", true);
        let backend = match section.block("AWL") {
            None if !is_used => return None,
            None => {
                if compat {
                    (days, table) = (EXPIRE_DAYS, TABLE.to_owned());
                }
                Backend::Table(AutowlTable::new(
                    section.sql("db", "db"),
                    &table,
                    days,
                    compat,
                ))
            }
            Some(mut block) => {
                days = block.count("autowl_expire_days", days);
                table = block.text_or("autowl_table", &table);
                let mut prefix = block.text_or("prefix", PREFIX);
                if compat {
                    // In the original these parameters mean nothing.
                    (days, table, prefix) = (EXPIRE_DAYS, TABLE.to_owned(), PREFIX.to_owned());
                }
                let backend = if block.text("module").as_deref() == Some("Sql") {
                    let database = block.sql("db", "db");
                    Backend::Table(AutowlTable::new(database, &table, days, compat))
                } else {
                    Backend::Store {
                        store: store(&mut block),
                        prefix,
                        expire: Duration::from_secs(days.saturating_mul(DAY)),
                    }
                };
                block.finish();
                backend
            }
        };
        if !is_name(&table) {
            let text = format!("`autowl_table`: `{table}` is no name of a table");
            section.error("autowl_table", text);
        }
        Some(Self {
            backend,
            threshold,
            compat,
        })
    }

    /// How often a client has to have passed.
    pub(super) fn threshold(&self) -> i64 {
        self.threshold
    }

    /// How often the client has passed. In the original it is at most once, since that takes the number of the values for
    /// the value, and so nobody ever gets on the list.
    pub(super) async fn get(
        &self,
        services: &Services,
        triplet: &Triplet,
    ) -> Result<Option<i64>, PluginError> {
        let domain = self.domain(&triplet.sender);
        let count = match &self.backend {
            Backend::Table(table) => table.get(services.now(), &domain, &triplet.client).await?,
            Backend::Store { store, prefix, .. } => {
                let key = key(prefix, &domain, &triplet.client);
                let failed = |error| store.failed(error);
                let found = store.get().await.map_err(failed)?.get(&key).await;
                found.map_err(failed)?.as_deref().map(number)
            }
        };
        if self.compat {
            let is_redis = matches!(self.backend, Backend::Store { .. });
            return Ok(Some(i64::from(is_redis || count.is_some())));
        }
        Ok(count)
    }

    /// Counts that the client has passed.
    pub(super) async fn count(
        &self,
        services: &Services,
        triplet: &Triplet,
    ) -> Result<(), PluginError> {
        let domain = self.domain(&triplet.sender);
        match &self.backend {
            Backend::Table(table) => table.count(services.now(), &domain, &triplet.client).await,
            Backend::Store {
                store,
                prefix,
                expire,
            } => {
                let key = key(prefix, &domain, &triplet.client);
                count_in(store, &key, *expire).await
            }
        }
    }

    /// Forgets clients that have not passed for long.
    pub(super) async fn expire(&self, services: &Services) -> Result<(), PluginError> {
        match &self.backend {
            // The original's expiry always fails, and nothing is said.
            Backend::Table(table) if !self.compat => table.expire(services.now()).await,
            Backend::Table(_) | Backend::Store { .. } => Ok(()),
        }
    }

    /// The domain of a sender; the sender itself where it has none.
    fn domain(&self, sender: &str) -> String {
        let domain = sender.rsplit_once('@').map_or(sender, |(_, domain)| domain);
        if self.compat {
            return domain.to_owned();
        }
        fitted(&domain.to_lowercase(), MAX_DOMAIN).into_owned()
    }
}

/// Adds one, and begins the time of the entry once more. Both are one step, unless others change it all the time.
async fn count_in(store: &StoreHandle, key: &[u8], expire: Duration) -> Result<(), PluginError> {
    let failed = |error| store.failed(error);
    let entries = store.get().await.map_err(failed)?;
    let ttl = Some(expire);
    for _ in 0..MAX_TRIES {
        let before = entries.get(key).await.map_err(failed)?;
        let is_written = match before {
            None => entries.set_if_absent(key, b"1", ttl).await,
            Some(before) => {
                let count = number(&before).saturating_add(1).to_string();
                entries
                    .compare_and_set(key, &before, count.as_bytes(), ttl)
                    .await
            }
        };
        if is_written.map_err(failed)? {
            break;
        }
    }
    Ok(())
}

/// As the original has it. The client comes last and holds no comma, so that no domain can name another entry.
fn key(prefix: &str, domain: &str, client: &str) -> Vec<u8> {
    [prefix, domain, client].join(",").into_bytes()
}

fn number(value: &[u8]) -> i64 {
    let text = str::from_utf8(value).ok();
    text.and_then(|text| text.trim().parse().ok()).unwrap_or(0)
}

/// What a database takes for a name without quotes.
fn is_name(text: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    !text.is_empty()
        && !text.starts_with(|char: char| char.is_ascii_digit())
        && text.bytes().all(is_word)
}

const DAY: u64 = 86_400;
const EXPIRE_DAYS: u64 = 60;
const TABLE: &str = "autowl";
const PREFIX: &str = "awl-";
/// A column of the table has as many characters.
const MAX_DOMAIN: usize = 255;
/// When so many others count the same client at once, it is on the list anyway.
const MAX_TRIES: usize = 5;
