//! `hapolicy --listen`: any number of connections in one process.

use std::{
    future::pending,
    io,
    sync::{Arc, atomic::AtomicI32},
    thread,
};

use policy_net::{Check, Listener, MemoryBudget};

use crate::{
    Affinity, Bound, Level, Log, Options, Passed, Proxy, StartError,
    admission::Admission,
    crew::Crew,
    forward,
    ground::Ground,
    hands::on_call,
    life::Life,
    max_clients::MaxClients,
    monitor,
    notify::Pulses,
    passing::Passing,
    report::{Report, warn_without_log},
    setup::{Services, checks, settings},
    signals::{self, Signals},
    slots::{SlotLimits, Slots},
    succession::Succession,
    worker::{Common, Ending, Worker},
};

/// Serves any number of connections until SIGTERM or SIGINT, or until a successor has taken over, and
/// then the requests under way.
///
/// # Errors
///
/// [`StartError`]: all that can fail comes before anything is taken over.
pub fn run(options: &Options, passed: Passed) -> Result<(), StartError> {
    signals::unblock().map_err(StartError::system("cannot start"))?;
    let services = Services::parse(options);
    if let Some(fault) = services.invalid.first() {
        let text = String::from_utf8_lossy(&fault.text).into_owned();
        return Err(StartError::Services(text));
    }
    if services.valid.is_empty() {
        return Err(StartError::Services(
            "no service: give at least one with -s".to_owned(),
        ));
    }
    let check = checks(options)?;
    let ground = Ground::take(options, passed, services.valid.len())?;

    let log = Log::of_daemon(options.stdout);
    log.panics();
    warn_without_log(&log);
    if let Some(error) = &ground.silence {
        let text = format!("no handover from the daemon before: {error}");
        log.line(Level::Warning, text);
    }
    if ground.stays_root() {
        let text =
            "running as root: give --user, so that a fault in this program is no way to root";
        log.line(Level::Warning, text);
    }
    let proxy = proxy(options, &services, &log);
    forward::events_to(&proxy.journal);
    let (senders, passed) = (0..ground.workers).map(|_| Listener::passed()).unzip();
    let max_clients = MaxClients::new(&options.limits, ground.room);
    max_clients.announce(&options.limits, &log);
    let common = Common {
        crew: Crew::new(senders),
        admission: Admission::new(options.limits.allow.clone()),
        slots: Slots::new(SlotLimits {
            all: max_clients,
            per_address: options.limits.max_clients_per_address,
            per_user: options.limits.max_clients_per_user,
        }),
        proxy,
        passing: Passing::default(),
        pulses: Pulses::watched(ground.workers, &log)
            .map_err(StartError::system("cannot start"))?,
        successor: AtomicI32::new(0),
    };
    serve(options, ground, check, passed, Arc::new(common), &log)
}

fn serve(
    options: &Options,
    mut ground: Ground,
    check: Option<Check>,
    passed: Vec<Listener>,
    common: Arc<Common>,
    log: &Log,
) -> Result<(), StartError> {
    let cannot_start = || StartError::system("cannot start");
    let sockets = ground.listening.clients();
    let workers = passed
        .into_iter()
        .enumerate()
        .map(|(index, passed)| Worker::new(index, sockets, passed, &common));
    let workers: io::Result<Vec<_>> = workers.collect();
    let mut workers = workers.map_err(cannot_start())?;
    let Some(first) = workers.pop() else {
        return Ok(());
    };
    let signals = {
        let _entered = first.runtime.enter();
        Signals::new()
    };
    let signals = signals.map_err(cannot_start())?;
    let endpoints: io::Result<Vec<_>> = sockets.iter().map(Bound::endpoint).collect();
    let endpoints = endpoints.map_err(cannot_start())?;
    let ending = Ending::after(options.lifetime.drain);
    thread::scope(|scope| {
        // However this ends, the other workers end too.
        let _stops = ending.stop.clone().drop_guard();
        let hire = |index: usize| {
            let (worker, serve) = on_call(|worker: Worker| worker.serve(&ending, pending()));
            let thread = thread::Builder::new().name(format!("worker {index}"));
            thread.spawn_scoped(scope, serve).map(|_| worker)
        };
        let hired: io::Result<Vec<_>> = (0..workers.len()).map(hire).collect();
        let hired = hired.map_err(cannot_start())?;
        let succession = options.lifetime.handover.as_ref().map(|_| {
            let (succession, answer) = on_call(Succession::answer);
            let thread = thread::Builder::new().name("handover".to_owned());
            thread.spawn(answer).map(|_| succession)
        });
        let succession = succession.transpose().map_err(cannot_start())?;
        let monitor = monitor::hire().map_err(cannot_start())?;
        ground.settle()?;

        // From here on nothing fails: each thread is there, and waits for its work.
        let report = Report::new(options, workers.len() + 1, endpoints);
        let (life, given) = Life::new(ground, common, report, log);
        for (hired, worker) in hired.iter().zip(workers) {
            _ = hired.send(worker);
        }
        if let Some((succession, given)) = succession.zip(given) {
            _ = succession.send(given);
        }
        life.announce();
        let monitored = monitor::watch(&monitor, life.common());
        first.keep_up(check);
        first.serve(&ending, life.watch(signals, &ending));
        drop(monitored);
        life.end(&ending);
        Ok(())
    })
}

fn proxy(options: &Options, services: &Services, log: &Log) -> Proxy {
    let journal = services
        .journal(log.clone(), options)
        .for_daemon(options.log_format);
    let default = options.default.clone().unwrap_or_default();
    let memory = MemoryBudget::new(options.limits.max_memory);
    let mut settings = settings(options);
    settings.pool.memory = Some(memory.clone());
    let mut proxy = Proxy::new(services.upstream(settings, false), default, journal);
    proxy.affinity = affinity(options, services);
    let terms = Arc::make_mut(&mut proxy.terms);
    terms.patience = options.limits.patience();
    // What waits for longer would be answered to nobody.
    terms.patience.memory = Some(options.deadline);
    terms.limits = options.limits.of_requests();
    terms.memory = Some(memory);
    proxy
}

/// What keeps requests together, in either mode.
pub(crate) fn affinity(options: &Options, services: &Services) -> Affinity {
    options.affinity.unwrap_or(match services.valid.len() {
        // It has all the requests of a message anyway: they need not be searched for its name.
        2.. if options.is_daemon => Affinity::Message,
        _ => Affinity::None,
    })
}
