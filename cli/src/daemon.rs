//! `hapolicy --listen`: any number of connections in one process.

use std::{future::ready, io, num::NonZeroUsize, sync::Arc, thread};

use policy_proto::Response;
use rustix::process::{Resource, getrlimit, setrlimit};
use thiserror::Error;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    Affinity, Bound, DAEMON_PATIENCE, InvalidListen, Level, Listen, Log, Options, Proxy, forward,
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
    /// Services that are invalid, or none.
    #[error("{0}")]
    Services(String),
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
            Self::Listen(..) | Self::Services(_) | Self::User(_) => 78,
            Self::System(..) => 71,
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
    let run_as = match &options.user {
        Some(user) => Some(RunAs::parse(user).ok_or_else(|| StartError::User(user.clone()))?),
        None => None,
    };
    let sockets = bind(&options.listen)?;
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
    let proxy = Arc::new(proxy(options, &services, &log));
    forward::events_to(&proxy);
    let cannot_start = |error| StartError::System("cannot start".to_owned(), error);
    let number = options
        .workers
        .map_or_else(thread::available_parallelism, Ok);
    let number = number.map_or(1, NonZeroUsize::get);
    // All that can fail comes before anyone is served.
    raise_descriptors(number * (sockets.len() + 6) + sockets.len() + 8).map_err(cannot_start)?;
    let workers = (0..number).map(|_| Worker::new(&sockets));
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
            let (proxy, stop, busy) = (&proxy, &stop, busy.token());
            let serve = move || worker.serve(proxy, options.deadline, stop, busy, ready(()));
            if let Err(error) = thread::Builder::new().spawn_scoped(scope, serve) {
                stop.cancel();
                return Err(cannot_start(error));
            }
        }
        let upstream = proxy.upstream.clone();
        first.runtime.spawn(async move {
            if let Some(upstream) = upstream {
                upstream.maintain().await;
            }
        });
        first.serve(&proxy, options.deadline, &stop, busy.token(), until_stopped);
        Ok(())
    });
    log.line(Level::Info, "stopped");
    log.flush();
    served
}

fn proxy(options: &Options, services: &Services, log: &Log) -> Proxy {
    let journal = services.journal(log.clone(), options).for_daemon();
    let default = options.default.clone().unwrap_or(Response::dunno());
    let mut proxy = Proxy::new(
        services.upstream(settings(options), false),
        default,
        journal,
    );
    proxy.affinity = options.affinity.unwrap_or(Affinity::Message);
    proxy.patience = DAEMON_PATIENCE;
    proxy
}

fn bind(listen: &[String]) -> Result<Vec<Bound>, StartError> {
    let bind = |text: &String| {
        let listen: Listen = text
            .parse()
            .map_err(|error| StartError::Listen(text.clone(), error))?;
        listen
            .bind()
            .map_err(|error| StartError::System(format!("cannot bind {text}"), error))
    };
    listen.iter().map(bind).collect()
}

/// Allows as many descriptors as the system lets this process have. Fewer than `needed` are an error
/// here rather than later, when nothing could be done about it.
fn raise_descriptors(needed: usize) -> io::Result<()> {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit)?;
    match limit.maximum {
        Some(maximum) if maximum < needed as u64 => Err(rustix::io::Errno::MFILE.into()),
        _ => Ok(()),
    }
}
