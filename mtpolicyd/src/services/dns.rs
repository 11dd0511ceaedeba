//! Whom DNS is asked. While name servers answer nothing, nobody.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
    time::Duration,
};

use futures_util::stream::{self, FuturesUnordered, StreamExt as _};
use policy_dns::{
    Answer, DnsCounts, DnsOptions, DnsResolver, Name, Outcome, Question, RecordType, Resolver,
    Table,
};
use tokio::{
    pin, select,
    sync::{Notify, watch},
    time::{Instant, timeout},
};

/// Whom DNS is asked.
#[derive(Clone, Debug)]
pub enum Dns {
    /// Name servers, which a reload may replace.
    Servers(Arc<NameServers>),
    /// A table, for tests.
    Table(Arc<Table>),
}

/// Name servers, and whether they are away.
///
/// A question that has no answer within two seconds has them tried. If they answer nothing at all they are away, and each question
/// fails at once, those under way as well.
#[derive(Debug)]
pub struct NameServers {
    resolver: RwLock<DnsResolver>,
    is_away: watch::Sender<bool>,
    /// The last questions without an answer, since servers have answered when they were tried.
    unanswered: Mutex<VecDeque<Question>>,
    /// There is one more.
    doubt: Notify,
}

impl Dns {
    /// The name servers of these options.
    #[must_use]
    pub fn servers(options: DnsOptions) -> Self {
        Self::Servers(Arc::new(NameServers {
            resolver: RwLock::new(DnsResolver::new(options)),
            is_away: watch::Sender::default(),
            unanswered: Mutex::default(),
            doubt: Notify::new(),
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
            servers.is_away.send_replace(false);
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

    /// Whether name servers have answered nothing when they were tried last.
    #[must_use]
    pub fn is_away(&self) -> bool {
        matches!(self, Self::Servers(servers) if *servers.is_away.borrow())
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

    /// Whether a question was not answered since servers have answered when they were tried.
    pub(crate) fn is_doubted(&self) -> bool {
        matches!(self, Self::Servers(servers) if !servers.unanswered().is_empty())
    }

    /// Waits until a question is not answered.
    pub(crate) async fn doubted(&self) {
        if let Self::Servers(servers) = self {
            servers.doubt.notified().await;
        }
    }

    /// Tries the name servers, and says whether they answer. If they answer nothing at all they are away: until they have answered
    /// here questions fail at once. Where others have taken their place meanwhile, these are tried.
    pub(crate) async fn try_servers(&self) -> bool {
        let Self::Servers(servers) = self else {
            return true;
        };
        loop {
            let tried = servers.resolver();
            let is_answering = servers.answer_anything(&tried).await;
            if servers.note(&tried, is_answering) {
                return is_answering;
            }
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

    fn unanswered(&self) -> MutexGuard<'_, VecDeque<Question>> {
        let unanswered = self.unanswered.lock();
        unanswered.unwrap_or_else(PoisonError::into_inner)
    }

    async fn ask(&self, question: Question) -> Answer {
        let resolver = self.resolver();
        if let Some(kept) = resolver.kept(&question) {
            return kept;
        }
        let mut state = self.is_away.subscribe();
        select! {
            biased;
            _ = state.wait_for(|is_away| *is_away) => Answer::without_records(Outcome::Timeout),
            answer = self.ask_servers(&resolver, question) => answer,
        }
    }

    async fn ask_servers(&self, resolver: &DnsResolver, question: Question) -> Answer {
        let asked = resolver.ask(question.clone());
        pin!(asked);
        let in_time = timeout(TRY_TIME, &mut asked).await;
        if !in_time.as_ref().is_ok_and(is_answer) {
            self.doubt(question);
        }
        match in_time {
            Ok(answer) => answer,
            Err(_) if resolver.counts().is_answering() => asked.await,
            // The last ones have had no answer either: the servers that these ask may be away.
            Err(_) => Answer::without_records(Outcome::Timeout),
        }
    }

    fn doubt(&self, question: Question) {
        let mut unanswered = self.unanswered();
        if !unanswered.contains(&question) {
            unanswered.truncate(MAX_UNANSWERED - 1);
            unanswered.push_front(question);
        }
        self.doubt.notify_one();
    }

    /// Notes whether these servers answer; false where a reload has replaced them.
    fn note(&self, tried: &DnsResolver, is_answering: bool) -> bool {
        // No reload comes between.
        let resolver = self.resolver.read();
        let resolver = resolver.unwrap_or_else(PoisonError::into_inner);
        if resolver.options() != tried.options() {
            return false;
        }
        if is_answering {
            self.unanswered().clear();
            if *self.is_away.borrow() {
                resolver.forget_failures();
            }
        }
        self.is_away.send_replace(!is_answering);
        true
    }

    /// Whether a question is answered: one of the last ones; or one that a server need ask nobody about (RFC 6761, 6.4), since all
    /// the others may be about domains whose own servers are silent.
    async fn answer_anything(&self, resolver: &DnsResolver) -> bool {
        let known = resolver.until(Instant::now() + TRY_TIME);
        let last: Vec<_> = self.unanswered().iter().cloned().collect();
        let tries: FuturesUnordered<_> = last
            .into_iter()
            .map(|question| known.ask(question))
            .collect();
        // Its answer is not kept, and does not count.
        let apart = DnsResolver::new(each_within(TRY_TIME, resolver.options().clone()));
        let name = Name::parse(NOBODYS).ok().into_iter();
        let own: FuturesUnordered<_> = name
            .map(|name| apart.ask(Question::new(name, RecordType::A)))
            .collect();
        stream::select(tries, own)
            .any(async |answer| is_answer(&answer))
            .await
    }
}

fn is_answer(answer: &Answer) -> bool {
    !matches!(answer.outcome(), Outcome::Timeout | Outcome::Unreachable)
}

/// Each server is asked twice within this time: a packet may be lost.
fn each_within(time: Duration, mut options: DnsOptions) -> DnsOptions {
    let servers = u32::try_from(options.servers.len()).unwrap_or(1).max(1);
    options.timeout = options.timeout.min(time / servers / 2);
    (options.attempts, options.deadline) = (2, time);
    options
}

/// As many as show that servers do not answer.
const MAX_UNANSWERED: usize = 4;
const NOBODYS: &str = "mtpolicyd.invalid";
/// A server that is there takes less.
const TRY_TIME: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests;
