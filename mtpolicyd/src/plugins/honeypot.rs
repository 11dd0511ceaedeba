//! `Honeypot`: who writes to a trap is kept out for a time, whatever else it sends.

use std::{sync::Arc, time::Duration};

use super::shared::Masks;
use crate::{
    chain::plugin::{Plugin, PluginError, Step},
    chain::{Call, Chain, Pattern, Score, Scoring, Setting, answer, failure},
    config::Section,
    connection::StoreHandle,
};

#[derive(Debug)]
struct Honeypot {
    name: Arc<str>,
    enabled: Setting,
    recipients: Vec<String>,
    patterns: Vec<Pattern>,
    mode: String,
    message: String,
    score: Option<Score>,
    scoring: Scoring,
    expire: Duration,
    masks: Masks,
    store: StoreHandle,
    chain: Option<Chain>,
    done: String,
    compat: bool,
}

pub(super) fn new(section: &mut Section<'_>) -> Box<dyn Plugin> {
    let name = section.name();
    let modes = ["reject", "passive"];
    let mode = section.word("mode", "reject", &modes, "passive");
    Box::new(Honeypot {
        enabled: section.enabled(),
        recipients: section.list("recipients"),
        patterns: patterns(section),
        mode,
        message: section.text_or("reject_message", "trapped by honeypod"),
        score: section.score("score"),
        scoring: section.scoring(),
        expire: Duration::from_secs(section.count("expire", 7200)),
        masks: Masks::read(section),
        store: store(section),
        chain: section.chain(),
        done: format!("{name}-score"),
        compat: section.compat(),
        name,
    })
}

/// Expressions with commas between them; so none may hold a comma.
fn patterns(section: &mut Section<'_>) -> Vec<Pattern> {
    let mut patterns = Vec::new();
    for text in section.list("recipients_re") {
        match Pattern::compile(&text) {
            Ok(pattern) => patterns.push(pattern),
            Err(error) => {
                let text = format!("`recipients_re`: `{text}` is no regular expression: {error}");
                section.error("recipients_re", text);
            }
        }
    }
    patterns
}

/// Who is kept out is in the store of the connection `store`: by default `memcached`, or memory where there is none.
fn store(section: &mut Section<'_>) -> StoreHandle {
    if section.text("store").is_some() || section.has_connection("memcached") {
        section.store("store", "memcached")
    } else {
        section.shared_memory("honeypot")
    }
}

impl Honeypot {
    fn is_trap(&self, recipient: &str) -> bool {
        let is_match = |pattern: &Pattern| pattern.is_match(recipient.as_bytes());
        self.recipients.iter().any(|trap| trap == recipient) || self.patterns.iter().any(is_match)
    }

    /// Whether the client is kept out; from now on, if it writes to a trap.
    async fn is_trapped(&self, call: &mut Call<'_>) -> Result<bool, PluginError> {
        let address = call.text("client_address").unwrap_or_default();
        let key = format!("{},{}", self.name, self.masks.network(&address));
        let failed = |error| self.store.failed(error);
        let store = self.store.get().await.map_err(failed)?;
        if store.get(key.as_bytes()).await.map_err(failed)?.is_some() {
            call.note(|| format!("ip {address} is in the honeypot"));
            return Ok(true);
        }
        let recipient = call.text("recipient").unwrap_or_default();
        if !self.is_trap(&recipient) {
            return Ok(false);
        }
        call.note(|| format!("ip {address} writes to {recipient}: into the honeypot"));
        let expire = Some(self.expire);
        let set = store.set(key.as_bytes(), b"1", expire).await;
        set.map_err(failed)?;
        Ok(true)
    }
}

impl Plugin for Honeypot {
    fn run<'a>(&'a self, call: &'a mut Call<'_>) -> Step<'a> {
        if self.enabled.is_off(call.session()) {
            return answer(None);
        }
        if self.compat {
            // The original asks for a store that its server has no more.
            return failure(PluginError::other("Can't locate memcached of the server"));
        }
        Step::later(async move {
            if !self.is_trapped(call).await? {
                return Ok(None);
            }
            if self.mode == "reject" {
                return Ok(Some(format!("reject {}", self.message)));
            }
            call.add_score_once(&self.scoring, &self.name, self.score.as_ref(), &self.done);
            let Some(chain) = &self.chain else {
                return Ok(None);
            };
            let verdict = chain.run(call).await?;
            Ok(verdict.map(|verdict| verdict.action))
        })
    }

    fn nested(&self) -> Option<&Chain> {
        self.chain.as_ref()
    }
}
