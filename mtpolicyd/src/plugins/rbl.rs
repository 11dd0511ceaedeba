//! `RBL`: whether a DNS list has the client's address.

use std::{net::IpAddr, sync::Arc};

use policy_dns::list::Subject;

use super::shared::{CodeScores, Hit, ListCheck, client_address};
use crate::{
    chain::plugin::{Plugin, Step, Work},
    chain::{Call, Scoring, Setting, answer, failure, fill},
    config::{ListKind, Section},
};

#[derive(Debug)]
struct Rbl {
    list: ListCheck,
    enabled: Setting,
    action: ListAction,
    /// What the session keeps of the answer.
    result: String,
    is_ipv4_only: bool,
}

/// What `RBL` and `RBLAction` do with a client that is listed.
#[derive(Debug)]
pub(super) struct ListAction {
    name: Arc<str>,
    mode: Setting,
    message: String,
    scores: CodeScores,
    scoring: Scoring,
    done: String,
}

pub(super) fn new(section: &mut Section<'_>) -> Box<dyn Plugin> {
    let name = section.name();
    Box::new(Rbl {
        list: ListCheck::read(section, ListKind::Addresses),
        enabled: section.enabled(),
        action: ListAction::read(section),
        result: result_key(&name),
        // The original takes an IPv6 address for the name of a host.
        is_ipv4_only: section.compat(),
    })
}

impl Rbl {
    fn subject(&self, address: &str) -> Option<Subject> {
        let address = address.parse::<IpAddr>().ok()?;
        let is_asked = address.is_ipv4() || !self.is_ipv4_only;
        is_asked.then(|| Subject::from(address))
    }
}

impl Plugin for Rbl {
    fn run<'a>(&'a self, call: &'a mut Call<'_>) -> Step<'a> {
        if self.enabled.is_off(call.session()) {
            return answer(None);
        }
        let address = match client_address(call) {
            Ok(address) => address,
            Err(error) => return failure(error),
        };
        Step::later(async move {
            let subject = self.subject(&address);
            let zone = self.list.zone();
            let Some(hit) = self.list.look_up(call, &self.result, subject).await else {
                call.note(|| format!("ip {address} not on {zone} blacklist"));
                return Ok(None);
            };
            call.note(|| {
                let info = hit.info.as_ref();
                let info = info.map_or_else(String::new, |info| format!(" ({info})"));
                format!("ip {address} on {zone} blacklist{info}")
            });
            Ok(self.action.act(call, &address, &hit))
        })
    }

    fn prefetch<'a>(&'a self, call: &Call<'a>) -> Option<Work<'a>> {
        if self.enabled.is_off(call.session()) || call.cached(&self.result).is_some() {
            return None;
        }
        let subject = self.subject(&call.text("client_address")?)?;
        let services = call.services();
        Some(Box::pin(async move {
            self.list.ask_ahead(services, &subject).await;
        }))
    }
}

impl ListAction {
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        let name = section.name();
        Self {
            mode: section.mode(
                "mode",
                "reject",
                &["reject", "accept", "passive"],
                "passive",
            ),
            message: section.text_or("reject_message", "delivery from %IP% rejected %INFO%"),
            scores: CodeScores::read(section, "score", None),
            scoring: section.scoring(),
            done: format!("rbl-{name}-score"),
            name,
        }
    }

    /// Scores, and answers as `mode` says.
    pub(super) fn act(&self, call: &mut Call<'_>, address: &str, hit: &Hit) -> Option<String> {
        let score = self.scores.score(&hit.codes);
        call.add_score_once(&self.scoring, &self.name, score.as_ref(), &self.done);
        match self.mode.text(call.session()) {
            "reject" => {
                let info = hit.info.as_deref().filter(|info| !info.is_empty());
                let info = info.map_or_else(String::new, |info| format!("({info})"));
                let values = [("%IP%", address), ("%INFO%", &info)];
                Some(format!("reject {}", fill(&self.message, &values)))
            }
            "accept" => Some("dunno".to_owned()),
            _ => None,
        }
    }
}

/// Where the session keeps the result of the `RBL` of this name.
pub(super) fn result_key(name: &str) -> String {
    format!("rbl-{name}-result")
}
