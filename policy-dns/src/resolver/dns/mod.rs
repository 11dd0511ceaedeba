//! A resolver that asks name servers over UDP and TCP.

mod cache;
mod counts;
mod exchange;
mod flight;
mod message;
mod options;
mod query;
mod servers;
mod sockets;
mod transport;
mod transport_error;

use std::{fmt, sync::Arc, time::Duration};

use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::{Instant, timeout_at},
};

use super::{Answer, Outcome, Question, RecordType, Resolver, answer::MAX_ALIASES};
use cache::Cache;
use exchange::is_time_left;
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
/// An answer that is not from the server, has another id or another question is passed over.
///
/// A server that does not answer in time, fails or refuses is followed by the next one, `attempts` times in all, as
/// resolv.conf says. An answer that comes after the time of its try is still taken while the question is open. A server
/// that is silent is asked last for half a minute, also where those who asked have given up before its time.
///
/// Aliases that a server has not followed are followed. Where they form a circle, or a chain of more than eight, the
/// outcome is [`Outcome::NoData`], and that answer is not kept; recursive servers say [`Outcome::ServFail`] then.
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
            servers: Servers::new(
                options.servers.clone(),
                options.rotate,
                options.min_silence(),
            ),
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

    /// The answer to a question that is kept, also that of a failure; no server is asked.
    #[must_use]
    pub fn kept(&self, question: &Question) -> Option<Answer> {
        let answer = self.shared.cache.get(question)?;
        self.shared.counters.cached();
        Some(answer)
    }

    /// Keeps no more that questions had no answer: who knows that the servers are back asks them again.
    pub fn forget_failures(&self) {
        let is_failure =
            |answer: &Answer| matches!(answer.outcome(), Outcome::Timeout | Outcome::Unreachable);
        self.shared.cache.forget(is_failure);
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
        if let Some(answer) = self.kept(&question) {
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
        let answers = self.counters.answers();
        let Some(_permit) = self.permit(deadline).await else {
            // It is not kept: no server was asked.
            self.counters.asked(Outcome::Timeout, answers);
            return Answer::without_records(Outcome::Timeout);
        };
        let asked = self.counters.begin(options.min_silence());
        let answer = self.follow(&question, deadline).await;
        asked.end(answer.outcome());
        let time = match answer.outcome() {
            Outcome::Records => answer.ttl().min(options.max_ttl),
            Outcome::NoData | Outcome::NxDomain => answer.ttl().min(options.max_negative_ttl),
            _ => options.failure_ttl,
        };
        let answer = answer.within(time);
        self.cache.put(question, &answer, time);
        answer
    }

    /// Waits until fewer questions are under way than there may be, and time is left to ask one more.
    async fn permit(&self, deadline: Instant) -> Option<SemaphorePermit<'_>> {
        if let Ok(permit) = self.under_way.try_acquire() {
            return Some(permit);
        }
        let permit = timeout_at(deadline, self.under_way.acquire()).await;
        // The semaphore is never closed.
        permit.ok()?.ok().filter(|_| is_time_left(deadline))
    }

    /// Asks a question, and for the names that its name stands for where no server has followed these.
    async fn follow(&self, question: &Question, deadline: Instant) -> Answer {
        let (mut section, mut ttl) = (vec![], Duration::MAX);
        let (mut name, mut asked) = (question.name.clone(), vec![]);
        let mut outcome;
        loop {
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
            asked.push(next.name);
            // A circle, or a chain that is too long, says neither what there is nor that there is nothing.
            if asked.len() > MAX_ALIASES || asked.contains(&name) {
                ttl = Duration::ZERO;
                break;
            }
        }
        let answer = Answer::from_section(question, outcome, section, ttl);
        if outcome == Outcome::Records && answer.outcome() != Outcome::Records {
            // Not even a server's word that there is nothing.
            return answer.within(Duration::ZERO);
        }
        answer
    }
}

/// Longer than anybody waits, and still a time that a clock can show.
const LONG: Duration = Duration::from_secs(365 * 86_400);
