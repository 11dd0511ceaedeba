//! The clients of a server as one state machine, which the tasks of their connections share.

use std::{
    fmt, io, mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    task::Waker,
    time::Instant,
};

use bytes::Bytes;
use policy_flow::{
    ClientDriver, ClientError, ClientEvent, ClientId, Peer, PlaceLimits, Places, Sent,
};

use super::ServeOptions;
use crate::{
    slab::Slab,
    small_list::SmallList,
    timer::{Ring, Timer, now},
};

/// The clients of one server: what they are granted, and the memory that their requests share. Clones are the same.
///
/// Each [`Connection`](crate::Connection) is one of them. A connection between two requests takes some two hundred
/// bytes here, and no buffer.
///
/// ```
/// use policy_net::{Clients, Connection, ServeOptions};
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
/// let mut options = ServeOptions::default();
/// options.clients.memory = Some(64 << 20);
/// let clients = Clients::new(options);
/// let (_, server) = tokio::io::duplex(64);
/// let connection = Connection::new(server, &clients);
/// assert_eq!((clients.len(), clients.memory(), clients.short_of_memory()), (1, 0, 0));
/// drop(connection);
/// assert!(clients.is_empty());
/// # });
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone)]
pub struct Clients {
    group: Arc<Group>,
}

struct Group {
    me: Weak<Self>,
    options: ServeOptions,
    machine: Mutex<Machine>,
    timer: Timer,
}

pub(super) struct Machine {
    pub(super) flow: policy_flow::Clients,
    pub(super) entries: Entries,
}

/// The knowledge of each connection beside the state machine.
pub(super) struct Entries {
    all: Slab<Entry>,
    /// The entry of each client of the state machine.
    of: Vec<usize>,
    wakes: SmallList<Waker>,
}

#[derive(Default)]
pub(super) struct Entry {
    pub(super) waker: Option<Waker>,
    /// Why the state machine has closed the connection, if it has.
    pub(super) end: Option<End>,
}

/// Why a connection ends.
#[derive(Debug)]
pub(super) enum End {
    /// Its client has ended it, or been idle for too long.
    Closed,
    /// For what its client did, and what had come of it.
    Refused(ClientError, Bytes),
}

impl Clients {
    /// Without clients.
    #[must_use]
    pub fn new(options: impl Into<ServeOptions>) -> Self {
        let options = options.into();
        // Who may connect is decided where connections are accepted.
        let places = Places::new(PlaceLimits {
            all: usize::MAX,
            per_address: None,
            per_user: None,
        });
        let machine = Machine {
            flow: policy_flow::Clients::new(now(), options.clients, places),
            entries: Entries {
                all: Slab::new(),
                of: Vec::new(),
                wakes: SmallList::default(),
            },
        };
        let group = Arc::new_cyclic(|me| Group {
            me: Weak::clone(me),
            options,
            machine: Mutex::new(machine),
            timer: Timer::default(),
        });
        Self { group }
    }

    /// The limits of their server.
    #[must_use]
    pub fn options(&self) -> &ServeOptions {
        &self.group.options
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.group.lock().flow.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of memory that are counted for requests under way and their replies: see [`ClientOptions::memory`](crate::ClientOptions::memory).
    #[must_use]
    pub fn memory(&self) -> usize {
        self.group.lock().flow.memory()
    }

    /// How many of them wait for memory.
    #[must_use]
    pub fn short_of_memory(&self) -> usize {
        self.group.lock().flow.short_of_memory()
    }

    /// From now on the rest of a request is waited for 3 s at the most: to be called when the server is to end, so that a
    /// client that stops half-way does not hold that up. [`serve`](crate::serve) does so.
    ///
    /// ```
    /// use policy_net::{Clients, Connection};
    /// use std::future::pending;
    /// use tokio::io::AsyncWriteExt;
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?.block_on(async {
    /// let (mut client, server) = tokio::io::duplex(64);
    /// client.write_all(b"request=smtpd_acc").await?;
    /// let clients = Clients::default();
    /// let mut connection = Connection::new(server, &clients);
    /// let begin = tokio::time::Instant::now();
    /// clients.hurry();
    /// assert!(connection.request(pending()).await.is_err());
    /// assert_eq!(begin.elapsed().as_secs(), 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(()) })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn hurry(&self) {
        self.with(|Machine { flow, .. }| flow.hurry());
    }

    /// One more: its number, and its entry.
    pub(super) fn accept(&self) -> (Option<ClientId>, usize) {
        self.with(|Machine { flow, entries }| {
            let entry = entries.all.insert(Entry::default());
            // There is always a place.
            let client = flow.accept(Peer::User(0), entries).ok();
            match client {
                Some(client) => entries.put(client, entry),
                None => entries.close(entry, End::Closed),
            }
            (client, entry)
        })
    }

    /// Looks at the state machine.
    pub(super) fn look<T>(&self, look: impl FnOnce(&mut Machine) -> T) -> T {
        look(&mut self.group.lock())
    }

    /// Has the state machine do something now.
    pub(super) fn with<T>(&self, act: impl FnOnce(&mut Machine) -> T) -> T {
        self.group.with(act)
    }
}

impl Group {
    fn lock(&self) -> MutexGuard<'_, Machine> {
        // Nothing that holds the lock can panic half-way.
        self.machine.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with<T>(&self, act: impl FnOnce(&mut Machine) -> T) -> T {
        let (result, wakes, next): (T, SmallList<Waker>, Option<Instant>) = {
            let mut machine = self.lock();
            machine.flow.set_now(now());
            machine.flow.recycle();
            let result = act(&mut machine);
            let wakes = mem::take(&mut machine.entries.wakes);
            (result, wakes, machine.flow.next_timer())
        };
        self.timer
            .set(next, || Weak::clone(&self.me) as Weak<dyn Ring>);
        wakes.into_iter().for_each(Waker::wake);
        result
    }
}

impl Ring for Group {
    fn ring(&self) {
        self.with(|Machine { flow, entries }| flow.tick(entries));
    }
}

impl fmt::Debug for Clients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clients")
            .field("options", self.options())
            .finish_non_exhaustive()
    }
}

impl From<&Self> for Clients {
    fn from(clients: &Self) -> Self {
        clients.clone()
    }
}

impl Default for Clients {
    /// With the default options.
    fn default() -> Self {
        Self::new(ServeOptions::default())
    }
}

impl Entries {
    pub(super) fn get_mut(&mut self, entry: usize) -> Option<&mut Entry> {
        self.all.get_mut(entry)
    }

    pub(super) fn remove(&mut self, entry: usize) -> Option<Entry> {
        self.all.remove(entry)
    }

    fn put(&mut self, client: ClientId, entry: usize) {
        if self.of.len() <= client.index() {
            self.of.resize(client.index() + 1, usize::MAX);
        }
        if let Some(of) = self.of.get_mut(client.index()) {
            *of = entry;
        }
    }

    fn of(&self, client: ClientId) -> usize {
        self.of.get(client.index()).copied().unwrap_or(usize::MAX)
    }

    fn wake(&mut self, entry: usize) {
        if let Some(waker) = self.all.get_mut(entry).and_then(|entry| entry.waker.take()) {
            self.wakes.push(waker);
        }
    }

    fn close(&mut self, entry: usize, end: End) {
        if let Some(entry) = self.all.get_mut(entry) {
            entry.end.get_or_insert(end);
        }
        self.wake(entry);
    }
}

/// For all that is not about the connection whose task calls the state machine.
impl ClientDriver for Entries {
    fn send_client(&mut self, _: ClientId, _: &[u8]) -> io::Result<Sent> {
        Err(io::ErrorKind::NotConnected.into())
    }

    fn close_client(&mut self, client: ClientId) {
        self.close(self.of(client), End::Closed);
    }

    fn leave_client(&mut self, client: ClientId) {
        self.close_client(client);
    }

    fn resume_client(&mut self, client: ClientId) {
        self.wake(self.of(client));
    }

    fn has_bytes(&mut self, _: ClientId) -> bool {
        false
    }

    fn client_event(&mut self, event: ClientEvent<'_>) {
        if let ClientEvent::Refused {
            client,
            error: Some(error),
            received,
            ..
        } = event
        {
            let shown = Bytes::copy_from_slice(&received[..received.len().min(MAX_SHOWN)]);
            self.close(self.of(client), End::Refused(*error, shown));
        }
    }
}

/// As much as is kept of what a client has sent instead of a request.
const MAX_SHOWN: usize = 512;
