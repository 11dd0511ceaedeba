//! The state of the name servers: that none answers, and that one answers again, is said once in the log.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use policy_daemon::log::Level;

use crate::services::Services;

/// Whether it has been said that no name server answers.
#[derive(Debug, Default)]
pub(super) struct DnsState(AtomicBool);

impl DnsState {
    /// Says what has changed since it was called last.
    pub(super) fn say_changes(&self, services: &Services) {
        let (counts, _) = services.dns.counts();
        let is_silent = !counts.is_answering();
        if self.0.swap(is_silent, Relaxed) == is_silent {
            return;
        }
        let journal = &services.journal;
        let servers = services.dns.addresses();
        if is_silent {
            let text = format!(
                "DNS does not answer at {servers}: until it does, lists have nobody, and SPF is undecided"
            );
            journal.line(0, &text);
            journal.changes().add(text);
        } else {
            let text = format!("DNS answers again at {servers}");
            journal.log().line(Level::Info, &*text);
            journal.changes().add(text);
        }
    }
}
