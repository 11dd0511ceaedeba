//! The daemon: which action of the command line does what, and its start.

use std::{
    io::{self, Read},
    net::SocketAddr,
    os::unix::process::CommandExt,
    path::PathBuf,
    process::{Command, Stdio},
    sync::Arc,
};

use nix::unistd::Uid;
use policy_daemon::{
    DaemonOptions, Inherited, OptionNames, StartError,
    log::{Level, Log, LogTarget},
};
use tokio::sync::watch;

use super::{
    Action, Args, Exit,
    cache_place::CachePlace,
    client,
    handler::WeightHandler,
    maintenance::Maintenance,
    paths::Paths,
    pid_file::{self, Named},
    predecessor, say,
    service::{READY, WeightService},
    settings, spawn, stop,
};
use crate::{
    config::{BindAddress, Finding, control_path},
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
    let settings = settings(args)?;
    let paths = Paths::new(settings.options(), args.debug);
    // The user that it is to become, as which a service manager may start it, may do what it likes with its own processes.
    if !word.is_empty() && !is_root && !args.debug && paths.account.uid() != Some(Uid::effective())
    {
        return Err(Exit::died(format!(
            "You must be root in order to use \"{word}\"!"
        )));
    }
    paths.check()?;
    if args.action == Action::Reload {
        return stop::reload(&paths);
    }
    let store = settings.options().scalar("CACHE_STORE").to_string();
    if args.empties_cache && !args.detached {
        if args.action == Action::Spawn {
            paths.take_rights()?;
            return client::empty(&paths, &store);
        }
        empty_apart(args);
    }
    if args.shows_cache {
        paths.take_rights()?;
        return client::show(&paths, &store);
    }
    let ident = settings.options().scalar("syslog_ident").to_string();
    if args.action == Action::Stop {
        return stop::stop(&paths, args.compat).map(|stopped| stopped.print(" ... done\n"));
    }
    let log_target = log_target(args, &settings)?;
    match args.action {
        Action::Spawn => {
            // Where it cannot be made the file says why it cannot be used.
            _ = paths.make_cache_directory();
            paths.take_rights()?;
            spawn::run(settings, &paths, Log::daemon(&ident, log_target))
        }
        Action::Restart if !args.detached => {
            stop::check_restart(&paths)?;
            stop::stop(&paths, args.compat)?.print(" done\n");
            start(args, settings, &paths, &ident, log_target)
        }
        _ => start(args, settings, &paths, &ident, log_target),
    }
}

/// Empties the cache in a process of its own, since the action needs the rights that are given up for that. The action is what
/// is wanted: that process has said what has failed.
fn empty_apart(args: &Args) {
    let emptied = std::env::current_exe().and_then(|program| {
        let mut command = Command::new(program);
        command.arg0("policyd-weight").arg("-k");
        if let Some(file) = &args.file {
            command.arg("-f").arg(file);
        }
        if let Some(set) = args.defaults {
            command.args(["--defaults", &set.to_string()]);
        }
        command.args(args.debug.then_some("-d"));
        command.args(args.compat.then_some("--compat"));
        command.stdin(Stdio::null()).status()
    });
    if let Err(error) = emptied {
        say(&format!("cannot empty the cache: {error}"));
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
            let text = "$LOG_TO: standard output is for a daemon in the foreground: start -D";
            Err(Exit::config(
                settings.report(&Finding::error(&["$LOG_TO"], text)),
            ))
        }
        target => Ok(target.unwrap_or_default()),
    }
}

fn start(
    args: &Args,
    settings: Settings,
    paths: &Paths,
    ident: &str,
    log_target: LogTarget,
) -> Result<(), Exit> {
    // A file that names no process is replaced: two daemons cannot have one port.
    let running = pid_file::look(&paths.pid_file).ok().and_then(Named::pid);
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
    // `stop` looks for this name, whatever the file of the program is called.
    _ = rustix::thread::set_name(c"policyd-weight");
    let inherited = Inherited::take()
        .map_err(StartError::system("LISTEN_FDS"))
        .map_err(fatal)?;
    inherited.close_others();
    paths.make_directory(Uid::effective().is_root() && !args.debug)?;
    let (requests, address) = address(args, &settings)?;
    let mut options = daemon_options(args, &settings, address, paths, ident)?;
    options.log = log_target;
    let daemon = predecessor::prepare(&options, inherited).map_err(fatal)?;
    let log = daemon.log().log().clone();
    let pid = rustix::process::getpid();
    if let Err(error) = pid_file::write(&paths.pid_file, pid) {
        // Nobody could stop it.
        if !args.foreground || args.debug || Uid::effective().is_root() {
            return Err(Exit::died(stop::cannot_write(paths, &error)));
        }
        // The service manager that has started it as its own user knows the process.
        let shown = paths.pid_file.display();
        log.line(Level::Notice, format!("no pid file {shown}: {error}"));
    }
    if let Some(host) = requests.host_name() {
        log.info(format!("$BIND_ADDRESS '{host}' is {}", address.ip()));
    }
    if let Some((service, port)) = requests.service() {
        log.info(format!("$TCP_PORT '{service}' is {port}"));
    }
    settings.log_findings(&log);
    let place = CachePlace::new(settings.options(), paths);
    let modified = settings.source().modified();
    let policy = Arc::new(Policy::new(settings, log));
    let (ready, is_ready) = watch::channel(false);
    let maintenance = Maintenance {
        policy: Arc::clone(&policy),
        place,
        socket: paths.socket.clone(),
        ready,
    };
    let handler = WeightHandler {
        policy,
        ready: is_ready,
    };
    let service = WeightService::new(handler, modified, maintenance, args.detached);
    let served = daemon.serve(service).map_err(fatal);
    // The daemon's user may not be allowed to.
    _ = pid_file::remove(&paths.pid_file, pid);
    served
}

/// The address for requests, as it is written and as it is. The next port is for who debugs beside a daemon.
fn address(args: &Args, settings: &Settings) -> Result<(BindAddress, SocketAddr), Exit> {
    let failed = |finding| Exit::config(settings.report(&finding));
    let requests = BindAddress::new(settings.options()).map_err(failed)?;
    let mut address = requests.resolve().map_err(failed)?;
    if args.debug {
        address.set_port(address.port().saturating_add(1));
    }
    Ok((requests, address))
}

fn daemon_options(
    args: &Args,
    settings: &Settings,
    address: SocketAddr,
    paths: &Paths,
    ident: &str,
) -> Result<DaemonOptions, Exit> {
    let options = settings.options();
    let mut daemon = DaemonOptions::new(ident);
    daemon.listen = vec![format!("inet:{address}")];
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
    if !address.ip().is_loopback() {
        // As the Perl program, which has no list of clients.
        daemon.allow = ["0.0.0.0/0", "::/0"]
            .iter()
            .filter_map(|network| network.parse().ok())
            .collect();
    }
    paths.set_user(&mut daemon)?;
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
