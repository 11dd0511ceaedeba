//! The proxy as a daemon's service, with `--listen`.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError, mpsc},
    time::{Duration, Instant},
};

use policy_daemon::{
    Daemon, Inherited, Reloaded, Reloading, Service, StartError, Started, WorkerContext,
    admin::Admin, control::Control, log::Level,
};

use crate::{
    admin::{ProxyMetrics, Reloads},
    control::ProxyControl,
    options::{CheckOptions, Options, Services},
    proxy::{CurrentProxy, EventLoop, Message, Proxy},
    setup,
};

mod changes;

mod config_file;
pub use config_file::{ConfigFile, ConfigSource, FileOptions};

mod monitor;
use monitor::Monitor;

mod reload;
use reload::Reload;

mod report;

/// Serves any number of connections until SIGTERM or SIGINT, or until a successor has taken over, and
/// then the requests in progress.
///
/// # Errors
///
/// [`StartError`]: everything that can fail comes before anything is taken over.
pub fn run(
    options: &Options,
    file: Option<ConfigFile>,
    inherited: Inherited,
) -> Result<(), StartError> {
    let services = Services::for_daemon(options)?;
    let check = options.check.as_ref();
    let check = check.map(CheckOptions::read).transpose()?;
    let passed = inherited
        .endpoints()
        .map_err(StartError::system("LISTEN_FDS"))?;
    let checked = options.groups.check_passed(&passed);
    checked.map_err(StartError::Configuration)?;
    let reload = file.map(|file| Mutex::new(Reload::new(options, file, passed)));
    let daemon = Daemon::prepare(&options.daemon, inherited)?;

    let journal = setup::journal(&services, daemon.log().log().clone(), options)
        .for_daemon(options.log.format, Arc::clone(daemon.log()));
    let (workers, clients) = (options.daemon.workers(), daemon.max_clients());
    let proxy = setup::proxy(&services, options, journal, workers, clients.number());
    let current = CurrentProxy::new(Arc::new(Proxy { check, ..proxy }));
    daemon.serve(ProxyService {
        monitor: Mutex::new(Monitor::new(current.clone())),
        reload,
        reloads: Arc::default(),
        current,
    })
}

/// The proxy, as the daemon runs it.
struct ProxyService {
    current: CurrentProxy,
    monitor: Mutex<Monitor>,
    /// `None` where there is no file to be read.
    reload: Option<Mutex<Reload>>,
    reloads: Arc<Reloads>,
}

impl Service for ProxyService {
    type Message = Message;
    type Worker = EventLoop;

    fn worker(&self, context: WorkerContext<Message>) -> io::Result<EventLoop> {
        // One worker looks at services that are down.
        let is_last = context.index() + 1 == context.workers().len();
        let proxy = self.current.get();
        let check = proxy.check.clone().filter(|_| is_last);
        EventLoop::new(context, &proxy, check)
    }

    fn started(&self, daemon: &Started<'_>) {
        report::start(&self.current.get(), daemon);
    }

    fn stopped(&self, daemon: &Started<'_>) {
        report::end(&self.current.get(), daemon);
    }

    fn admin(&self) -> Option<Arc<dyn Admin>> {
        let current = self.current.clone();
        let reloads = Arc::clone(&self.reloads);
        Some(Arc::new(ProxyMetrics { current, reloads }))
    }

    fn control(&self) -> Option<Arc<dyn Control>> {
        let current = self.current.clone();
        Some(Arc::new(ProxyControl { current }))
    }

    fn tick(&self) -> Option<String> {
        let mut monitor = self.monitor.lock().unwrap_or_else(PoisonError::into_inner);
        monitor.tick(Instant::now())
    }

    fn report(&self) {
        report::states(&self.current.get());
    }

    fn reload_with(&self, daemon: &Reloading<'_, Message>) -> Reloaded {
        let Some(reload) = &self.reload else {
            return Reloaded::Unsupported;
        };
        let mut reload = reload.lock().unwrap_or_else(PoisonError::into_inner);
        let (done, ended) = mpsc::channel();
        let reloaded = reload.again(&self.current, daemon, done.clone());
        self.reloads.reloaded(reloaded.is_ok());
        let (exchange, listeners, said) = match reloaded {
            Ok(next) => next,
            Err(lines) => return Reloaded::Failed(lines),
        };
        let workers = daemon.workers();
        let log = exchange.proxy.journal.log();
        let mut monitor = self.monitor.lock().unwrap_or_else(PoisonError::into_inner);
        monitor.renew(&exchange.kept);
        workers.tell_all(|| Message::Exchange(Arc::clone(&exchange)));
        let mut messages = workers.len();
        if !listeners.is_same() {
            let message = |listeners| Message::Listen(listeners, done.clone());
            let (opened, closed) = daemon.listen(listeners, message);
            messages += workers.len();
            for endpoint in opened {
                log.line(Level::Info, format!("listening on {endpoint}"));
            }
            for endpoint in closed {
                log.line(Level::Info, format!("not listening on {endpoint} any more"));
            }
        }
        // What is said next is true then, unless one stands still.
        let until = Instant::now() + PATIENCE;
        for _ in 0..messages {
            _ = ended.recv_timeout(until.saturating_duration_since(Instant::now()));
        }
        log.line(Level::Notice, "reload: the configuration is reloaded");
        Reloaded::Done(said)
    }
}

/// How long workers are waited for that are to go by other settings: each does so in its next turn.
const PATIENCE: Duration = Duration::from_secs(1);
