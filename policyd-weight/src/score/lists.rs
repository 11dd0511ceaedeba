//! Steps 5, 6 and 19: DNS lists of the client's address, and of the sender's domain.

use std::ops::ControlFlow;

use policy_dns::list::Skipped;

use super::{Cached, Decision, Facts, ListFact, Scoring, Verdict, decision::is_temporary};
use crate::{
    config::{ListOption, Score},
    number,
};

impl<'a> Scoring<'a> {
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

    fn list(&mut self, list: &'a ListOption, fact: ListFact) -> ControlFlow<Decision> {
        let config = self.config;
        let zone = list.shown();
        // The Perl program takes a list that does not answer for one that does not have the client.
        let without_answer = || {
            if config.compat {
                list.miss.clone()
            } else {
                Score::of(0.0)
            }
        };
        match fact {
            ListFact::Listed { is_trusted } => {
                self.dns_has_answered = true;
                return self.listed(list, is_trusted);
            }
            ListFact::NotListed => {
                self.dns_has_answered = true;
                if config.log_bad_lists_only && list.miss.value == 0.0 {
                    self.row("list", zone, "not listed", &list.miss);
                } else {
                    let item = &list.name;
                    self.add("list", zone, format_args!("NOT_IN_{item}"), &list.miss);
                }
            }
            ListFact::Error(error) => {
                self.dns_error(format_args!("{zone} lookups"))?;
                self.without_answer(list, "ERR", &error.to_string(), &without_answer());
            }
            ListFact::Skipped(Skipped::Dead) if config.log_bad_lists_only => {
                self.row("list", zone, "dead", &Score::of(0.0))
            }
            ListFact::Skipped(Skipped::Dead) => {
                let item = format!("{}=DEAD", list.name);
                self.add_in_parentheses(zone, &item, "", &Score::of(0.0));
            }
            ListFact::Skipped(why) => {
                if why == Skipped::Errors {
                    self.lists_away.push(zone);
                }
                self.without_answer(list, "SKIP", &why.to_string(), &without_answer());
            }
            ListFact::NoAddress => {
                let why = "the client has no address";
                self.without_answer(list, "SKIP", why, &without_answer());
            }
        }
        ControlFlow::Continue(())
    }

    /// A list that has not said whether it has the client, and why. The Perl program does not say why.
    fn without_answer(&mut self, list: &ListOption, what: &str, why: &str, score: &Score) {
        let why = if self.config.compat {
            String::new()
        } else {
            format!(" [{why}]")
        };
        let item = format!("{}={what}", list.name);
        self.add_in_parentheses(list.shown(), &item, &why, score);
    }

    fn add_in_parentheses(&mut self, zone: &str, item: &str, why: &str, score: &Score) {
        self.text.push_str(&format!(" {item}({}){why}", score.text));
        self.rate += score.value;
        self.row("list", zone, format_args!("{item}{why}"), score);
    }

    /// Where DNS has answered nothing at all, lists that are skipped after errors are as good as lists that do not answer:
    /// they count as long as that lasts, as they have counted before they were skipped.
    pub(super) fn lists_away(&mut self, facts: &Facts) -> ControlFlow<Decision> {
        self.dns_has_answered |= facts.any_answer();
        if self.config.compat || self.dns_has_answered {
            return ControlFlow::Continue(());
        }
        for zone in std::mem::take(&mut self.lists_away) {
            self.dns_error(format_args!("{zone} lookups"))?;
        }
        ControlFlow::Continue(())
    }

    fn listed(&mut self, list: &ListOption, is_trusted: bool) -> ControlFlow<Decision> {
        let config = self.config;
        self.add(
            "list",
            list.shown(),
            format_args!("IN_{}", list.name),
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
                        format_args!("{domain} in {zone}"),
                        format_args!("IN_{}", list.name),
                        score,
                    );
                    self.rate = number::round(self.rate);
                    self.lists_message.push_str(&format!("; in {zone}"));
                }
                ListFact::Error(_) => self.dns_error(format_args!("{zone} lookups"))?,
                ListFact::Skipped(Skipped::Errors) if !config.compat && !self.dns_has_answered => {
                    self.dns_error(format_args!("{zone} lookups"))?;
                }
                ListFact::NotListed | ListFact::Skipped(_) | ListFact::NoAddress => {}
            }
        }
        ControlFlow::Continue(())
    }
}
