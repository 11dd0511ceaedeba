//! The tasks of the command line: a daemon, or a check, a dump, scheduled work, an explanation.

use std::{
    fs,
    io::{self, Write},
    path::Path,
    process::ExitCode,
};

use policy_daemon::{Inherited, StartError, log::printable};
use policy_dns::DnsOptions;

use super::{background, explain, limits_command, start};
use crate::{
    args::{Args, Task, USAGE},
    chain::Chain,
    config::{Config, Findings, Globals, LoadOptions},
    config_general,
    connection::Unwritten,
    journal::Journal,
    load::load,
    services::{Dns, Services},
};

/// Does what the command line asks for, to the end of the process.
#[must_use]
pub fn run(args: &Args, inherited: Inherited) -> ExitCode {
    for warning in &args.warnings {
        eprintln!("{}", printable(warning));
    }
    // The original goes on: with another file than the one that was meant, or as a daemon instead of a task.
    if args.is_incomplete && (!args.compat || args.task == Some(Task::Help)) {
        eprintln!("mtpolicyd: mtpolicyd --help shows how to use it");
        return ExitCode::from(USAGE_ERROR);
    }
    let path = args.config();
    let unreadable = readable(&path).err();
    match &args.task {
        Some(Task::Help) => show(USAGE),
        Some(Task::Version) => show(concat!("mtpolicyd ", env!("CARGO_PKG_VERSION"), "\n")),
        Some(Task::Parse) => parse(&path),
        _ if unreadable.is_some() => {
            let reason = unreadable.unwrap_or_default();
            eprintln!(
                "configuration file {} {reason}!",
                printable(path.to_string_lossy().as_bytes())
            );
            ExitCode::from(if args.task == Some(Task::Check) {
                CONFIGURATION
            } else {
                1
            })
        }
        Some(Task::Check) => check(args, &path),
        task => {
            let unwritten = (*task == Some(Task::Explain)).then(Unwritten::default);
            let options = LoadOptions {
                compat: args.compat,
                unwritten: unwritten.as_ref(),
                ..LoadOptions::default()
            };
            let (config, findings) = load(&path, options);
            let Some(config) = config else {
                say(&findings);
                return ExitCode::from(1);
            };
            match (task, unwritten) {
                (Some(Task::Dump), _) => dump(&config),
                (Some(Task::Cron(tasks)), _) => {
                    as_daemon(&config.globals).unwrap_or_else(|| cron(args, &config, tasks))
                }
                (Some(Task::Limits { key, is_reset }), _) => as_daemon(&config.globals)
                    .unwrap_or_else(|| limits_command::run(&config, key, *is_reset)),
                (Some(Task::Explain), Some(unwritten)) => {
                    // Outside of the daemon's root directory, as the daemon does.
                    let servers = DnsOptions::from_system();
                    as_daemon(&config.globals)
                        .unwrap_or_else(|| explain::run(args, config, servers, unwritten))
                }
                _ => daemon(args, config, &findings, inherited),
            }
        }
    }
}

/// Takes the root directory and the user that the daemon has, for a task that meets stores: what it opens is what the daemon
/// opens, and a file that it makes is the daemon's. The status is that of a failure.
fn as_daemon(globals: &Globals) -> Option<ExitCode> {
    let dropped = start::daemon_user(globals).drop_privileges();
    let error = dropped.err()?;
    eprintln!("mtpolicyd: {}", printable(error.line()));
    Some(ExitCode::from(error.exit_status()))
}

fn daemon(args: &Args, config: Config, findings: &Findings, inherited: Inherited) -> ExitCode {
    if !args.foreground && !args.is_background_child {
        return background::start().unwrap_or_else(|error| {
            eprintln!("mtpolicyd: cannot start: {error}");
            ExitCode::from(SYSTEM)
        });
    }
    start::serve(args, config, findings, inherited).unwrap_or_else(|error: StartError| {
        // In one piece: the log may write there as well.
        let line = format!("mtpolicyd: {}\n", printable(error.line()));
        _ = io::stderr().write_all(line.as_bytes());
        ExitCode::from(error.exit_status())
    })
}

/// Why a file cannot be read, if so.
fn readable(path: &Path) -> Result<(), String> {
    let cannot = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => "does not exist".to_owned(),
        _ => format!("cannot be read: {error}"),
    };
    let found = fs::metadata(path).map_err(cannot)?;
    if found.is_dir() {
        return Err("is a directory".to_owned());
    }
    if !found.is_file() {
        return Err("is no plain file".to_owned());
    }
    fs::File::open(path).map(drop).map_err(cannot)
}

fn show(text: &str) -> ExitCode {
    // Standard output may be closed.
    _ = io::stdout().write_all(text.as_bytes());
    ExitCode::SUCCESS
}

fn parse(path: &Path) -> ExitCode {
    match config_general::read_file(path) {
        Ok(parsed) => show(&(parsed.to_json() + "\n")),
        Err(error) => {
            eprintln!(
                "{}: error: {}",
                error.place,
                printable(error.message.trim_end())
            );
            ExitCode::from(CONFIGURATION)
        }
    }
}

fn check(args: &Args, path: &Path) -> ExitCode {
    let options = LoadOptions {
        compat: args.compat,
        is_check: true,
        is_foreground: args.foreground,
        ..LoadOptions::default()
    };
    let (config, mut findings) = load(path, options);
    if let Some(config) = config {
        let daemon = start::daemon_user(&config.globals);
        let has_rights = rustix::process::geteuid().is_root();
        // Where root alone can reach the daemon's root directory, nobody else can look below it.
        if has_rights || daemon.root.is_none() {
            if let Err(error) = daemon.drop_privileges() {
                say(&findings);
                eprintln!("mtpolicyd: {}", printable(error.line()));
                return ExitCode::from(CONFIGURATION);
            }
            findings.check_files(has_rights, daemon.root.as_deref());
        }
    }
    say(&findings);
    let is_refused = findings.has_errors() || (args.strict && !findings.sorted().is_empty());
    if is_refused {
        ExitCode::from(CONFIGURATION)
    } else {
        ExitCode::SUCCESS
    }
}

fn say(findings: &Findings) {
    for finding in findings.sorted() {
        eprintln!("{}", printable(finding.to_string()));
    }
}

fn dump(config: &Config) -> ExitCode {
    let mut text = "----- Virtual Hosts -----\n".to_owned();
    for host in &config.hosts {
        text.push_str(&format!("{} ({})\n", host.key, host.name));
        dump_chain(&host.chain, 1, &mut text);
    }
    show(&text)
}

fn dump_chain(chain: &Chain, depth: usize, text: &mut String) {
    for link in chain.links() {
        text.push_str(&format!(
            "{}{} ({})\n",
            "  ".repeat(depth),
            link.name,
            link.module
        ));
        if let Some(nested) = link.plugin.nested() {
            dump_chain(nested, depth + 1, text);
        }
    }
}

/// Runs the scheduled work of all plugins. The status is 1 if one has failed, or a task is none; the original has 0 always.
fn cron(args: &Args, config: &Config, tasks: &[String]) -> ExitCode {
    let unknown = tasks.iter().find(|task| !TASKS.contains(&task.as_str()));
    if let Some(unknown) = unknown.filter(|_| !args.compat) {
        let tasks = TASKS.join(", ");
        eprintln!(
            "mtpolicyd: `{}` is no task: use one of {tasks}",
            printable(unknown)
        );
        return ExitCode::from(1);
    }
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    else {
        return ExitCode::from(SYSTEM);
    };
    let services = Services {
        compat: args.compat,
        journal: Journal::buffered(),
        ..Services::for_tests(Dns::none())
    };
    let failed = runtime.block_on(async {
        let mut failed = 0;
        for host in &config.hosts {
            for task in tasks {
                failed += host.chain.cron(task, &services).await;
            }
        }
        config.connections.close().await;
        failed
    });
    let lines = services.journal.log().take_buffered();
    _ = io::stderr().write_all(&lines);
    if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(1)
    }
}

/// The times at which cron(8) calls it.
const TASKS: [&str; 4] = ["hourly", "daily", "weekly", "monthly"];
// sysexits(3)
const USAGE_ERROR: u8 = 64;
const SYSTEM: u8 = 71;
const CONFIGURATION: u8 = 78;
