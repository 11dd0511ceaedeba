//! The queue of a mirror, with a bound on its length and its bytes, and the threads that work it off.

use std::{
    fmt,
    sync::{
        Arc, Mutex, Once, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
};

use policy_proto::Response;

use super::ask::Connection;

/// A request that was answered.
#[derive(Debug)]
pub(super) struct Copied {
    pub(super) request: Vec<u8>,
    pub(super) answer: Response,
}

impl Copied {
    fn size(&self) -> usize {
        self.request.len() + self.answer.as_bytes().len()
    }
}

type Work = Arc<dyn Fn(Copied, &mut Connection) + Send + Sync>;

/// The queue of a mirror. When it is dropped, its threads end after what is in it.
pub(super) struct Queue {
    sender: SyncSender<Copied>,
    shared: Arc<Shared>,
    threads: usize,
    start: Once,
}

struct Shared {
    receiver: Mutex<Receiver<Copied>>,
    /// Bytes of what is in it.
    bytes: AtomicUsize,
    work: Work,
}

impl Queue {
    /// With so many threads, each with a connection.
    pub(super) fn new(
        threads: usize,
        work: impl Fn(Copied, &mut Connection) + Send + Sync + 'static,
    ) -> Self {
        let (sender, receiver) = sync_channel(MAX_REQUESTS);
        Self {
            sender,
            shared: Arc::new(Shared {
                receiver: Mutex::new(receiver),
                bytes: AtomicUsize::new(0),
                work: Arc::new(work),
            }),
            threads,
            start: Once::new(),
        }
    }

    /// Puts a request into the queue, if there is a place for it. This never waits.
    pub(super) fn put(&self, copied: Copied) -> bool {
        // Only when the daemon has given up its privileges there are requests.
        self.start.call_once(|| self.start());
        let size = copied.size();
        if self.shared.bytes.fetch_add(size, Relaxed) + size > MAX_BYTES
            || self.sender.try_send(copied).is_err()
        {
            self.shared.bytes.fetch_sub(size, Relaxed);
            return false;
        }
        true
    }

    /// Where no thread can be started, the queue fills, and what comes is dropped.
    #[cold]
    fn start(&self) {
        for _ in 0..self.threads {
            let shared = Arc::clone(&self.shared);
            let thread = thread::Builder::new().name("mirror".to_owned());
            _ = thread.spawn(move || shared.work_off());
        }
    }
}

impl Shared {
    fn work_off(&self) {
        let mut connection = Connection::default();
        loop {
            // One thread waits for the next request, and the others for that.
            let next = {
                let receiver = self.receiver.lock().unwrap_or_else(PoisonError::into_inner);
                receiver.recv()
            };
            let Ok(copied) = next else {
                return;
            };
            self.bytes.fetch_sub(copied.size(), Relaxed);
            (self.work)(copied, &mut connection);
        }
    }
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue").finish_non_exhaustive()
    }
}

/// Requests that wait: half a second's at 500 a second.
const MAX_REQUESTS: usize = 256;
/// Bytes of these; a usual request has one kilobyte.
const MAX_BYTES: usize = 4 << 20;

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn what_finds_no_place_is_refused_at_once_while_a_thread_hangs() {
        let (begun, has_begun) = channel();
        let (release, released) = channel::<()>();
        let released = Mutex::new(released);
        let queue = Queue::new(1, move |_, _| {
            _ = begun.send(());
            _ = released.lock().unwrap().recv();
        });
        let copied = |size| Copied {
            request: vec![b'x'; size - "DUNNO".len()],
            answer: Response::dunno(),
        };
        assert!(queue.put(copied(9)));
        has_begun.recv().unwrap();
        for _ in 0..MAX_REQUESTS {
            assert!(queue.put(copied(9)));
        }
        assert!(!queue.put(copied(9)), "there is no place");
        drop(release);
        for _ in 0..MAX_REQUESTS {
            has_begun.recv().unwrap();
        }
        assert!(!queue.put(copied(MAX_BYTES + 1)), "too many bytes");
        assert!(queue.put(copied(MAX_BYTES)));
    }
}
