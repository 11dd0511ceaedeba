//! Lines about services: failures, changes of state, and probes.

use std::{
    error::Error,
    io,
    time::{Duration, Instant},
};

use policy_daemon::log::{Change, Entry, Field, Level, MessageId};
use policy_flow::{AttemptError, CheckError, Slot};
use policy_ha::Transition;
use policy_proto::{Request, attr};

use crate::{
    journal::{
        ALL, Journal,
        line::{Place, escape, millis},
    },
    options::LogFormat,
};

impl Journal {
    /// A service did not pass when it was looked at beside the requests.
    pub(super) fn checked(&self, backend: Slot, error: &CheckError, took: Duration) {
        let Some(counted) = self.services.get(backend.index()) else {
            return;
        };
        match error {
            CheckError::Unexpected(response) => {
                let name = &counted.name;
                let action = escape(response.as_bytes(), Place::Quoted('\''));
                let text = format!("Probe of '{name}' -> '{action}'");
                self.about_service(Level::Warning, "probe", counted, text);
            }
            CheckError::Attempt(error @ AttemptError::NotAllowed { .. }) => {
                self.failed(backend, error, took);
            }
            CheckError::Attempt(error) => counted.set_reason(error),
            _ => {}
        }
    }

    /// Several services closed the connection on this request.
    pub(super) fn harmful(&self, request: &Request, backends: u64) {
        let is_one = |index: &usize| backends & (1 << index) != 0;
        let name = |index: usize| Some(format!("'{}'", self.services.get(index)?.name));
        let names: Vec<String> = (0..64).filter(is_one).filter_map(name).collect();
        let value = |name, place| escape(request.get(name).unwrap_or_default(), place);
        let client = value(attr::CLIENT_NAME, Place::Client);
        let client_address = value(attr::CLIENT_ADDRESS, Place::Client);
        let sender = value(attr::SENDER, Place::Address);
        let recipient = value(attr::RECIPIENT, Place::Address);
        let text = format!(
            "{} closed the connection on the same request, which is to blame, and not they: \
             client: {client}[{client_address}], from: <{sender}>, to: <{recipient}>",
            names.join(", ")
        );
        self.repeatable(Level::Warning, "harmful", ALL, text);
    }

    /// A service takes fewer connections at once than it may have.
    pub(super) fn crowded(&self, backend: Slot, limit: usize) {
        if let Some(counted) = self.services.get(backend.index()) {
            let place = counted.place();
            let connections = if limit == 1 {
                "connection"
            } else {
                "connections"
            };
            let text = format!(
                "{place} serves no more than {limit} {connections} at once: idle ones are closed for new ones \
                 (--max-connections)"
            );
            self.about_service(Level::Warning, "crowded", counted, text);
        }
    }

    /// A look-up failed, and older addresses are used on.
    pub(super) fn stale_addresses(&self, backend: Slot, error: &io::Error) {
        if let Some(counted) = self.services.get(backend.index()) {
            let place = counted.place();
            let text = format!("{place} is asked at its last known addresses: {error}");
            self.about_service(Level::Warning, "stale", counted, text);
        }
    }

    pub(super) fn connection(&self, backend: Slot, what: &str) {
        let counted = self.services.get(backend.index());
        if let Some(counted) = counted.filter(|_| self.verbose.connections) {
            self.log
                .line(Level::Info, what.to_owned() + &counted.place());
        }
    }

    pub(super) fn failed(&self, backend: Slot, error: &AttemptError, took: Duration) {
        let Some(counted) = self.services.get(backend.index()) else {
            return;
        };
        let place = counted.place();
        if self.suppressor.is_some() {
            counted.set_reason(error);
        }
        if self.verbose.services && self.format == LogFormat::KeyValue {
            let (took, why) = (millis(took), reason(error));
            let text = format!("Attempt at {place} failed after {took}ms{why}");
            self.log.line(Level::Info, text);
        }
        let (kind, text) = match error {
            AttemptError::Connect(cause) | AttemptError::Local(cause) => {
                let text = format!("Could not open socket to {place}: {cause}");
                ("connect", text)
            }
            AttemptError::LocalIo(cause) => ("own", format!("Could not ask {place}: {cause}")),
            AttemptError::TimedOut(what) => ("timeout", format!("Timeout for {place}: {what}")),
            AttemptError::Busy => ("busy", format!("All connections are in use for {place}")),
            AttemptError::Opening => {
                let text = format!("Connections to {place} are still being opened");
                ("opening", text)
            }
            AttemptError::ClosedLate => {
                let text = format!(
                    "A kept connection to {place} was closed, and the time for a new one was over"
                );
                ("closed late", text)
            }
            AttemptError::StoodStill => {
                let text = format!("No answer of {place} in time: this process stood still");
                ("stood still", text)
            }
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
        self.about_service(Level::Warning, kind, counted, text);
    }

    /// A service has gone down, or come back.
    pub(crate) fn changed(
        &self,
        index: usize,
        transition: Transition,
        because: Option<&AttemptError>,
    ) {
        let counted = self.services.get(index);
        let Some((counted, suppressor)) = counted.zip(self.suppressor.as_ref()) else {
            return;
        };
        let (change, level, id, what) = match transition {
            Transition::Down { due_in, .. } => {
                let next = due_in.as_secs_f64();
                let why = because.map(reason).unwrap_or_default();
                (
                    Change::Down,
                    Level::Warning,
                    MessageId::DOWN,
                    format!(" is down{why}, next trial in {next:.1}s"),
                )
            }
            Transition::Up { after, .. } => {
                counted.set_up(Instant::now());
                let after = after.as_secs_f64();
                (
                    Change::Up,
                    Level::Info,
                    MessageId::UP,
                    format!(" is up again after {after:.1}s"),
                )
            }
            _ => return,
        };
        let text = counted.place() + &what;
        self.changes.add(&*text);
        let entry = Entry::new(level, text).with_id(id);
        suppressor.change(
            counted.id,
            change,
            entry.with(Field::Service, &counted.name),
        );
    }
}

/// An error and its cause, behind what it led to.
pub(super) fn reason(error: &AttemptError) -> String {
    match error.source() {
        Some(source) => format!(": {error}: {source}"),
        None => format!(": {error}"),
    }
}
