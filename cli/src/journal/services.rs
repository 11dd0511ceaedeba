//! What is said of services rather than of requests.

use std::error::Error;

use policy_ha::{BackendId, Transition};
use policy_net::{AttemptError, CheckError, Event};

use crate::{Journal, Level};

impl Journal {
    /// Something happened to a service while it was looked at beside the requests.
    pub(crate) fn checked(&self, event: &Event<'_>) {
        match event {
            Event::Opening(backend) => self.connection(*backend, b"Opening socket to "),
            Event::Connected(backend) => self.connection(*backend, b"Connection established to "),
            Event::Checked {
                backend,
                error: Some(CheckError::Unexpected(response)),
                ..
            } => {
                let Some(counted) = self.services.get(backend.index()) else {
                    return;
                };
                let (name, action) = (&*counted.service.name, response.as_bytes());
                let text = [b"Probe of '", name, b"' -> '", action, b"'"].concat();
                self.repeatable(Level::Warning, "probe", backend.index(), text);
            }
            Event::Checked {
                backend,
                error: Some(CheckError::Attempt(error @ AttemptError::NotAllowed { .. })),
                ..
            } => self.failed(*backend, error),
            Event::Changed {
                backend,
                transition,
                because,
            } => self.changed(*backend, *transition, *because),
            _ => {}
        }
    }

    pub(super) fn connection(&self, backend: BackendId, what: &[u8]) {
        let counted = self.services.get(backend.index());
        if let Some(counted) = counted.filter(|_| self.verbose) {
            self.log
                .line(Level::Info, [what, &counted.place()].concat());
        }
    }

    pub(super) fn failed(&self, backend: BackendId, error: &AttemptError) {
        let Some(counted) = self.services.get(backend.index()) else {
            return;
        };
        let place = counted.place();
        let (kind, text) = match error {
            AttemptError::Connect(_) => {
                ("connect", [b"Could not open socket to ", &*place].concat())
            }
            AttemptError::TimedOut => ("timeout", [b"Timeout for ", &*place].concat()),
            AttemptError::Busy => (
                "busy",
                [b"All connections are in use for ", &*place].concat(),
            ),
            AttemptError::NotAllowed { action } => {
                let name = &*counted.service.name;
                let why = b"', which --actions does not allow -> '";
                (
                    "not allowed",
                    [b"Invalid answer from '", name, why, action, b"'"].concat(),
                )
            }
            error => {
                let line = match error {
                    AttemptError::Invalid { line, .. } => line.strip_suffix(b"\r").unwrap_or(line),
                    _ => b"",
                };
                let line = line.strip_prefix(b"action=").unwrap_or(line);
                let name = &*counted.service.name;
                (
                    "invalid",
                    [b"Invalid answer from '", name, b"' -> '", line, b"'"].concat(),
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
        let Some(counted) = counted.filter(|_| self.repeats.is_some()) else {
            return;
        };
        let (level, what) = match transition {
            Transition::Down { due_in } => {
                let next = due_in.as_secs_f64();
                let why = because.map(reason).unwrap_or_default();
                (
                    Level::Warning,
                    format!(" is down{why}, next trial in {next:.1}s"),
                )
            }
            Transition::Up { after } => {
                let after = after.as_secs_f64();
                (Level::Info, format!(" is up again after {after:.1}s"))
            }
            _ => return,
        };
        self.log
            .line(level, [&*counted.place(), what.as_bytes()].concat());
    }
}

/// An error and its cause, behind what it led to.
fn reason(error: &AttemptError) -> String {
    match error.source() {
        Some(source) => format!(": {error}: {source}"),
        None => format!(": {error}"),
    }
}
