//! Whom DNS is asked. While no name server answers, a question fails at once, and the servers are tried in the background.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use futures_util::future::join;
use policy_dns::{
    Answer, DnsCounts, DnsOptions, DnsResolver, Name, Outcome, Question, RecordType, Resolver,
    Table,
};
use tokio::time::{Instant, sleep};

/// Whom DNS is asked.
#[derive(Clone, Debug)]
pub enum Dns {
    /// Name servers, which a reload may replace.
    Servers(Arc<NameServers>),
    /// A table, for tests.
    Table(Arc<Table>),
}

/// Name servers, and what is to be asked of them once they answer.
#[derive(Debug)]
pub struct NameServers {
    resolver: RwLock<DnsResolver>,
    /// The last question that failed at once.
    refused: Mutex<Option<Question>>,
    tries: AtomicU64,
}

impl Dns {
    /// The name servers of these options.
    #[must_use]
    pub fn servers(options: DnsOptions) -> Self {
        Self::Servers(Arc::new(NameServers {
            resolver: RwLock::new(DnsResolver::new(options)),
            refused: Mutex::default(),
            tries: AtomicU64::default(),
        }))
    }

    /// From now on other name servers are asked; false where they are the same. Questions in progress keep theirs.
    pub fn replace(&self, options: DnsOptions) -> bool {
        let Self::Servers(servers) = self else {
            return false;
        };
        let mut resolver = servers
            .resolver
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        let is_other = *resolver.options() != options;
        if is_other {
            *resolver = DnsResolver::new(options);
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

    /// Tries the servers each second while none answers. Returns when one does again.
    pub(crate) async fn answers_again(&self) {
        let before = self.counts().0.outages;
        let was_away = !self.counts().0.is_answering();
        loop {
            sleep(TRY_AGAIN).await;
            let (counts, _) = self.counts();
            if !counts.is_answering() {
                self.try_servers().await;
            } else if was_away || counts.outages != before {
                return;
            }
        }
    }

    /// Asks for a name that a resolver need ask nobody for (RFC 6761, 6.4), a new one each time, since answers are kept; and
    /// what was asked last, for a server that knows some zones only.
    async fn try_servers(&self) {
        let Self::Servers(servers) = self else { return };
        let resolver = servers.resolver();
        let resolver = resolver.until(Instant::now() + TRY_TIME);
        let last = servers.refused().take();
        let last = async {
            if let Some(question) = last {
                resolver.ask(question).await;
            }
        };
        let number = servers.tries.fetch_add(1, Relaxed);
        let Ok(name) = Name::parse(&format!("{number}.invalid")) else {
            return;
        };
        join(resolver.ask(Question::new(name, RecordType::A)), last).await;
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

    fn refused(&self) -> MutexGuard<'_, Option<Question>> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn ask(&self, question: Question) -> Answer {
        let resolver = self.resolver();
        if resolver.counts().is_answering() {
            return resolver.ask(question).await;
        }
        resolver.kept(&question).unwrap_or_else(|| {
            *self.refused() = Some(question);
            Answer::without_records(Outcome::Timeout)
        })
    }
}

const TRY_AGAIN: Duration = Duration::from_secs(1);
/// A server that answers takes less.
const TRY_TIME: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use futures_util::future::join_all;
    use policy_testing::NameServer;

    use super::*;

    fn question(number: usize) -> Question {
        let name = format!("name{number}.example");
        Question::new(Name::parse(&name).unwrap(), RecordType::A)
    }

    #[tokio::test(start_paused = true)]
    async fn while_no_server_answers_a_question_fails_at_once() {
        let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
        let dns = Dns::servers(DnsOptions::new([silent.local_addr().unwrap()]));
        let begin = Instant::now();
        let first = join_all((0..4).map(|number| dns.ask(question(number)))).await;
        assert!(
            first
                .iter()
                .all(|answer| answer.outcome() == Outcome::Timeout)
        );
        assert!(begin.elapsed() >= Duration::from_secs(10));
        let known = Instant::now();
        assert_eq!(dns.ask(question(9)).await.outcome(), Outcome::Timeout);
        assert_eq!(known.elapsed(), Duration::ZERO);
        // It is tried meanwhile, also with that question.
        let again = tokio::time::timeout(Duration::from_secs(4), dns.answers_again());
        assert!(again.await.is_err());
        silent.set_nonblocking(true).unwrap();
        let mut buffer = [0; 512];
        let mut asked = Vec::new();
        while let Ok(length) = silent.recv(&mut buffer) {
            asked.push(buffer[12..length].to_vec());
        }
        let is_asked = |name: &[u8]| asked.iter().any(|asked| asked.starts_with(name));
        assert!(
            is_asked(b"\x05name9") && is_asked(b"\x010\x07invalid"),
            "{asked:?}"
        );
    }

    #[tokio::test]
    async fn a_server_that_is_back_is_noticed_also_where_nobody_asks() {
        let gone = UdpSocket::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        let dns = Dns::servers(DnsOptions::new([gone]));
        let before = dns.clone();
        let again = tokio::spawn(async move { before.answers_again().await });
        for number in 0..4 {
            let outcome = dns.ask(question(number)).await.outcome();
            assert_eq!(outcome, Outcome::Unreachable);
        }
        assert!(!dns.counts().0.is_answering());
        let _server = NameServer::start_at(gone, "name1.example A 192.0.2.1\n");
        again.await.unwrap();
        assert!(dns.counts().0.is_answering());
    }
}
