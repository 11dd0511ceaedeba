//! The actions of the daemon: start, stop, restart, reload.

use std::{
    io::{self, Read},
    os::unix::process::CommandExt,
    path::PathBuf,
    process::{Command, Stdio},
    sync::Arc,
    time::Duration,
};

use nix::unistd::Uid;
use policy_daemon::{
    DaemonOptions, Inherited, OptionNames, StartError,
    log::{Level, Log, LogTarget},
};
use rustix::process::Signal;
use tokio::sync::watch;

use super::{
    Action, Args, Exit, client,
    handler::WeightHandler,
    maintenance::Maintenance,
    paths::Paths,
    pid_file, predecessor, print,
    service::{READY, WeightService},
    settings, spawn,
};
use crate::{
    config::{bind_address, control_path, inet},
    perl::Variables,
    policy::{Policy, Settings},
};

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
    let needs_root = || Exit::died(format!("You must be root in order to use \"{word}\"!"));
    let is_other = !word.is_empty() && !is_root && !args.debug;
    if is_other && args.action != Action::Start {
        return Err(needs_root());
    }
    let settings = settings(args)?;
    let paths = Paths::new(settings.options(), args.debug);
    // A service manager may start it as the user that it is to become.
    if is_other && paths.uid() != Some(Uid::effective()) {
        return Err(needs_root());
    }
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
    if args.action == Action::Stop {
        return stop(&paths).map(|()| print(" ... done\n"));
    }
    let log_target = log_target(args, &settings)?;
    match args.action {
        Action::Spawn => spawn::run(settings, &paths, Log::daemon(&ident, log_target)),
        Action::Restart if !args.detached => {
            stop(&paths)?;
            start(args, settings, &paths, &ident, log_target)
        }
        _ => start(args, settings, &paths, &ident, log_target),
    }
}

/// Where the log goes. Standard output carries answers under spawn(8), and is nobody's in the background.
fn log_target(args: &Args, settings: &Settings) -> Result<LogTarget, Exit> {
    let target = settings.options().scalar("LOG_TO").to_string();
    // What is no place has been refused with the file.
    let target = target.parse().ok();
    match target {
        Some(LogTarget::Json) if args.debug => Ok(LogTarget::Json),
        _ if args.debug => Ok(LogTarget::Stdout),
        Some(LogTarget::Stdout | LogTarget::Json)
            if !args.foreground || args.action == Action::Spawn =>
        {
            Err(Exit::config(
                "$LOG_TO: standard output is for a daemon in the foreground: start -D",
            ))
        }
        target => Ok(target.unwrap_or_default()),
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
    if pid_file::has_ended(pid, MAX_END, || print(".")) {
        return Ok(());
    }
    // Requests under way have had their time.
    _ = pid_file::signal(pid, Signal::KILL);
    print("killed\n");
    if pid_file::has_ended(pid, MAX_END, || ()) {
        return Ok(());
    }
    Err(Exit::died(format!(
        "a process with pid {} exists, and does not end",
        pid.as_raw_nonzero()
    )))
}

fn start(
    args: &Args,
    settings: Settings,
    paths: &Paths,
    ident: &str,
    log_target: LogTarget,
) -> Result<(), Exit> {
    let running = pid_file::running(&paths.pid_file);
    if running.is_some_and(|pid| !predecessor::has_ended(pid, ident, log_target)) {
        return Err(Exit::died("Process already running"));
    }
    if !args.foreground && !args.debug && !args.detached {
        return detach();
    }
    serve(args, settings, paths, ident, log_target)
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

fn serve(
    args: &Args,
    settings: Settings,
    paths: &Paths,
    ident: &str,
    log_target: LogTarget,
) -> Result<(), Exit> {
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
    let mut options = daemon_options(args, &settings, paths, ident)?;
    options.log = log_target;
    let daemon = predecessor::prepare(&options, inherited).map_err(fatal)?;
    let log = daemon.log().log().clone();
    if let Err(error) = pid_file::write(&paths.pid_file) {
        let shown = paths.pid_file.display();
        if Uid::effective().is_root() || args.debug {
            return Err(Exit::died(format!("{shown}: {error}")));
        }
        // The service manager that has started it as its own user knows the process.
        log.line(Level::Notice, format!("no pid file {shown}: {error}"));
    }
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
        policy,
        ready: is_ready,
    };
    let service = WeightService::new(handler, modified, maintenance, args.detached);
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
    let address = bind_address(options);
    let mut daemon = DaemonOptions::new(ident);
    daemon.listen = vec![inet(&address, port)];
    daemon.log_hint = "-d writes to standard output";
    daemon.names = OPTION_NAMES;
    // Questions to DNS, each with a socket at worst.
    daemon.reserved_fds = 300;
    let admin = options.scalar("ADMIN").to_string();
    daemon.admin = admin.split_ascii_whitespace().map(str::to_owned).collect();
    daemon.admin.extend(args.admin.iter().cloned());
    // Everybody may ask for a score; only this machine may see the daemon from inside.
    daemon.admin_allow = Some(Vec::new());
    daemon.allow_hint = "only this machine may see the daemon from inside";
    daemon.control = control(args, options)?;
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

/// The path of the socket for commands: that of the command line, or of the file.
fn control(args: &Args, options: &Variables) -> Result<Option<PathBuf>, Exit> {
    let (what, text) = match &args.control {
        Some(text) => ("--control", text.clone()),
        None => ("$CONTROL", options.scalar("CONTROL").to_string()),
    };
    if text.is_empty() {
        return Ok(None);
    }
    match control_path(&text) {
        Some(path) => Ok(Some(path)),
        None => Err(Exit::config(format!("{what} {text}: no unix:/PATH"))),
    }
}

/// What the options are called here that policy-daemon's messages name.
const OPTION_NAMES: OptionNames = OptionNames {
    listen: "$BIND_ADDRESS",
    user: "$USER",
    max_clients: None,
};
/// How long `stop` waits for the end, and once more after SIGKILL.
const MAX_END: Duration = Duration::from_secs(6);
