//! What is known of a name's addresses. One look-up goes on at a time, on a thread of its own, and
//! serves whoever waits for it or comes later.

use std::{
    fs::File,
    io,
    net::SocketAddr,
    sync::{Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use thiserror::Error;
use tokio::{sync::oneshot, time::Instant};

use crate::{TimedOut, alarm::before, attempt_error::is_ours};

#[derive(Debug, Default)]
pub(crate) struct Resolver {
    pub(crate) ipv4_first: bool,
    addresses: Mutex<Addresses>,
    /// The look-up under way, if there is one.
    look_up: tokio::sync::Mutex<Option<oneshot::Receiver<Found>>>,
}

#[derive(Debug, Default)]
struct Addresses {
    list: Vec<SocketAddr>,
    fresh_until: Option<Instant>,
}

/// What a look-up came to, perhaps long before anyone asks for it.
#[derive(Debug)]
struct Found {
    list: io::Result<Vec<SocketAddr>>,
    at: Instant,
}

/// No thread could be started, and so the server has not been asked.
#[derive(Debug, Error)]
#[error("no thread to look up '{name}': {error}")]
pub(crate) struct NoThread {
    name: Box<str>,
    error: io::Error,
}

impl NoThread {
    pub(crate) fn error(name: &str, error: io::Error) -> io::Error {
        let name = name.into();
        io::Error::new(error.kind(), Self { name, error })
    }
}

impl Resolver {
    /// The addresses, from memory or from `look_up`, which may block: no more than
    /// [`MOST_ADDRESSES`].
    pub(crate) async fn resolve(
        &self,
        name: &str,
        look_up: impl FnOnce() -> io::Result<Vec<SocketAddr>> + Send + 'static,
        within: Duration,
    ) -> io::Result<Vec<SocketAddr>> {
        if let Some(list) = self.fresh() {
            return Ok(list);
        }
        let begin = Instant::now();
        let timed_out = || io::Error::from(TimedOut::LookUp(name.into()));
        let under_way = before(begin.checked_add(within), self.look_up.lock()).await;
        let mut under_way = under_way.ok_or_else(timed_out)?;
        if let Some(list) = self.fresh() {
            return Ok(list);
        }
        let stale = self.lock().list.clone();
        // With an old address at hand a slow resolver is not worth the attempt's whole time.
        let patience = match stale.is_empty() {
            true => within,
            false => within.min(STALE_PATIENCE),
        };
        let until = begin.checked_add(patience);
        let found = match start(&mut under_way, name, look_up) {
            Ok(found) => match before(until, found).await {
                Some(found) => {
                    *under_way = None;
                    found.map_err(io::Error::other)
                }
                None => Err(timed_out()),
            },
            Err(error) => Err(error),
        };
        let now = Instant::now();
        let (list, at) = match found {
            Ok(found) => (found.list, found.at),
            Err(error) => (Err(error), now),
        };
        let mut list = match list {
            Err(error) if stale.is_empty() => return Err(error),
            Err(_) => stale,
            Ok(list) => list,
        };
        if self.ipv4_first {
            list.sort_by_key(SocketAddr::is_ipv6);
        }
        if list.len() > MOST_ADDRESSES {
            // The one that has been tried first, or has worked, is not lost to a resolver that shuffles.
            let first = self.lock().list.first().copied();
            list.sort_by_key(|address| Some(*address) != first);
            list.truncate(MOST_ADDRESSES);
        }
        self.keep(list.clone(), at);
        Ok(list)
    }

    /// The addresses, if they are known and current.
    pub(crate) fn fresh(&self) -> Option<Vec<SocketAddr>> {
        let addresses = self.lock();
        let until = addresses.fresh_until?;
        (Instant::now() < until).then(|| addresses.list.clone())
    }

    /// This address comes first from now on.
    pub(crate) fn prefer(&self, address: SocketAddr) {
        self.lock().list.sort_by_key(|other| *other != address);
    }

    pub(crate) fn keep(&self, list: Vec<SocketAddr>, at: Instant) {
        let fresh_until = Some(at + KEEP_ADDRESSES);
        *self.lock() = Addresses { list, fresh_until };
    }

    fn lock(&self) -> MutexGuard<'_, Addresses> {
        // Nothing that holds the lock can panic half-way.
        self.addresses
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// The look-up that is under way, or this one on a thread of its own. Tokio's threads are not for it: where none
/// can be started, its runtime panics.
fn start<'a>(
    under_way: &'a mut Option<oneshot::Receiver<Found>>,
    name: &str,
    look_up: impl FnOnce() -> io::Result<Vec<SocketAddr>> + Send + 'static,
) -> io::Result<&'a mut oneshot::Receiver<Found>> {
    if let Some(found) = under_way {
        return Ok(found);
    }
    let (sender, receiver) = oneshot::channel();
    let look_up = move || {
        let list = look_up().map_err(|error| exhausted().unwrap_or(error));
        let at = Instant::now();
        // Whoever waited may have gone.
        _ = sender.send(Found { list, at });
    };
    let thread = thread::Builder::new().name("look-up".to_owned());
    match thread.spawn(look_up) {
        Ok(_) => Ok(under_way.insert(receiver)),
        Err(error) => Err(NoThread::error(name, error)),
    }
}

/// What this process has run out of. A resolver that cannot open its files says that there is no such name.
fn exhausted() -> Option<io::Error> {
    File::open("/").err().filter(is_ours)
}

/// How long a name's addresses are taken for current.
const KEEP_ADDRESSES: Duration = Duration::from_secs(60);
/// As many addresses of a name as are tried. They share an attempt's time: of the 3 s for a connection each of
/// eight has a round trip around the world, while of hundreds, which a hostile or broken name may have,
/// none would be given the time to answer.
const MOST_ADDRESSES: usize = 8;
/// How long a look-up may take while older addresses are known.
const STALE_PATIENCE: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    const PATIENT: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn a_slow_look_up_serves_the_request_after_the_one_that_gave_up() {
        let resolver = Resolver::default();
        let (answer, answered) = mpsc::channel();
        let slow = move || answered.recv().map_err(io::Error::other);
        let error = resolver
            .resolve("policy.example", slow, Duration::ZERO)
            .await
            .unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(error.to_string(), "looking up 'policy.example' timed out");

        let list = addresses(["127.0.0.1:1"]);
        answer.send(list.clone()).unwrap();
        for _ in 0..2 {
            let second = || panic!("there was a look-up under way");
            assert_eq!(
                resolver
                    .resolve("policy.example", second, PATIENT)
                    .await
                    .unwrap(),
                list
            );
        }
    }

    #[tokio::test]
    async fn a_failed_look_up_is_not_kept() {
        let resolver = Resolver::default();
        let failing = || Err(io::ErrorKind::NotFound.into());
        resolver
            .resolve("policy.example", failing, PATIENT)
            .await
            .unwrap_err();
        let list = addresses(["127.0.0.1:1"]);
        let working = list.clone();
        let found = resolver
            .resolve("policy.example", || Ok(working), PATIENT)
            .await;
        assert_eq!(found.unwrap(), list);
    }

    #[tokio::test(start_paused = true)]
    async fn addresses_are_kept_for_a_minute_and_longer_only_if_there_are_no_new_ones() {
        let _stands_still = hold_clock();
        let resolver = Resolver::default();
        let (old, new) = (addresses(["127.0.0.1:1"]), addresses(["127.0.0.2:1"]));
        let first = old.clone();
        resolver
            .resolve("policy.example", || Ok(first), PATIENT)
            .await
            .unwrap();
        tokio::time::advance(KEEP_ADDRESSES - Duration::from_millis(1)).await;
        let early = || panic!("the addresses are fresh");
        assert_eq!(
            resolver
                .resolve("policy.example", early, PATIENT)
                .await
                .unwrap(),
            old
        );

        tokio::time::advance(Duration::from_millis(1)).await;
        let failing = || Err(io::ErrorKind::NotFound.into());
        assert_eq!(
            resolver
                .resolve("policy.example", failing, PATIENT)
                .await
                .unwrap(),
            old
        );

        tokio::time::advance(KEEP_ADDRESSES).await;
        let second = new.clone();
        let found = resolver
            .resolve("policy.example", || Ok(second), PATIENT)
            .await;
        assert_eq!(found.unwrap(), new);
    }

    #[tokio::test]
    async fn ipv4_comes_first_only_if_asked_for() {
        let mixed = addresses(["[::1]:1", "127.0.0.1:1", "[::2]:1", "127.0.0.2:1"]);
        let sorted = addresses(["127.0.0.1:1", "127.0.0.2:1", "[::1]:1", "[::2]:1"]);
        for (ipv4_first, wanted) in [(false, mixed.clone()), (true, sorted)] {
            let resolver = Resolver {
                ipv4_first,
                ..Resolver::default()
            };
            let found = mixed.clone();
            let list = resolver
                .resolve("policy.example", || Ok(found), PATIENT)
                .await;
            assert_eq!(list.unwrap(), wanted);
        }
    }

    /// A paused clock goes on by itself where nothing is left to do but to wait, as here for a thread; not
    /// beside one of tokio's own, as long as this is held.
    fn hold_clock() -> mpsc::Sender<()> {
        let (held, end) = mpsc::channel();
        tokio::task::spawn_blocking(move || end.recv());
        held
    }

    #[tokio::test(start_paused = true)]
    async fn of_more_than_eight_addresses_the_first_are_kept_and_the_one_that_worked() {
        let _stands_still = hold_clock();
        let many = |from: u16, to: u16| -> Vec<SocketAddr> {
            (from..to)
                .map(|port| ([127, 0, 0, 1], port).into())
                .collect()
        };
        let resolver = Resolver::default();
        let found = resolver
            .resolve("policy.example", move || Ok(many(0, 300)), PATIENT)
            .await;
        assert_eq!(found.unwrap(), many(0, 8), "in the resolver's order");

        let worked = SocketAddr::from(([127, 0, 0, 1], 5));
        resolver.prefer(worked);
        for (look_up, expected) in [
            // It is far behind, as where a resolver shuffles.
            (many(100, 300), many(100, 108)),
            (
                [many(100, 300), vec![worked]].concat(),
                [vec![worked], many(100, 107)].concat(),
            ),
            // All are tried anyway, and the resolver's order may mean something.
            (
                [many(100, 107), vec![worked]].concat(),
                [many(100, 107), vec![worked]].concat(),
            ),
        ] {
            resolver.keep(vec![worked], Instant::now());
            tokio::time::advance(KEEP_ADDRESSES).await;
            let found = resolver
                .resolve("policy.example", || Ok(look_up), PATIENT)
                .await;
            assert_eq!(found.unwrap(), expected);
        }
    }

    #[tokio::test]
    async fn ipv4_that_comes_first_is_not_cut_off_by_ipv6() {
        let resolver = Resolver {
            ipv4_first: true,
            ..Resolver::default()
        };
        let v4 = SocketAddr::from(([127, 0, 0, 1], 1));
        let v6 = (1..=8).map(|port| SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 1], port)));
        let list: Vec<_> = v6.chain([v4]).collect();
        let found = resolver
            .resolve("policy.example", || Ok(list), PATIENT)
            .await
            .unwrap();
        assert_eq!((found.len(), found[0]), (8, v4));
    }

    fn addresses<const N: usize>(list: [&str; N]) -> Vec<SocketAddr> {
        list.iter().map(|text| text.parse().unwrap()).collect()
    }
}
