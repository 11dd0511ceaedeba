//! The score: 23 steps over a request and what DNS has said about it, in the order of the Perl program.
//!
//! ```text
//!  before        3  the same mail again      memory
//!                4  known from before        cache
//!  lists         5  lists of addresses       6  lists only
//!  (cache)       7  accepted before
//!  names         8  MX and A of sender and HELO      9  the network of the client
//!               10  numeric HELO            11  sender against HELO
//!               12  client dialled in       13  reverse name against HELO
//!               14  HELO dialled in         15  nobody, anonymous
//!               16  client not of the sender's domain
//!               17  many labels             18  random sender
//!               19  lists of domains
//!  decision     20  the sum                 21  nothing in DNS
//!               22  reject                  23  accept
//! ```
//!
//! Nothing here asks DNS, reads a clock or remembers anything: the same facts have the same score.

mod decision;
mod facts;
mod from_helo;
mod items;
mod lists;
mod names;
mod pattern;
mod reverse;
mod sender;

pub use decision::{Cached, Decision, Verdict};
pub use facts::{Addresses, Facts, ListFact, Lookup, with_parents};
pub use items::Row;

use std::{fmt, ops::ControlFlow};

use crate::{
    config::{Config, Score},
    mail::Mail,
    number,
};

/// A score on its way.
#[derive(Clone, Debug)]
pub struct Scoring<'a> {
    config: &'a Config,
    mail: &'a Mail,
    /// The items so far, each with a blank before it.
    text: String,
    rate: f64,
    /// The sum of hits on lists, which other checks count with. It can be negative.
    list_sum: f64,
    list_hits: f64,
    /// How many errors of DNS are left until the request is let through.
    dns_errors_left: f64,
    client_seems_dialup: bool,
    lists_considered: usize,
    /// Lists of addresses that were skipped after errors.
    lists_away: Vec<&'a str>,
    /// Whether DNS has answered anything that was asked about this request.
    dns_has_answered: bool,
    /// Made where somebody is shown them.
    rows: Option<Vec<Row>>,
    /// The points of each step.
    points: Vec<(&'static str, f64)>,
    /// The items that have raised the sum.
    reason: String,
    helo: Helo,
    from: From,
    /// Parts of a reject's text.
    relay_message: String,
    dyndns_message: String,
    lists_message: String,
    nothing_in_dns: bool,
}

/// What the checks have found about the HELO name.
#[derive(Clone, Copy, Debug, Default)]
struct Helo {
    state: HeloState,
    /// Only the /16 agrees, or a reverse name that nobody has checked.
    is_unverified: bool,
    needs_reverse_check: bool,
    numeric_score: f64,
}

/// Whether the HELO name belongs to the client.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum HeloState {
    /// Nothing was found.
    #[default]
    Unknown,
    /// It does.
    Verified,
    /// It does not.
    Failed,
}

/// What the checks have found about the sender's domain.
#[derive(Clone, Debug, Default)]
struct From {
    /// The addresses of its hosts, each with a blank before it.
    addresses: String,
    /// Its hosts that take mail, each with a dot before it and a blank behind.
    mx_names: String,
    /// The client takes mail for it.
    is_mx: bool,
    /// The client takes mail for it or for the HELO name.
    mx_ok: bool,
    is_client: bool,
    bogus_mx: bool,
    bogus_penalty: f64,
    /// The client's relation to the domain has to be checked.
    needs_client_check: bool,
    /// Addresses of both names, each with a blank before it.
    all_addresses: String,
    /// Some question about names has been answered.
    any_answer: bool,
}

impl<'a> Scoring<'a> {
    /// Nothing so far.
    #[must_use]
    pub fn new(config: &'a Config, mail: &'a Mail) -> Self {
        Self {
            config,
            mail,
            text: String::with_capacity(TEXT),
            rate: 0.0,
            list_sum: 0.0,
            list_hits: 0.0,
            dns_errors_left: config.max_dns_errors,
            client_seems_dialup: false,
            lists_considered: 0,
            lists_away: vec![],
            dns_has_answered: false,
            rows: None,
            points: Vec::with_capacity(POINTS),
            reason: String::new(),
            helo: Helo {
                state: if mail.helo_is_address {
                    HeloState::Verified
                } else {
                    HeloState::Unknown
                },
                ..Helo::default()
            },
            from: From::default(),
            relay_message: String::new(),
            dyndns_message: String::new(),
            lists_message: String::new(),
            nothing_in_dns: false,
        }
    }

    /// The same, with the rows of the decision.
    #[must_use]
    pub fn with_rows(self) -> Self {
        Self {
            rows: Some(vec![]),
            ..self
        }
    }

    /// Whether a list that counts has the client.
    #[must_use]
    pub fn is_listed(&self) -> bool {
        self.list_hits >= 1.0
    }

    /// How many lists have been considered: those after a cut-off have not.
    #[must_use]
    pub fn lists_considered(&self) -> usize {
        self.lists_considered
    }

    /// Steps 8 to 23.
    #[must_use]
    pub fn finish(mut self, facts: &Facts) -> Decision {
        match self.all_steps(facts) {
            ControlFlow::Break(decision) => decision,
            ControlFlow::Continue(()) => self.decide(),
        }
    }

    fn all_steps(&mut self, facts: &Facts) -> ControlFlow<Decision> {
        self.lists_away(facts)?;
        self.names(facts)?;
        self.helo_numeric();
        self.sender_against_helo();
        self.client_dialup(facts);
        self.reverse_against_helo(facts);
        self.helo_dialup();
        self.anonymous();
        self.client_of_domain();
        self.many_labels();
        let random_penalty = self.random_sender();
        self.optional(facts);
        self.domain_lists(facts, random_penalty)
    }

    /// An error of DNS: after too many of them the request is let through.
    fn dns_error(&mut self, of: fmt::Arguments<'_>) -> ControlFlow<Decision> {
        let is_last = self.dns_errors_left <= 1.0;
        self.dns_errors_left -= 1.0;
        if !is_last {
            return ControlFlow::Continue(());
        }
        let Config {
            answer_prefix,
            max_dns_errors_message,
            ..
        } = self.config;
        let action = format!("{answer_prefix} {max_dns_errors_message} in {of}");
        ControlFlow::Break(self.decision(action, Verdict::Accepted))
    }

    /// Steps of our own, without a score by default.
    fn optional(&mut self, facts: &Facts) {
        let (config, mail) = (self.config, self.mail);
        if let Some((result, score)) = scored(&config.spf_scores, facts.spf.as_deref()) {
            self.add(
                "SPF",
                &mail.from,
                format_args!("SPF_{}", result.to_ascii_uppercase()),
                score,
            );
        }
        if let Some((country, score)) = scored(&config.country_scores, facts.country.as_deref()) {
            self.add(
                "country",
                &mail.ip,
                format_args!("COUNTRY_{}", country.to_ascii_uppercase()),
                score,
            );
        }
    }

    /// A decision with what is known so far.
    fn decision(&mut self, action: String, verdict: Verdict) -> Decision {
        Decision {
            action,
            verdict,
            log: None,
            cached: None,
            reject_text: None,
            rate: number::print(self.rate),
            points: std::mem::take(&mut self.points),
            rows: self.rows.take().unwrap_or_default(),
        }
    }
}

fn scored<'a>(scores: &'a [(String, Score)], found: Option<&str>) -> Option<&'a (String, Score)> {
    let found = found?;
    scores
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(found))
}

/// Most texts of items are shorter.
const TEXT: usize = 512;
/// Most scores have fewer.
const POINTS: usize = 16;

#[cfg(test)]
mod tests;
