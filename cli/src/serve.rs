//! `hapolicy --listen`: the proxy as a daemon's service.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use policy_daemon::{
    Daemon, Inherited, Service, StartError, Started, WorkerContext, admin::Admin, control::Control,
};
use policy_flow::Check;

use crate::{
    args::Options,
    control::ProxyControl,
    metrics::ProxyMetrics,
    monitor::Monitor,
    proxy::{EventLoop, Message, Proxy},
    report::Report,
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
    let services = Services::parse(options);
    if let Some(fault) = services.invalid.first() {
        let text = String::from_utf8_lossy(&fault.text).into_owned();
        return Err(StartError::Configuration(text));
    }
    if services.valid.is_empty() {
        let text = "no service: give at least one with -s".to_owned();
        return Err(StartError::Configuration(text));
    }
    let check = checks(options)?;
    let daemon = Daemon::prepare(&daemon_options, inherited)?;

    let journal = services
        .journal(daemon.log().log().clone(), options)
        .for_daemon(options.log_format, Arc::clone(daemon.log()));
    let (workers, clients) = (daemon_options.workers(), daemon.max_clients());
    let proxy = Arc::new(services.proxy(options, journal, workers, clients.number()));
    daemon.serve(ProxyService {
        monitor: Mutex::new(Monitor::new(Arc::clone(&proxy))),
        report: Report::new(options),
        check,
        proxy,
    })
}

/// The proxy, as the daemon runs it.
#[derive(Debug)]
struct ProxyService {
    proxy: Arc<Proxy>,
    check: Option<Check>,
    report: Report,
    monitor: Mutex<Monitor>,
}

impl Service for ProxyService {
    type Message = Message;
    type Worker = EventLoop;

    fn worker(&self, context: WorkerContext<Message>) -> io::Result<EventLoop> {
        // One worker looks at services that are down.
        let is_last = context.index() + 1 == context.workers().len();
        let check = self.check.clone().filter(|_| is_last);
        EventLoop::new(context, &self.proxy, check)
    }

    fn started(&self, daemon: &Started<'_>) {
        self.report.start(&self.proxy, daemon);
    }

    fn stopped(&self, daemon: &Started<'_>) {
        self.report.end(&self.proxy, daemon);
    }

    fn admin(&self) -> Option<Arc<dyn Admin>> {
        let proxy = Arc::clone(&self.proxy);
        Some(Arc::new(ProxyMetrics { proxy }))
    }

    fn control(&self) -> Option<Arc<dyn Control>> {
        Some(Arc::new(ProxyControl {
            proxy: Arc::clone(&self.proxy),
            check: self.check.clone(),
        }))
    }

    fn tick(&self) -> Option<String> {
        let mut monitor = self.monitor.lock().unwrap_or_else(PoisonError::into_inner);
        monitor.tick(Instant::now())
    }

    fn report(&self) {
        self.proxy.report();
    }
}
