//! What is logged of requests and services, and in which words.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use policy_net::Event;
use policy_proto::{Ignored, Request, attr};
use tokio::time::Instant;

use crate::{
    Level, Log, Service, admission::Refusal, limits::shown, printable, repeats::Repeats,
    shortage::Memory, slots::Evicted,
};

mod attempt;
mod escape;
mod services;

use escape::{Place, escape};

/// What is said of requests and services, in the Perl script's words where it has any.
///
/// In the drop-in every warning is said. A daemon says a change of a service's state once, and a
/// warning that repeats at most once in 10 s, with its count.
#[derive(Debug)]
pub struct Journal {
    log: Log,
    services: Vec<Counted>,
    /// A line per attempt.
    attempts: bool,
    /// Everything.
    verbose: bool,
    /// As a daemon: what has been said lately.
    repeats: Option<Repeats>,
}

#[derive(Debug)]
struct Counted {
    service: Service,
    /// As it is logged.
    name: String,
    answers: AtomicU64,
    failed: AtomicU64,
    /// It has answered with something else than UTF-8.
    said_not_utf8: AtomicBool,
}

impl Journal {
    /// A journal of these services, which are known by their order.
    #[must_use]
    pub fn new(log: Log, services: Vec<Service>) -> Self {
        Self {
            log,
            services: services.into_iter().map(Counted::from).collect(),
            attempts: false,
            verbose: false,
            repeats: None,
        }
    }

    /// With a line per attempt (`-l`), or with all there is to say (`-v`).
    #[must_use]
    pub fn with_detail(self, attempts: bool, verbose: bool) -> Self {
        Self {
            attempts: attempts || verbose,
            verbose,
            ..self
        }
    }

    /// With changes of state, and without repeats.
    #[must_use]
    pub fn for_daemon(self) -> Self {
        Self {
            repeats: Some(Repeats::default()),
            ..self
        }
    }

    /// Where the lines go.
    #[must_use]
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// A request has come, and whether it is one for a policy server.
    pub fn request(&self, request: &Request, is_policy: bool) {
        if self.verbose {
            for (name, value) in request.attributes() {
                let attribute = escape(&[name, b"=", value].concat(), Place::Last);
                self.log
                    .line(Level::Info, format!("Attribute: {attribute}"));
            }
        }
        if !is_policy {
            let kind = match request.get(attr::REQUEST) {
                None | Some(b"" | b"0") => b"<undef>",
                Some(kind) => kind,
            };
            let kind = escape(kind, Place::Quoted('\''));
            let text = format!("ignoring unrecognized request type: '{kind}'");
            self.repeatable(Level::Notice, "type", ALL, text);
        }
    }

    /// Lines of a request were no attributes.
    pub fn ignored(&self, ignored: &Ignored) {
        for line in &ignored.lines {
            let line = escape(line, Place::Quoted('"'));
            let text = format!("error: ignoring garbage \"{line}\"");
            self.repeatable(Level::Notice, "garbage", ALL, text);
        }
        if ignored.more > 0 {
            let text = format!("error: ignoring {} more lines of garbage", ignored.more);
            self.repeatable(Level::Notice, "more garbage", ALL, text);
        }
    }

    /// A client's connection had to be closed.
    pub fn refused(&self, client: Option<&str>, why: &str) {
        let from = client.map(|client| format!(" from {client}"));
        let from = from.unwrap_or_default();
        let text = format!("closing a connection{from}: {why}");
        self.repeatable(Level::Warning, "refused", ALL, text);
    }

    /// Requests have begun to wait for memory, of so many bytes in all, or do so no more.
    pub(crate) fn memory(&self, memory: Memory, bytes: usize) {
        match memory {
            Memory::UsedUp => {
                let size = shown(bytes);
                let text = format!(
                    "memory for requests is used up (--max-memory {size}): new requests wait"
                );
                self.log.line(Level::Warning, text);
            }
            Memory::Free(waited) => {
                let text = format!("memory for requests is free again, {waited} have waited");
                self.log.line(Level::Info, text);
            }
        }
    }

    /// A client was not let in.
    pub(crate) fn turned_away(&self, refusal: &Refusal) {
        let kind = match refusal {
            Refusal::NotAllowed(_) => "not allowed",
            Refusal::Full(_) => "full",
            Refusal::FullForAddress(..) | Refusal::FullForNetwork(..) => "full for address",
            Refusal::FullForUser(..) => "full for user",
        };
        self.repeatable(Level::Warning, kind, ALL, refusal.to_string());
    }

    /// A client has to leave so that another one may come.
    pub(crate) fn evicted(&self, evicted: &Evicted) {
        self.repeatable(Level::Warning, "evicted", ALL, evicted.to_string());
    }

    /// What was replied.
    pub fn replied(&self, action: &[u8]) {
        if self.verbose {
            let action = escape(action, Place::Last);
            self.log.line(Level::Info, format!("Action: {action}"));
        }
    }

    /// Nothing was: the connection is closed instead.
    pub fn closed(&self) {
        if self.verbose {
            self.log
                .line(Level::Info, "No action: closing the connection");
        }
    }

    /// The time, where attempts are logged with how long they took.
    pub fn since(&self) -> Option<Instant> {
        self.attempts.then(Instant::now)
    }

    /// Something happened to `request`, which came at [`since`](Self::since).
    pub fn event(&self, event: &Event<'_>, request: &Request, since: Option<Instant>) {
        match event {
            Event::Opening(backend) => self.connection(*backend, "Opening socket to "),
            Event::Connected(backend) => self.connection(*backend, "Connection established to "),
            Event::Answered {
                backend, response, ..
            } => {
                let Some(counted) = self.services.get(backend.index()) else {
                    return;
                };
                counted.answers.fetch_add(1, Relaxed);
                let action = response.as_bytes();
                if response.as_str().is_none() && !counted.said_not_utf8.swap(true, Relaxed) {
                    let name = &counted.name;
                    let text = format!(
                        "'{name}' answers with bytes that are not UTF-8, which Postfix may not take"
                    );
                    self.log.line(Level::Warning, text);
                }
                if self.verbose {
                    let (name, action) = (&counted.name, escape(action, Place::Quoted('\'')));
                    let text = format!("Answer from '{name}' -> '{action}'");
                    self.log.line(Level::Info, text);
                }
                self.attempt(counted, request, since, action);
            }
            Event::Failed { backend, error, .. } => {
                let Some(counted) = self.services.get(backend.index()) else {
                    return;
                };
                counted.failed.fetch_add(1, Relaxed);
                self.failed(*backend, error);
                self.attempt(counted, request, since, b"");
            }
            Event::Changed {
                backend,
                transition,
                because,
            } => self.changed(*backend, *transition, *because),
            _ => {}
        }
    }

    /// A library has something to say, at this place of its source.
    pub(crate) fn event_of_a_library(&self, level: Level, place: &'static str, text: String) {
        self.repeatable(level, place, ALL, text);
    }

    /// The line per attempt.
    fn attempt(&self, counted: &Counted, request: &Request, since: Option<Instant>, action: &[u8]) {
        if let Some(since) = since {
            let delay = since.elapsed().as_secs();
            self.log
                .line(Level::Info, attempt::line(counted, request, delay, action));
        }
    }

    /// Says a warning or a notice unless it repeats one of less than 10 s ago.
    fn repeatable(&self, level: Level, kind: &'static str, about: usize, mut text: String) {
        if let Some(repeats) = &self.repeats {
            match repeats.ask((kind, about), Instant::now()) {
                None => return,
                Some(0) => {}
                Some(count) => {
                    text += &format!(" (and {count} more like it before)");
                }
            }
        }
        self.log.line(level, text);
    }
}

impl Counted {
    /// `'NAME' (ADDRESS)`.
    fn place(&self) -> String {
        format!("'{}' ({})", self.name, self.service.address)
    }

    /// The numbers of its answers and of its failures.
    fn so_far(&self) -> (u64, u64) {
        (self.answers.load(Relaxed), self.failed.load(Relaxed))
    }
}

impl From<Service> for Counted {
    fn from(service: Service) -> Self {
        Self {
            name: printable(&service.name),
            service,
            answers: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            said_not_utf8: AtomicBool::new(false),
        }
    }
}

/// In place of a service's index: about clients.
const ALL: usize = usize::MAX;
