//! Failover and load balancing for Postfix policy servers: a drop-in for the Perl script `hapolicy`
//! under spawn(8), and a daemon.

use std::{io::Write, process::ExitCode};

use hapolicy::{Level, Log, Options, Passed, Stop, check_config, daemon, dropin, printable};

fn main() -> ExitCode {
    let passed = match Passed::take() {
        Ok(passed) => passed,
        Err(error) => return fail(&format!("LISTEN_FDS: {error}"), SYSTEM, &Log::syslog()),
    };
    let options = match Options::parse(std::env::args_os().skip(1), passed.has_listeners()) {
        Ok(options) => options,
        Err((Stop::Show(text), _)) => {
            // Nobody reads it who has closed standard output.
            _ = std::io::stdout().write_all(text.as_bytes());
            return ExitCode::SUCCESS;
        }
        Err((Stop::Usage(text), daemon)) => {
            let status = if daemon { USAGE } else { 1 };
            return fail(&text, status, &Log::syslog());
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
        return match dropin::run(&options) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(&error.to_string(), SYSTEM, &log(&options)),
        };
    }
    passed.close_others();
    match daemon::run(&options, passed) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error.line(), error.exit_status(), &log(&options)),
    }
}

/// Says why the process ends: under spawn(8) nobody reads standard error.
fn fail(text: &str, status: u8, log: &Log) -> ExitCode {
    eprintln!("hapolicy: {}", printable(text));
    log.line(Level::Error, text);
    log.flush();
    ExitCode::from(status)
}

fn log(options: &Options) -> Log {
    if options.stdout {
        Log::stdout()
    } else {
        Log::syslog()
    }
}

// sysexits(3)
const USAGE: u8 = 64;
const SYSTEM: u8 = 71;
const CONFIGURATION: u8 = 78;
