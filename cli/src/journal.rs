use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use policy_net::Event;
use policy_proto::{Request, attr};
use tokio::time::Instant;

use crate::{Level, Log, Service, admission::Refusal, repeats::Repeats, slots::Evicted};

mod services;

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
    answers: AtomicU64,
    failed: AtomicU64,
    /// It has answered with something else than UTF-8.
    said_not_utf8: AtomicBool,
}

impl Journal {
    /// A journal of these services, which are known by their order.
    #[must_use]
    pub fn new(log: Log, services: Vec<Service>) -> Self {
        let counted = |service| Counted {
            service,
            answers: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            said_not_utf8: AtomicBool::new(false),
        };
        let services = services.into_iter().map(counted).collect();
        Self {
            log,
            services,
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
                self.log
                    .line(Level::Info, [b"Attribute: ", name, b"=", value].concat());
            }
        }
        if !is_policy {
            let kind = match request.get(attr::REQUEST) {
                None | Some(b"" | b"0") => b"<undef>",
                Some(kind) => kind,
            };
            let text = [b"ignoring unrecognized request type: '", kind, b"'"].concat();
            self.repeatable(Level::Notice, "type", ALL, text);
        }
    }

    /// A line was no attribute.
    pub fn ignored(&self, line: &[u8]) {
        let text = [b"error: ignoring garbage \"", line, b"\""].concat();
        self.repeatable(Level::Notice, "garbage", ALL, text);
    }

    /// A client's connection had to be closed.
    pub fn refused(&self, why: &str) {
        self.repeatable(
            Level::Warning,
            "refused",
            ALL,
            format!("closing a connection: {why}"),
        );
    }

    /// A client was not let in.
    pub(crate) fn turned_away(&self, refusal: &Refusal) {
        let kind = match refusal {
            Refusal::NotAllowed(_) => "not allowed",
            Refusal::Full(..) => "full",
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
            self.log.line(Level::Info, [b"Action: ", action].concat());
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
            Event::Opening(backend) => self.connection(*backend, b"Opening socket to "),
            Event::Connected(backend) => self.connection(*backend, b"Connection established to "),
            Event::Answered {
                backend, response, ..
            } => {
                let Some(counted) = self.services.get(backend.index()) else {
                    return;
                };
                counted.answers.fetch_add(1, Relaxed);
                let action = response.as_bytes();
                if response.as_str().is_none() && !counted.said_not_utf8.swap(true, Relaxed) {
                    let why =
                        b"' answers with bytes that are not UTF-8, which Postfix may not take";
                    let name = &*counted.service.name;
                    self.log.line(Level::Warning, [b"'", name, why].concat());
                }
                if self.verbose {
                    let name = &*counted.service.name;
                    let text = [b"Answer from '", name, b"' -> '", action, b"'"].concat();
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
        let Some(since) = since else {
            return;
        };
        let get = |name| request.get(name).unwrap_or_default();
        let Service {
            name,
            address,
            backend,
            ..
        } = &counted.service;
        let (priority, weight) = (backend.priority, backend.weight);
        let load = |counter: &AtomicU64| counter.load(Relaxed);
        let (answers, failed) = (load(&counted.answers), load(&counted.failed));
        let (queries, delay) = (answers + failed, since.elapsed().as_secs());
        let head = format!(
            "] ({address}), prio: {priority}, weight: {weight}, queries: {queries}, \
             answers: {answers}, failed: {failed}, delay: {delay}s, client: "
        );
        let text = [
            b"[",
            &**name,
            head.as_bytes(),
            get(attr::CLIENT_NAME),
            b"[",
            get(attr::CLIENT_ADDRESS),
            b"], helo: <",
            get(attr::HELO_NAME),
            b">, from: <",
            get(attr::SENDER),
            b">, to: <",
            get(attr::RECIPIENT),
            b">, action: '",
            action,
            b"'",
        ];
        self.log.line(Level::Info, text.concat());
    }

    /// Says a warning or a notice unless it repeats one of less than 10 s ago.
    fn repeatable(&self, level: Level, kind: &'static str, about: usize, text: impl Into<Vec<u8>>) {
        let mut text = text.into();
        if let Some(repeats) = &self.repeats {
            match repeats.ask((kind, about), Instant::now()) {
                None => return,
                Some(0) => {}
                Some(count) => {
                    text.extend(format!(" (and {count} more like it before)").into_bytes());
                }
            }
        }
        self.log.line(level, text);
    }
}

impl Counted {
    /// `'NAME' (ADDRESS)`.
    fn place(&self) -> Vec<u8> {
        let Service { name, address, .. } = &self.service;
        [b"'", &**name, b"' (", address.as_bytes(), b")"].concat()
    }
}

/// In place of a service's index: about clients.
const ALL: usize = usize::MAX;
