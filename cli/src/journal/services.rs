//! What is said of services rather than of requests.

use std::{error::Error, sync::PoisonError, time::Duration};

use policy_ha::{BackendId, Transition};
use policy_net::{AttemptError, CheckError, Event};

use tokio::time::Instant;

use crate::{
    Journal, Level, LogFormat,
    journal::{
        Counted,
        escape::{Place, escape},
        request::millis,
    },
    repeats::{DOWN, UP},
};

impl Journal {
    /// Something happened to a service while it was looked at beside the requests.
    pub(crate) fn checked(&self, event: &Event<'_>) {
        match event {
            Event::Opening(backend) => self.connection(*backend, "Opening socket to "),
            Event::Connected(backend) => self.connection(*backend, "Connection established to "),
            Event::Checked {
                backend,
                error: Some(CheckError::Unexpected(response)),
                ..
            } => {
                let Some(counted) = self.services.get(backend.index()) else {
                    return;
                };
                let name = &counted.name;
                let action = escape(response.as_bytes(), Place::Quoted('\''));
                let text = format!("Probe of '{name}' -> '{action}'");
                self.repeatable(Level::Warning, "probe", backend.index(), text);
            }
            Event::Checked {
                backend,
                error: Some(CheckError::Attempt(error @ AttemptError::NotAllowed { .. })),
                took,
            } => self.failed(*backend, error, *took),
            Event::Checked {
                backend,
                error: Some(CheckError::Attempt(error)),
                ..
            } => {
                if let Some(counted) = self.services.get(backend.index()) {
                    counted.set_reason(error);
                }
            }
            Event::Changed {
                backend,
                transition,
                because,
            } => self.changed(*backend, *transition, *because),
            _ => {}
        }
    }

    pub(super) fn connection(&self, backend: BackendId, what: &str) {
        let counted = self.services.get(backend.index());
        if let Some(counted) = counted.filter(|_| self.verbose) {
            self.log
                .line(Level::Info, what.to_owned() + &counted.place());
        }
    }

    pub(super) fn failed(&self, backend: BackendId, error: &AttemptError, took: Duration) {
        let Some(counted) = self.services.get(backend.index()) else {
            return;
        };
        let place = counted.place();
        if self.repeats.is_some() {
            counted.set_reason(error);
        }
        if self.verbose && self.format == LogFormat::KeyValue {
            let (took, why) = (millis(took), reason(error));
            let text = format!("Attempt at {place} failed after {took}ms{why}");
            self.log.line(Level::Info, text);
        }
        let (kind, text) = match error {
            AttemptError::Connect(cause) => {
                let text = format!("Could not open socket to {place}: {cause}");
                ("connect", text)
            }
            AttemptError::Io(cause) if !error.blames_server() => {
                ("own", format!("Could not ask {place}: {cause}"))
            }
            AttemptError::TimedOut(what) => ("timeout", format!("Timeout for {place}: {what}")),
            AttemptError::Busy => ("busy", format!("All connections are in use for {place}")),
            AttemptError::NoMemory => ("memory", format!("No memory for the answer of {place}")),
            AttemptError::NotAllowed { action } => {
                let name = &counted.name;
                let action = escape(action, Place::Quoted('\''));
                let text = format!(
                    "Invalid answer from '{name}', which --actions does not allow -> '{action}'"
                );
                ("not allowed", text)
            }
            error => {
                let line = match error {
                    AttemptError::Invalid { line, .. } => line.strip_suffix(b"\r").unwrap_or(line),
                    _ => b"",
                };
                let line = line.strip_prefix(b"action=").unwrap_or(line);
                let (name, line) = (&counted.name, escape(line, Place::Quoted('\'')));
                (
                    "invalid",
                    format!("Invalid answer from '{name}' -> '{line}'"),
                )
            }
        };
        self.repeatable(Level::Warning, kind, backend.index(), text);
    }

    pub(super) fn changed(
        &self,
        backend: BackendId,
        transition: Transition,
        because: Option<&AttemptError>,
    ) {
        let counted = self.services.get(backend.index());
        let Some((counted, repeats)) = counted.zip(self.repeats.as_ref()) else {
            return;
        };
        let (state, level, what) = match transition {
            Transition::Down { due_in } => {
                let next = due_in.as_secs_f64();
                let why = because.map(reason).unwrap_or_default();
                (
                    DOWN,
                    Level::Warning,
                    format!(" is down{why}, next trial in {next:.1}s"),
                )
            }
            Transition::Up { after } => {
                let after = after.as_secs_f64();
                (UP, Level::Info, format!(" is up again after {after:.1}s"))
            }
            _ => return,
        };
        let text = counted.place() + &what;
        for (level, text) in repeats.change(backend.index(), state, Instant::now(), level, text) {
            self.log.line(level, text);
        }
    }
}

impl Counted {
    /// Notes why it failed, in as few words as the system has for it.
    fn set_reason(&self, error: &AttemptError) {
        let mut why = error as &dyn Error;
        while let Some(source) = why.source() {
            why = source;
        }
        let why = why.to_string();
        let words = why.split(" (os error").next().unwrap_or_default();
        let mut reason = self.reason.lock().unwrap_or_else(PoisonError::into_inner);
        words.clone_into(&mut reason);
    }

    /// Why it failed last.
    pub(super) fn reason(&self) -> String {
        let reason = self.reason.lock().unwrap_or_else(PoisonError::into_inner);
        reason.clone()
    }
}

/// An error and its cause, behind what it led to.
fn reason(error: &AttemptError) -> String {
    match error.source() {
        Some(source) => format!(": {error}: {source}"),
        None => format!(": {error}"),
    }
}
