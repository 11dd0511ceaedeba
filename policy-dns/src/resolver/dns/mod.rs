//! A resolver that asks name servers over UDP and TCP.

mod cache;
mod counts;
mod flight;
mod message;
mod options;
mod query;
mod servers;
mod sockets;
mod transport;

use std::{fmt, net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    sync::Semaphore,
    time::{Instant, timeout_at},
};

use super::{Answer, Outcome, Question, RecordType, Resolver, answer::MAX_ALIASES};
use cache::Cache;
use flight::Flights;
use servers::Servers;
use sockets::Sockets;

pub use counts::DnsCounts;
pub use message::{DecodeError, Decoded};
pub use options::{DnsOptions, ResolvConfError};

/// A resolver that asks name servers, as a stub: these do the recursion.
///
/// Over UDP, from a port of the system's choice, with a random id; over TCP when the answer was cut off. Questions that
/// are under way at the same time share a port, at most 32 of them, and none takes questions for more than a second.
/// An answer that is not from the server, has another id or another question is passed over. A server
/// that does not answer in time, fails or refuses is followed by the next one, `attempts` times in all, as
/// resolv.conf says; one that let the time pass is asked last for half a minute. Aliases that a server has not
/// followed are followed.
///
/// A question that several ask at once is asked once. Answers are kept for their time to live, those that say no
/// as long as the zone's SOA says (RFC 2308), within the bounds of [`DnsOptions`]. Failures are kept for a few
/// seconds.
///
/// Names go to DNS as they are: no search list, no `/etc/hosts`.
///
/// One for each worker: it needs a tokio runtime with I/O and time, and holds no task or socket of its own between
/// questions. Clones share all they have.
///
/// ```no_run
/// use policy_dns::{DnsOptions, DnsResolver, Name, Question, RecordType, Resolver};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let resolver = DnsResolver::new(DnsOptions::from_system()?);
/// let answer = resolver.ask(Question::new(Name::parse("postfix.org")?, RecordType::Mx)).await;
/// for (preference, host) in answer.exchanges() {
///     println!("{preference} {host}");
/// }
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct DnsResolver {
    shared: Arc<Shared>,
}

struct Shared {
    options: DnsOptions,
    servers: Servers,
    sockets: Sockets,
    cache: Cache,
    flights: Flights,
    counters: counts::Counters,
    under_way: Semaphore,
}

impl DnsResolver {
    /// A resolver with these options.
    #[must_use]
    pub fn new(options: DnsOptions) -> Self {
        let shared = Shared {
            servers: Servers::new(options.servers.clone(), options.rotate),
            sockets: Sockets::default(),
            cache: Cache::new(options.cache_bytes),
            flights: Flights::default(),
            counters: counts::Counters::default(),
            under_way: Semaphore::new(options.max_under_way.clamp(1, Semaphore::MAX_PERMITS)),
            options,
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// The options.
    #[must_use]
    pub fn options(&self) -> &DnsOptions {
        &self.shared.options
    }

    /// How many answers are kept.
    #[must_use]
    pub fn cached(&self) -> usize {
        self.shared.cache.len()
    }

    /// How many questions had which outcome. One that several asked at once, and one whose aliases were followed, count
    /// once.
    #[must_use]
    pub fn counts(&self) -> DnsCounts {
        self.shared.counters.get()
    }
}

impl Resolver for DnsResolver {
    async fn ask(&self, question: Question) -> Answer {
        if let Some(answer) = self.shared.cache.get(&question) {
            self.shared.counters.cached();
            return answer;
        }
        let shared = Arc::clone(&self.shared);
        let asked = question.clone();
        self.shared
            .flights
            .join(&question, move || async move {
                shared.ask_and_keep(asked).await
            })
            .await
    }
}

impl fmt::Debug for DnsResolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DnsResolver")
            .field("options", &self.shared.options)
            .finish_non_exhaustive()
    }
}

impl Shared {
    async fn ask_and_keep(&self, question: Question) -> Answer {
        let options = &self.options;
        let deadline = Instant::now() + options.deadline.min(LONG);
        let answer = self.ask_within_limit(&question, deadline).await;
        self.counters.asked(answer.outcome());
        let time = match answer.outcome() {
            Outcome::Records => answer.ttl().min(options.max_ttl),
            Outcome::NoData | Outcome::NxDomain => answer.ttl().min(options.max_negative_ttl),
            _ => options.failure_ttl,
        };
        let answer = answer.within(time);
        self.cache.put(question, &answer, time);
        answer
    }

    async fn ask_within_limit(&self, question: &Question, deadline: Instant) -> Answer {
        let permit = match self.under_way.try_acquire() {
            Ok(permit) => Ok(permit),
            Err(_) => timeout_at(deadline, self.under_way.acquire())
                .await
                .map_err(|_| Outcome::Timeout)
                // The semaphore is never closed.
                .and_then(|permit| permit.map_err(|_| Outcome::Unreachable)),
        };
        let _permit = match permit {
            Ok(permit) => permit,
            Err(outcome) => return Answer::without_records(outcome),
        };
        let (mut outcome, mut section, mut ttl) = (Outcome::NoData, vec![], Duration::MAX);
        let (mut name, mut asked) = (question.name.clone(), vec![]);
        loop {
            // A circle, or a chain that is too long, says neither what there is nor that there is nothing.
            if asked.len() == MAX_ALIASES || asked.contains(&name) {
                ttl = Duration::ZERO;
                break;
            }
            asked.push(name.clone());
            let next = Question::new(name, question.kind);
            let decoded = match self.exchange(&next, deadline).await {
                Ok(decoded) => decoded,
                Err(failure) => return Answer::without_records(failure),
            };
            outcome = decoded.outcome();
            ttl = ttl.min(decoded.ttl());
            let unfollowed = decoded.unfollowed_alias(&next);
            section.extend(decoded.into_records());
            match unfollowed {
                Some(target) if question.kind != RecordType::Cname => name = target,
                _ => break,
            }
        }
        Answer::from_section(question, outcome, section, ttl)
    }

    /// Asks one server after the other until one has answered. What failed last is the outcome otherwise, but an
    /// answer that fails comes before none. After the deadline there is no answer.
    async fn exchange(&self, question: &Question, deadline: Instant) -> Result<Decoded, Outcome> {
        let (mut answered, mut failure) = (None, Outcome::Unreachable);
        for _ in 0..self.options.attempts.max(1) {
            for server in self.servers.in_order() {
                // No time is left where the last turn came with the deadline itself.
                if Instant::now() + TICK >= deadline {
                    return Err(Outcome::Timeout);
                }
                match self.ask_server(server, question, deadline).await {
                    Ok(decoded) if decoded.outcome().is_answer() => {
                        self.servers.answers(server);
                        return Ok(decoded);
                    }
                    Ok(decoded) => answered = Some(decoded),
                    Err(Outcome::Timeout) => failure = Outcome::Timeout,
                    Err(outcome) if failure == Outcome::Unreachable => failure = outcome,
                    Err(_) => {}
                }
            }
        }
        if Instant::now() >= deadline {
            return Err(Outcome::Timeout);
        }
        answered.ok_or(failure)
    }

    async fn ask_server(
        &self,
        server: SocketAddr,
        question: &Question,
        deadline: Instant,
    ) -> Result<Decoded, Outcome> {
        // One timer for the try and for the whole question.
        let end = Instant::now() + self.options.timeout.min(LONG);
        let asked = transport::ask(&self.sockets, server, question);
        match timeout_at(end.min(deadline), asked).await {
            Ok(result) => result.map_err(|error| error.outcome()),
            Err(_) => {
                // A try that the deadline has cut short says nothing about the server.
                if end <= deadline + TICK {
                    self.servers.is_silent(server);
                }
                Err(Outcome::Timeout)
            }
        }
    }
}

/// Longer than anybody waits, and still a time that a clock can show.
const LONG: Duration = Duration::from_secs(365 * 86_400);
/// As exact as timers are.
const TICK: Duration = Duration::from_millis(2);
