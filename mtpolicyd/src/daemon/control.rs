//! The commands of an administrator, which `mtpolicyd ctl` sends to the daemon.

use std::sync::Arc;

use policy_daemon::{
    CommandStep, TokioCommands,
    admin::Section,
    control::{CtlProgram, Done},
    metrics::dns,
    trace::Traces,
};

use super::{handler::Server, limits_command};
use crate::chain::plugin::LimitOrder;

/// `mtpolicyd ctl`.
pub const CTL: CtlProgram<'static> = CtlProgram::new(
    "mtpolicyd",
    "/run/mtpolicyd/control",
    &[
        (
            "status [--json]",
            "the daemon, its answers, stores, lists, limits and plugins",
        ),
        (
            "lists [--json]",
            "each DNS list: questions, results, errors, its last self-test",
        ),
        ("limits show KEY", "what Limit has counted for a key"),
        ("limits reset KEY", "empty that"),
        (
            "reload",
            "read the configuration again, and say what came of it",
        ),
    ],
)
.with_trace();

/// The commands, carried out on the server.
#[derive(Debug)]
pub(super) struct MtpolicydControl {
    pub(super) server: Arc<Server>,
}

impl TokioCommands for MtpolicydControl {
    fn name(&self) -> &str {
        "mtpolicyd"
    }

    fn lists(&self) -> Option<Section> {
        Some(dns::section(self.server.config().lists.iter()))
    }

    fn traces(&self) -> Option<Traces> {
        Some(self.server.traces().clone())
    }

    fn command<'a>(&'a self, words: &'a [String]) -> CommandStep<'a> {
        Box::pin(async move {
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            match words[..] {
                ["limits", "show", key] => self.limits(key, false).await,
                ["limits", "reset", key] => self.limits(key, true).await,
                _ => Err(format!("unknown command: {}", words.join(" "))),
            }
        })
    }
}

impl MtpolicydControl {
    /// The counters of a key in all plugins that limit somebody. Where one of them fails, the others have had their turn.
    async fn limits(&self, key: &str, is_reset: bool) -> Result<Done, String> {
        let order = LimitOrder {
            key,
            is_reset,
            is_daemon: true,
        };
        let config = self.server.config();
        let (mut lines, mut failed) = (Vec::new(), Vec::new());
        for (name, result) in limits_command::all(&config, order).await {
            let named = |text: String| format!("{name}: {text}");
            match result {
                Ok(found) => lines.extend(found.into_iter().map(named)),
                Err(error) => failed.push(named(error.to_string())),
            }
        }
        if !failed.is_empty() {
            failed.extend(lines);
            return Err(failed.join("\n"));
        }
        if lines.is_empty() {
            return Err(format!("nothing is counted for {key}"));
        }
        let mut done = Done::shown(lines.join("\n") + "\n");
        done.change = is_reset.then(|| format!("limits: {}", lines.join(", ")));
        Ok(done)
    }
}
