//! What is logged of requests and services, and in which words.

use std::{
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Instant,
};

use policy_daemon::log::{Level, Log, Suppressor, printable};
use policy_flow::Event;
use policy_proto::{Ignored, Request, Response, attr};

use crate::args::{LogFormat, Service, shown_size};

pub(crate) mod admission;
mod attempt;
mod escape;
mod foreign;
mod outage;
mod refused;
mod request;
mod services;
pub(crate) mod shortage;
mod states;

pub(crate) use request::Outcome;
pub(crate) use states::State;

use escape::{Place, escape};
use outage::Outage;
use policy_daemon::log::ALL;
use shortage::Memory;

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
    /// How they are written.
    format: LogFormat,
    /// As a daemon: what has been said lately.
    suppressor: Option<Arc<Suppressor>>,
    outage: Outage,
}

#[derive(Debug)]
struct Counted {
    service: Service,
    /// As it is logged.
    name: String,
    answers: AtomicU64,
    failed: AtomicU64,
    /// Why it failed last.
    reason: Mutex<String>,
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
            format: LogFormat::Classic,
            suppressor: None,
            outage: Outage::default(),
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

    /// With changes of state, without repeats, and with lines of requests in this format.
    #[must_use]
    pub fn for_daemon(self, format: LogFormat, suppressor: Arc<Suppressor>) -> Self {
        Self {
            suppressor: Some(suppressor),
            format,
            ..self
        }
    }

    /// Where the lines go.
    #[must_use]
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// A request has come, and whether it is one for a policy server.
    #[inline]
    pub fn request(&self, request: &Request, is_policy: bool) {
        if self.verbose || !is_policy {
            self.say_request(request, is_policy);
        }
    }

    #[cold]
    fn say_request(&self, request: &Request, is_policy: bool) {
        if self.verbose {
            let mut attributes = request.attributes();
            for (name, value) in attributes.by_ref().take(MAX_ATTRIBUTES) {
                let attribute = escape(&[name, b"=", value].concat(), Place::Last);
                self.log
                    .line(Level::Info, format!("Attribute: {attribute}"));
            }
            // A line each of 64 Ki attributes would keep other clients waiting.
            let more = attributes.count();
            if more > 0 {
                let text = format!("and {more} more attributes");
                self.log.line(Level::Info, text);
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

    /// Requests have begun to wait for memory, of so many bytes in all, or do so no more.
    pub(crate) fn memory(&self, memory: Memory, bytes: usize) {
        match memory {
            Memory::UsedUp => {
                let size = shown_size(bytes);
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

    /// What a request has come to.
    #[inline]
    pub(crate) fn replied(&self, request: &Request, outcome: &Outcome<'_>) {
        if self.attempts || self.verbose {
            self.say_reply(request, outcome);
        }
    }

    #[cold]
    fn say_reply(&self, request: &Request, outcome: &Outcome<'_>) {
        if self.attempts && self.format == LogFormat::KeyValue {
            let line = request::line(self, request, outcome);
            self.log.line(Level::Info, line);
        }
        if self.verbose {
            let text = match outcome.response {
                Some(response) => {
                    format!("Action: {}", escape(response.as_bytes(), Place::Last))
                }
                None => "No action: closing the connection".to_owned(),
            };
            self.log.line(Level::Info, text);
        }
    }

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
            } => self.changed(*backend, *transition, *because),
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
        if self.verbose || !response.as_bytes().is_ascii() {
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
        if self.verbose {
            let action = escape(response.as_bytes(), Place::Quoted('\''));
            let text = format!("Answer from '{name}' -> '{action}'");
            self.log.line(Level::Info, text);
        }
    }

    /// The system gives no connection.
    pub(crate) fn cannot_accept(&self, error: &io::Error) {
        let text = format!("cannot accept: {error}");
        self.repeatable(Level::Warning, "cannot accept", ALL, text);
    }

    /// A peer has sent descriptors, which nobody has asked for.
    pub(crate) fn descriptors_sent(&self) {
        let text = "closing a connection: its peer has sent descriptors";
        self.repeatable(Level::Warning, "descriptors", ALL, text.to_owned());
    }

    /// So many requests were still under way when the time for that was over.
    pub(crate) fn cut_off(&self, count: usize) {
        let text = format!("connections cut off at the end, count: {count}");
        self.repeatable(Level::Warning, "cut off", ALL, text);
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
        let delay = match self.suppressor {
            // As the Perl script does.
            None => format!("{}s", since.elapsed().as_secs()),
            Some(_) => format!("{}ms", request::millis(since.elapsed())),
        };
        let line = attempt::line(counted, request, &delay, action);
        self.log.line(Level::Info, line);
    }

    /// Says a line unless it repeats one of less than 10 s ago.
    pub(crate) fn repeatable(&self, level: Level, kind: &'static str, about: usize, text: String) {
        match &self.suppressor {
            Some(suppressor) => suppressor.line(level, kind, about, text),
            None => self.log.line(level, text),
        }
    }

    /// Writes lines that were held back and have waited for a minute, or `all` of them.
    pub(crate) fn say_held_back(&self, now: Instant, all: bool) {
        if let Some(suppressor) = &self.suppressor {
            suppressor.write_held_back(now, all);
        }
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
            reason: Mutex::default(),
            said_not_utf8: AtomicBool::new(false),
        }
    }
}

/// Lines of `-v` for one request: Postfix sends about 30 attributes.
const MAX_ATTRIBUTES: usize = 256;
