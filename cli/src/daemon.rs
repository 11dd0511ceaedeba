//! `hapolicy --listen`: any number of connections in one process.

use std::{future::pending, io, num::NonZeroUsize, sync::Arc, thread};

use policy_net::{Check, Listener};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    Affinity, Bound, ClientLimits, Level, Log, Options, Passed, Proxy, StartError,
    admission::Admission,
    crew::Crew,
    forward,
    ground::Ground,
    notify::{self, Pulses, notify},
    passing::Passing,
    setup::{Services, checks, settings},
    signals::Signals,
    succession::Succession,
    worker::{Common, Ending, Worker},
};

/// Serves any number of connections until SIGTERM or SIGINT, or until a successor has taken over, and
/// then the requests under way.
///
/// # Errors
///
/// [`StartError`]: all that can fail comes before anyone is served.
pub fn run(options: &Options, passed: Passed) -> Result<(), StartError> {
    let services = Services::parse(options);
    if let Some(text) = services.invalid.first() {
        let text = String::from_utf8_lossy(text).into_owned();
        return Err(StartError::Services(text));
    }
    if services.valid.is_empty() {
        return Err(StartError::Services(
            "no service: give at least one with -s".to_owned(),
        ));
    }
    let check = checks(options)?;
    let ground = Ground::take(options, passed, services.valid.len())?;

    let log = if options.stdout {
        Log::stdout()
    } else {
        Log::syslog()
    };
    log.panics();
    if let Some(error) = &ground.silence {
        let text = format!("no handover from the daemon before: {error}");
        log.line(Level::Warning, text);
    }
    let proxy = proxy(options, &services, &log);
    forward::events_to(&proxy.journal);
    let (senders, passed) = (0..ground.workers).map(|_| Listener::passed()).unzip();
    let common = Common {
        crew: Crew::new(senders),
        admission: Admission::new(
            options.limits.allow.clone(),
            most_clients(&options.limits, ground.room, &log),
            options.limits.max_clients_per_address,
        ),
        proxy,
        passing: Passing::default(),
        pulses: Pulses::watched(ground.workers, &log)
            .map_err(StartError::system("cannot start"))?,
    };
    serve(options, ground, check, passed, Arc::new(common), &log)
}

fn serve(
    options: &Options,
    ground: Ground,
    check: Option<Check>,
    passed: Vec<Listener>,
    common: Arc<Common>,
    log: &Log,
) -> Result<(), StartError> {
    let cannot_start = || StartError::system("cannot start");
    let sockets = ground.sockets;
    let workers = passed
        .into_iter()
        .enumerate()
        .map(|(index, passed)| Worker::new((index, ground.workers), &sockets, passed, &common));
    let workers: io::Result<Vec<_>> = workers.collect();
    let mut workers = workers.map_err(cannot_start())?;
    let Some(first) = workers.pop() else {
        return Ok(());
    };
    let signals = {
        let _entered = first.runtime.enter();
        Signals::new()
    };
    let mut signals = signals.map_err(cannot_start())?;
    let endpoints: io::Result<Vec<_>> = sockets.iter().map(Bound::endpoint).collect();
    let endpoints = endpoints.map_err(cannot_start())?;

    common.crew.take(ground.kept);
    let succeeded = CancellationToken::new();
    if let (Some(calls), Some(path)) = (&ground.calls, &options.lifetime.handover) {
        let succession = Succession {
            path: path.clone(),
            friends: ground.friends,
            calls: Arc::clone(calls),
            sockets: Arc::clone(&sockets),
            common: Arc::clone(&common),
            log: log.clone(),
            done: succeeded.clone(),
        };
        succession.begin().map_err(cannot_start())?;
    }
    if let Some(predecessor) = ground.predecessor {
        let relieved = predecessor.relieve();
        relieved.map_err(StartError::system("the daemon before has ended"))?;
    }
    for endpoint in endpoints {
        log.line(Level::Info, format!("listening on {endpoint}"));
    }
    notify(log, "READY=1");

    let ending = Ending {
        stop: CancellationToken::new(),
        drain: options.lifetime.drain,
        at_once: CancellationToken::new(),
        busy: TaskTracker::new(),
    };
    ending.busy.close();
    // However this ends, the other workers end too.
    let _stops = ending.stop.clone().drop_guard();
    let everything = || sockets.iter().chain(ground.calls.as_deref());
    let is_stored = ground.is_kept && notify::has_manager();
    let until_stopped = async {
        tokio::select! {
            () = succeeded.cancelled() => {}
            () = signals.recv() => {
                log.line(Level::Info, "stopping");
                notify::stopping(log);
                if is_stored {
                    common.passing.to(log, notify::store);
                }
            }
        }
        ending.stop.cancel();
        // Each worker has a descriptor of its own: closing them all would take until the end.
        everything().for_each(Bound::refuse);
        signals.recv().await;
        log.line(Level::Info, "stopping at once");
        ending.at_once.cancel();
        pending().await
    };
    let served = thread::scope(|scope| {
        for (index, worker) in workers.into_iter().enumerate() {
            let ending = &ending;
            let serve = move || worker.serve(ending, pending());
            let thread = thread::Builder::new().name(format!("worker {}", index));
            if let Err(error) = thread.spawn_scoped(scope, serve) {
                ending.stop.cancel();
                return Err(cannot_start()(error));
            }
        }
        first.keep_up(check);
        first.serve(&ending, until_stopped);
        Ok(())
    });
    common.passing.end();
    if is_stored && let Err(error) = notify::wait_until_read() {
        log.line(
            Level::Warning,
            format!("the service manager does not answer: {error}"),
        );
    }
    everything().for_each(Bound::remove);
    log.line(Level::Info, "stopped");
    log.flush();
    served
}

fn proxy(options: &Options, services: &Services, log: &Log) -> Proxy {
    let journal = services.journal(log.clone(), options).for_daemon();
    let default = options.default.clone().unwrap_or_default();
    let mut proxy = Proxy::new(
        services.upstream(settings(options), false),
        default,
        journal,
    );
    proxy.affinity = options.affinity.unwrap_or(Affinity::Message);
    let terms = Arc::make_mut(&mut proxy.terms);
    terms.patience = options.limits.patience();
    terms.limits = options.limits.of_requests();
    proxy
}

/// As many clients as were asked for, if there is `room` for them.
fn most_clients(limits: &ClientLimits, room: usize, log: &Log) -> usize {
    match limits.max_clients.map(NonZeroUsize::get) {
        None => room.min(MOST_CLIENTS),
        Some(asked) if asked > room => {
            let text = format!("--max-clients {asked}: the limit of descriptors leaves {room}");
            log.line(Level::Warning, text);
            room
        }
        Some(asked) => asked,
    }
}

/// Postfix has a hundred connections by default, and some thousands where it is very large.
const MOST_CLIENTS: usize = 16_384;
