//! The start of the daemon, with the privileges of the starter, and its life.

use std::{
    num::NonZeroU64,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::{Arc, OnceLock},
    time::Duration,
};

use policy_daemon::{
    Daemon, DaemonOptions, Inherited, OptionNames, StartError, TokioService,
    log::{Level, LogTarget},
};
use policy_dns::DnsOptions;
use policy_net::ServeOptions;

use super::{
    background::{self, Starter},
    connection_states::ConnectionStates,
    control::MtpolicydControl,
    dns_watch::DnsWatch,
    handler::Server,
    log_file::LogFile,
    pid_file::PidFile,
    service::MtpolicydService,
};
use crate::{
    args::Args,
    config::{Config, Findings, Globals, control_path, user_that_is_left},
    daemon::admin::MtpolicydMetrics,
    journal::Journal,
    process_name,
    services::{Dns, Manner, Services},
};

/// Serves until a signal ends the daemon.
pub(super) fn serve(
    args: &Args,
    config: Config,
    findings: &Findings,
    inherited: Inherited,
) -> Result<ExitCode, StartError> {
    let globals = config.globals.clone();
    let pid_file = globals.pid_file.as_deref().map(absolute);
    process_name::set();
    if args.is_background_child {
        background::detach();
    }
    let starter = args.is_background_child.then(Starter::new).transpose();
    let starter = starter.map_err(StartError::system("cannot go into the background"))?;
    let mut options = daemon_options(args, &globals)?;
    let log_file = globals.log_file.as_deref().map(absolute);
    let log_file = log_file.filter(|_| has_own_output(globals.log_to));
    let log_file = log_file.map(|path| {
        let owner = options.user_ids()?;
        let opened = LogFile::open(&path, globals.chroot.as_deref(), owner);
        opened.map_err(StartError::system(format!("log_file {}", path.display())))
    });
    let log_file = log_file.transpose()?;
    options.log = log_target(args, &globals)?;
    let daemon = Daemon::prepare(&options, inherited)?;
    let level = args.log_level.unwrap_or(globals.log_level);
    let journal = Journal::new(Arc::clone(daemon.log()), level);
    for finding in findings.sorted() {
        daemon.log().log().line(
            Level::Warning,
            finding.to_string().replace(": warning: ", ": "),
        );
    }
    if let Some(user) = user_that_is_left(&globals) {
        journal.warning(&format!(
            "`user` is `{user}`: only root can change to it, and the daemon stays the user that starts it"
        ));
    }
    let resolver = DnsOptions::from_system().unwrap_or_else(|error| {
        journal.warning(&format!("{error}: DNS is asked at 127.0.0.1"));
        DnsOptions::new([([127, 0, 0, 1], 53).into()])
    });
    let services = Services {
        dns: Dns::servers(resolver),
        compat: args.compat,
        journal,
        clock: None,
        manner: if args.dry_run {
            Manner::DryRun
        } else {
            Manner::Serve
        },
        clock_offset: Duration::ZERO,
    };
    let server = Arc::new(Server::new(config, services));
    let pid_file = pid_file.map(|path| {
        PidFile::write(&path).map_err(StartError::system(format!("pid_file {}", path.display())))
    });
    let _pid_file = pid_file.transpose()?;
    let service = MtpolicydService {
        tokio: TokioService::new(Arc::clone(&server))
            .with_options(serve_options(&globals))
            .with_max_requests(NonZeroU64::new(globals.max_keepalive))
            .with_admin(Arc::new(MtpolicydMetrics {
                server: Arc::clone(&server),
            }))
            .with_commands(Arc::new(MtpolicydControl {
                server: Arc::clone(&server),
            })),
        server,
        path: absolute(&args.config()),
        started: globals,
        log_file,
        log_level: args.log_level,
        compat: args.compat,
        dns_watch: DnsWatch::default(),
        connection_states: ConnectionStates::default(),
        starter,
        endpoints: OnceLock::new(),
    };
    daemon.serve(service)?;
    Ok(ExitCode::SUCCESS)
}

fn daemon_options(args: &Args, globals: &Globals) -> Result<DaemonOptions, StartError> {
    let mut options = DaemonOptions::new(&globals.syslog_ident);
    options.log_hint = "--foreground writes to standard error";
    options.listen.clone_from(&globals.listen);
    options.admin.clone_from(&globals.admin);
    options.admin.extend(args.admin.iter().cloned());
    options.allow.clone_from(&globals.allow);
    // Those whose requests are served, everybody perhaps, are not all to see the daemon from inside.
    options.admin_allow = Some(globals.admin_allow.clone());
    options.allow_hint = "`allow` in the configuration has to say which machines it is for";
    options.control.clone_from(&globals.control);
    if let Some(text) = &args.control {
        let path = control_path(text);
        let wrong = || StartError::Configuration(format!("--control {text}: no unix:/PATH"));
        options.control = Some(path.ok_or_else(wrong)?);
    }
    let DaemonOptions {
        user, root, names, ..
    } = daemon_user(globals);
    (options.user, options.root, options.names) = (user, root, names);
    Ok(options)
}

/// The user and the root directory of the daemon, for tasks as well.
pub(super) fn daemon_user(globals: &Globals) -> DaemonOptions {
    let mut options = DaemonOptions::new(&globals.syslog_ident);
    options.user = match (&globals.user, globals.groups.is_empty()) {
        (Some(user), true) => Some(user.clone()),
        (Some(user), false) => Some(format!("{user}:{}", globals.groups.join(","))),
        // As in the original, which changes the group alone.
        (None, false) => Some(format!("0:{}", globals.groups.join(","))),
        (None, true) => None,
    };
    options.names = OPTION_NAMES;
    options.root.clone_from(&globals.chroot);
    // An ordinary user that is the one to run as needs no change.
    if !rustix::process::geteuid().is_root() {
        options.user = None;
    }
    options
}

fn serve_options(globals: &Globals) -> ServeOptions {
    let mut options = ServeOptions::default();
    options.clients.idle = globals.keepalive_timeout.unwrap_or(YEAR);
    options.clients.memory = Some(MEMORY);
    // The chain has its own limit, before this one.
    options.deadline = options
        .deadline
        .max(globals.request_timeout + Duration::from_secs(5));
    options
}

/// Where the log goes. A file is in the place of standard output by now.
fn log_target(args: &Args, globals: &Globals) -> Result<LogTarget, StartError> {
    let has_file = globals.log_file.is_some();
    match globals.log_to {
        None if has_file => Ok(LogTarget::Stdout),
        None if args.foreground && !args.is_background_child => {
            let redirected = rustix::stdio::dup2_stdout(rustix::stdio::stderr());
            let failed = StartError::system("cannot write the log");
            redirected.map_err(|error| failed(error.into()))?;
            Ok(LogTarget::Stdout)
        }
        None => Ok(LogTarget::Syslog),
        Some(target @ (LogTarget::Stdout | LogTarget::Json))
            if args.is_background_child && !has_file =>
        {
            let text = format!(
                "log_to {target}: a daemon in the background has no standard output: use -f, or log_file"
            );
            Err(StartError::Configuration(text))
        }
        Some(target) => Ok(target),
    }
}

/// Whether lines go to standard output, or to a file in its place.
const fn has_own_output(log_to: Option<LogTarget>) -> bool {
    matches!(log_to, None | Some(LogTarget::Stdout | LogTarget::Json))
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// What the options are called here that policy-daemon's messages name.
const OPTION_NAMES: OptionNames = OptionNames {
    listen: "port",
    user: "user",
    max_clients: None,
};
/// No limit: nobody is idle for so long.
const YEAR: Duration = Duration::from_secs(365 * 86_400);
/// What requests and replies may take in memory, in bytes.
const MEMORY: usize = 64 << 20;
