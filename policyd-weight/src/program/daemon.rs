//! Which action of the command line asks what of the daemon or its cache.

use std::{
    io::{self, Read},
    os::unix::process::CommandExt,
    process::{Command, Stdio},
};

use nix::unistd::Uid;
use policy_daemon::log::{Log, LogTarget};

use super::{
    Action, Args, Exit, client,
    paths::Paths,
    pid_file::{self, Named},
    predecessor, print, say,
    serve::serve,
    service::READY,
    settings, source, spawn,
    stop::{self, Stopped},
};
use crate::{
    config::{self, Finding},
    policy::Settings,
};

/// Does what the command line asks of the daemon or its cache.
pub(super) fn act(args: &Args) -> Result<(), Exit> {
    let settings = match settings(args) {
        Err(fault) if args.action == Action::Stop && !args.shows_cache => {
            return stop_despite(args, &fault);
        }
        settings => settings?,
    };
    let paths = Paths::new(settings.options(), args.debug);
    check_user(args, &paths)?;
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

/// The user that it is to become, as which a service manager may start it, may do what it likes with its own processes.
fn check_user(args: &Args, paths: &Paths) -> Result<(), Exit> {
    let word = match args.action {
        Action::Start => "start",
        Action::Stop => "stop",
        Action::Restart => "restart",
        Action::Reload => "reload",
        _ => return Ok(()),
    };
    let user = Uid::effective();
    if user.is_root() || args.debug || paths.account.uid() == Some(user) {
        return Ok(());
    }
    Err(Exit::died(format!(
        "You must be root in order to use \"{word}\"!"
    )))
}

/// Stops the daemon of a file with a fault, for which its pid file alone is needed: else whoever breaks the file could not stop
/// the daemon. Where it is not known which one that is nothing is stopped: it may be that of another daemon.
fn stop_despite(args: &Args, fault: &Exit) -> Result<(), Exit> {
    fault.say();
    let needed = ["PIDFILE", "LOCKPATH", "USER", "GROUP"];
    let options = config::load_past_faults(&source(args), &needed);
    let unknown = || {
        let why = "the fault may concern $PIDFILE, $LOCKPATH, $USER or $GROUP";
        Exit::config(format!("nothing is stopped: {why}"))
    };
    let mut paths = Paths::new(&options.ok_or_else(unknown)?, args.debug);
    check_user(args, &paths)?;
    paths.check()?;
    // It may follow from the fault as well: what listens there is not asked.
    paths.socket = None;
    let shown = paths.pid_file.display();
    say(&format!("stopping the daemon of {shown} all the same"));
    if args.empties_cache {
        say("the cache is not emptied: the fault may be in what names it");
    }
    match stop::stop(&paths, args.compat)? {
        Stopped::Ended => {
            print(" ... done\n");
            Ok(())
        }
        Stopped::NotRunning => Err(Exit::config("")),
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
        let text = "Process already running";
        return Err(Exit::died(match args.action {
            // It has stopped the daemon of before.
            Action::Restart => format!("{text}: another start or restart came first"),
            _ => text.to_owned(),
        }));
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
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Err(match code.filter(|&code| code > 0) {
        // It has said why on standard error.
        Some(code) => Exit::with_status(code, ""),
        // Somebody has stopped it.
        None => Exit::with_status(
            71,
            format!("the daemon has ended before it served: {status}"),
        ),
    })
}
