//! The answer to a request: what is remembered, what is cached, and else the score.

mod action;
mod answer;
mod dns_state;
mod explain;
mod settings;

use std::sync::{Arc, PoisonError, RwLock};

use policy_daemon::{
    admin::Changes,
    log::{Level, Log},
    trace::Traces,
};
use thiserror::Error;
use tokio::sync::Semaphore;

use dns_state::DnsState;
pub(crate) use explain::Decided;
pub use explain::{Explanation, Step};
pub use settings::Settings;
pub(crate) use settings::findings;

use crate::{
    cache::Cache,
    config::{Source, fixed_options},
    counters::Counters,
    mail::Attributes,
    memory::Memory,
    perl::Variables,
    text::lower,
};

/// Why a request is not answered: its connection is closed.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum NotAnswered {
    /// It is no request of Postfix' policy protocol.
    #[error("unrecognized request type: '{0}'")]
    Type(String),
    /// With `--compat`: the Perl program ends at a label of more than 63 characters, or of none.
    #[error("a name with a label of more than 63 characters, or an empty one")]
    Label,
}

/// Refuses what is no request of the protocol.
fn check_request(attributes: &Attributes<'_>) -> Result<(), NotAnswered> {
    if attributes
        .request
        .eq_ignore_ascii_case(b"smtpd_access_policy")
    {
        return Ok(());
    }
    Err(NotAnswered::Type(lower(attributes.request)))
}

/// All that requests have in common.
#[derive(Debug)]
pub struct Policy {
    settings: RwLock<Arc<Settings>>,
    cache: Cache,
    memory: Memory,
    log: Log,
    /// The requests that ask DNS at once.
    under_way: Semaphore,
    counters: Counters,
    changes: Changes,
    dns_state: DnsState,
    traces: Traces,
    /// The options of the start, of which some hold until the end.
    started: Variables,
}

impl Policy {
    /// With nothing remembered and nothing cached.
    #[must_use]
    pub fn new(settings: Settings, log: Log) -> Self {
        let size = if settings.config().compat { 1 } else { MAILS };
        let under_way = settings.max_requests();
        Self {
            started: settings.options().clone(),
            settings: RwLock::new(Arc::new(settings)),
            cache: Cache::default(),
            memory: Memory::new(size),
            log,
            under_way: Semaphore::new(under_way),
            counters: Counters::default(),
            changes: Changes::default(),
            dns_state: DnsState::default(),
            traces: Traces::default(),
        }
    }

    /// The caches.
    #[must_use]
    pub fn cache(&self) -> &Cache {
        &self.cache
    }

    /// The traces of requests.
    pub(crate) fn traces(&self) -> &Traces {
        &self.traces
    }

    pub(crate) fn changes(&self) -> &Changes {
        &self.changes
    }

    pub(crate) fn counters(&self) -> &Counters {
        &self.counters
    }

    /// The log.
    #[must_use]
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// The settings that hold now.
    #[must_use]
    pub fn settings(&self) -> Arc<Settings> {
        Arc::clone(&self.settings.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads the file again. The old settings hold on where it has a fault; caches and the health of lists stay. What has
    /// changed and needs a restart, a line each, which the log has as well.
    ///
    /// # Errors
    ///
    /// The fault, which the log has as well.
    pub fn reload(&self) -> Result<Vec<String>, String> {
        let reloaded = self.load_again();
        // Who reads that it is done finds the new one in force.
        self.counters.reloaded(reloaded.is_ok());
        reloaded
    }

    fn load_again(&self) -> Result<Vec<String>, String> {
        let before = self.settings();
        let Source { compat, .. } = before.source();
        let loaded = Settings::load(before.source().clone(), Some(&before));
        match loaded {
            // The Perl program keeps its options where a file that it reads again has a fault.
            Ok(settings) if *compat && settings.fault().is_some() => {
                let fault = one_line(settings.fault().unwrap_or_default());
                let text = format!("master: syntax error in file {fault}");
                self.log.line(Level::Warning, text);
                Err(fault)
            }
            Ok(settings) => {
                let text = format!("master: {} reloaded", settings.source().shown());
                self.changes.add(&*text);
                self.log.info(text);
                settings.log_findings(&self.log);
                let waiting = self.waiting_for_restart(settings.options());
                *self
                    .settings
                    .write()
                    .unwrap_or_else(PoisonError::into_inner) = Arc::new(settings);
                Ok(waiting)
            }
            Err(error) => {
                let fault = one_line(&error);
                let text = format!("the configuration stays as it was: {fault}");
                self.changes.add(&*text);
                self.log.line(Level::Error, text);
                Err(fault)
            }
        }
    }

    /// What the file has otherwise than at the start, and no reload changes.
    fn waiting_for_restart(&self, options: &Variables) -> Vec<String> {
        let changed =
            fixed_options().filter(|name| options.scalar(name) != self.started.scalar(name));
        // Without values: an address of a store may hold a password.
        let lines = changed.map(|name| {
            let text =
                format!("${name} has changed, which needs a restart: that of the start holds on");
            self.changes.add(&*text);
            self.log.line(Level::Warning, &*text);
            text
        });
        lines.collect()
    }
}

/// A report in one line of the log.
pub(crate) fn one_line(text: &str) -> String {
    text.split('\n')
        .map(str::trim)
        .take(2)
        .collect::<Vec<_>>()
        .join(": ")
}

/// How many mails of each kind are remembered for their next recipients.
const MAILS: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_of_two_lines_and_a_mark_becomes_one() {
        assert_eq!(
            one_line("f:1:2: error: x\n    $A = ;\n       ^"),
            "f:1:2: error: x: $A = ;"
        );
    }
}
