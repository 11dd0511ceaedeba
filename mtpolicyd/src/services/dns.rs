//! Whom DNS is asked. While the last questions have no answer, one has a short time; while name servers are away, none.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use futures_util::{
    future::join,
    stream::{FuturesUnordered, StreamExt},
};
use policy_dns::{
    Answer, DnsCounts, DnsOptions, DnsResolver, Name, Outcome, Question, RecordType, Resolver,
    Table,
};
use tokio::time::Instant;

/// Whom DNS is asked.
#[derive(Clone, Debug)]
pub enum Dns {
    /// Name servers, which a reload may replace.
    Servers(Arc<NameServers>),
    /// A table, for tests.
    Table(Arc<Table>),
}

/// Name servers, and whether they are away.
#[derive(Debug)]
pub struct NameServers {
    resolver: RwLock<DnsResolver>,
    /// They have answered neither the last questions nor those that they were tried with.
    is_away: AtomicBool,
    /// The last questions whose answers were not kept.
    last: Mutex<VecDeque<Question>>,
}

impl Dns {
    /// The name servers of these options.
    #[must_use]
    pub fn servers(options: DnsOptions) -> Self {
        Self::Servers(Arc::new(NameServers {
            resolver: RwLock::new(DnsResolver::new(options)),
            is_away: AtomicBool::default(),
            last: Mutex::default(),
        }))
    }

    /// From now on other name servers are asked; false where they are the same. Questions in progress keep theirs.
    pub fn replace(&self, options: DnsOptions) -> bool {
        let Self::Servers(servers) = self else {
            return false;
        };
        let resolver = servers.resolver.write();
        let mut resolver = resolver.unwrap_or_else(PoisonError::into_inner);
        let is_other = *resolver.options() != options;
        if is_other {
            *resolver = DnsResolver::new(options);
            servers.is_away.store(false, Relaxed);
        }
        is_other
    }

    /// How many questions had which outcome, and how many answers are kept.
    #[must_use]
    pub fn counts(&self) -> (DnsCounts, usize) {
        match self {
            Self::Servers(servers) => {
                let resolver = servers.resolver();
                (resolver.counts(), resolver.cached())
            }
            Self::Table(_) => Default::default(),
        }
    }

    /// Whether name servers answer, as far as the last questions show.
    pub(crate) fn is_answering(&self) -> bool {
        self.counts().0.is_answering()
    }

    /// Whether they have answered last; after [`replace`](Self::replace) that the new ones have answered at all.
    pub(crate) fn has_answered(&self) -> bool {
        let (counts, _) = self.counts();
        counts.is_answering() && counts.records + counts.empty + counts.failed > 0
    }

    /// The addresses of the name servers.
    pub(crate) fn addresses(&self) -> String {
        let Self::Servers(servers) = self else {
            return String::new();
        };
        let resolver = servers.resolver();
        let servers = resolver.options().servers.iter();
        let addresses: Vec<_> = servers.map(|server| server.ip().to_string()).collect();
        addresses.join(", ")
    }

    /// Tries name servers that have not answered the last questions. If they answer nothing at all they are away: until they
    /// have answered here questions fail at once.
    pub(crate) async fn try_servers(&self) {
        if let Self::Servers(servers) = self {
            let is_away = !servers.answer_anything().await;
            servers.is_away.store(is_away, Relaxed);
        }
    }

    /// Nobody: each name is unknown.
    #[must_use]
    pub fn none() -> Self {
        Self::Table(Arc::default())
    }
}

impl Resolver for Dns {
    async fn ask(&self, question: Question) -> Answer {
        match self {
            Self::Servers(servers) => servers.ask(question).await,
            Self::Table(table) => table.ask(question).await,
        }
    }
}

impl NameServers {
    fn resolver(&self) -> DnsResolver {
        let resolver = self.resolver.read();
        resolver.unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn last(&self) -> MutexGuard<'_, VecDeque<Question>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn ask(&self, question: Question) -> Answer {
        let resolver = self.resolver();
        if let Some(kept) = resolver.kept(&question) {
            return kept;
        }
        self.remember(&question);
        if resolver.counts().is_answering() {
            self.is_away.store(false, Relaxed);
            return resolver.ask(question).await;
        }
        if self.is_away.load(Relaxed) {
            return Answer::without_records(Outcome::Timeout);
        }
        // The servers that these ask may be away.
        let end = Instant::now() + TRY_TIME;
        resolver.until(end).ask(question).await
    }

    fn remember(&self, question: &Question) {
        let mut last = self.last();
        if !last.contains(question) {
            last.truncate(MAX_LAST - 1);
            last.push_front(question.clone());
        }
    }

    /// Whether a question is answered: one of the last ones, which show as well that the servers reach others; or one that a
    /// server need ask nobody about (RFC 6761, 6.4), since all the others may be about domains whose own servers are silent.
    async fn answer_anything(&self) -> bool {
        let (end, resolver) = (Instant::now() + TRY_TIME, self.resolver());
        let known = resolver.until(end);
        let last: Vec<_> = self.last().iter().cloned().collect();
        let tries: FuturesUnordered<_> = last
            .into_iter()
            .map(|question| known.ask(question))
            .collect();
        let is_one_answered = tries.any(async |answer| is_answer(&answer));
        // Its answer is not kept, and does not count.
        let apart = DnsResolver::new(each_within(TRY_TIME, resolver.options().clone()));
        let is_own_answered = async {
            let Ok(name) = Name::parse(NOBODYS) else {
                return false;
            };
            is_answer(&apart.ask(Question::new(name, RecordType::A)).await)
        };
        let (one, own) = join(is_one_answered, is_own_answered).await;
        one || own
    }
}

fn is_answer(answer: &Answer) -> bool {
    !matches!(answer.outcome(), Outcome::Timeout | Outcome::Unreachable)
}

/// Each server is asked once within this time.
fn each_within(time: Duration, mut options: DnsOptions) -> DnsOptions {
    let servers = u32::try_from(options.servers.len()).unwrap_or(1).max(1);
    options.timeout = options.timeout.min(time / servers);
    (options.attempts, options.deadline) = (1, time);
    options
}

/// As many as show that servers do not answer.
const MAX_LAST: usize = 4;
const NOBODYS: &str = "mtpolicyd.invalid";
/// A server that is there takes less.
const TRY_TIME: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use std::net::{SocketAddr, UdpSocket};

    use futures_util::future::join_all;
    use policy_testing::NameServer;

    use super::*;

    async fn ask(dns: &Dns, name: &str) -> Outcome {
        let name = Name::parse(name).unwrap();
        dns.ask(Question::new(name, RecordType::A)).await.outcome()
    }

    async fn ask_four(dns: &Dns) -> Vec<Outcome> {
        let names = (1..=4).map(|number| format!("name{number}.silent.example"));
        join_all(names.map(async |name| ask(dns, &name).await)).await
    }

    #[tokio::test(start_paused = true)]
    async fn while_no_server_answers_a_question_fails_at_once() {
        let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
        let dns = Dns::servers(DnsOptions::new([silent.local_addr().unwrap()]));
        assert_eq!(ask_four(&dns).await, [Outcome::Timeout; 4]);
        let begin = Instant::now();
        assert_eq!(ask(&dns, "doubt.example").await, Outcome::Timeout);
        assert!(begin.elapsed() <= Duration::from_millis(2001));
        dns.try_servers().await;
        let begin = Instant::now();
        assert_eq!(ask(&dns, "other.example").await, Outcome::Timeout);
        assert_eq!(begin.elapsed(), Duration::ZERO);
        // Other servers may answer.
        let other = UdpSocket::bind("127.0.0.1:0").unwrap();
        assert!(dns.replace(DnsOptions::new([other.local_addr().unwrap()])));
        assert!(dns.is_answering() && !dns.has_answered());
        assert_eq!(ask(&dns, "other.example").await, Outcome::Timeout);
        assert!(begin.elapsed() >= Duration::from_secs(10));
    }

    #[tokio::test]
    async fn a_server_that_is_back_is_noticed_although_nobody_asks() {
        // Nothing listens there yet, and no other test does: none has this address, and the port is taken at all of them.
        let neighbour = NameServer::start("");
        let address = SocketAddr::from(([127, 77, 0, 5], neighbour.address().port()));
        let dns = Dns::servers(DnsOptions::new([address]));
        assert_eq!(ask_four(&dns).await, [Outcome::Unreachable; 4]);
        dns.try_servers().await;
        assert!(!dns.is_answering());
        assert_eq!(ask(&dns, "other.example").await, Outcome::Timeout);
        let _server = NameServer::start_at(address, "other.example A 192.0.2.1\n");
        // A busy machine may not answer within the time.
        for _ in 0..10 {
            dns.try_servers().await;
            if dns.has_answered() {
                break;
            }
        }
        assert!(dns.has_answered());
        assert_eq!(ask(&dns, "other.example").await, Outcome::Records);
    }

    /// Else the questions about an attacker's domains would keep those to lists from being asked.
    #[tokio::test]
    async fn domains_whose_servers_are_silent_keep_nobody_from_asking_about_others() {
        let zone = "*.silent.example !silent\nother.example A 192.0.2.1\n";
        let server = NameServer::start(zone);
        let mut options = DnsOptions::new([server.address()]);
        options.timeout = Duration::from_millis(500);
        let dns = Dns::servers(options);
        assert_eq!(ask_four(&dns).await, [Outcome::Timeout; 4]);
        assert!(!dns.is_answering());
        dns.try_servers().await;
        assert_eq!(ask(&dns, "other.example").await, Outcome::Records);
    }
}
