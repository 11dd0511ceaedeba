//! `Limit`: how much a user, a sender or a client may send within several sliding windows.
//!
//! A mail counts once, at the state of the SMTP dialogue that `count_at` names. What a limit has denied is not counted, and
//! what was rejected before that state is never seen.

mod admin;

mod alert;
use alert::Alert;

mod command;

mod event;
use event::{Metric, State};

mod exempt;
use exempt::Exempt;

mod full;
use full::Full;

mod members;
use members::Members;

mod notice;
use notice::Notice;

mod own;
use own::Own;

mod subject;
use subject::{Subject, Subjects};

mod tls;

mod webhook;

use std::{sync::Arc, time::Duration};

use policy_store::{Event, Mark, StoreError, Usage, Window, Windows, key};

use crate::{
    chain::plugin::{LimitOrder, LimitStep, Plugin, PluginError, Step},
    chain::{Call, Scoring, Setting, answer},
    config::Section,
    connection::StoreHandle,
    counters::LimitCounters,
};

#[derive(Debug)]
struct Limit {
    name: Arc<str>,
    enabled: Setting,
    store: StoreHandle,
    subjects: Subjects,
    exempt: Exempt,
    own: Own,
    metric: Metric,
    state: State,
    action: Setting,
    scoring: Scoring,
    score: Setting,
    alert: Option<Alert>,
    /// The field of the session in which recipients are collected until they are counted.
    recipients: String,
    counted: String,
    scored: String,
    counters: Arc<LimitCounters>,
}

pub(super) fn new(section: &mut Section<'_>) -> Box<dyn Plugin> {
    let name = section.name();
    let score = section.score_setting("score", None);
    // A limit that only scores lets everything pass.
    let default = score.configured().is_none().then_some(ACTION);
    let action = section.action_setting("action", default);
    let metric = Metric::new(section);
    let counts_all = action.configured().is_none();
    Box::new(Limit {
        enabled: section.enabled(),
        store: section.store("store", "limits"),
        subjects: Subjects::new(section),
        exempt: Exempt::new(section),
        own: Own::new(section, counts_all, metric.most()),
        state: State::new(section),
        action,
        scoring: section.scoring(),
        score,
        alert: Alert::new(section),
        recipients: format!("{name}-recipients"),
        counted: format!("{name}-counted"),
        scored: format!("{name}-score"),
        counters: section.limit_counters(metric.name(), metric.is_distinct()),
        metric,
        name,
    })
}

impl Plugin for Limit {
    fn run<'a>(&'a self, call: &'a mut Call<'_>) -> Step<'a> {
        if self.enabled.is_off(call.session()) {
            return answer(None);
        }
        if State::of(call) != Some(self.state) {
            self.collect(call);
            return answer(None);
        }
        let Some(subject) = self.subjects.find(call) else {
            call.note(|| "no key in request, nothing is limited".to_owned());
            return answer(None);
        };
        Step::later(async move {
            if self.exempt.contains(&subject, call).await? {
                call.note(|| format!("{subject} is exempt"));
                return Ok(None);
            }
            let Some(windows) = self.own.windows(&subject, call).await else {
                call.note(|| format!("{subject} has no limit"));
                return Ok(None);
            };
            let blocked = self.count(&subject, &windows, call).await?;
            let Some(window) = blocked else {
                return Ok(None);
            };
            self.block(&subject, window, call).await
        })
    }

    fn limits<'a>(&'a self, order: LimitOrder<'a>) -> Option<LimitStep<'a>> {
        Some(Box::pin(admin::run(self, order)))
    }
}

impl Limit {
    /// Remembers a recipient: later requests about the mail do not name all of them.
    fn collect(&self, call: &mut Call<'_>) {
        if self.metric != Metric::DistinctRecipients || State::of(call) != Some(State::Rcpt) {
            return;
        }
        let Some(recipient) = call.filled("recipient") else {
            return;
        };
        let mut recipients = call.cached(&self.recipients).unwrap_or_default();
        let recipient = recipient.to_ascii_lowercase();
        if recipients.len() < MAX_RECIPIENTS && !recipients.contains(&recipient) {
            recipients.push(recipient);
            call.keep(&self.recipients, &recipients);
        }
    }

    /// Counts the mail once; a window that is used up, if one is.
    async fn count(
        &self,
        subject: &Subject,
        windows: &Windows,
        call: &mut Call<'_>,
    ) -> Result<Option<Full>, PluginError> {
        let failed = |error| self.store.failed(error);
        let store = self.store.get().await.map_err(failed)?;
        let id = self.id(subject);
        if let Some(values) = self.metric.values(call, &self.recipients) {
            for value in values {
                let event = Event::Distinct(value.as_bytes());
                let usage = store.count(&id, windows, event).await.map_err(failed)?;
                self.note(subject, &usage, call);
                let used = usage.windows.iter().map(|of| of.used);
                self.counters.counted(used.max().unwrap_or_default());
                if !usage.allowed {
                    return Ok(Full::of(&usage, 1, windows));
                }
            }
            return Ok(None);
        }
        let mark = self.mark(call);
        if mark.is_some() && call.session().get(&self.counted).is_some() && !self.is_by_recipient()
        {
            return Ok(None);
        }
        let amount = self.metric.amount(call, self.state);
        let event = Event::Amount(amount);
        let usage = match &mark {
            // The next request about a mail that is denied is checked again, unless it was counted in any case.
            Some(key) => {
                let mark = Mark { key, ttl: MARK_TTL };
                let usage = store.count_once(mark, &id, windows, event).await;
                let Some(usage) = usage.map_err(failed)? else {
                    call.note(|| format!("{subject}: the mail is counted already"));
                    return Ok(None);
                };
                usage
            }
            None => store.count(&id, windows, event).await.map_err(failed)?,
        };
        self.note(subject, &usage, call);
        if usage.allowed {
            call.session_mut().set(&self.counted, "1");
            return Ok(None);
        }
        Ok(Full::of(&usage, amount, windows))
    }

    /// What comes of a window that is used up.
    async fn block(
        &self,
        subject: &Subject,
        full: Full,
        call: &mut Call<'_>,
    ) -> Result<Option<String>, PluginError> {
        let notice = Notice {
            limit: Arc::clone(&self.name),
            label: subject.label.clone(),
            key: subject.value.clone(),
            metric: self.metric.name(),
            window: window_text(full.window),
            used: full.used,
            time: call.services().now(),
        };
        call.note(|| format!("{subject} is over {} {}", notice.window, notice.metric));
        self.counters.blocks.add(1);
        if let Some(alert) = &self.alert {
            match self.is_first(subject, full.window).await {
                Ok(true) if call.services().manner.is_rehearsal() => {
                    call.note(|| "would tell of it, by command or to a web server".to_owned());
                }
                Ok(true) => alert.tell(&notice, &call.services().journal),
                Ok(false) => {}
                Err(error) => {
                    let error = self.store.failed(error);
                    call.warn(&format!("limit {}: {error}", self.name));
                }
            }
        }
        let score = self.score.score(call.session());
        call.add_score_once(&self.scoring, &self.name, score.as_deref(), &self.scored);
        let action = self.action.get(call.session());
        Ok(action.map(|action| notice.fill(action)))
    }

    /// Whether this is the first time within the window that the key is blocked, on any host.
    async fn is_first(&self, subject: &Subject, window: Window) -> Result<bool, StoreError> {
        let store = self.store.get().await?;
        let told = self.told(subject);
        store.set_if_absent(&told, b"1", Some(window.length)).await
    }

    fn id(&self, subject: &Subject) -> Vec<u8> {
        self.key("limit", subject)
    }

    fn told(&self, subject: &Subject) -> Vec<u8> {
        self.key("limit-told", subject)
    }

    fn key(&self, name: &str, subject: &Subject) -> Vec<u8> {
        let parts = [&*self.name, &subject.label, &subject.value];
        key(name, parts.map(str::as_bytes))
    }

    /// What says that a mail is counted: of this host and of others, also where the request comes once more. Without an
    /// instance each request counts.
    fn mark(&self, call: &Call<'_>) -> Option<Vec<u8>> {
        let instance = call.filled("instance")?;
        let recipient = call.text("recipient").filter(|_| self.is_by_recipient());
        let recipient = recipient.unwrap_or_default();
        let parts = [&*self.name, &instance, &recipient];
        Some(key("limit-mail", parts.map(str::as_bytes)))
    }

    /// Whether each recipient is an event of its own.
    fn is_by_recipient(&self) -> bool {
        self.state == State::Rcpt && self.metric == Metric::Recipients
    }

    fn note(&self, subject: &Subject, usage: &Usage, call: &mut Call<'_>) {
        call.note(|| {
            let windows = usage.windows.iter();
            let texts: Vec<_> = windows
                .map(|of| format!("{} of {}", of.used, window_text(of.window)))
                .collect();
            format!("{subject}: {} {}", texts.join(", "), self.metric.name())
        });
    }
}

/// `60/1m`.
fn window_text(window: Window) -> String {
    Windows::new([window]).map_or_else(|_| String::new(), |windows| windows.to_string())
}

const ACTION: &str = "defer_if_permit limit of %LIMIT% %METRIC% is reached, try again later";
/// Longer than a mail is under way in an SMTP session.
const MARK_TTL: Duration = Duration::from_secs(3600);
/// Postfix's `smtpd_recipient_limit`.
const MAX_RECIPIENTS: usize = 1000;
