//! One request on its way through a chain: its attributes, its session, and what all requests share.

use std::{borrow::Cow, sync::Arc, time::Instant};

use policy_proto::Request;
use tokio::time::Instant as Deadline;

use super::{
    attributes::Attributes,
    key::Key,
    number,
    score::{Score, Scoring},
    trace::{Trace, TraceStep},
};
use crate::{
    error::PluginError,
    services::{Manner, Services},
    session::Session,
};

/// One request on its way through a chain.
///
/// The references that [`request`](Self::request) and [`services`](Self::services) give live as long as the request, so that a
/// plugin may hold them while it changes the session.
#[derive(Debug)]
pub struct Call<'r> {
    attributes: &'r Attributes<'r>,
    services: &'r Services,
    session: &'r mut Session,
    /// The level of messages of the plugin that runs.
    log_level: u8,
    trace: Option<&'r mut Trace>,
    deadline: Option<Deadline>,
}

/// What is known when a plugin begins.
#[derive(Debug)]
pub(super) struct Before {
    log_level: u8,
    /// Where its step stands in the trace, when it began, and the score then.
    step: Option<(usize, Instant, f64)>,
}

impl<'r> Call<'r> {
    /// A request with its session.
    #[must_use]
    pub fn new(
        attributes: &'r Attributes<'r>,
        session: &'r mut Session,
        services: &'r Services,
    ) -> Self {
        Self {
            attributes,
            services,
            session,
            log_level: DEFAULT_LOG_LEVEL,
            trace: None,
            deadline: None,
        }
    }

    /// The same with an end: a plugin that has not answered by then has failed.
    #[must_use]
    pub fn with_deadline(self, deadline: Deadline) -> Self {
        let deadline = Some(deadline);
        Self { deadline, ..self }
    }

    /// When the time of the request is over.
    #[must_use]
    pub const fn deadline(&self) -> Option<Deadline> {
        self.deadline
    }

    /// The same, and each step of each plugin is written down.
    #[must_use]
    pub fn with_trace(self, trace: &'r mut Trace) -> Self {
        let trace = Some(trace);
        Self { trace, ..self }
    }

    /// The request.
    #[must_use]
    pub const fn request(&self) -> &'r Request {
        self.attributes.request()
    }

    /// What all requests share.
    #[must_use]
    pub const fn services(&self) -> &'r Services {
        self.services
    }

    /// The session.
    #[must_use]
    pub fn session(&self) -> &Session {
        self.session
    }

    /// The session, to be changed.
    pub fn session_mut(&mut self) -> &mut Session {
        self.session
    }

    /// The value of an attribute; the last one where the request has several.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<&'r [u8]> {
        self.attributes.get(name)
    }

    /// The value of an attribute as text; bytes that are no UTF-8 become U+FFFD.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<Cow<'r, str>> {
        self.attributes.text(name)
    }

    /// The value of an attribute that is there and not blank.
    #[must_use]
    pub fn filled(&self, name: &str) -> Option<Cow<'r, str>> {
        self.text(name).filter(|text| !text.trim().is_empty())
    }

    /// What a key of the configuration stands for: an attribute, or a field of the session.
    ///
    /// # Errors
    ///
    /// The key has a scope that there is none of.
    pub fn value(&self, key: &Key) -> Result<Option<Cow<'_, str>>, PluginError> {
        match key {
            Key::Request(name) => Ok(self.text(name)),
            Key::Session(name) => Ok(self.session.get(name).map(Cow::Borrowed)),
            Key::Nothing => Ok(None),
            Key::Unknown { scope, key } => Err(PluginError::Other(format!(
                "unknown scope {scope} while retrieving variable for {key}"
            ))),
        }
    }

    /// Adds to the score, and to its detail. Does so each time: see [`add_score_once`](Self::add_score_once).
    pub fn add_score(&mut self, scoring: &Scoring, name: &str, score: &Score) {
        let sum = scoring.score(self.session) + score.value();
        self.session.set(scoring.field(), number::print(sum));
        let detail = scoring.detail_field();
        let before = self.session.get(detail).map_or(0, str::len);
        if before < MAX_DETAIL {
            let comma = if before == 0 { "" } else { ", " };
            self.session
                .append(detail, &[comma, name, "=", score.text()]);
        }
    }

    /// Adds to the score unless the mail has this score already: `done` names it in the session.
    pub fn add_score_once(
        &mut self,
        scoring: &Scoring,
        name: &str,
        score: Option<&Score>,
        done: &str,
    ) {
        if let Some(score) = score
            && !self.is_done(done)
        {
            self.add_score(scoring, name, score);
        }
    }

    /// Whether something was done for this mail; from now on it is.
    pub fn is_done(&mut self, key: &str) -> bool {
        if self.session.get(key).is_some() {
            return true;
        }
        self.session.set(key, "1");
        false
    }

    /// What was looked up for this mail before, under this key of the session.
    #[must_use]
    pub fn cached(&self, key: &str) -> Option<Vec<String>> {
        self.session.list(key)
    }

    /// Keeps what was looked up for this mail.
    pub fn keep(&mut self, key: &str, values: &[String]) {
        self.session.set_list(key, values);
    }

    /// Notes what was looked up and what came, for `--explain` and the log of level 4. The text is made only if it is wanted.
    pub fn note(&mut self, text: impl FnOnce() -> String) {
        let is_logged = self.services.journal.is_logged(self.log_level);
        if self.trace.is_none() && !is_logged {
            return;
        }
        let text = text();
        if is_logged {
            self.services.journal.line(self.log_level, &text);
        }
        if let Some(trace) = &mut self.trace {
            trace.note(text);
        }
    }

    /// Warns of what went wrong although the plugin goes on. Repeats within 10 s are counted.
    pub fn warn(&mut self, text: &str) {
        self.services.journal.warning(text);
        if let Some(trace) = &mut self.trace {
            trace.note(text.to_owned());
        }
    }

    /// Notes what the plugin that runs would have written.
    #[inline(always)]
    fn note_unwritten(&mut self) {
        if let (Some(trace), Manner::Explain(unwritten)) = (&mut self.trace, &self.services.manner)
        {
            unwritten
                .take()
                .into_iter()
                .for_each(|text| trace.note(text));
        }
    }

    /// Notes that a plugin begins.
    pub(super) fn enter(&mut self, name: &Arc<str>, module: &Arc<str>, log_level: u8) -> Before {
        self.note_unwritten();
        let log_level = std::mem::replace(&mut self.log_level, log_level);
        let step = self.trace.as_mut().map(|trace| {
            let index = trace.open(name, module);
            let score = Scoring::default().score(self.session);
            (index, Instant::now(), score)
        });
        Before { log_level, step }
    }

    /// Notes what came of the plugin that began last.
    pub(super) fn leave(&mut self, before: Before, result: &Result<Option<String>, PluginError>) {
        self.note_unwritten();
        self.log_level = before.log_level;
        if let (Some(trace), Some((index, begin, score_before))) = (&mut self.trace, before.step) {
            let score = Scoring::default().score(self.session);
            let result = match result {
                Ok(Some(action)) => action.clone(),
                Ok(None) => String::new(),
                Err(error) => format!("error: {error}"),
            };
            trace.close(index, |step: &mut TraceStep| {
                step.result = result;
                step.elapsed = begin.elapsed();
                step.points = score - score_before;
            });
        }
    }
}

/// How long the detail of a score may be before nothing more is added.
const MAX_DETAIL: usize = 8192;
/// The level of plugins' own messages.
const DEFAULT_LOG_LEVEL: u8 = 4;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::services::Dns;

    #[test]
    fn the_detail_of_a_score_has_a_bound_and_the_score_goes_on() {
        let services = Services::for_tests(Dns::none());
        let request = Request::from_attributes([("sender", "a@x")]).unwrap();
        let attributes = Attributes::of(&request);
        let mut session = Session::default();
        let mut call = Call::new(&attributes, &mut session, &services);
        let (scoring, score) = (Scoring::new("sum"), Score::new("+1.0"));
        let name = "x".repeat(100);
        for _ in 0..200 {
            call.add_score(&scoring, &name, &score);
        }
        assert_eq!(scoring.text(call.session()), "200");
        let detail = scoring.detail(call.session()).unwrap();
        let begin = format!("{name}=+1.0, {name}=+1.0, ");
        assert!(detail.starts_with(&begin), "{detail}");
        assert!((MAX_DETAIL..MAX_DETAIL + 200).contains(&detail.len()));
        assert_eq!(Scoring::default().detail(call.session()), None);
    }

    #[test]
    fn an_attribute_that_is_there_twice_has_its_last_value_and_blanks_are_none() {
        let services = Services::for_tests(Dns::none());
        let attributes = [("a", "1"), ("a", "2"), ("b", " "), ("c", "")];
        let request = Request::from_attributes(attributes).unwrap();
        let attributes = Attributes::of(&request);
        let mut session = Session::default();
        session.set("a", "of the session");
        let call = Call::new(&attributes, &mut session, &services);
        assert_eq!(call.text("a").as_deref(), Some("2"));
        for (name, filled) in [("a", Some("2")), ("b", None), ("c", None), ("d", None)] {
            assert_eq!(call.filled(name).as_deref(), filled, "{name}");
        }
        for (key, value) in [
            ("a", Some("2")),
            ("s:a", Some("of the session")),
            ("c", Some("")),
            ("", None),
        ] {
            let found = call.value(&Key::parse(key)).unwrap();
            assert_eq!(found.as_deref(), value, "{key}");
        }
    }
}
