//! `hapolicy --listen`: any number of connections in one process.

use std::{error::Error as _, future::ready, io, num::NonZeroUsize, path::PathBuf, thread};

use policy_net::{Check, PoolOptions};
use thiserror::Error;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    Affinity, Bound, ClientLimits, InvalidListen, InvalidProbe, Level, Listen, Log, Options, Proxy,
    admission::Admission,
    descriptors, forward,
    probe::read_probe,
    setup::{Services, settings},
    users::RunAs,
    worker::Worker,
};

/// Why a daemon does not start.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StartError {
    /// A `--listen` that cannot be read.
    #[error("--listen {0}")]
    Listen(String, #[source] InvalidListen),
    /// A `--listen` that other machines can reach, without `--allow`.
    #[error(
        "--listen {0} is not on loopback: --allow NET[,NET] must say which clients it is for (a policy \
         port that is open to all tells strangers who mails whom, and lets them fill greylists and quotas)"
    )]
    Exposed(String),
    /// Services that are invalid, or none.
    #[error("{0}")]
    Services(String),
    /// A `--probe` that holds no request.
    #[error("--probe {0}")]
    Probe(String, #[source] InvalidProbe),
    /// A `--user` that does not exist.
    #[error("--user {0}: unknown user or group")]
    User(String),
    /// A socket that cannot be bound, or a user that it cannot run as.
    #[error("{0}")]
    System(String, #[source] io::Error),
}

impl StartError {
    /// The exit status of sysexits(3): 78 for the configuration, 71 for the system.
    #[must_use]
    pub const fn exit_status(&self) -> u8 {
        match self {
            Self::Listen(..)
            | Self::Exposed(_)
            | Self::Services(_)
            | Self::Probe(..)
            | Self::User(_) => 78,
            Self::System(..) => 71,
        }
    }

    /// The whole of it, with its cause.
    #[must_use]
    pub fn line(&self) -> String {
        match self.source() {
            Some(source) => format!("{self}: {source}"),
            None => self.to_string(),
        }
    }
}

/// Serves any number of connections until SIGTERM or SIGINT, and then the requests under way.
///
/// # Errors
///
/// [`StartError`]: once it runs, nothing ends it but a signal.
pub fn run(options: &Options) -> Result<(), StartError> {
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
    let run_as = match &options.user {
        Some(user) => Some(RunAs::parse(user).ok_or_else(|| StartError::User(user.clone()))?),
        None => None,
    };
    let cannot_start = |error| StartError::System("cannot start".to_owned(), error);
    let number = options
        .workers
        .map_or_else(thread::available_parallelism, Ok);
    let number = number.map_or(1, NonZeroUsize::get);
    // All that can fail comes before anyone is served. A worker has a runtime, and of each endpoint
    // a socket and a listener.
    let own = number * (2 * options.listen.len() + 6) + 8;
    let upstream = services.valid.len() * PoolOptions::default().max_connections;
    let room = descriptors::for_clients(own, upstream).map_err(cannot_start)?;
    let sockets = bind(options, number)?;
    if let (Some(run_as), Some(user)) = (run_as, &options.user) {
        run_as
            .become_it()
            .map_err(|error| StartError::System(format!("--user {user}"), error))?;
    }

    let log = if options.stdout {
        Log::stdout()
    } else {
        Log::syslog()
    };
    log.panics();
    let proxy = proxy(options, &services, &log);
    forward::events_to(&proxy.journal);
    let admission = Admission::new(
        options.limits.allow.clone(),
        most_clients(&options.limits, room, &log),
        options.limits.max_clients_per_address,
    );
    let workers =
        (0..number).map(|index| Worker::new((index, number), &sockets, &proxy, &admission));
    let mut workers = workers
        .collect::<io::Result<Vec<_>>>()
        .map_err(cannot_start)?;
    let Some(first) = workers.pop() else {
        return Ok(());
    };
    let mut signals = first.signals().map_err(cannot_start)?;
    let endpoints = sockets
        .iter()
        .map(Bound::endpoint)
        .collect::<io::Result<Vec<_>>>();
    for endpoint in endpoints.map_err(cannot_start)? {
        log.line(Level::Info, format!("listening on {endpoint}"));
    }

    let stop = CancellationToken::new();
    // However this ends, the other workers end too.
    let _stops = stop.clone().drop_guard();
    let busy = TaskTracker::new();
    busy.close();
    let until_stopped = async {
        signals.recv().await;
        log.line(Level::Info, "stopping");
        stop.cancel();
        // Each worker has a descriptor of its own: closing them all would take until the end.
        sockets.iter().for_each(Bound::refuse);
    };
    let served = thread::scope(|scope| {
        for worker in workers {
            let (stop, busy) = (&stop, busy.token());
            let serve = move || worker.serve(options.deadline, stop, busy, ready(()));
            if let Err(error) = thread::Builder::new().spawn_scoped(scope, serve) {
                stop.cancel();
                return Err(cannot_start(error));
            }
        }
        first.keep_up(check);
        first.serve(options.deadline, &stop, busy.token(), until_stopped);
        Ok(())
    });
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
    proxy.patience = options.limits.patience();
    proxy.limits = options.limits.of_requests();
    proxy
}

/// What a `--listen` means.
pub(crate) fn listener(text: &str, options: &Options) -> Result<Listen, StartError> {
    let listen: Listen = text
        .parse()
        .map_err(|error| StartError::Listen(text.to_owned(), error))?;
    match listen.is_exposed() && options.limits.allow.is_empty() {
        true => Err(StartError::Exposed(text.to_owned())),
        false => Ok(listen),
    }
}

/// What `--check` and `--probe` mean.
pub(crate) fn checks(options: &Options) -> Result<Option<Check>, StartError> {
    let failover = &options.failover;
    let read = |path: &PathBuf| {
        let shown = path.display().to_string();
        read_probe(path).map_err(|error| StartError::Probe(shown, error))
    };
    let probe = failover.probe.as_ref().map(read).transpose()?;
    Ok(failover.checks(probe))
}

fn bind(options: &Options, workers: usize) -> Result<Vec<Bound>, StartError> {
    let bind = |text: &String| {
        listener(text, options)?
            .bind(workers)
            .map_err(|error| StartError::System(format!("cannot bind {text}"), error))
    };
    options.listen.iter().map(bind).collect()
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
