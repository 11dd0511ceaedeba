//! The queue of a mirror, with a bound on its length and its bytes, and the threads that work it off.

use std::{
    fmt,
    sync::{
        Arc, Mutex, Once, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
};

use policy_proto::Response;

use super::{MirrorCounts, ask::Connection};

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

/// The queue of a mirror. When it is dropped, its threads end after what they are about: what waits is refused.
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
    /// Nobody waits for what is in it any more.
    has_ended: AtomicBool,
    work: Work,
    counts: Arc<MirrorCounts>,
}

impl Queue {
    /// With so many threads, each with a connection. What is refused is counted here.
    pub(super) fn new(
        threads: usize,
        counts: &Arc<MirrorCounts>,
        work: impl Fn(Copied, &mut Connection) + Send + Sync + 'static,
    ) -> Self {
        let (sender, receiver) = sync_channel(MAX_REQUESTS);
        Self {
            sender,
            shared: Arc::new(Shared {
                receiver: Mutex::new(receiver),
                bytes: AtomicUsize::new(0),
                has_ended: AtomicBool::new(false),
                work: Arc::new(work),
                counts: Arc::clone(counts),
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
            self.shared.counts.dropped.fetch_add(1, Relaxed);
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
            if self.has_ended.load(Relaxed) {
                self.counts.dropped.fetch_add(1, Relaxed);
            } else {
                (self.work)(copied, &mut connection);
            }
        }
    }
}

impl Drop for Queue {
    /// A mirror that hangs would keep the threads for as long as each request may wait, one reload after the other.
    fn drop(&mut self) {
        self.shared.has_ended.store(true, Relaxed);
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
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;

    /// A queue of one thread, which says when it begins with a request, and waits then until it is released.
    fn hanging(counts: &Arc<MirrorCounts>) -> (Queue, Receiver<()>, Sender<()>) {
        let (begun, has_begun) = channel();
        let (release, released) = channel::<()>();
        let released = Mutex::new(released);
        let queue = Queue::new(1, counts, move |_, _| {
            _ = begun.send(());
            _ = released.lock().unwrap().recv();
        });
        (queue, has_begun, release)
    }

    #[test]
    fn what_finds_no_place_is_refused_at_once_while_a_thread_hangs() {
        let counts = Arc::default();
        let (queue, has_begun, release) = hanging(&counts);
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
        assert_eq!(counts.dropped(), 2);
    }

    #[test]
    fn a_queue_that_ends_refuses_what_waits() {
        let counts = Arc::default();
        let (queue, has_begun, release) = hanging(&counts);
        let copied = || Copied {
            request: Vec::new(),
            answer: Response::dunno(),
        };
        assert!(queue.put(copied()));
        has_begun.recv().unwrap();
        assert!(queue.put(copied()) && queue.put(copied()));
        drop(queue);
        drop(release);
        // The thread has ended, and the work with it.
        assert!(has_begun.recv().is_err());
        assert_eq!(counts.dropped(), 2);
    }
}
