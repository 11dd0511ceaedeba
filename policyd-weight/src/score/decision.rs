//! Steps 20 to 23: the sum, and what is answered for it.

use super::{HeloState, Row, Scoring};
use crate::{config::Score, number};

/// What a score has come to.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// What Postfix is to do.
    pub action: String,
    /// What the next recipients of the mail are answered.
    pub verdict: Verdict,
    /// The line of the log, if there is one.
    pub log: Option<String>,
    /// What the cache is to know.
    pub cached: Option<Cached>,
    /// The text that answers the next recipients of a rejected mail, if it is new.
    pub reject_text: Option<String>,
    /// The sum, as it is printed.
    pub rate: String,
    /// The points of each step, in their order.
    pub points: Vec<(&'static str, f64)>,
    /// The rows of the score; none if they were not asked for.
    pub rows: Vec<Row>,
}

/// How a mail was decided.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// Its next recipients are accepted.
    Accepted,
    /// Its next recipients are rejected.
    Rejected,
    /// Its next recipients have a score of their own.
    Undecided,
    /// With `--compat`: the Perl program ends here.
    Unanswered,
}

/// What the cache is to know.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Cached {
    /// The client was rejected.
    Spam {
        /// With this sender, and not with others.
        by_sender: bool,
        /// The sum.
        rate: String,
        /// What the sum was made of.
        reason: String,
    },
    /// The client was accepted with this domain.
    Ham {
        /// The sum.
        rate: String,
    },
}

impl Scoring<'_> {
    /// Steps 20 to 23.
    pub(super) fn decide(mut self) -> Decision {
        let config = self.config;
        self.rate = number::round(self.rate);
        if config.debug {
            self.text.push_str(&format!(
                " <helo_ips: {}>",
                self.from.all_addresses.trim_end_matches(' ')
            ));
        }
        let rate = number::print(self.rate);
        let log = Some(self.log_line(&rate));
        self.row("sum", "", "", &Score::default());
        if self.nothing_in_dns && self.list_hits < 2.0 {
            let message = &config.dns_error_message;
            let action = format!(
                "{message} Your HELO: {}, IP: {}",
                self.mail.helo, self.mail.ip
            );
            return Decision {
                log,
                ..self.decision(action, Verdict::Undecided)
            };
        }
        if self.rate >= config.reject_level {
            return Decision {
                log,
                ..self.reject(rate)
            };
        }
        let cached = (config.cache.ham_size > 0 && !self.is_listed())
            .then(|| Cached::Ham { rate: rate.clone() });
        let action = format!("{} {}; rate: {rate}", config.answer_prefix, self.text);
        Decision {
            log,
            cached,
            ..self.decision(action, Verdict::Accepted)
        }
    }

    /// Step 22.
    fn reject(&mut self, rate: String) -> Decision {
        let (config, mail) = (self.config, self.mail);
        let mut message = config.reject_message.clone();
        let defers = |text: &String| self.text.contains(&format!(" {text}"));
        let is_deferred = self.rate < config.defer_level && config.defer_strings.iter().any(defers);
        if is_deferred && let Some((_, rest)) = message.split_once(' ') {
            message = format!("{} {rest}", config.defer_action);
        }
        let remembers = !is_deferred && !is_temporary(&message);
        let has_errors_left = self.dns_errors_left > 0.0;
        let is_of_client =
            self.is_listed() || self.client_seems_dialup || self.helo.state != HeloState::Verified;
        let cached =
            (config.cache.spam_size > 0 && has_errors_left && remembers).then(|| Cached::Spam {
                by_sender: !is_of_client,
                rate,
                reason: self.reason(),
            });
        let mut action = message.clone();
        if self.helo.state != HeloState::Verified && !self.helo.is_unverified {
            let names = format!(
                "; MTA helo: {}, MTA hostname: {}[{}] (helo/hostname mismatch)",
                mail.helo, mail.client_name, mail.ip
            );
            action.push_str(&names);
        }
        action.push_str(&self.lists_message);
        action.push_str(&self.relay_message);
        action.push_str(&self.dyndns_message);
        let reject_text = Some(if config.compat {
            message
        } else {
            action.clone()
        });
        Decision {
            cached,
            reject_text,
            ..self.decision(action, Verdict::Rejected)
        }
    }

    /// The line of the log with the score.
    pub(super) fn log_line(&self, rate: &str) -> String {
        let trace = self.mail.trace(self.config.debug);
        let parts = [
            "weighted check: ",
            &self.text,
            "; ",
            &trace,
            "; rate: ",
            rate,
        ];
        parts.concat()
    }

    /// What has raised the sum.
    pub(super) fn reason(&self) -> String {
        // No text is longer than its bytes: most need no count.
        if self.reason.len() <= MAX_REASON {
            return self.reason.clone();
        }
        self.reason.chars().take(MAX_REASON).collect()
    }
}

/// How long a reason may be: the answer's line has other parts.
const MAX_REASON: usize = 400;

/// Whether an answer says "not now", or names a restriction class: such are not remembered.
pub(super) fn is_temporary(message: &str) -> bool {
    let begins = |word: &str| {
        message
            .get(..word.len())
            .is_some_and(|begin| begin.eq_ignore_ascii_case(word))
    };
    begins("4") || begins("DEFER") || begins("rc:")
}
