//! DNS in the log: that no name server answers, what has become of lists, and that all is well again, a line each.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use policy_daemon::log::Level;
use policy_dns::DnsCounts;

use super::{Policy, Settings};
use crate::dns::ListStatus;

/// Whether it has been said that no name server answers.
#[derive(Debug, Default)]
pub(super) struct DnsState(AtomicBool);

impl Policy {
    /// Tests the lists if that is due, and says what has become of them.
    pub async fn test_lists(&self) {
        let settings = self.settings();
        let dns = settings.dns();
        dns.lists().test_if_due(dns.resolver()).await;
        self.tell_dns(&settings);
    }

    /// Says what has changed of the name servers and of each list.
    pub(super) fn tell_dns(&self, settings: &Settings) {
        let (lists, counts) = (settings.dns().lists(), settings.dns().resolver().counts());
        // The Perl program says nothing of it.
        if !settings.config().compat && self.dns_state.has_changed(counts) {
            self.tell_servers(settings, counts.is_answering());
            // Then they are asked again where they were skipped; in an outage the tests see its end without a request.
            lists.test_soon();
        }
        // What lists do while no server answers is not theirs, nor is what was known before they are tested again.
        if self.dns_state.0.load(Relaxed) || lists.await_test() {
            return;
        }
        for status in lists.changes() {
            self.tell_list(&status);
        }
    }

    fn tell_servers(&self, settings: &Settings, is_answering: bool) {
        let servers = settings.dns().servers();
        if is_answering {
            self.tell(Level::Info, format!("DNS answers again at {servers}"));
        } else {
            self.tell(
                Level::Error,
                format!(
                    "DNS does not answer at {servers}: until it does, clients that the cache does not know get $MAXDNSERRMSG"
                ),
            );
        }
    }

    fn tell_list(&self, status: &ListStatus) {
        match status {
            ListStatus::Failing(zone, why) => self.tell(
                Level::Warning,
                format!("the list {zone} is skipped until it passes its test: {why}"),
            ),
            ListStatus::Errors(zone) => self.tell(
                Level::Warning,
                format!(
                    "the list {zone} is skipped, and tried once a minute: too many errors in a row"
                ),
            ),
            ListStatus::NoTest(zone) => self.tell(
                Level::Warning,
                format!("the list {zone} does not answer its test, which is done again soon"),
            ),
            ListStatus::Asked(zone) => {
                self.tell(Level::Info, format!("the list {zone} is asked again"));
            }
            ListStatus::Tested(zone) => {
                self.tell(
                    Level::Info,
                    format!("the list {zone} has answered its test"),
                );
            }
            ListStatus::Back(zone) => self.tell(
                Level::Info,
                format!("the list {zone} has answered its test, and is asked again"),
            ),
        }
    }

    fn tell(&self, level: Level, text: String) {
        self.changes.add(&*text);
        self.log.line(level, text);
    }
}

impl DnsState {
    /// Whether servers answer that did not when this was called last, or the other way.
    fn has_changed(&self, counts: DnsCounts) -> bool {
        let is_silent = if counts.is_answering() {
            // A resolver that a reload has made was asked nothing so far: that is no answer.
            let has_answered = counts.records + counts.empty + counts.failed > 0;
            self.0.load(Relaxed) && !has_answered
        } else {
            true
        };
        self.0.swap(is_silent, Relaxed) != is_silent
    }
}
