//! The places of a side listener: few clients at a time. Where all are taken, one more takes the place of the client that is
//! waited for longest, so that clients that send or read nothing keep nobody out.

use std::{
    net::Shutdown,
    os::fd::OwnedFd,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use socket2::SockRef;

/// A client of a side listener.
#[derive(Debug)]
pub(crate) struct Client {
    /// A second descriptor of the connection, by which another thread can end it.
    connection: OwnedFd,
    /// Its request is being carried out: it is not waited for.
    is_served: AtomicBool,
    /// It has lost its place, and its thread is about to end.
    is_evicted: AtomicBool,
}

/// The places of a side listener.
#[derive(Debug, Default)]
pub(super) struct Places {
    /// The clients that have one, the oldest first, and those that have lost theirs and are about to end.
    clients: Mutex<Vec<Arc<Client>>>,
}

/// The place of a client, until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) client: Arc<Client>,
    /// Another client has lost it.
    pub(super) has_evicted: bool,
    places: Arc<Places>,
}

impl Client {
    /// Carries its request out. It keeps its place meanwhile.
    pub(crate) fn served<T>(&self, serve: impl FnOnce() -> T) -> T {
        self.is_served.store(true, Relaxed);
        let answer = serve();
        self.is_served.store(false, Relaxed);
        answer
    }

    fn is_evicted(&self) -> bool {
        self.is_evicted.load(Relaxed)
    }

    /// Ends its connection: a thread that reads or writes there is done at once.
    fn evict(&self) {
        self.is_evicted.store(true, Relaxed);
        // It may have ended by itself.
        _ = SockRef::from(&self.connection).shutdown(Shutdown::Both);
    }
}

impl Places {
    /// A place for a client, by a second descriptor of its connection. `None` where all others are being served.
    pub(super) fn take(self: &Arc<Self>, connection: OwnedFd) -> Option<Place> {
        let mut clients = self.clients();
        let open = clients.iter().filter(|client| !client.is_evicted()).count();
        let has_evicted = open >= MAX_CLIENTS;
        if has_evicted {
            let mut waited_for = clients
                .iter()
                .filter(|client| !client.is_evicted() && !client.is_served.load(Relaxed));
            let oldest = waited_for
                .next()
                .filter(|_| clients.len() < MAX_CLIENTS + MAX_ENDING)?;
            oldest.evict();
        }
        let client = Arc::new(Client {
            connection,
            is_served: AtomicBool::new(false),
            is_evicted: AtomicBool::new(false),
        });
        clients.push(Arc::clone(&client));
        Some(Place {
            client,
            has_evicted,
            places: Arc::clone(self),
        })
    }

    fn clients(&self) -> MutexGuard<'_, Vec<Arc<Client>>> {
        // No holder of the lock can panic half-way.
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut clients = self.places.clients();
        clients.retain(|client| !Arc::ptr_eq(client, &self.client));
    }
}

/// A scraper, some probes, some administrators.
pub(crate) const MAX_CLIENTS: usize = 8;
/// Threads of clients that have lost their place: each ends as soon as it has a turn.
const MAX_ENDING: usize = 8;
/// The most descriptors that the clients of a side listener have: two each.
pub(crate) const MAX_DESCRIPTORS: usize = 2 * (MAX_CLIENTS + MAX_ENDING);

#[cfg(test)]
mod tests {
    use std::{io::Read, os::unix::net::UnixStream};

    use super::*;

    fn take(places: &Arc<Places>) -> (Option<Place>, UnixStream) {
        let (near, far) = UnixStream::pair().unwrap();
        (places.take(near.into()), far)
    }

    #[test]
    fn the_client_that_is_waited_for_longest_makes_room() {
        let places = Arc::<Places>::default();
        let mut taken: Vec<_> = (0..MAX_CLIENTS)
            .map(|_| take(&places))
            .map(|(place, far)| (place.unwrap(), far))
            .collect();
        // The first one is being served, so it is the second one's turn.
        let (first, _) = &taken[0];
        let first = Arc::clone(&first.client);
        let (ninth, _far) = first.served(|| take(&places));
        assert!(ninth.unwrap().has_evicted);
        assert_eq!(
            taken[1].1.read(&mut [0]).unwrap(),
            0,
            "its connection has ended"
        );
        assert!(taken[0].0.client.connection_is_open());
        // A place that is given back is there for the next one.
        taken.pop();
        taken.pop();
        let (next, _far) = take(&places);
        assert!(!next.unwrap().has_evicted);
    }

    #[test]
    fn clients_that_are_served_keep_their_places() {
        let places = Arc::<Places>::default();
        let taken: Vec<_> = (0..MAX_CLIENTS).map(|_| take(&places)).collect();
        for (place, _) in &taken {
            place
                .as_ref()
                .unwrap()
                .client
                .is_served
                .store(true, Relaxed);
        }
        assert!(take(&places).0.is_none());
    }

    #[test]
    fn clients_that_do_not_end_have_a_limit() {
        let places = Arc::<Places>::default();
        let taken: Vec<_> = (0..MAX_CLIENTS + MAX_ENDING)
            .map(|_| take(&places))
            .collect();
        assert!(taken.iter().all(|(place, _)| place.is_some()));
        assert!(take(&places).0.is_none());
    }

    impl Client {
        fn connection_is_open(&self) -> bool {
            SockRef::from(&self.connection).send(b"x").is_ok()
        }
    }
}
