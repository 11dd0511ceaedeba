//! The entries of one client, or of all: shown and forgotten.

use policy_store::StoreError;

use super::{
    Backing, Cache,
    keys::{is_of, stored_key},
};

impl Cache {
    /// The entries as `-s` prints them: `blocked: KEY RATE RETRIES TIME` and `pass: KEY RATE USES TIME TIME TIME`.
    #[must_use]
    pub fn entries(&self) -> Vec<String> {
        self.entries_of(None)
    }

    /// The same of one client, by its address or the key of an entry; or of all.
    #[must_use]
    pub fn entries_of(&self, client: Option<&str>) -> Vec<String> {
        let is_meant = |key: &str| client.is_none_or(|client| is_of(key, client));
        let tables = self.tables();
        let spam = tables.spam.sorted().into_iter();
        let spam = spam.filter(|(key, _)| is_meant(key)).map(|(key, entry)| {
            format!(
                "blocked: {key} {} {} {}",
                entry.rate, entry.retries, entry.seen
            )
        });
        let ham = tables
            .ham
            .sorted()
            .into_iter()
            .filter(|(key, _)| is_meant(key))
            .map(|(key, entry)| format!("pass: {key} {}", entry.encode()));
        spam.chain(ham).collect()
    }

    /// Forgets a client: its address, with all senders, or the key of one entry. How many entries there were. In a store that is
    /// shared the entries of senders are found by their keys alone.
    ///
    /// # Errors
    ///
    /// The store that is asked in the place of the tables.
    pub async fn forget(&self, client: &str) -> Result<usize, StoreError> {
        if let Some(Backing::Shared(store)) = self.backing.get() {
            let mut count = 0;
            for kind in ["spam", "ham"] {
                count += usize::from(store.delete(&stored_key(kind, client)).await?);
            }
            return Ok(count);
        }
        let mut tables = self.tables();
        let is_meant = |key: &str| is_of(key, client);
        Ok(tables.spam.remove_all(is_meant) + tables.ham.remove_all(is_meant))
    }
}

#[cfg(test)]
mod tests {
    use crate::cache::{Cache, Ham, Spam};

    #[tokio::test]
    async fn a_client_is_shown_and_forgotten_with_all_its_entries_and_no_other_one() {
        let cache = Cache::default();
        {
            let mut tables = cache.tables();
            for key in ["192.0.2.1", "192.0.2.1-a@x", "192.0.2.10", "2001:DB8::1"] {
                let entry = Spam::decode("4.5 1 2 why").unwrap();
                tables.spam.insert(key.to_owned(), entry);
            }
            let entry = Ham::decode("-4.5 60 1 2 3").unwrap();
            tables.ham.insert("192.0.2.1-x".to_owned(), entry);
        }
        let keys = |client| {
            let entries = cache.entries_of(client).into_iter();
            let keys = entries.map(|line| line.split(' ').nth(1).unwrap().to_owned());
            keys.collect::<Vec<_>>()
        };
        assert_eq!(
            keys(Some("192.0.2.1")),
            ["192.0.2.1", "192.0.2.1-a@x", "192.0.2.1-x"]
        );
        assert_eq!(keys(Some("192.0.2.1-x")), ["192.0.2.1-x"]);
        assert_eq!(keys(Some("2001:db8:0::1")), ["2001:DB8::1"]);
        assert_eq!(keys(Some("192.0.2")), [""; 0]);
        assert_eq!(keys(None).len(), 5);

        assert_eq!(cache.forget("192.0.2.1").await.unwrap(), 3);
        assert_eq!(keys(None), ["192.0.2.10", "2001:DB8::1"]);
        assert_eq!(cache.forget("192.0.2.1").await.unwrap(), 0);
    }
}
