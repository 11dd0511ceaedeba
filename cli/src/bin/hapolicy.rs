//! Failover and load balancing for Postfix policy servers: a drop-in for the Perl script `hapolicy`
//! under spawn(8), and a daemon.

use std::{io::Write, process::ExitCode};

use hapolicy::{Level, Log, Options, Passed, Stop, check_config, printable, serve, spawn};

fn main() -> ExitCode {
    let passed = match Passed::take() {
        Ok(passed) => passed,
        Err(error) => return fail_daemon(&format!("LISTEN_FDS: {error}"), CONFIGURATION, false),
    };
    let options = match Options::parse(std::env::args_os().skip(1), passed.has_listeners()) {
        Ok(options) => options,
        Err((Stop::Show(text), _)) => {
            // Nobody reads it who has closed standard output.
            _ = std::io::stdout().write_all(text.as_bytes());
            return ExitCode::SUCCESS;
        }
        Err((Stop::Usage(text), daemon)) => {
            return match daemon {
                true => fail_daemon(&text, USAGE, false),
                false => fail(&text, 1, Level::Error, &Log::syslog()),
            };
        }
    };
    if options.failover.only_checks() {
        return if check_config(&options) {
            ExitCode::SUCCESS
        } else {
            ExitCode::from(CONFIGURATION)
        };
    }
    if !options.is_daemon {
        if let Some(missing) = passed.missing() {
            return fail_daemon(&missing, CONFIGURATION, options.stdout);
        }
        return match spawn::run(&options) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(&error.to_string(), SYSTEM, Level::Error, &log(&options)),
        };
    }
    passed.close_others();
    match serve::run(&options, passed) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail_daemon(&error.line(), error.exit_status(), options.stdout),
    }
}

/// Says why a daemon does not start.
fn fail_daemon(text: &str, status: u8, stdout: bool) -> ExitCode {
    fail(text, status, Level::Fatal, &Log::of_daemon(stdout))
}

/// Says why the process ends: under spawn(8) nobody reads standard error.
fn fail(text: &str, status: u8, level: Level, log: &Log) -> ExitCode {
    eprintln!("hapolicy: {}", printable(text));
    log.line(level, text);
    log.flush();
    ExitCode::from(status)
}

fn log(options: &Options) -> Log {
    if options.stdout {
        Log::with_replies()
    } else {
        Log::syslog()
    }
}

// sysexits(3)
const USAGE: u8 = 64;
const SYSTEM: u8 = 71;
const CONFIGURATION: u8 = 78;
