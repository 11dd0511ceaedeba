//! A chain of plugins: they run in their order until one of them answers.
//!
//! Everything here is free of I/O. What a plugin looks up, it looks up itself.

mod attributes;
pub use attributes::Attributes;
pub(crate) use attributes::text_of;

pub(crate) mod call;
pub use call::Call;

mod key;
pub use key::Key;

mod log_line;
pub use log_line::log_line;

pub mod number;

pub mod plugin;
pub use plugin::{Chain, Link};

mod pattern;
pub use pattern::Pattern;

mod score;
pub use score::{Score, Scoring};

mod setting;
pub use setting::{Setting, Wanted};

mod template;
pub use template::fill;

mod trace;
pub use trace::{Trace, TraceStep};

use std::{future::Future, pin::Pin, sync::Arc};

use futures_util::future::poll_immediate;
use tokio::time::{Instant, timeout_at};

pub use crate::error::OnError;
use crate::{
    chain::plugin::{Outcome, Step, Work},
    error::PluginError,
    services::Services,
};

/// How many plugins have failed.
pub type Counted<'a> = Pin<Box<dyn Future<Output = usize> + Send + 'a>>;

/// The answer of a chain.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Verdict {
    /// The name of the plugin of this chain that answered, or in whose nested chain another one did.
    pub plugin: Arc<str>,
    /// Its action.
    pub action: String,
}

impl Chain {
    /// Runs the plugins until one of them answers. `None`: none did.
    ///
    /// # Errors
    ///
    /// The first error of a plugin whose `on_error` does not say how to go on.
    pub async fn run(&self, call: &mut Call<'_>) -> Result<Option<Verdict>, PluginError> {
        for link in self.links() {
            let before = call.enter(&link.name, &link.module, link.log_level);
            link.warn_of_overrides(call);
            let deadline = call.deadline();
            let result = match link.plugin.run(call) {
                Step::Now(result) => result,
                Step::Later(step) => by(deadline, step).await,
            };
            call.leave(before, &result);
            link.counters.ran(&result);
            let action = match result {
                Ok(action) => action,
                Err(error) => link.recover(error, call)?,
            };
            if let Some(action) = action {
                let plugin = Arc::clone(&link.name);
                return Ok(Some(Verdict { plugin, action }));
            }
        }
        Ok(None)
    }

    /// Does the scheduled work of all plugins, and says how many have failed. Each failure is logged.
    pub fn cron<'a>(&'a self, task: &'a str, services: &'a Services) -> Counted<'a> {
        Box::pin(async move {
            let mut failed = 0;
            for link in self.links() {
                if let Err(error) = link.plugin.cron(task, services).await {
                    let text = format!("plugin {} failed in cron: {error}", link.name);
                    services.journal.failed(&text);
                    failed += 1;
                }
                if let Some(chain) = link.plugin.nested() {
                    failed += chain.cron(task, services).await;
                }
            }
            failed
        })
    }

    /// What the plugins ask ahead, those of nested chains included where `nested` says so.
    pub fn prefetch<'a>(&'a self, call: &Call<'a>, nested: bool) -> Vec<Work<'a>> {
        let mut works = Vec::new();
        for link in self.links() {
            if let Some(work) = link.plugin.prefetch(call) {
                works.push(work);
            }
            if nested && let Some(chain) = link.plugin.nested() {
                works.extend(chain.prefetch(call, nested));
            }
        }
        works
    }
}

impl Link {
    /// Warns of what the session overrides a parameter with, where that is not what is wanted.
    fn warn_of_overrides(&self, call: &mut Call<'_>) {
        for setting in &self.overridable {
            if let Some(fault) = setting.fault(call.session()) {
                call.warn(&format!("plugin {}: {fault}", self.name));
            }
        }
    }

    /// What comes of an error: an action, or that the next plugin has its turn.
    fn recover(&self, error: PluginError, call: &Call<'_>) -> Result<Option<String>, PluginError> {
        let error = PluginError::Nested {
            plugin: Arc::clone(&self.name),
            error: Box::new(error),
        };
        self.counters.recovered(self.on_error);
        let action = match self.on_error {
            OnError::Close => return Err(error),
            OnError::Continue => None,
            OnError::Dunno => Some("dunno".to_owned()),
            OnError::Defer => Some(DEFER.to_owned()),
        };
        call.services().journal.failed(&error.to_string());
        Ok(action)
    }
}

/// What comes of a step by its end. One that needs no waiting is done without a timer, and still has its turn after the end.
async fn by(deadline: Option<Instant>, mut step: impl Future<Output = Outcome> + Unpin) -> Outcome {
    if let Some(result) = poll_immediate(&mut step).await {
        return result;
    }
    let Some(deadline) = deadline else {
        return step.await;
    };
    let late = |_| Err(PluginError::Timeout);
    timeout_at(deadline, step).await.unwrap_or_else(late)
}

/// A plugin's answer that needs no waiting.
#[must_use]
pub fn answer<'a>(action: Option<String>) -> Step<'a> {
    Step::Now(Ok(action))
}

/// A plugin's error that needs no waiting.
#[must_use]
pub fn failure<'a>(error: PluginError) -> Step<'a> {
    Step::Now(Err(error))
}

/// What most plugins do in the end: answer with the action, or else have the nested chain answer.
#[must_use]
pub fn answer_or_nested<'a>(
    action: Option<String>,
    nested: Option<&'a Chain>,
    call: &'a mut Call<'_>,
) -> Step<'a> {
    match (action, nested) {
        (None, Some(chain)) => Step::later(async move {
            let verdict = chain.run(call).await?;
            Ok(verdict.map(|verdict| verdict.action))
        }),
        (action, _) => answer(action),
    }
}

/// The answer of `on_error = defer`: nothing is said against the mail.
const DEFER: &str = "defer_if_permit the mail cannot be checked now, try again later";
