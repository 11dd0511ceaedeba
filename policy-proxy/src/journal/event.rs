//! Events of services: the answers, and all that is rare.

use std::{sync::atomic::Ordering::Relaxed, time::Instant};

use policy_daemon::log::{Entry, Field, Level};
use policy_flow::Event;
use policy_proto::{Request, Response};

use crate::{
    journal::{
        Counted, Journal,
        line::{Place, classic, escape, millis},
    },
    options::LogFormat,
};

impl Journal {
    /// Whether it is to be known when a request came: see [`event`](Self::event).
    pub(crate) const fn needs_begin(&self) -> bool {
        self.attempts && matches!(self.format, LogFormat::Classic)
    }

    /// Something happened to a service. `begun` says when the request of this owner came, if that is known.
    pub(crate) fn event(&self, event: &Event<'_>, begun: impl FnOnce(u64) -> Option<Instant>) {
        if let Event::Answered {
            backend,
            request,
            owner,
            response,
            ..
        } = event
        {
            if let Some(counted) = self.services.get(backend.index()) {
                self.service_answered(counted, response);
                self.attempt(counted, request, begun(*owner), response.as_bytes());
            }
        } else {
            self.rare_event(event, begun);
        }
    }

    #[cold]
    fn rare_event(&self, event: &Event<'_>, begun: impl FnOnce(u64) -> Option<Instant>) {
        match event {
            Event::Opening(backend) => self.connection(*backend, "Opening socket to "),
            Event::Connected(backend) => self.connection(*backend, "Connection established to "),
            Event::Failed {
                backend,
                request,
                owner,
                error,
                took,
                ..
            } => {
                if let Some(counted) = self.services.get(backend.index()) {
                    counted.failed.fetch_add(1, Relaxed);
                    self.failed(*backend, error, *took);
                    self.attempt(counted, request, begun(*owner), b"");
                }
            }
            Event::Checked {
                backend,
                error: Some(error),
                took,
                ..
            } => self.checked(*backend, error, *took),
            Event::Changed {
                backend,
                transition,
                because,
                ..
            } => self.changed(backend.index(), *transition, *because),
            Event::Harmful {
                request, backends, ..
            } => self.harmful(request, *backends),
            Event::Crowded { backend, limit, .. } => self.crowded(*backend, *limit),
            Event::StaleAddresses { backend, error, .. } => self.stale_addresses(*backend, error),
            _ => {}
        }
    }

    #[inline]
    fn service_answered(&self, counted: &Counted, response: &Response) {
        counted.answers.fetch_add(1, Relaxed);
        if self.verbose.services || !response.as_bytes().is_ascii() {
            self.say_answer(counted, response);
        }
    }

    #[cold]
    fn say_answer(&self, counted: &Counted, response: &Response) {
        let name = &counted.name;
        let is_utf8 = response.as_str().is_some();
        if !is_utf8 && !counted.said_not_utf8.swap(true, Relaxed) {
            let text = format!(
                "'{name}' answers with bytes that are not UTF-8, which Postfix may not take"
            );
            self.log.line(Level::Warning, text);
        }
        if self.verbose.services {
            let action = escape(response.as_bytes(), Place::Quoted('\''));
            let text = format!("Answer from '{name}' -> '{action}'");
            self.log.line(Level::Info, text);
        }
    }

    /// The line per attempt.
    #[inline]
    fn attempt(&self, counted: &Counted, request: &Request, since: Option<Instant>, action: &[u8]) {
        if let Some(since) = since.filter(|_| self.needs_begin()) {
            self.say_attempt(counted, request, since, action);
        }
    }

    #[cold]
    fn say_attempt(&self, counted: &Counted, request: &Request, since: Instant, action: &[u8]) {
        if !self.is_sampled(request) {
            return;
        }
        let delay = match self.suppressor {
            // As the Perl script does.
            None => format!("{}s", since.elapsed().as_secs()),
            Some(_) => format!("{}ms", millis(since.elapsed())),
        };
        let line = classic::line(counted, request, &delay, action);
        if self.log.has_fields() {
            let entry = Entry::new(Level::Info, line).with_request(|name| request.get(name));
            self.log.entry(
                &entry
                    .with(Field::Service, &counted.name)
                    .with(Field::Action, action),
            );
        } else {
            self.log.line(Level::Info, line);
        }
    }
}
