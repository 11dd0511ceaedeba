//! The commands of an administrator, which `policyd-weight ctl` sends to the daemon.

use std::sync::Arc;

use policy_daemon::{
    CommandStep, TokioCommands,
    admin::Section,
    control::{CtlProgram, Done},
    metrics::dns,
    trace::Traces,
};

use super::control;
use crate::policy::Policy;

/// `policyd-weight ctl`.
pub(super) const CTL: CtlProgram<'static> = CtlProgram::new(
    "policyd-weight",
    "/run/policyd-weight/control",
    &[
        (
            "status [--json]",
            "the daemon, its answers, decisions, lists and caches",
        ),
        (
            "lists [--json]",
            "each DNS list: questions, results, errors, its last self-test",
        ),
        (
            "cache show [ADDRESS]",
            "the clients in the cache, or one of them",
        ),
        ("cache forget ADDRESS", "a client is new again"),
        ("reload", "read the file again, and say what came of it"),
    ],
)
.with_trace();

/// The commands, carried out on what requests have in common.
#[derive(Debug)]
pub(super) struct WeightCommands {
    pub(super) policy: Arc<Policy>,
}

impl TokioCommands for WeightCommands {
    fn name(&self) -> &str {
        "policyd-weight"
    }

    fn lists(&self) -> Option<Section> {
        let settings = self.policy.settings();
        Some(dns::section_with_uses(settings.dns().lists().with_uses()))
    }

    fn traces(&self) -> Option<Traces> {
        Some(self.policy.traces().clone())
    }

    fn command<'a>(&'a self, words: &'a [String]) -> CommandStep<'a> {
        Box::pin(async move {
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            match words[..] {
                ["cache", "show"] => self.show(None).await,
                ["cache", "show", client] => self.show(Some(client)).await,
                ["cache", "forget", client] => self.forget(client).await,
                _ => Err(format!("unknown command: {}", words.join(" "))),
            }
        })
    }
}

impl WeightCommands {
    /// The entries of all clients or of one, as `-s` prints them.
    async fn show(&self, client: Option<&str>) -> Result<Done, String> {
        let cache = self.policy.cache();
        if cache.is_shared() {
            return Err(
                "the cache is in $CACHE_STORE, which other hosts share: its entries are not listed"
                    .to_owned(),
            );
        }
        let away = control::in_memory(cache).await;
        let entries = cache.entries_of(client);
        if let Some(client) = client.filter(|_| entries.is_empty()) {
            let away = away.map(|away| format!(" {away}")).unwrap_or_default();
            return Err(format!("nothing is known of {client}{away}"));
        }
        let away = away.map(|away| format!("*** {away}"));
        let lines = away.into_iter().chain(entries);
        Ok(Done::shown(
            lines.map(|line| line + "\n").collect::<String>(),
        ))
    }

    async fn forget(&self, client: &str) -> Result<Done, String> {
        let forgotten = self.policy.cache().forget(client).await;
        match forgotten.map_err(|error| error.reason())? {
            0 => Err(format!("nothing is known of {client}")),
            count => Ok(Done::changed(format!(
                "entries of {client} that are forgotten: {count}"
            ))),
        }
    }
}
