//! The actions of the daemon: start, stop, restart, reload.

use std::{
    io::{self, Read, Write},
    os::unix::process::CommandExt,
    process::{Command, Stdio},
    sync::{Arc, Mutex, PoisonError},
    time::SystemTime,
};

use nix::unistd::Uid;
use policy_daemon::{
    Daemon, DaemonOptions, Inherited, Service, StartError, Started, TokioService, WorkerContext,
    log::{Level, Log, LogTarget},
    worker::Workers,
};
use rustix::process::Signal;
use tokio::sync::watch;

use super::{
    Action, Args, Exit, client,
    handler::WeightHandler,
    maintenance::{Maintenance, Running},
    paths::Paths,
    pid_file, print, settings, spawn,
};
use crate::policy::{Policy, Settings};

/// Does what the command line asks of the daemon or its cache.
pub(super) fn act(args: &Args) -> Result<(), Exit> {
    let is_root = Uid::effective().is_root();
    let word = match args.action {
        Action::Start => "start",
        Action::Stop => "stop",
        Action::Restart => "restart",
        Action::Reload => "reload",
        _ => "",
    };
    if !word.is_empty() && !is_root && !args.debug {
        return Err(Exit::died(format!(
            "You must be root in order to use \"{word}\"!"
        )));
    }
    let settings = settings(args)?;
    let paths = Paths::new(settings.options(), args.debug);
    paths.check()?;
    if args.action == Action::Reload {
        return reload(&paths);
    }
    if args.empties_cache && !args.detached {
        client::empty(&paths)?;
        if args.action == Action::Spawn {
            return Ok(());
        }
    }
    if args.shows_cache {
        return client::show(&paths);
    }
    let ident = settings.options().scalar("syslog_ident").to_string();
    match args.action {
        Action::Spawn => {
            let target = if args.debug {
                LogTarget::Stdout
            } else {
                LogTarget::Syslog
            };
            spawn::run(settings, &paths, Log::daemon(&ident, target))
        }
        Action::Stop => stop(&paths).map(|()| print(" ... done\n")),
        Action::Restart if !args.detached => {
            stop(&paths)?;
            start(args, settings, &paths, &ident)
        }
        _ => start(args, settings, &paths, &ident),
    }
}

fn reload(paths: &Paths) -> Result<(), Exit> {
    let shown = paths.pid_file.display();
    let Some(pid) = pid_file::running(&paths.pid_file) else {
        return Err(Exit::died(format!(
            "Couldn't open {shown}: no such process of policyd-weight"
        )));
    };
    print(&format!("sending HUP to {}\n", pid.as_raw_nonzero()));
    pid_file::signal(pid, Signal::HUP).map_err(|error| Exit::died(format!("err: {error}")))
}

/// Ends the daemon of the pid file, and waits for its end.
fn stop(paths: &Paths) -> Result<(), Exit> {
    if !paths.pid_file.is_file() {
        return Err(Exit::with_status(
            1,
            format!("No pidfile, expected it at {}!", paths.pid_file.display()),
        ));
    }
    let pid = pid_file::running(&paths.pid_file);
    _ = std::fs::remove_file(&paths.pid_file);
    let Some(pid) = pid else { return Ok(()) };
    print("terminating ");
    if pid_file::signal(pid, Signal::TERM).is_err() {
        return Ok(());
    }
    if pid_file::has_ended(pid, || print(".")) {
        return Ok(());
    }
    // Requests under way have had their time.
    _ = pid_file::signal(pid, Signal::KILL);
    print("killed\n");
    if pid_file::has_ended(pid, || ()) {
        return Ok(());
    }
    Err(Exit::died(format!(
        "a process with pid {} exists, and does not end",
        pid.as_raw_nonzero()
    )))
}

fn start(args: &Args, settings: Settings, paths: &Paths, ident: &str) -> Result<(), Exit> {
    if pid_file::running(&paths.pid_file).is_some() {
        return Err(Exit::died("Process already running"));
    }
    if !args.foreground && !args.debug && !args.detached {
        return detach();
    }
    serve(args, settings, paths, ident)
}

/// Starts this program again in a session of its own, and waits until it serves.
fn detach() -> Result<(), Exit> {
    let failed = |error: io::Error| Exit::with_status(71, format!("cannot start: {error}"));
    let program = std::env::current_exe().map_err(failed)?;
    let mut command = Command::new(program);
    command.args(std::env::args_os().skip(1)).arg("--detached");
    command
        .arg0("policyd-weight")
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    let mut child = command.spawn().map_err(failed)?;
    let mut said = vec![];
    if let Some(mut output) = child.stdout.take() {
        _ = output.read_to_end(&mut said);
    }
    if said == READY {
        return Ok(());
    }
    let status = child.wait().map_err(failed)?;
    // It has said why on standard error.
    Err(Exit::with_status(
        status
            .code()
            .and_then(|code| u8::try_from(code).ok())
            .unwrap_or(71),
        "",
    ))
}

fn serve(args: &Args, settings: Settings, paths: &Paths, ident: &str) -> Result<(), Exit> {
    let fatal = |error: StartError| Exit::with_status(error.exit_status(), error.line());
    if args.detached {
        // The leader of a session and a group of its own, which `stop` ends.
        _ = rustix::process::setsid();
    }
    let inherited = Inherited::take()
        .map_err(StartError::system("LISTEN_FDS"))
        .map_err(fatal)?;
    inherited.close_others();
    paths.make_directory(Uid::effective().is_root() && !args.debug)?;
    let options = daemon_options(args, &settings, paths, ident)?;
    let daemon = Daemon::prepare(&options, inherited).map_err(fatal)?;
    pid_file::write(&paths.pid_file)
        .map_err(|error| Exit::died(format!("{}: {error}", paths.pid_file.display())))?;
    let log = daemon.log().log().clone();
    settings.log_findings(&log);
    let store = settings.options().scalar("CACHE_STORE").to_string();
    let modified = settings.source().modified();
    let policy = Arc::new(Policy::new(settings, log));
    let (ready, is_ready) = watch::channel(false);
    let maintenance = Maintenance {
        policy: Arc::clone(&policy),
        store,
        file: paths.cache_file(),
        socket: paths.socket.clone(),
        ready,
    };
    let handler = WeightHandler {
        policy: Arc::clone(&policy),
        ready: is_ready,
    };
    let service = WeightService {
        inner: TokioService::new(handler),
        policy,
        state: Mutex::new(State {
            modified,
            maintenance: Some(maintenance),
            running: None,
        }),
        is_detached: args.detached,
    };
    let served = daemon.serve(service).map_err(fatal);
    pid_file::remove_own(&paths.pid_file);
    served
}

fn daemon_options(
    args: &Args,
    settings: &Settings,
    paths: &Paths,
    ident: &str,
) -> Result<DaemonOptions, Exit> {
    let options = settings.options();
    let port = options.scalar("TCP_PORT").number() + if args.debug { 1.0 } else { 0.0 };
    let address = options
        .scalar("BIND_ADDRESS")
        .to_string()
        .trim()
        .to_ascii_lowercase();
    let address = if address.is_empty() || address == "all" {
        "0.0.0.0".to_owned()
    } else {
        address
    };
    let host = if address.contains(':') {
        format!("[{address}]")
    } else {
        address.clone()
    };
    let mut daemon = DaemonOptions::new(ident);
    daemon.listen = vec![format!("inet:{host}:{port}")];
    daemon.log = if args.debug {
        LogTarget::Stdout
    } else {
        LogTarget::Syslog
    };
    // Questions to DNS, each with a socket.
    daemon.reserved_fds = 300;
    let is_loopback = address
        .parse()
        .is_ok_and(|address: std::net::IpAddr| address.is_loopback());
    if !is_loopback {
        // As the Perl program, which has no list of clients.
        daemon.allow = ["0.0.0.0/0", "::/0"]
            .iter()
            .filter_map(|network| network.parse().ok())
            .collect();
    }
    if Uid::effective().is_root() && !args.debug {
        let user = Some(format!("{}:{}", paths.user, paths.group));
        daemon.user = user;
        daemon.check_user().map_err(|_| {
            Exit::died(format!(
                "User {} or group {} doesn't exist!",
                paths.user, paths.group
            ))
        })?;
    }
    Ok(daemon)
}

/// The service of the daemon.
struct WeightService {
    inner: TokioService<WeightHandler>,
    policy: Arc<Policy>,
    state: Mutex<State>,
    is_detached: bool,
}

struct State {
    /// When the file was changed that was read, or found to have a fault.
    modified: Option<SystemTime>,
    /// What is started once the daemon has its user.
    maintenance: Option<Maintenance>,
    running: Option<Running>,
}

impl WeightService {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads the file again if it has changed since, or if it is to be read anyway.
    fn reload_file(&self, always: bool) {
        let modified = self.policy.settings().source().modified();
        let mut state = self.state();
        if always || (modified.is_some() && modified != state.modified) {
            state.modified = modified;
            drop(state);
            self.policy.reload();
        }
    }
}

impl Service for WeightService {
    type Message = ();
    type Worker = <TokioService<WeightHandler> as Service>::Worker;

    fn worker(&self, context: WorkerContext<()>) -> io::Result<Self::Worker> {
        self.inner.worker(context)
    }

    fn started(&self, daemon: &Started<'_>) {
        let shown = self.policy.settings().source().shown();
        let (uid, gid) = (
            rustix::process::geteuid().as_raw(),
            rustix::process::getegid().as_raw(),
        );
        let text = format!(
            "policyd-weight {} started and daemonized. conf:{shown}; GID:{gid} EGID:{gid} UID:{uid} EUID:{uid}; taint mode: 0",
            env!("CARGO_PKG_VERSION")
        );
        daemon.log.info(text);
        for endpoint in daemon.endpoints {
            daemon.log.info(format!("listening on {endpoint}"));
        }
        let maintenance = self.state().maintenance.take();
        match maintenance.map(Maintenance::start) {
            Some(Ok(running)) => self.state().running = Some(running),
            Some(Err(error)) => {
                self.policy.log().line(
                    Level::Error,
                    format!("no cache's file and no tests of lists: {error}"),
                );
            }
            None => {}
        }
        if self.is_detached {
            // The starter waits for the word, and nobody reads what comes after.
            let mut output = io::stdout().lock();
            _ = output.write_all(READY).and_then(|()| output.flush());
            if let Ok(null) = rustix::fs::open(
                "/dev/null",
                rustix::fs::OFlags::RDWR,
                rustix::fs::Mode::empty(),
            ) {
                _ = rustix::stdio::dup2_stdout(&null);
                _ = rustix::stdio::dup2_stderr(&null);
            }
        }
    }

    fn stopped(&self, daemon: &Started<'_>) {
        if let Some(running) = self.state().running.take() {
            running.stop();
        }
        daemon
            .log
            .line(Level::Warning, "Got SIGTERM. Daemon terminated.");
    }

    fn tick(&self) -> Option<String> {
        self.reload_file(false);
        None
    }

    fn reload(&self, _: &Workers<()>) -> bool {
        // The Perl program reads a file that has changed only.
        self.reload_file(!self.policy.settings().config().compat);
        true
    }
}

/// The word of a daemon that serves.
const READY: &[u8] = b" done\n";
