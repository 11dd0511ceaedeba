//! A store on Redis or Valkey.

use std::{borrow::Cow, sync::Arc, time::Duration};

use bytes::Bytes;
use redis::{Cmd, Script, cmd};

use super::{
    RedisOptions, RedisServers,
    cluster::{Cluster, slot, tag},
    event,
    job::Job,
    script,
    server::Server,
};
use crate::{
    Answer, Breaker, Event, Lock, Locked, MAX_DISTINCT, Store, StoreError, Usage, Windows,
    store::{check_value, fitting, short_key, sum},
    wall_clock::millis,
    window::check_event,
};

/// The longest time to live: a hundred years. Redis refuses what its clock does not reach.
const MAX_TTL_MS: u64 = 100 * 366 * 86_400_000;

/// How long a tag of a long key may be that is kept as it is, in bytes.
const MAX_TAG_LEN: usize = 256;

/// How long the call of a script is as a rule, in bytes.
const USUAL_CALL: usize = 512;

/// A store on Redis, Valkey, or what speaks their protocol and runs scripts. All calls share one connection to each
/// server. Each is one command or one script, and one round trip, but for a count with a mark, which has two: a cluster
/// may have both keys on different servers. Windows slide by the server's clock.
///
/// The protocol has nothing but their order to tell which answer is for which call. After one that is late, or of a kind that
/// its call cannot have, a new connection is made. A server that left an answer out and went on would not be noticed before.
#[derive(Clone, Debug)]
pub struct RedisStore {
    servers: Servers,
    prefix: Arc<[u8]>,
}

#[derive(Clone, Debug)]
enum Servers {
    One(Arc<Server>),
    Cluster(Arc<Cluster>),
}

impl RedisStore {
    /// Connects when it is asked something.
    ///
    /// # Errors
    ///
    /// An address that is none, a cluster without one.
    pub fn new(options: RedisOptions) -> Result<Self, StoreError> {
        let one = |server| Servers::One(Arc::new(server));
        let servers = match &options.servers {
            RedisServers::One(address) => one(Server::at(address, &options)?),
            RedisServers::Sentinels {
                addresses,
                service,
                password,
            } => one(Server::named(
                service,
                addresses,
                password.as_ref(),
                &options,
            )?),
            RedisServers::Cluster(seeds) => Servers::Cluster(Cluster::new(seeds, &options)?),
        };
        Ok(Self {
            servers,
            prefix: options.prefix.into_bytes().into(),
        })
    }

    fn key(&self, key: &[u8]) -> Vec<u8> {
        let kept = fitting(key);
        match (&kept, tag(key)) {
            // The hash of a long key is with the server of its tag as well.
            (Cow::Owned(hash), Some(tag)) => {
                let tag = short_key(tag, MAX_TAG_LEN, |_| true);
                [&*self.prefix, b"{", &tag, b"}", hash].concat()
            }
            _ => [&*self.prefix, &kept].concat(),
        }
    }

    async fn script<T: redis::FromRedisValue>(
        &self,
        script: &Script,
        keys: &[&[u8]],
        arguments: &[&[u8]],
    ) -> Result<T, StoreError> {
        let mut call = begin(script, keys.len());
        for key in keys {
            call.arg(self.key(key));
        }
        for argument in arguments {
            call.arg(*argument);
        }
        let key = keys.first().copied().unwrap_or_default();
        self.run(key, Job::script(script, &call)).await
    }

    /// Has the server run it that has this key, and all others of the job.
    async fn run<T: redis::FromRedisValue>(
        &self,
        key: &[u8],
        job: Job<'_>,
    ) -> Result<T, StoreError> {
        match &self.servers {
            Servers::One(server) => server.run(job).await,
            // Only those who have a cluster pay for the size of that.
            Servers::Cluster(cluster) => Box::pin(cluster.run(slot(&self.key(key)), job)).await,
        }
    }

    async fn set_with(
        &self,
        key: &[u8],
        value: &[u8],
        ttl: Option<Duration>,
        if_absent: bool,
    ) -> Result<bool, StoreError> {
        check_value(value)?;
        let mut command = cmd("SET");
        command.arg(self.key(key)).arg(value);
        if if_absent {
            command.arg("NX");
        }
        if ttl.is_some() {
            command.arg("PX").arg(milliseconds(ttl));
        }
        let done: Option<String> = self.run(key, Job::command(&command)).await?;
        Ok(done.is_some())
    }

    async fn windows(
        &self,
        key: &[u8],
        windows: &Windows,
        kind: &str,
        event: &[u8],
    ) -> Result<Usage, StoreError> {
        let mut call = begin(&script::COUNT, 1);
        call.arg(self.key(key)).arg("").arg(kind).arg(event);
        call.arg(u8::from(windows.counts_all()))
            .arg(MAX_DISTINCT)
            .arg(windows.span_ms());
        for window in windows.iter() {
            call.arg(window.length_ms()).arg(window.limit);
        }
        let answer: Vec<u64> = self.run(key, Job::script(&script::COUNT, &call)).await?;
        match answer.split_first() {
            Some((allowed, used)) if used.len() == windows.iter().len() => {
                Ok(Usage::new(*allowed == 1, windows, used.iter().copied()))
            }
            _ => Err(StoreError::Protocol("not a number for each window".into())),
        }
    }
}

/// The begin of a script's call, to which so many keys are added, and its arguments.
fn begin(script: &Script, keys: usize) -> Cmd {
    let mut call = Cmd::with_capacity(8, USUAL_CALL);
    call.arg("EVALSHA").arg(script.get_hash()).arg(keys);
    call
}

/// A value that was stored by another program may be too large.
fn read(value: Vec<u8>) -> Result<Bytes, StoreError> {
    check_value(&value)?;
    Ok(value.into())
}

/// Nothing is no end.
fn milliseconds(ttl: Option<Duration>) -> Vec<u8> {
    let text = ttl.map(|ttl| millis(ttl).clamp(1, MAX_TTL_MS).to_string());
    text.unwrap_or_default().into_bytes()
}

impl Store for RedisStore {
    fn get<'a>(&'a self, key: &'a [u8]) -> Answer<'a, Option<Bytes>> {
        Box::pin(async move {
            let mut command = cmd("GET");
            command.arg(self.key(key));
            let value: Option<Vec<u8>> = self.run(key, Job::command(&command)).await?;
            value.map(read).transpose()
        })
    }

    fn set<'a>(&'a self, key: &'a [u8], value: &'a [u8], ttl: Option<Duration>) -> Answer<'a, ()> {
        Box::pin(async move {
            self.set_with(key, value, ttl, false).await?;
            Ok(())
        })
    }

    fn set_if_absent<'a>(
        &'a self,
        key: &'a [u8],
        value: &'a [u8],
        ttl: Option<Duration>,
    ) -> Answer<'a, bool> {
        Box::pin(self.set_with(key, value, ttl, true))
    }

    fn compare_and_set<'a>(
        &'a self,
        key: &'a [u8],
        expected: &'a [u8],
        value: &'a [u8],
        ttl: Option<Duration>,
    ) -> Answer<'a, bool> {
        Box::pin(async move {
            check_value(value)?;
            let arguments = [expected, value, &milliseconds(ttl)];
            self.script(&script::COMPARE_AND_SET, &[key], &arguments)
                .await
        })
    }

    fn add<'a>(&'a self, key: &'a [u8], delta: u64, ttl: Option<Duration>) -> Answer<'a, u64> {
        Box::pin(async move {
            sum(0, delta)?;
            let arguments = [delta.to_string().into_bytes(), milliseconds(ttl)];
            let arguments = arguments.each_ref().map(Vec::as_slice);
            let answer: String = self.script(&script::ADD, &[key], &arguments).await?;
            match answer.as_str() {
                "overflow" => Err(StoreError::Overflow),
                "no number" => Err(StoreError::NotANumber),
                sum => sum.parse().map_err(|_| StoreError::NotANumber),
            }
        })
    }

    fn delete<'a>(&'a self, key: &'a [u8]) -> Answer<'a, bool> {
        Box::pin(async move {
            let mut command = cmd("DEL");
            command.arg(self.key(key));
            self.run(key, Job::command(&command)).await
        })
    }

    fn compare_and_delete<'a>(&'a self, key: &'a [u8], expected: &'a [u8]) -> Answer<'a, bool> {
        Box::pin(async move {
            self.script(&script::COMPARE_AND_DELETE, &[key], &[expected])
                .await
        })
    }

    fn count<'a>(
        &'a self,
        key: &'a [u8],
        windows: &'a Windows,
        event: Event<'a>,
    ) -> Answer<'a, Usage> {
        Box::pin(async move {
            check_event(windows, event)?;
            let (kind, event) = event::one(event);
            self.windows(key, windows, kind, &event).await
        })
    }

    fn preview<'a>(
        &'a self,
        key: &'a [u8],
        windows: &'a Windows,
        events: &'a [Event<'a>],
    ) -> Answer<'a, Usage> {
        Box::pin(async move {
            let (kind, events) = event::several(windows, events)?;
            self.windows(key, windows, kind, &events).await
        })
    }

    fn usage<'a>(&'a self, key: &'a [u8], windows: &'a Windows) -> Answer<'a, Usage> {
        Box::pin(self.windows(key, windows, "show", b""))
    }

    fn lock_and_get<'a>(&'a self, lock: Lock<'a>, key: &'a [u8]) -> Answer<'a, Locked> {
        Box::pin(async move {
            check_value(lock.owner)?;
            let arguments = [lock.owner, &milliseconds(Some(lock.ttl))];
            let keys = [lock.key, key];
            let answer: Vec<redis::Value> = self
                .script(&script::LOCK_AND_GET, &keys, &arguments)
                .await?;
            let mut answer = answer.into_iter();
            match (answer.next(), answer.next()) {
                (Some(redis::Value::Int(0)), None) => Ok(Locked::Busy),
                (Some(redis::Value::Int(1)), None) => Ok(Locked::Held(None)),
                (Some(redis::Value::Int(1)), Some(redis::Value::BulkString(value))) => {
                    read(value).map(|value| Locked::Held(Some(value)))
                }
                _ => Err(StoreError::Protocol("no answer to a lock".into())),
            }
        })
    }

    fn set_and_unlock<'a>(
        &'a self,
        lock: Lock<'a>,
        key: &'a [u8],
        value: &'a [u8],
        ttl: Option<Duration>,
    ) -> Answer<'a, bool> {
        Box::pin(async move {
            check_value(value)?;
            let arguments = [lock.owner, value, &milliseconds(ttl)];
            self.script(&script::SET_AND_UNLOCK, &[lock.key, key], &arguments)
                .await
        })
    }

    fn breakers(&self) -> Vec<Breaker> {
        match &self.servers {
            Servers::One(server) => vec![server.breaker().clone()],
            Servers::Cluster(cluster) => cluster.breakers(),
        }
    }
}
