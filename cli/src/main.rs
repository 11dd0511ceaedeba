//! Failover and load balancing for Postfix policy servers: a drop-in for the Perl script `hapolicy`
//! under spawn(8), and a daemon.

use std::{io::Write, os::fd::AsFd, process::ExitCode};

use hapolicy::{Arguments, Stop, Stopped, check_config, config_file, ctl, print_config};
use policy_daemon::{
    Inherited,
    log::{Level, Log, LogTarget, printable},
};
use policy_proxy::{config::Findings, daemon, options::NAME, spawn};
use rustix::fs::FileType;

fn main() -> ExitCode {
    let mut words = std::env::args_os().skip(1).peekable();
    if words.next_if(|word| word == "ctl").is_some() {
        return ctl::run(words);
    }
    let inherited = match Inherited::take() {
        Ok(inherited) => inherited,
        Err(error) => {
            return fail_daemon(
                &format!("LISTEN_FDS: {error}"),
                CONFIGURATION,
                LogTarget::Syslog,
            );
        }
    };
    let arguments = match Arguments::parse(words, inherited.has_listeners()) {
        Ok(arguments) => arguments,
        Err(Stopped { stop, is_daemon }) => return stop_at(stop, is_daemon),
    };
    if arguments.failover.only_checks() || arguments.config.only_prints() {
        // A signal ends it as it does any program.
        drop(inherited);
        let is_valid = if arguments.config.only_prints() {
            print_config(&arguments)
        } else {
            check_config(&arguments)
        };
        return if is_valid {
            ExitCode::SUCCESS
        } else {
            ExitCode::from(CONFIGURATION)
        };
    }
    let options = arguments.options();
    if !options.is_daemon {
        if let Some(missing) = inherited.missing() {
            return fail_daemon(&missing, CONFIGURATION, options.daemon.log);
        }
        // The end of Postfix's spawn(8) is the end of this process too.
        drop(inherited);
        return match spawn::run(&options) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(
                &error.to_string(),
                SYSTEM,
                Level::Error,
                &spawn::log(&options),
            ),
        };
    }
    inherited.close_others();
    match daemon::run(&options, config_file(&arguments, &options), inherited) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail_daemon(&error.line(), error.exit_status(), options.daemon.log),
    }
}

/// Ends a process whose command line asks for that, or is wrong.
fn stop_at(stop: Stop, is_daemon: bool) -> ExitCode {
    match stop {
        Stop::Show(text) => {
            // Standard output may be closed.
            _ = std::io::stdout().write_all(text.as_bytes());
            ExitCode::SUCCESS
        }
        Stop::Config(findings) => fail_config(&findings),
        Stop::Usage(text) if is_daemon => fail_daemon(&text, USAGE, LogTarget::Syslog),
        Stop::Usage(text) => fail(&text, 1, Level::Error, &Log::syslog(NAME)),
    }
}

/// Reports what is wrong with a configuration file: with its lines for a person, and in a line each for a log, or where
/// standard error is the socket of Postfix or of a journal.
fn fail_config(findings: &Findings) -> ExitCode {
    if is_socket(std::io::stderr()) {
        for line in &findings.lines {
            eprintln!("{NAME}: {line}");
        }
    } else {
        eprint!("{}", findings.text);
    }
    let log = Log::syslog(NAME);
    for line in &findings.lines {
        log.line(Level::Fatal, line);
    }
    log.flush();
    ExitCode::from(CONFIGURATION)
}

fn is_socket(file: impl AsFd) -> bool {
    let mode = rustix::fs::fstat(file).map(|stat| stat.st_mode);
    mode.is_ok_and(|mode| FileType::from_raw_mode(mode) == FileType::Socket)
}

/// Reports why a daemon does not start.
fn fail_daemon(text: &str, status: u8, target: LogTarget) -> ExitCode {
    fail(text, status, Level::Fatal, &Log::daemon(NAME, target))
}

/// Reports why the process ends, in the log as well: under spawn(8) standard error is lost.
fn fail(text: &str, status: u8, level: Level, log: &Log) -> ExitCode {
    eprintln!("{NAME}: {}", printable(text));
    log.line(level, text);
    log.flush();
    ExitCode::from(status)
}

// sysexits(3)
const USAGE: u8 = 64;
const SYSTEM: u8 = 71;
const CONFIGURATION: u8 = 78;
