//! `hapolicy --listen`: any number of connections in one process.

use std::{
    io,
    sync::{Arc, atomic::AtomicI32},
    thread,
};

use mio::Poll;
use policy_flow::{Check, PlaceLimits, Places, RequestMemory};

use crate::{
    args::Options,
    daemon::{
        error::StartError,
        listen::socket::Bound,
        log::{Level, Log},
        process::{
            signals::{self, Signals},
            systemd::Pulses,
        },
        restart::server::Succession,
        shutdown::{Life, Said},
        start::{activation::Passed, resources::Ground},
        worker::{
            Common, admission::Admission, handoff::Passing, max_clients::MaxClients,
            standby::on_call, workers::Crew,
        },
    },
    journal::shortage::MemoryWaits,
    monitor,
    proxy::{EventLoop, Mailbox},
    report::{Report, warn_without_log},
    services::{Services, checks},
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
    let journal = services
        .journal(log.clone(), options)
        .for_daemon(options.log_format);
    let proxy = services.proxy(options, journal, ground.workers);
    let cannot_start = || StartError::system("cannot start");
    let polls: io::Result<Vec<_>> = (0..ground.workers).map(|_| Poll::new()).collect();
    let polls = polls.map_err(cannot_start())?;
    let mailboxes = polls.iter().map(|poll| Mailbox::new(poll.registry()));
    let mailboxes: io::Result<Vec<_>> = mailboxes.map(|mailbox| mailbox.map(Arc::new)).collect();
    let max_clients = MaxClients::new(&options.limits, ground.room);
    max_clients.announce(&options.limits, &log);
    let common = Common {
        crew: Crew::new(mailboxes.map_err(cannot_start())?),
        admission: Admission::new(options.limits.allow.clone()),
        places: Places::new(PlaceLimits {
            all: max_clients.number,
            per_address: options.limits.max_clients_per_address,
            per_user: options.limits.max_clients_per_user,
        }),
        memory: RequestMemory::new(proxy.settings.clients.memory),
        memory_waits: (0..ground.workers)
            .map(|_| MemoryWaits::default())
            .collect(),
        max_clients,
        proxy: Arc::new(proxy),
        passing: Passing::default(),
        pulses: Pulses::watched(ground.workers, &log).map_err(cannot_start())?,
        successor: AtomicI32::new(0),
    };
    serve(options, ground, check, polls, Arc::new(common), &log)
}

fn serve(
    options: &Options,
    mut ground: Ground,
    check: Option<Check>,
    polls: Vec<Poll>,
    common: Arc<Common>,
    log: &Log,
) -> Result<(), StartError> {
    let cannot_start = || StartError::system("cannot start");
    let sockets = ground.listening.clients();
    let workers = polls
        .into_iter()
        .enumerate()
        .map(|(index, poll)| EventLoop::new(index, poll, sockets, &common));
    let workers: io::Result<Vec<_>> = workers.collect();
    let mut workers = workers.map_err(cannot_start())?;
    let Some(mut main) = workers.pop() else {
        return Ok(());
    };
    if let Some(check) = check {
        main.check(check);
    }
    let signals = Signals::new().and_then(|signals| main.hear_signals(signals));
    signals.map_err(cannot_start())?;
    let endpoints: io::Result<Vec<_>> = sockets.iter().map(Bound::endpoint).collect();
    let endpoints = endpoints.map_err(cannot_start())?;
    let hire = |index: usize| {
        let (common, log) = (Arc::clone(&common), log.clone());
        let (worker, serve) = on_call(move |mut worker: EventLoop| {
            // Also when a panic ends it.
            let _tells = TellsAtEnd(common);
            if let Err(error) = worker.serve() {
                log.line(Level::Error, format!("worker {index} has failed: {error}"));
            }
        });
        let thread = thread::Builder::new().name(format!("worker {index}"));
        thread.spawn(serve).map(|_| worker)
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
    let drain = options.lifetime.drain;
    let (mut life, given) = Life::new(ground, common, report, log, drain, workers.len());
    for (hired, worker) in hired.iter().zip(workers) {
        _ = hired.send(worker);
    }
    if let Some((succession, given)) = succession.zip(given) {
        _ = succession.send(given);
    }
    life.announce();
    let monitored = monitor::watch(&monitor, life.common());
    while !life.is_over(main.has_ended()) {
        main.turn(None).map_err(StartError::system("cannot wait"))?;
        for said in main.take_said() {
            life.hear(said);
        }
    }
    drop(monitored);
    life.end()
}

/// Tells the main thread that a worker has ended.
struct TellsAtEnd(Arc<Common>);

impl Drop for TellsAtEnd {
    fn drop(&mut self) {
        self.0.crew.tell_main(Said::Ended);
    }
}
