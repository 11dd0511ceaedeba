//! `hapolicy --listen`: the proxy as a daemon's service.

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
    args::Options,
    control::ProxyControl,
    metrics::{ProxyMetrics, Reloads},
    monitor::Monitor,
    proxy::{CurrentProxy, EventLoop, Message, Proxy},
    reload::Reload,
    services::{Services, checks},
};

/// Serves any number of connections until SIGTERM or SIGINT, or until a successor has taken over, and
/// then the requests in progress.
///
/// # Errors
///
/// [`StartError`]: everything that can fail comes before anything is taken over.
pub fn run(options: &Options, inherited: Inherited) -> Result<(), StartError> {
    let daemon_options = options.daemon();
    let services = Services::for_daemon(options)?;
    let check = checks(options)?;
    let passed = inherited
        .endpoints()
        .map_err(StartError::system("LISTEN_FDS"))?;
    let checked = options.groups.check_passed(&passed);
    checked.map_err(StartError::Configuration)?;
    let reload = Reload::new(options, passed);
    let daemon = Daemon::prepare(&daemon_options, inherited)?;

    let journal = services
        .journal(daemon.log().log().clone(), options)
        .for_daemon(options.log.log_format, Arc::clone(daemon.log()));
    let (workers, clients) = (daemon_options.workers(), daemon.max_clients());
    let proxy = services.proxy(options, journal, workers, clients.number());
    let current = CurrentProxy::new(Arc::new(Proxy { check, ..proxy }));
    daemon.serve(ProxyService {
        monitor: Mutex::new(Monitor::new(current.clone())),
        reload: Mutex::new(reload),
        reloads: Arc::default(),
        current,
    })
}

/// The proxy, as the daemon runs it.
#[derive(Debug)]
struct ProxyService {
    current: CurrentProxy,
    monitor: Mutex<Monitor>,
    reload: Mutex<Reload>,
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
        self.current.get().say_start(daemon);
    }

    fn stopped(&self, daemon: &Started<'_>) {
        self.current.get().say_end(daemon);
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
        self.current.get().report();
    }

    fn reload_with(&self, daemon: &Reloading<'_, Message>) -> Reloaded {
        let mut reload = self.reload.lock().unwrap_or_else(PoisonError::into_inner);
        if !reload.has_file() {
            return Reloaded::Unsupported;
        }
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
