//! The thread that asks DNS when no request does: it tests the lists of the configuration, at the start, hourly and once name
//! servers answer again; and it tries these while they do not answer, which is said once in the log, as is that they do again.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread,
    time::Duration,
};

use policy_daemon::log::Level;
use tokio::{
    join,
    runtime::Builder,
    select,
    sync::Notify,
    time::{sleep, timeout},
};

use super::{handler::Server, skipped_lists::SkippedLists};

/// The thread, if it is needed.
#[derive(Debug, Default)]
pub(super) struct DnsWatch {
    is_started: AtomicBool,
    /// Lists are to be tested now.
    test: Arc<Notify>,
}

impl DnsWatch {
    /// Starts the thread, once there are lists, or a question to DNS had no answer. It is not to be called before the process has
    /// its final user: a thread keeps the one that it was started with.
    pub(super) fn start(&self, server: &Arc<Server>) {
        let is_needed = !server.config().lists.is_empty() || server.services().dns.is_doubted();
        if !is_needed || self.is_started.swap(true, Relaxed) {
            return;
        }
        if let Err(error) = spawn(Arc::clone(server), Arc::clone(&self.test)) {
            let text = format!(
                "DNS lists are not tested, nor is it said when DNS does not answer: {error}"
            );
            server.services().journal.warning(&text);
        }
    }

    /// Has the lists of the new configuration tested.
    pub(super) fn reloaded(&self) {
        self.test.notify_one();
    }
}

fn spawn(server: Arc<Server>, test: Arc<Notify>) -> io::Result<()> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let thread = thread::Builder::new().name("dns".to_owned());
    let watch = async move { join!(keep_tested(&server, &test), watch(&server, &test)) };
    thread.spawn(move || runtime.block_on(watch)).map(drop)
}

async fn keep_tested(server: &Server, test: &Notify) {
    loop {
        let config = server.config();
        select! {
            () = config.lists.keep_tested(server.services()) => {}
            () = test.notified() => {}
        }
    }
}

async fn watch(server: &Server, test: &Notify) {
    let services = server.services();
    let (dns, journal) = (&services.dns, &services.journal);
    let mut is_silent = false;
    let mut skipped = SkippedLists::default();
    loop {
        if is_silent || timeout(PAUSE, dns.doubted()).await.is_ok() {
            let is_answering = dns.try_servers().await;
            // A reload may have replaced them meanwhile.
            let servers = dns.addresses();
            if is_silent && is_answering {
                // The errors were no fault of the lists.
                server.config().lists.forget_errors();
                skipped.clear();
                test.notify_one();
                let text = format!("DNS answers again at {servers}");
                journal.log().line(Level::Info, &*text);
                journal.changes().add(text);
            } else if !is_silent && !is_answering {
                let text = format!(
                    "DNS does not answer at {servers}: until it does, lists count as empty, and SPF is undecided"
                );
                journal.line(0, &text);
                journal.changes().add(text);
            }
            is_silent = !is_answering;
            sleep(PAUSE).await;
        }
        if !is_silent {
            skipped.say_changes(&server.config().lists, journal);
        }
    }
}

const PAUSE: Duration = Duration::from_secs(1);
