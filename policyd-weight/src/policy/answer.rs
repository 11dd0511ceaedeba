//! One request: the memory, the cache, the lists and names, and what is remembered of the decision.

use std::ops::ControlFlow;

use policy_daemon::log::{Entry, Field, Level, MessageId};
use policy_dns::Resolver;
use tokio::time::{Instant, timeout_at};

use super::{
    Decided, NotAnswered, Policy, Settings,
    action::{sent, without_score},
    check_request,
};
use crate::{
    cache::{Known, now},
    config::Config,
    counters::DecidedBy,
    mail::{Attributes, Mail},
    memory::Remembered,
    score::{Decision, Scoring, Verdict},
    text::bytes,
};

impl Policy {
    /// The answer to a request, with its lines in the log; why there is none is for the caller to say.
    ///
    /// # Errors
    ///
    /// [`NotAnswered`].
    pub async fn answer(&self, attributes: &Attributes<'_>) -> Result<String, NotAnswered> {
        self.answer_and_tell(attributes, None).await
    }

    /// The same, which tells how it was decided.
    pub(crate) async fn answer_and_tell(
        &self,
        attributes: &Attributes<'_>,
        told: Option<&mut Decided>,
    ) -> Result<String, NotAnswered> {
        check_request(attributes)?;
        let start = now();
        let settings = self.settings();
        let config = settings.config();
        let begin = self.log.has_fields().then(Instant::now);
        let action = self.decide(&settings, attributes, told).await?;
        let action = sent(config, attributes, action);
        if self.is_logged(config, attributes) {
            let delay = now().saturating_sub(start).to_string();
            // Not by `format!`: each request costs this line.
            let line = [
                b"decided action=",
                &*bytes(&action),
                b"; ",
                &attributes.trace(config.debug),
                b"; delay: ",
                delay.as_bytes(),
                b"s",
            ];
            self.log_request(line.concat(), attributes, &action, begin);
        }
        Ok(action)
    }

    /// Whether the lines of a message are written.
    fn is_logged(&self, config: &Config, attributes: &Attributes<'_>) -> bool {
        let sample = config.log_sample;
        let instance = || attributes.instance.to_ascii_lowercase();
        sample.is_all() || self.log.takes_sampled(sample, &instance())
    }

    /// The line of a request. It has fields where it is known when the request came.
    fn log_request(
        &self,
        line: Vec<u8>,
        attributes: &Attributes<'_>,
        action: &str,
        begin: Option<Instant>,
    ) {
        let Some(begin) = begin else {
            return self.log.info(line);
        };
        let lower = <[u8]>::to_ascii_lowercase;
        let millis = begin.elapsed().as_secs_f64() * 1000.0;
        let entry = Entry::new(Level::Info, line)
            .with_id(MessageId::REQUEST)
            .with(Field::Instance, lower(attributes.instance))
            .with(Field::ClientName, lower(attributes.client_name))
            .with(Field::ClientAddress, lower(attributes.client_address))
            .with(Field::HeloName, lower(attributes.helo_name))
            .with(Field::Sender, lower(attributes.sender))
            .with(Field::Recipient, lower(attributes.recipient))
            .with(Field::Action, bytes(action))
            .with(Field::Ms, format!("{millis:.1}"));
        self.log.entry(&entry);
    }

    async fn decide(
        &self,
        settings: &Settings,
        attributes: &Attributes<'_>,
        mut told: Option<&mut Decided>,
    ) -> Result<String, NotAnswered> {
        let config = settings.config();
        let is_told = told.is_some();
        let mut decided = |by| {
            self.counters.decided(by);
            if let Some(told) = &mut told {
                told.by = Some(by);
            }
        };
        if let Some(action) = without_score(attributes) {
            decided(DecidedBy::Request);
            return Ok(action);
        }
        let mail = Mail::new(attributes);
        let remembered = self.memory.get(&mail.key, &config.reject_message);
        if remembered.is_some() {
            decided(DecidedBy::Memory);
        }
        match remembered {
            Some(Remembered::Accepted) => {
                return Ok("DUNNO multirecipient-mail - already accepted by previous query".into());
            }
            Some(Remembered::Rejected(text)) => return Ok(format!("{text} (multirecipient mail)")),
            None => {}
        }
        let known = self
            .cache
            .ask(&mail, &config.cache, config.compat, now())
            .await;
        self.counters.looked_up(known.as_ref());
        let accepted = |rate: &str| {
            format!(
                "{} {}; rate:{rate}",
                config.answer_prefix, config.cache.ham_message
            )
        };
        let soft = match known {
            Some(Known::Spam(text)) => {
                decided(DecidedBy::SpamCache);
                self.memory.rejected(&mail.key, Some(&text), &text);
                return Ok(text);
            }
            Some(Known::Hard(rate)) => {
                decided(DecidedBy::HamCache);
                self.memory.accepted(&mail.key);
                return Ok(accepted(&format!("hard: {rate}")));
            }
            Some(Known::Soft(rate)) => Some(rate).filter(|_| config.cache.ham_size > 0),
            None => None,
        };
        let deadline = Instant::now() + config.request_timeout;
        let Ok(Ok(_permit)) = timeout_at(deadline, self.under_way.acquire()).await else {
            decided(DecidedBy::Nothing);
            return Ok(settings.default_response());
        };
        match self
            .score(settings, &mail, soft.is_some(), is_told, deadline)
            .await?
        {
            ControlFlow::Continue(()) => {
                decided(DecidedBy::HamCacheAndLists);
                self.memory.accepted(&mail.key);
                Ok(accepted(&format!(" {}", soft.unwrap_or_default())))
            }
            ControlFlow::Break(mut decision) => {
                self.counters.scored(&decision);
                if let Some(told) = told {
                    told.by = Some(DecidedBy::Score);
                    told.steps = std::mem::take(&mut decision.rows);
                }
                let action = decision.action.clone();
                self.take(config, &mail, attributes, decision).await;
                Ok(action)
            }
        }
    }

    /// The score of a mail, with its rows if somebody is told. None where lists alone are to be asked, and have not decided.
    pub(super) async fn score(
        &self,
        settings: &Settings,
        mail: &Mail,
        lists_first: bool,
        is_told: bool,
        deadline: Instant,
    ) -> Result<ControlFlow<Decision>, NotAnswered> {
        let (config, dns) = (settings.config(), settings.dns());
        let resolver = dns.resolver().until(deadline);
        let lists = async {
            // Without their tests lists are not trusted; another one may be testing them without a deadline.
            _ = timeout_at(deadline, dns.lists().test_once(&resolver)).await;
            dns.lists().facts(config, &resolver, mail).await
        };
        let lists_only = lists_first || config.lists_only;
        let (facts_of_lists, mut facts) = if lists_only {
            (lists.await, None)
        } else {
            let (lists, facts) =
                futures_util::future::join(lists, dns.facts(config, mail, deadline)).await;
            (lists, Some(facts))
        };
        self.tell_dns(settings);
        let mut scoring = Scoring::new(config, mail);
        if is_told {
            scoring = scoring.with_rows();
        }
        let decided = scoring.lists(&facts_of_lists);
        let considered = facts_of_lists
            .get(..scoring.lists_considered())
            .unwrap_or_default();
        dns.lists().count_errors(config, considered);
        if let ControlFlow::Break(decision) = decided {
            return Ok(ControlFlow::Break(decision));
        }
        if lists_first && !scoring.is_listed() {
            return Ok(ControlFlow::Continue(()));
        }
        if facts.is_none() {
            facts = Some(dns.facts(config, mail, deadline).await);
        }
        let decision = scoring.finish(&facts.unwrap_or_default());
        if decision.verdict == Verdict::Unanswered {
            return Err(NotAnswered::Label);
        }
        Ok(ControlFlow::Break(decision))
    }

    /// Logs and remembers a decision.
    async fn take(
        &self,
        config: &Config,
        mail: &Mail,
        attributes: &Attributes<'_>,
        decision: Decision,
    ) {
        if let Some(line) = &decision.log
            && self.is_logged(config, attributes)
        {
            self.log.info(bytes(line));
        }
        match decision.verdict {
            Verdict::Accepted => self.memory.accepted(&mail.key),
            Verdict::Rejected => {
                self.memory
                    .rejected(&mail.key, decision.reject_text.as_deref(), &decision.action);
            }
            Verdict::Undecided | Verdict::Unanswered => {}
        }
        let Some(cached) = &decision.cached else {
            return;
        };
        if let Some(purged) = self.cache.learn(mail, cached, &config.cache, now()).await {
            self.counters.purged(purged.table == "HAM", purged.count);
            let text = format!(
                "cache: purged {} from {} cache, time: 0s",
                purged.count, purged.table
            );
            self.log.info(text);
        }
    }
}

#[cfg(test)]
mod tests;
