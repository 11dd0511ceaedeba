//! `Greylist`: has a mail from somebody new come again after some minutes, which a real mail server does.

mod autowl;
mod autowl_table;
mod bypass;
mod ticket;

use std::sync::Arc;

use super::shared::Masks;
use crate::{
    chain::plugin::{CronStep, Plugin, PluginError, Step},
    chain::{Call, Score, Scoring, Setting, answer},
    config::Section,
    services::Services,
};
use autowl::AutoWhitelist;
use bypass::Bypass;
use ticket::Tickets;

#[derive(Debug)]
struct Greylist {
    name: Arc<str>,
    enabled: Setting,
    mode: String,
    message: String,
    has_wait_time: bool,
    creates_tickets: bool,
    score: Option<Score>,
    scoring: Scoring,
    masks: Masks,
    bypass: Bypass,
    tickets: Tickets,
    /// None with `use_autowl = 0`.
    autowl: Option<AutoWhitelist>,
    is_autowl_queried: bool,
    compat: bool,
}

/// Who writes to whom, and from where.
#[derive(Debug)]
struct Triplet {
    sender: String,
    /// The client's address, or its network.
    client: String,
    recipient: String,
}

pub(super) fn new(section: &mut Section<'_>) -> Box<dyn Plugin> {
    let modes = ["passive", "accept", "dunno"];
    let mode = section.word("mode", "passive", &modes, "passive");
    let message = section.action("defer_message");
    let compat = section.compat();
    // Both are looked up in the block first, and then here, where those of 1.x have them.
    let tickets = Tickets::read(section);
    let uses_autowl = section.flag("use_autowl", true);
    let autowl = AutoWhitelist::read(section);
    Box::new(Greylist {
        name: section.name(),
        enabled: section.enabled(),
        mode,
        message: message.unwrap_or_else(|| "defer greylisting is active".to_owned()),
        has_wait_time: section.flag("append_waittime", true),
        creates_tickets: section.flag("create_ticket", true),
        score: section.score("score"),
        scoring: section.scoring(),
        masks: Masks::read(section),
        bypass: Bypass::read(section),
        tickets,
        autowl: autowl.filter(|_| uses_autowl),
        is_autowl_queried: section.flag("query_autowl", true),
        compat,
    })
}

impl Greylist {
    fn triplet(&self, call: &Call<'_>) -> Triplet {
        let text = |name| call.text(name).unwrap_or_default();
        Triplet {
            sender: text("sender").into_owned(),
            client: self.masks.network(&text("client_address")),
            recipient: text("recipient").into_owned(),
        }
    }

    async fn check(&self, call: &mut Call<'_>) -> Result<Option<String>, PluginError> {
        let triplet = self.triplet(call);
        if let Some(autowl) = self.autowl.as_ref().filter(|_| self.is_autowl_queried)
            && is_on_autowl(autowl, call, &triplet).await?
        {
            call.note(|| "client on greylist autowl".to_owned());
            return Ok(self.passed(call));
        }
        let Some(ticket) = self.ticket(call, &triplet).await? else {
            if !self.creates_tickets {
                return Ok(None);
            }
            call.note(|| "creating new greylisting ticket".to_owned());
            self.tickets.create(call.services(), &triplet).await?;
            return Ok(Some(self.message.clone()));
        };
        let Triplet {
            sender,
            client,
            recipient,
        } = &triplet;
        let now = call.services().now();
        if now <= ticket {
            call.note(|| {
                format!(
                    "{sender},{client},{recipient} has a invalid greylisting ticket. wait again"
                )
            });
            // It passes after that second.
            let left = if self.compat {
                ticket - now
            } else {
                (ticket - now).max(1)
            };
            let message = &self.message;
            return Ok(Some(if self.has_wait_time {
                format!("{message} ({left}s left)")
            } else {
                message.clone()
            }));
        }
        call.note(|| format!("{sender},{client},{recipient} has a valid greylisting ticket"));
        if let Some(autowl) = &self.autowl
            && !call.is_done("greylist-autowl-add")
        {
            autowl.count(call.services(), &triplet).await?;
        }
        self.tickets.remove(&triplet).await?;
        Ok(self.passed(call))
    }

    /// When the ticket becomes valid, as the session knows it, or else the store.
    async fn ticket(
        &self,
        call: &mut Call<'_>,
        triplet: &Triplet,
    ) -> Result<Option<u64>, PluginError> {
        if let Some(kept) = call.cached("greylist-ticket") {
            return Ok(kept.first().and_then(|text| text.parse().ok()));
        }
        let ticket = self.tickets.get(triplet).await?;
        let kept = Vec::from_iter(ticket.map(|ticket| ticket.to_string()));
        call.keep("greylist-ticket", &kept);
        Ok(ticket)
    }

    fn passed(&self, call: &mut Call<'_>) -> Option<String> {
        let score = self.score.as_ref();
        call.add_score_once(&self.scoring, &self.name, score, "greylist-score");
        match self.mode.as_str() {
            // Postfix does not know it as an action, and would answer 451.
            "accept" if self.compat => Some("accept".to_owned()),
            "accept" | "dunno" => Some("dunno".to_owned()),
            _ => None,
        }
    }
}

/// Whether the client has passed often enough for mail from the sender's domain.
async fn is_on_autowl(
    autowl: &AutoWhitelist,
    call: &mut Call<'_>,
    triplet: &Triplet,
) -> Result<bool, PluginError> {
    if let Some(kept) = call.cached("greylist-is_autowl") {
        return Ok(kept.first().is_some_and(|text| text == "1"));
    }
    let count = autowl.get(call.services(), triplet).await?;
    let kept = Vec::from_iter(count.map(|count| count.to_string()));
    call.keep("greylist-autowl-count", &kept);
    let is_on = count.is_some_and(|count| count >= autowl.threshold());
    match count {
        None => call.note(|| "client is not on autowl".to_owned()),
        Some(_) if !is_on => {
            call.note(|| "client has not yet reached autowl_threshold".to_owned());
        }
        Some(_) => {
            call.note(|| "client has valid autowl. updating database".to_owned());
            autowl.count(call.services(), triplet).await?;
        }
    }
    let is_on_text = u8::from(is_on).to_string();
    call.keep("greylist-is_autowl", &[is_on_text]);
    Ok(is_on)
}

impl Plugin for Greylist {
    fn run<'a>(&'a self, call: &'a mut Call<'_>) -> Step<'a> {
        if self.enabled.is_off(call.session()) {
            return answer(None);
        }
        if let Some(reason) = self.bypass.reason(call) {
            call.note(|| format!("no greylisting: {reason}"));
            return answer(None);
        }
        Step::later(self.check(call))
    }

    fn cron<'a>(&'a self, task: &'a str, services: &'a Services) -> CronStep<'a> {
        Box::pin(async move {
            let Some(autowl) = self.autowl.as_ref().filter(|_| task == "hourly") else {
                return Ok(());
            };
            // Stores forget by themselves; rows of a table do not.
            services.journal.line(3, "expiring greylist autowl...");
            autowl.expire(services).await
        })
    }
}
