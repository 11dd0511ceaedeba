//! Steps 5, 6 and 19: DNS lists of the client's address, and of the sender's domain.

use std::ops::ControlFlow;

use super::{Cached, Decision, Facts, ListFact, Scoring, Verdict, decision::is_temporary};
use crate::{
    config::{ListOption, Score},
    number,
};

impl Scoring<'_> {
    /// Steps 5 and 6: what each list of `@dnsbl_score` has said, in its order.
    pub fn lists(&mut self, facts: &[ListFact]) -> ControlFlow<Decision> {
        let config = self.config;
        for (index, list) in config.lists.iter().enumerate() {
            self.lists_considered = index + 1;
            self.list(list, facts.get(index).copied().unwrap_or_default())?;
        }
        let prefix = &config.answer_prefix;
        if config.lists_only {
            let action = format!("{prefix} {} (only DNSBL check requested)", self.text);
            return ControlFlow::Break(self.decision(action, Verdict::Undecided));
        }
        let name = self.mail.client_name.as_bytes();
        let matching = config
            .lists_only_clients
            .iter()
            .find(|(_, regex)| !name.is_empty() && regex.is_match(name));
        if let Some((number, _)) = matching {
            let action = format!(
                "{prefix} {} (only DNSBL check requested (regex-nr: {number}))",
                self.text
            );
            return ControlFlow::Break(self.decision(action, Verdict::Undecided));
        }
        ControlFlow::Continue(())
    }

    fn list(&mut self, list: &ListOption, fact: ListFact) -> ControlFlow<Decision> {
        let config = self.config;
        let zone = list.shown();
        // The Perl program takes a list that does not answer for one that does not have the client.
        let without_answer = if config.compat {
            list.miss.clone()
        } else {
            Score::of(0.0)
        };
        match fact {
            ListFact::Listed { is_trusted } => return self.listed(list, is_trusted),
            ListFact::NotListed => {
                let item = format!("NOT_IN_{}", list.name);
                if config.log_bad_lists_only && list.miss.value == 0.0 {
                    self.row("list", zone, "not listed", &list.miss);
                } else {
                    self.add("list", zone, &item, &list.miss);
                }
            }
            ListFact::Error => {
                self.dns_error(&format!("{zone} lookups"))?;
                self.add_in_parentheses(
                    "list",
                    zone,
                    &format!("{}=ERR", list.name),
                    &without_answer,
                );
            }
            ListFact::Skipped => {
                self.add_in_parentheses(
                    "list",
                    zone,
                    &format!("{}=SKIP", list.name),
                    &without_answer,
                );
            }
            ListFact::Dead if config.log_bad_lists_only => {
                self.row("list", zone, "dead", &Score::of(0.0))
            }
            ListFact::Dead => self.add_in_parentheses(
                "list",
                zone,
                &format!("{}=DEAD", list.name),
                &Score::of(0.0),
            ),
        }
        ControlFlow::Continue(())
    }

    fn add_in_parentheses(&mut self, step: &'static str, zone: &str, item: &str, score: &Score) {
        self.text.push_str(&format!(" {item}({})", score.text));
        self.rate += score.value;
        self.row(step, zone, item, score);
    }

    fn listed(&mut self, list: &ListOption, is_trusted: bool) -> ControlFlow<Decision> {
        let config = self.config;
        self.add(
            "list",
            list.shown(),
            &format!("IN_{}", list.name),
            &list.hit,
        );
        if is_trusted {
            self.list_sum += list.hit.value;
        }
        self.client_seems_dialup |= list.is_for_dialups();
        if list.hit.value <= 0.0 {
            return ControlFlow::Continue(());
        }
        self.list_hits += 1.0;
        if self.list_hits <= config.max_list_hits && self.list_sum <= config.max_list_score {
            return ControlFlow::Continue(());
        }
        let message = &config.max_list_message;
        let action = format!(
            "{message}; check http://www.robtex.com/rbl/{}.html",
            self.mail.ip
        );
        let log = self.log_line(&number::print(self.rate));
        let reason = self.reason();
        let is_cached = config.cache.spam_size > 0 && !is_temporary(message.trim_start());
        let cached = is_cached.then(|| Cached::Spam {
            by_sender: false,
            rate: number::print(self.list_sum),
            reason,
        });
        let decision = self.decision(action, Verdict::Rejected);
        ControlFlow::Break(Decision {
            log: Some(log),
            cached,
            ..decision
        })
    }

    /// Step 19: lists of domains, if the client is not rejected yet.
    pub(super) fn domain_lists(&mut self, facts: &Facts, penalty: f64) -> ControlFlow<Decision> {
        let config = self.config;
        let Some(domain) = self
            .mail
            .listed_domain()
            .filter(|_| self.rate < config.reject_level)
        else {
            return ControlFlow::Continue(());
        };
        let is_doubtful =
            self.from.needs_client_check || self.helo.is_unverified || self.from.bogus_mx;
        let doubt = if is_doubtful {
            config.scores.rhsbl_penalty.hit.value
        } else {
            0.0
        };
        let penalty = penalty + doubt;
        for (index, list) in config.domain_lists.iter().enumerate() {
            let zone = list.shown();
            match facts.domain_lists.get(index).copied().unwrap_or_default() {
                ListFact::Listed { .. } => {
                    let score = number::round((list.hit.value + penalty) + self.list_sum / 2.0);
                    self.add_number(
                        "domain list",
                        &format!("{domain} in {zone}"),
                        &format!("IN_{}", list.name),
                        score,
                    );
                    self.rate = number::round(self.rate);
                    self.lists_message.push_str(&format!("; in {zone}"));
                }
                ListFact::Error => self.dns_error(&format!("{zone} lookups"))?,
                ListFact::NotListed | ListFact::Skipped | ListFact::Dead => {}
            }
        }
        ControlFlow::Continue(())
    }
}
