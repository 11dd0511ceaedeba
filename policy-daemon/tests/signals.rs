//! Signals that come while a daemon starts. The test sends them to its own process, so it is alone in it.

use std::{
    os::fd::AsFd,
    path::Path,
    sync::atomic::{AtomicUsize, Ordering::SeqCst},
    thread::{self, JoinHandle},
};

use nix::sys::signal::{SigSet, Signal::SIGHUP, raise};
use policy_daemon::{
    Daemon, DaemonOptions, Inherited, Service, Worker, WorkerContext,
    worker::{Message, Workers},
};
use rustix::{
    event::{PollFd, PollFlags, poll},
    process::{Signal, getpid, kill_process},
};
use socket2::{Domain, SockAddr, Socket, Type};

/// Counts reloads, and ends the daemon with the first one.
#[derive(Default)]
struct Counting {
    reloads: AtomicUsize,
}

impl Service for &Counting {
    type Message = ();
    type Worker = Waiting;

    fn worker(&self, context: WorkerContext<()>) -> std::io::Result<Waiting> {
        Ok(Waiting(context))
    }

    fn reload(&self, _: &Workers<()>) -> bool {
        self.reloads.fetch_add(1, SeqCst);
        kill_process(getpid(), Signal::TERM).unwrap();
        true
    }
}

/// A worker that waits for its end.
struct Waiting(WorkerContext<()>);

impl Worker for Waiting {
    fn run(self) -> std::io::Result<()> {
        let mut messages = Vec::<Message<()>>::new();
        while messages.is_empty() {
            let inbox = self.0.inbox().clone();
            poll(
                &mut [PollFd::from_borrowed_fd(inbox.as_fd(), PollFlags::IN)],
                None,
            )?;
            self.0.take_messages(&mut messages);
        }
        Ok(())
    }
}

/// A daemon before this one, which sends a signal instead of its sockets: so the start has bound none yet.
fn predecessor(path: &Path) -> JoinHandle<()> {
    let socket = Socket::new(Domain::UNIX, Type::SEQPACKET, None).unwrap();
    socket.bind(&SockAddr::unix(path).unwrap()).unwrap();
    socket.listen(1).unwrap();
    thread::spawn(move || {
        _ = socket.accept().unwrap();
        kill_process(getpid(), Signal::HUP).unwrap();
    })
}

/// The reloads of a daemon that starts with this, and whose predecessor asks for a reload if it `hands_over`.
fn reloads(inherited: Inherited, hands_over: bool) -> usize {
    let directory = tempfile::tempdir().unwrap();
    let mut options = DaemonOptions::new("signals");
    let policy = directory.path().join("policy");
    options.listen = vec![format!("unix:{}", policy.display())];
    let handover = hands_over.then(|| directory.path().join("handover"));
    let predecessor = handover.as_deref().map(predecessor);
    options.handover = handover;
    let daemon = Daemon::prepare(&options, inherited).unwrap();
    if let Some(predecessor) = predecessor {
        predecessor.join().unwrap();
    }
    let service = Counting::default();
    daemon.serve(&service).unwrap();
    service.reloads.into_inner()
}

#[test]
fn a_reload_that_is_asked_for_during_the_start_is_done_after_it() {
    // While the options are read: this thread alone, since others of this test hold nothing back.
    let inherited = Inherited::take().unwrap();
    raise(SIGHUP).unwrap();
    assert_eq!(reloads(inherited, false), 1);
    // While the handover goes on.
    assert_eq!(reloads(Inherited::default(), true), 1);
    // One that does not become a daemon holds back nothing any more.
    drop(Inherited::take().unwrap());
    assert!(!SigSet::thread_get_mask().unwrap().contains(SIGHUP));
}
