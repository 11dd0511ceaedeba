//! `DBL`: whether a DNS list has the domain of the sender, of the client's reverse name, or of HELO.

use std::{borrow::Cow, sync::Arc};

use policy_dns::{Name, list::Subject};

use super::shared::{CodeScores, Hit, ListCheck};
use crate::{
    chain::plugin::{Plugin, PluginError, Step, Work},
    chain::{Call, Scoring, Setting, answer, fill},
    config::{ListKind, Section},
};

#[derive(Debug)]
struct Dbl {
    list: ListCheck,
    enabled: Setting,
    checks: [Check; 3],
    message: String,
    scoring: Scoring,
    compat: bool,
}

/// One of the three domains.
#[derive(Debug)]
struct Check {
    attribute: &'static str,
    mode: Setting,
    scores: CodeScores,
    /// `NAME-ATTRIBUTE`, with which it is scored.
    name: Arc<str>,
    result: String,
    done: String,
}

pub(super) fn new(section: &mut Section<'_>) -> Box<dyn Plugin> {
    Box::new(Dbl {
        list: ListCheck::read(section, ListKind::Domains),
        enabled: section.enabled(),
        checks: CHECKS.map(|(attribute, mode, score)| check(section, attribute, mode, score)),
        message: section.text_or("reject_message", "%CHECK% rejected (%HOSTNAME%%INFO%)"),
        scoring: section.scoring(),
        compat: section.compat(),
    })
}

fn check(section: &mut Section<'_>, attribute: &'static str, mode: &str, score: &str) -> Check {
    let name = format!("{}-{attribute}", section.name());
    Check {
        attribute,
        mode: section.mode(
            &format!("{attribute}_mode"),
            mode,
            &["reject", "passive"],
            "passive",
        ),
        scores: CodeScores::read(section, &format!("{attribute}_score"), Some(score)),
        result: format!("{name}-result"),
        done: format!("{name}-score"),
        name: name.into(),
    }
}

impl Dbl {
    async fn check(
        &self,
        call: &mut Call<'_>,
        check: &Check,
    ) -> Result<Option<String>, PluginError> {
        let attribute = check.attribute;
        let Some(value) = call.text(attribute) else {
            let text = format!("{attribute} not defined in request!");
            return Err(PluginError::Other(text));
        };
        let Some(domain) = domain_in(attribute, &value) else {
            return Ok(None);
        };
        let zone = self.list.zone();
        let subject = self.subject(domain);
        let Some(hit) = self.list.look_up(call, &check.result, subject).await else {
            call.note(|| format!("domain {domain} not on {zone} blacklist"));
            return Ok(None);
        };
        call.note(|| {
            let info = hit.info.as_ref();
            let info = info.map_or_else(String::new, |info| format!(" ({info})"));
            format!("domain {domain} is on {zone} blacklist{info}")
        });
        let score = check.scores.score(&hit.codes);
        call.add_score_once(&self.scoring, &check.name, score.as_ref(), &check.done);
        let is_rejected = check.mode.text(call.session()) == "reject";
        Ok(is_rejected.then(|| self.rejection(attribute, domain, &hit)))
    }

    fn subject(&self, domain: &str) -> Option<Subject> {
        if self.compat {
            return Name::parse(domain).ok().map(Subject::from);
        }
        Subject::domain(domain)
    }

    fn rejection(&self, attribute: &str, domain: &str, hit: &Hit) -> String {
        // An empty text is shown by the original alone, in quotes.
        let info = hit.info.as_deref().filter(|info| !info.is_empty());
        let info = info.map_or_else(String::new, |info| format!(", {info}"));
        let values = [
            ("%CHECK%", attribute),
            ("%HOSTNAME%", domain),
            ("%INFO%", &info),
        ];
        format!("reject {}", fill(&self.message, &values))
    }
}

impl Plugin for Dbl {
    fn run<'a>(&'a self, call: &'a mut Call<'_>) -> Step<'a> {
        if self.enabled.is_off(call.session()) {
            return answer(None);
        }
        Step::later(async move {
            for check in &self.checks {
                if let Some(action) = self.check(call, check).await? {
                    return Ok(Some(action));
                }
            }
            Ok(None)
        })
    }

    fn prefetch<'a>(&'a self, call: &Call<'a>) -> Option<Work<'a>> {
        if self.enabled.is_off(call.session()) {
            return None;
        }
        let unknown = self
            .checks
            .iter()
            .filter(|check| call.cached(&check.result).is_none());
        let subjects: Vec<_> = unknown
            .filter_map(|check| {
                let value: Cow<'a, str> = call.text(check.attribute)?;
                self.subject(domain_in(check.attribute, &value)?)
            })
            .collect();
        let services = call.services();
        Some(Box::pin(async move {
            let questions = subjects
                .iter()
                .map(|subject| self.list.ask_ahead(services, subject));
            futures_util::future::join_all(questions).await;
        }))
    }
}

/// The domain in an attribute: none if that is empty or `unknown`, an address, or a name without a dot.
fn domain_in<'v>(attribute: &str, value: &'v str) -> Option<&'v str> {
    let is_address = value.contains(':')
        || (value.split('.').count() == 4
            && value
                .split('.')
                .all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit())));
    if value == "unknown" || is_address || !value.contains('.') {
        return None;
    }
    let domain = match value.split_once('@') {
        Some((_, domain)) if attribute == "sender" => domain,
        _ => value,
    };
    Some(domain)
}

/// The attributes in their order, with the defaults of mode and score.
const CHECKS: [(&str, &str, &str); 3] = [
    ("sender", "reject", "5"),
    ("reverse_client_name", "reject", "2.5"),
    ("helo_name", "passive", "1"),
];
