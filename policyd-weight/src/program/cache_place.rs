//! Where the cache is beside memory, a store or a file: it is opened, tried again, and said to fail and to be back, each once.

use std::path::PathBuf;

use policy_daemon::log::Level;

use super::paths::Paths;
use crate::{
    cache::{Backing, OpenError, open_file, open_store, shown_store},
    perl::Variables,
    policy::Policy,
};

/// The place of a process' cache.
#[derive(Debug, Default)]
pub(super) struct CachePlace {
    /// `$CACHE_STORE`.
    store: String,
    /// Where there is no store: none if nothing is to outlive the process.
    file: Option<PathBuf>,
    /// Whether it has been said that it cannot be used.
    fails: bool,
}

impl CachePlace {
    pub(super) fn new(options: &Variables, paths: &Paths) -> Self {
        Self {
            store: options.scalar("CACHE_STORE").to_string(),
            file: paths.cache_file(),
            fails: false,
        }
    }

    /// For a process of spawn(8): each request asks the place, which other processes do as well.
    pub(super) async fn share(&mut self, policy: &Policy) {
        let opened = match &self.file {
            _ if !self.store.is_empty() => open_store(&self.store).await,
            Some(path) => match open_file(path).await {
                Ok(file) => Ok(Box::new(file) as _),
                Err(error) => Err(error),
            },
            None => return,
        };
        let failure = match opened {
            Ok(store) => attach(policy, Backing::Shared(store)).await.err(),
            Err(error) => Some(error.reason()),
        };
        if let Some(failure) = failure {
            self.say(
                policy,
                Some((failure, "this process remembers its clients alone")),
            );
        }
    }

    /// Whether it has been said last that it cannot be used.
    pub(super) fn fails(&self) -> bool {
        self.fails
    }

    /// For a process of spawn(8), after each request: says what has changed.
    pub(super) fn look(&mut self, policy: &Policy) {
        if policy.cache().is_backed() {
            let outage = policy.cache().outage();
            self.say(policy, outage.map(|outage| (outage, UNKNOWN)));
        }
    }

    /// For a daemon, before its first requests: the place is not there yet.
    pub(super) fn begin(&self, policy: &Policy) {
        let away = |place| format!("the cache's {place} cannot be used: it is being opened");
        policy.cache().set_away(self.shown().map(away));
    }

    /// For a daemon, at the start and each second: opens the place if it has not been opened, writes what has changed,
    /// and reads what others have written.
    pub(super) async fn keep(&mut self, policy: &Policy) {
        let cache = policy.cache();
        let failure = if !cache.is_backed() {
            let opened = self.open(policy).await;
            opened.err().map(|failure| (failure, IN_MEMORY))
        } else if let Some(outage) = cache.outage() {
            Some((outage, UNKNOWN))
        } else {
            let exchanged = cache.exchange().await;
            exchanged
                .err()
                .map(|error| (error.reason().to_string(), IN_MEMORY))
        };
        self.say(policy, failure);
    }

    /// For a daemon that ends: writes what has changed, and closes the place.
    pub(super) async fn end(&mut self, policy: &Policy) {
        if policy.cache().is_backed() {
            self.keep(policy).await;
            policy.cache().close().await;
        }
    }

    async fn open(&self, policy: &Policy) -> Result<(), String> {
        let failed = |error: OpenError| error.reason();
        if !self.store.is_empty() {
            // Some stores connect only when they are asked. This one is asked no more: its connection is in this thread.
            let asked = open_store(&self.store).await.map_err(failed)?;
            let answer = asked.get(b"policyd-weight").await;
            answer.map_err(|error| error.reason().to_string())?;
            let store = open_store(&self.store).await.map_err(failed)?;
            return attach(policy, Backing::Shared(store)).await;
        }
        let Some(path) = &self.file else {
            return Ok(());
        };
        let file = open_file(path).await.map_err(failed)?;
        attach(policy, Backing::File(file)).await
    }

    /// The store or the file, if there is one.
    fn shown(&self) -> Option<String> {
        match &self.file {
            _ if !self.store.is_empty() => Some(format!("store {}", shown_store(&self.store))),
            Some(path) => Some(format!("file {}", path.display())),
            None => None,
        }
    }

    /// Says that it cannot be used, why, and what comes of that; or that it can again.
    fn say(&mut self, policy: &Policy, failure: Option<(String, &str)>) {
        let Some(place) = self.shown() else {
            return;
        };
        let away =
            |(reason, _): &(String, &str)| format!("the cache's {place} cannot be used: {reason}");
        let away = failure.as_ref().map(away);
        policy.cache().set_away(away.clone());
        match failure.zip(away) {
            Some(((_, consequence), away)) if !self.fails => {
                let text = format!("{away}: {consequence}");
                policy.changes().add(&*text);
                policy.log().line(Level::Warning, text);
                self.fails = true;
            }
            None if self.fails => {
                let text = format!("the cache's {place} can be used again");
                policy.changes().add(&*text);
                policy.log().info(text);
                self.fails = false;
            }
            _ => {}
        }
    }
}

async fn attach(policy: &Policy, backing: Backing) -> Result<(), String> {
    let attached = policy.cache().attach(backing).await;
    attached.map_err(|error| error.reason().to_string())
}

const IN_MEMORY: &str = "clients are remembered in memory until it can";
const UNKNOWN: &str = "no client is known until it can";
