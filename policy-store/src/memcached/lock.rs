//! A lock and the value that it is for. On one server both are one round trip. On two servers each is asked within its own
//! guard: the breaker of one must not count what the other does.

use std::{ptr, time::Duration};

use super::{
    commands::{Commands, exptime},
    entry::{Entry, PAST, odd},
    held::{Held, Locks},
    replies::Reply,
};
use crate::{Lock, Locked, StoreError, wall_clock::now_ms};

impl Entry<'_> {
    /// Takes the lock that this entry is, and reads a value. What giving it back needs is noted where both are on one
    /// server.
    pub(super) async fn lock_and_get(
        &self,
        lock: Lock<'_>,
        of: &Entry<'_>,
        locks: &Locks,
    ) -> Result<Locked, StoreError> {
        let (guard, guard_of_value) = (&self.server.guard, &of.server.guard);
        if self.is_beside(of) {
            return guard.call(self.lock_and_get_at_once(lock, of, locks)).await;
        }
        let insert = self.insert(lock.owner, Some(lock.ttl));
        if !guard.call(insert).await? {
            return Ok(Locked::Busy);
        }
        let value = guard_of_value.call(of.get()).await;
        if value.is_err() {
            // Nobody has to wait for the lock's end. If this fails as well, the first error tells more.
            _ = guard.call(self.compare(lock.owner, b"", PAST)).await;
        }
        Ok(Locked::Held(value?.map(|(value, _)| value.into())))
    }

    /// Writes a value, and gives back the lock that this entry is, unless that was deleted or another has it.
    pub(super) async fn set_and_unlock(
        &self,
        lock: Lock<'_>,
        locks: &Locks,
        of: &Entry<'_>,
        value: &[u8],
        ttl: Option<Duration>,
    ) -> Result<bool, StoreError> {
        let (guard, guard_of_value) = (&self.server.guard, &of.server.guard);
        if self.is_beside(of) {
            let held = locks.take(lock);
            let unlocked = self.set_and_unlock_at_once(lock, held, of, value, ttl);
            return guard.call(unlocked).await;
        }
        let Some(unique) = guard.call(self.owned_by(lock.owner)).await? else {
            return Ok(false);
        };
        let written = guard_of_value.call(of.set(value, ttl)).await;
        // Also where nothing was written: nobody has to wait for the lock's end.
        let unlocked = guard
            .call(self.line(self.unlock(Commands::default(), unique)))
            .await;
        written.and(unlocked).map(|_| true)
    }

    fn is_beside(&self, other: &Entry<'_>) -> bool {
        ptr::eq(self.server, other.server)
    }

    async fn lock_and_get_at_once(
        &self,
        lock: Lock<'_>,
        of: &Entry<'_>,
        locks: &Locks,
    ) -> Result<Locked, StoreError> {
        let insert = self.storage("add", lock.owner, Some(lock.ttl));
        let commands = insert.gets(&of.name).gets(&self.name);
        let replies = self.server.exchange(commands).await?;
        let mut replies = replies.into_iter();
        let value = match (replies.next(), replies.next()) {
            (Some(Reply::NotStored), _) => return Ok(Locked::Busy),
            (Some(Reply::Stored), Some(Reply::Value { data, unique })) => Some((data, unique)),
            (Some(Reply::Stored), Some(Reply::End)) => None,
            (first, _) => return Err(odd(first.as_ref())),
        };
        if let Some(Reply::Value { data, unique }) = replies.next()
            && data == lock.owner
        {
            let value = value.as_ref().map(|(_, unique)| *unique);
            let held = Held {
                lock: unique,
                value,
            };
            locks.add(lock, held);
        }
        Ok(Locked::Held(value.map(|(data, _)| data.into())))
    }

    /// One round trip, where what is needed was noted and nobody has written the value without the lock.
    async fn set_and_unlock_at_once(
        &self,
        lock: Lock<'_>,
        held: Option<Held>,
        of: &Entry<'_>,
        value: &[u8],
        ttl: Option<Duration>,
    ) -> Result<bool, StoreError> {
        let Some(held) = held else {
            let Some(unique) = self.owned_by(lock.owner).await? else {
                return Ok(false);
            };
            let written = of.set(value, ttl).await;
            let unlocked = self.line(self.unlock(Commands::default(), unique)).await;
            return written.and(unlocked).map(|_| true);
        };
        let exptime = exptime(ttl, now_ms());
        let verb = if held.value.is_some() { "cas" } else { "add" };
        let write = Commands::default().storage(verb, &of.name, value, exptime, held.value);
        let commands = self.unlock(write, held.lock);
        let replies = self.server.exchange(commands).await?;
        match (replies.first(), replies.get(1)) {
            (Some(Reply::Stored), _) => Ok(true),
            // Its time was over meanwhile, or somebody has written it without the lock.
            (Some(Reply::Exists | Reply::NotFound | Reply::NotStored), Some(Reply::Stored)) => {
                of.set(value, ttl).await.map(|()| true)
            }
            (Some(Reply::Exists | Reply::NotFound | Reply::NotStored), _) => Ok(false),
            (reply, _) => Err(odd(reply)),
        }
    }

    /// The number of this lock's writing, if it is the owner's.
    async fn owned_by(&self, owner: &[u8]) -> Result<Option<u64>, StoreError> {
        let found = self.get().await?;
        Ok(found.and_then(|(data, unique)| (data == owner).then_some(unique)))
    }

    fn unlock(&self, before: Commands, unique: u64) -> Commands {
        before.storage("cas", &self.name, b"", PAST, Some(unique))
    }
}
