//! Signals that come while a daemon starts. The test sends them to its own process, so it is alone in it.

use std::{
    os::fd::AsFd,
    path::Path,
    sync::atomic::{AtomicUsize, Ordering::SeqCst},
    thread::{self, JoinHandle},
};

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

#[test]
fn a_reload_that_is_asked_for_during_the_start_is_done_after_it() {
    let directory = tempfile::tempdir().unwrap();
    let handover = directory.path().join("handover");
    let predecessor = predecessor(&handover);
    let mut options = DaemonOptions::new("signals");
    options.listen = vec![format!(
        "unix:{}",
        directory.path().join("policy").display()
    )];
    options.handover = Some(handover);
    let daemon = Daemon::prepare(&options, Inherited::default()).unwrap();
    predecessor.join().unwrap();

    let service = Counting::default();
    daemon.serve(&service).unwrap();
    assert_eq!(service.reloads.into_inner(), 1);
}
