//! The entries of one client, or of all: shown and forgotten.

use policy_store::Store;

use super::{
    Backing, Cache, CacheError,
    file::{HAM, SPAM},
    keys::{PREFIX, is_of, stored_key},
    store::ENDED,
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
    /// The file or the store from which they would come back: what has not been forgotten there stays in memory as well.
    pub async fn forget(&self, client: &str) -> Result<usize, CacheError> {
        let file = match self.backing.get() {
            Some(Backing::Shared(store)) => {
                let mut count = 0;
                for kind in [SPAM, HAM] {
                    let key = stored_key(kind, client);
                    let known = store.get(&key).await?;
                    let is_known = known.is_some_and(|value| *value != *ENDED);
                    count += usize::from(store.delete(&key).await? && is_known);
                }
                return Ok(count);
            }
            Some(Backing::File(file)) => Some(file),
            None => None,
        };
        let mut taken = self.taken.lock().await;
        self.exchange_after(&mut taken).await?;
        self.check_place()?;
        let mut keys = self.tables().keys();
        keys.retain(|(_, key)| is_of(key, client));
        self.keep_in_file(keys.iter().cloned());
        for (kind, key) in &keys {
            if let Some(file) = file {
                file.delete(&stored_key(kind, key)).await?;
            }
            let mut tables = self.tables();
            match *kind {
                SPAM => tables.spam.forget(key),
                _ => tables.ham.forget(key),
            }
        }
        Ok(keys.len())
    }

    /// Forgets all clients, in memory and in the file: how many there were. None where the store is shared, and stays as it is.
    ///
    /// # Errors
    ///
    /// The file from which they would come back: all of them stay.
    pub async fn empty(&self) -> Result<Option<usize>, CacheError> {
        if self.is_shared() {
            return Ok(None);
        }
        let mut taken = self.taken.lock().await;
        self.exchange_after(&mut taken).await?;
        self.check_place()?;
        if let Some(Backing::File(file)) = self.backing.get() {
            let keys = self.tables().keys();
            self.keep_in_file(keys);
            file.clear(PREFIX.as_bytes()).await?;
        }
        let mut tables = self.tables();
        let count = tables.spam.len() + tables.ham.len();
        tables.spam.clear();
        tables.ham.clear();
        Ok(Some(count))
    }

    /// Takes over what processes of spawn(8) have written into the file, for who is shown the entries; or says why these are of
    /// the memory alone.
    pub async fn look(&self) -> Option<String> {
        let failed = self.exchange().await.err();
        let failed =
            failed.map(|error| format!("the cache's file cannot be used: {}", error.reason()));
        failed.or_else(|| self.away())
    }

    fn check_place(&self) -> Result<(), CacheError> {
        self.away().map_or(Ok(()), |why| Err(CacheError::Away(why)))
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
