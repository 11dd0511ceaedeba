//! The trait of plugins, with what a plugin is given and what it answers; and the chain, which is made of plugins as a plugin
//! may have a chain inside it.
//!
//! A plugin lives in a file of its own below `plugins/`, has a constructor that reads its parameters out of a
//! [`Section`](crate::config::Section), and a line in the table of `plugins/mod.rs`. It does no I/O but through what it is
//! given: handles of connections from the section, and the [`Services`] of the call.
//!
//! ```
//! use mtpolicyd::{Call, Plugin, Step, chain::answer, config::Section};
//!
//! /// Answers that a client without a name is to come again.
//! #[derive(Debug)]
//! struct Nameless {
//!     action: String,
//! }
//!
//! impl Nameless {
//!     /// A parameter that is missing or wrong is said by the section, with its place; the plugin is then not used.
//!     fn new(section: &mut Section<'_>) -> Box<dyn Plugin> {
//!         Box::new(Self { action: section.text_or("action", "defer no name") })
//!     }
//! }
//!
//! impl Plugin for Nameless {
//!     fn run<'a>(&'a self, call: &'a mut Call<'_>) -> Step<'a> {
//!         let is_nameless = call.text("client_name").is_none_or(|name| name == "unknown");
//!         answer(is_nameless.then(|| self.action.clone()))
//!     }
//! }
//! ```

use std::{fmt, future::Future, pin::Pin, sync::Arc};

use crate::error::OnError;
pub use crate::error::PluginError;
use crate::{
    chain::{call::Call, setting::Setting},
    counters::PluginCounters,
    services::Services,
};

/// What a plugin comes to: an action, which ends the chain, or nothing, and the next plugin has its turn.
pub type Outcome = Result<Option<String>, PluginError>;

/// What a plugin comes to, now or later. Most plugins wait for nothing, and so need no future.
pub enum Step<'a> {
    /// It is known: see [`answer`](crate::chain::answer) and its kin.
    Now(Outcome),
    /// Something is waited for.
    Later(Pin<Box<dyn Future<Output = Outcome> + Send + 'a>>),
}

impl<'a> Step<'a> {
    /// What this comes to.
    pub fn later(outcome: impl Future<Output = Outcome> + Send + 'a) -> Self {
        Self::Later(Box::pin(outcome))
    }

    /// Waits for it, where there is something to wait for.
    ///
    /// # Errors
    ///
    /// Those of the plugin.
    pub async fn outcome(self) -> Outcome {
        match self {
            Self::Now(outcome) => outcome,
            Self::Later(outcome) => outcome.await,
        }
    }
}

impl fmt::Debug for Step<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Now(outcome) => f.debug_tuple("Now").field(outcome).finish(),
            Self::Later(_) => f.write_str("Later(..)"),
        }
    }
}

/// Something that is done beside a request, such as questions asked ahead.
pub type Work<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// What a scheduled task comes to.
pub type CronStep<'a> = Pin<Box<dyn Future<Output = Result<(), PluginError>> + Send + 'a>>;

/// What `mtpolicyd limits` is asked, or `mtpolicyd ctl limits`.
#[derive(Clone, Copy, Debug)]
pub struct LimitOrder<'a> {
    /// Whose counters: a user, an address, as the plugin's own key has it.
    pub key: &'a str,
    /// Whether they are emptied, and not shown.
    pub is_reset: bool,
    /// Whether the daemon asks, which sees what is counted in its memory.
    pub is_daemon: bool,
}

/// The lines that are shown; none if nothing is counted.
pub type LimitStep<'a> =
    Pin<Box<dyn Future<Output = Result<Vec<String>, PluginError>> + Send + 'a>>;

/// One check of a chain.
///
/// One value serves all requests at once, so it holds no state of a request: that is in the [`Call`] and its session.
pub trait Plugin: fmt::Debug + Send + Sync {
    /// Looks at a request. A future may be dropped at any await, when the request's time is over: what must not be left
    /// half-way is one call of a store.
    ///
    /// # Errors
    ///
    /// What keeps the plugin from an answer: the parameter `on_error` says what comes of it.
    fn run<'a>(&'a self, call: &'a mut Call<'_>) -> Step<'a>;

    /// Asks the questions to DNS that [`run`](Self::run) may ask, all at once, while plugins before this one run. The answers
    /// are not returned: they are in the resolver's cache when `run` asks. `None`, the default, where there are none.
    fn prefetch<'a>(&'a self, call: &Call<'a>) -> Option<Work<'a>> {
        _ = call;
        None
    }

    /// Does the scheduled work of `mtpolicyd --cron TASK`, where TASK is `hourly`, `daily` and the like. Nothing by default.
    /// Those of nested chains are run by the chain.
    ///
    /// # Errors
    ///
    /// What kept it from its work: it is logged, and the next plugin has its turn.
    fn cron<'a>(&'a self, task: &'a str, services: &'a Services) -> CronStep<'a> {
        _ = (task, services);
        Box::pin(std::future::ready(Ok(())))
    }

    /// What `mtpolicyd limits` shows or resets. `None`, the default: the plugin counts nothing by key.
    ///
    /// # Errors
    ///
    /// What keeps it from its counters.
    fn limits<'a>(&'a self, order: LimitOrder<'a>) -> Option<LimitStep<'a>> {
        _ = order;
        None
    }

    /// The chain inside it, if it has one.
    fn nested(&self) -> Option<&Chain> {
        None
    }
}

/// Plugins in their order.
#[derive(Debug, Default)]
pub struct Chain {
    links: Vec<Link>,
}

/// A plugin with its name.
#[derive(Debug)]
pub struct Link {
    /// Its name in the configuration.
    pub name: Arc<str>,
    /// Its module.
    pub module: Arc<str>,
    /// What comes of its errors.
    pub on_error: OnError,
    /// The level of the plugin's own messages, `log_level`; 4 by default.
    pub log_level: u8,
    /// The parameters that the session may override: what it has for them is looked at before each turn.
    pub overridable: Vec<Setting>,
    /// What comes of its turns.
    pub(crate) counters: Arc<PluginCounters>,
    /// The plugin.
    pub plugin: Box<dyn Plugin>,
}

impl Chain {
    /// These plugins.
    #[must_use]
    pub fn new(links: Vec<Link>) -> Self {
        Self { links }
    }

    /// The plugins, in their order.
    #[must_use]
    pub fn links(&self) -> &[Link] {
        &self.links
    }
}
