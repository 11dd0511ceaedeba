//! The start of the daemon: its options, its pid file, its service.

use std::{net::SocketAddr, path::PathBuf, sync::Arc};

use nix::unistd::Uid;
use policy_daemon::{
    DaemonOptions, Inherited, OptionNames, StartError,
    log::{Level, LogTarget},
};
use tokio::sync::watch;

use super::{
    Args, Exit, cache_place::CachePlace, handler::WeightHandler, maintenance::Maintenance,
    paths::Paths, pid_file, predecessor, service::WeightService, stop,
};
use crate::{
    config::{BindAddress, control_path},
    perl::Variables,
    policy::{Policy, Settings},
};

/// Serves until the end.
pub(super) fn serve(
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
    let modified = settings.modified();
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
