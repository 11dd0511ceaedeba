//! The thread that asks DNS when no request does: it tests the lists of the configuration, at the start, hourly and once name
//! servers answer again, and tries these while none does.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread,
};

use tokio::{runtime::Builder, select, sync::Notify};

use super::handler::Server;

/// The tests of DNS lists.
#[derive(Debug, Default)]
pub(super) struct ListTests {
    is_started: AtomicBool,
    reloaded: Arc<Notify>,
}

impl ListTests {
    /// Starts the thread, once there are lists, or name servers do not answer. It is not to be called before the process has its final user: a thread keeps
    /// the one that it was started with.
    pub(super) fn start(&self, server: &Arc<Server>) {
        let is_needed = || {
            let (counts, _) = server.services().dns.counts();
            !server.config().lists.is_empty() || !counts.is_answering()
        };
        if self.is_started.load(Relaxed) || !is_needed() {
            return;
        }
        self.is_started.store(true, Relaxed);
        let (tests, reloaded) = (Arc::clone(server), Arc::clone(&self.reloaded));
        let thread = thread::Builder::new().name("lists".to_owned());
        let started = thread.spawn(move || run(&tests, &reloaded));
        if let Err(error) = started {
            let text = format!("DNS lists are not tested: {error}");
            server.services().journal.warning(&text);
        }
    }

    /// Has the lists of the new configuration tested.
    pub(super) fn reloaded(&self) {
        self.reloaded.notify_one();
    }
}

fn run(server: &Server, reloaded: &Notify) {
    let runtime = Builder::new_current_thread().enable_all().build();
    let Ok(runtime) = runtime else { return };
    runtime.block_on(async {
        loop {
            let config = server.config();
            let services = server.services();
            select! {
                () = config.lists.keep_tested(services) => {}
                () = services.dns.answers_again() => config.lists.forget_errors(),
                () = reloaded.notified() => {}
            }
        }
    });
}
