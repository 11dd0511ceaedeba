//! Tickets: when a mail that has come for the first time may come again.

use std::time::Duration;

use policy_store::key;

use super::Triplet;
use crate::{
    chain::plugin::PluginError, config::Section, connection::StoreHandle, services::Services,
};

/// The tickets of all mail that is to come again.
#[derive(Debug)]
pub(super) struct Tickets {
    store: StoreHandle,
    prefix: String,
    /// Seconds until a ticket is valid.
    min_retry_wait: u64,
    /// How long a ticket lives, from its beginning.
    max_retry_wait: Duration,
    compat: bool,
}

impl Tickets {
    /// The block `<Ticket>`. What it does not have may be beside it, as in 1.x.
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        let compat = section.compat();
        let mut min = section.count("min_retry_wait", MIN_RETRY_WAIT);
        let mut max = section.count("max_retry_wait", MAX_RETRY_WAIT);
        let mut prefix = String::new();
        let store = match section.block("Ticket") {
            None => section.store("memcached", "memcached"),
            Some(mut block) => {
                min = block.count("min_retry_wait", min);
                max = block.count("max_retry_wait", max);
                prefix = block.text_or("prefix", "");
                let store = store(&mut block);
                block.finish();
                store
            }
        };
        if compat {
            // In the original these parameters mean nothing.
            (min, max, prefix) = (MIN_RETRY_WAIT, MAX_RETRY_WAIT, String::new());
        }
        if max <= min {
            let text = "`max_retry_wait` is not above `min_retry_wait`: no mail would ever pass";
            section.error("max_retry_wait", text);
        }
        Self {
            store,
            prefix,
            min_retry_wait: min,
            max_retry_wait: Duration::from_secs(max),
            compat,
        }
    }

    /// When the ticket becomes valid, in seconds since 1970; none if there is no ticket.
    pub(super) async fn get(&self, triplet: &Triplet) -> Result<Option<u64>, PluginError> {
        let failed = |error| self.store.failed(error);
        let store = self.store.get().await.map_err(failed)?;
        let value = store.get(&self.key(triplet)).await.map_err(failed)?;
        let text = value
            .as_deref()
            .and_then(|value| str::from_utf8(value).ok());
        let time = text.and_then(|text| text.parse().ok());
        Ok(time.filter(|time| *time > 0))
    }

    /// A ticket for mail that has none.
    pub(super) async fn create(
        &self,
        services: &Services,
        triplet: &Triplet,
    ) -> Result<(), PluginError> {
        let failed = |error| self.store.failed(error);
        let store = self.store.get().await.map_err(failed)?;
        let time = services
            .now()
            .saturating_add(self.min_retry_wait)
            .to_string();
        let ttl = Some(self.max_retry_wait);
        // A ticket that another request has made meanwhile stays.
        store
            .set_if_absent(&self.key(triplet), time.as_bytes(), ttl)
            .await
            .map_err(failed)?;
        Ok(())
    }

    /// Removes the ticket of mail that has passed.
    pub(super) async fn remove(&self, triplet: &Triplet) -> Result<(), PluginError> {
        let failed = |error| self.store.failed(error);
        let store = self.store.get().await.map_err(failed)?;
        store.delete(&self.key(triplet)).await.map_err(failed)?;
        Ok(())
    }

    /// Each field has its length before it, so that no sender can name the ticket of another mail; with `--compat` the
    /// original's key.
    fn key(&self, triplet: &Triplet) -> Vec<u8> {
        let fields = [&triplet.sender, &triplet.client, &triplet.recipient];
        if self.compat {
            return fields.map(String::as_str).join(",").into_bytes();
        }
        let name = format!("{}ticket", self.prefix);
        key(&name, fields.map(|field| field.as_bytes()))
    }
}

/// The store of a block, by its `module` and the name of a connection.
pub(super) fn store(block: &mut Section<'_>) -> StoreHandle {
    match block.required("module").as_str() {
        "Memcached" => block.store("memcached", "memcached"),
        "Redis" => block.store("redis", "redis"),
        "Sql" => block.store("db", "db"),
        "Memory" => block.shared_memory("greylist"),
        other => {
            let text = format!(
                "there is no module `{other}` for greylisting: use one of Memory, Memcached, Redis, Sql"
            );
            block.error("module", text);
            block.shared_memory("greylist")
        }
    }
}

const MIN_RETRY_WAIT: u64 = 300;
const MAX_RETRY_WAIT: u64 = 7200;
