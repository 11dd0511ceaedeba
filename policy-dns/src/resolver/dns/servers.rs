//! The order in which name servers are asked: a server that is silent comes last.

use std::{
    collections::HashSet,
    net::SocketAddr,
    ops::Range,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// The servers, and what is known of each.
#[derive(Debug)]
pub(super) struct Servers {
    state: Mutex<State>,
    rotate: bool,
    /// How long a server has to say nothing before it is silent.
    min_silence: Duration,
}

#[derive(Debug)]
struct State {
    servers: Vec<Server>,
    first: usize,
}

#[derive(Clone, Debug)]
struct Server {
    address: SocketAddr,
    /// When it said something last within the time of a try.
    heard: Option<Instant>,
    /// Until when it comes last.
    silent_until: Option<Instant>,
}

impl Servers {
    pub(super) fn new(servers: Vec<SocketAddr>, rotate: bool, min_silence: Duration) -> Self {
        let new = |address| Server {
            address,
            heard: None,
            silent_until: None,
        };
        // One that is named twice is one: it would be asked again before others when it is silent.
        let mut known = HashSet::new();
        let servers = servers.into_iter().filter(|&address| known.insert(address));
        let servers = servers.map(new).collect();
        Self {
            state: Mutex::new(State { servers, first: 0 }),
            rotate,
            min_silence,
        }
    }

    /// All servers, those that were silent lately last.
    pub(super) fn in_order(&self) -> Vec<SocketAddr> {
        let now = Instant::now();
        let mut state = self.lock();
        if self.rotate && !state.servers.is_empty() {
            state.first = (state.first + 1) % state.servers.len();
        }
        let (before, after) = state.servers.split_at(state.first);
        let in_turn = || after.iter().chain(before);
        let is_silent = |server: &&Server| server.silent_until.is_some_and(|until| now < until);
        let mut servers = Vec::with_capacity(state.servers.len());
        servers.extend(in_turn().filter(|server| !is_silent(server)));
        servers.extend(in_turn().filter(is_silent));
        servers.into_iter().map(|server| server.address).collect()
    }

    /// Notes a server as silent that has said nothing in time since it was asked, if that is long enough. A zone whose
    /// own servers are down makes no silent server: it answers other questions meanwhile.
    pub(super) fn note_silence(&self, address: SocketAddr, asked: Instant) {
        let now = Instant::now();
        if now.saturating_duration_since(asked) < self.min_silence {
            return;
        }
        let is_heard = |server: &Server| server.heard.is_some_and(|heard| asked <= heard);
        let mut state = self.lock();
        let mut servers = state.servers.iter_mut();
        if let Some(server) = servers.find(|server| server.address == address)
            && !is_heard(server)
        {
            server.silent_until = now.checked_add(SILENCE);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One try at a server. However it ends, also where it is given up, a server that said nothing is noted.
#[derive(Debug)]
pub(super) struct Try<'a> {
    servers: &'a Servers,
    server: SocketAddr,
    time: Range<Instant>,
}

impl<'a> Try<'a> {
    pub(super) fn new(servers: &'a Servers, server: SocketAddr, time: Range<Instant>) -> Self {
        Self {
            servers,
            server,
            time,
        }
    }

    pub(super) fn server(&self) -> SocketAddr {
        self.server
    }

    /// Notes that the server has said something. After the time of the try that is no longer of use.
    pub(super) fn hear(&self) {
        let now = Instant::now();
        let mut state = self.servers.lock();
        let mut servers = state.servers.iter_mut();
        if now < self.time.end
            && let Some(server) = servers.find(|server| server.address == self.server)
        {
            server.heard = Some(now);
            server.silent_until = None;
        }
    }
}

impl Drop for Try<'_> {
    fn drop(&mut self) {
        self.servers.note_silence(self.server, self.time.start);
    }
}

/// For how long a silent server comes last.
const SILENCE: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn servers(rotate: bool) -> (Servers, [SocketAddr; 3]) {
        let all = [1, 2, 3].map(|port| SocketAddr::from(([192, 0, 2, 1], port)));
        (Servers::new(all.into(), rotate, SECOND), all)
    }

    fn a_try(servers: &Servers, server: SocketAddr) -> Try<'_> {
        let begin = Instant::now();
        Try::new(servers, server, begin..begin + 5 * SECOND)
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_server_comes_last_for_a_while() {
        let (servers, [a, b, c]) = servers(false);
        let tries = [a, c].map(|server| a_try(&servers, server));
        advance(SECOND).await;
        let [first, second] = tries;
        drop(first);
        assert_eq!(servers.in_order(), [b, c, a]);
        drop(second);
        assert_eq!(servers.in_order(), [b, a, c]);
        a_try(&servers, c).hear();
        assert_eq!(servers.in_order(), [b, c, a]);
        advance(SILENCE).await;
        assert_eq!(servers.in_order(), [a, b, c]);
    }

    #[tokio::test]
    async fn a_server_that_is_named_twice_is_asked_as_one() {
        let (_, [a, b, c]) = servers(false);
        let servers = Servers::new(vec![a, a, b, a, c], false, SECOND);
        assert_eq!(servers.in_order(), [a, b, c]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_is_silent_that_says_nothing_in_time_for_long_enough() {
        let (servers, [a, b, c]) = servers(false);
        let (soon, early, late) = (a_try(&servers, a), a_try(&servers, a), a_try(&servers, b));
        advance(SECOND - Duration::from_millis(1)).await;
        drop(soon);
        // Another question was answered meanwhile.
        a_try(&servers, a).hear();
        advance(6 * SECOND).await;
        drop(early);
        assert_eq!(servers.in_order(), [a, b, c]);
        late.hear();
        drop(late);
        assert_eq!(servers.in_order(), [a, c, b]);
    }

    #[tokio::test]
    async fn rotation_begins_with_another_one_each_time() {
        let (servers, all) = servers(true);
        let firsts: Vec<_> = (0..6).map(|_| servers.in_order()[0]).collect();
        assert!(
            all.iter()
                .all(|server| firsts.iter().filter(|first| *first == server).count() == 2)
        );
    }
}
