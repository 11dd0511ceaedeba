//! In which order name servers are asked.

use std::{
    net::SocketAddr,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// The servers, and until when those that did not answer come last.
#[derive(Debug)]
pub(super) struct Servers {
    state: Mutex<State>,
    rotate: bool,
}

#[derive(Debug)]
struct State {
    servers: Vec<(SocketAddr, Option<Instant>)>,
    first: usize,
}

impl Servers {
    pub(super) fn new(servers: Vec<SocketAddr>, rotate: bool) -> Self {
        let servers = servers.into_iter().map(|server| (server, None)).collect();
        Self {
            state: Mutex::new(State { servers, first: 0 }),
            rotate,
        }
    }

    /// All servers, those that were silent lately last.
    pub(super) fn in_order(&self) -> Vec<SocketAddr> {
        let now = Instant::now();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let mut servers = state.servers.clone();
        if self.rotate && !servers.is_empty() {
            state.first = (state.first + 1) % servers.len();
            servers.rotate_left(state.first);
        }
        servers.sort_by_key(|(_, silent_until)| silent_until.is_some_and(|until| now < until));
        servers.into_iter().map(|(server, _)| server).collect()
    }

    pub(super) fn answers(&self, server: SocketAddr) {
        self.set(server, None);
    }

    pub(super) fn is_silent(&self, server: SocketAddr) {
        self.set(server, Instant::now().checked_add(SILENCE));
    }

    fn set(&self, server: SocketAddr, silent_until: Option<Instant>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        for (known, until) in &mut state.servers {
            if *known == server {
                *until = silent_until;
            }
        }
    }
}

/// For how long a server that did not answer comes last.
const SILENCE: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    fn servers(rotate: bool) -> (Servers, [SocketAddr; 3]) {
        let all = [1, 2, 3].map(|port| SocketAddr::from(([192, 0, 2, 1], port)));
        (Servers::new(all.into(), rotate), all)
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_server_comes_last_for_a_while() {
        let (servers, [a, b, c]) = servers(false);
        servers.is_silent(a);
        assert_eq!(servers.in_order(), [b, c, a]);
        servers.is_silent(c);
        assert_eq!(servers.in_order(), [b, a, c]);
        servers.answers(a);
        assert_eq!(servers.in_order(), [a, b, c]);
        tokio::time::advance(SILENCE).await;
        assert_eq!(servers.in_order(), [a, b, c]);
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
