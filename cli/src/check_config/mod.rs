//! `--check-config`: looks at a command line, and prints what it comes to.

use std::io::Write;

use policy_daemon::log::printable;
use policy_proxy::{
    config::{Written, written},
    options::{CheckOptions, Services},
    warnings,
};

use crate::args::Arguments;

mod effective;
pub use effective::Effective;

mod print;
pub use print::print_config;

mod quoted;

/// Prints all that is effective on standard output, in the form in which it can be given, unless `--quiet` is
/// given, and on standard error what is wrong and what is probably not meant. Nothing is bound, and no service
/// is asked.
///
/// Whether all is valid, with `--strict` also whether there is nothing to warn of.
#[must_use]
pub fn check_config(arguments: &Arguments) -> bool {
    let options = arguments.options();
    let services = Services::parse(&options);
    let mut findings = Findings::default();
    for fault in &services.invalid {
        findings.error(&fault.text);
    }
    for text in services.valid.iter().flat_map(|service| &service.warnings) {
        findings.warning(text);
    }
    if services.valid.is_empty() {
        findings.error("no valid service");
    }
    let daemon = &options.daemon;
    for fault in daemon.start_faults() {
        if fault.is_certain {
            findings.error(fault.text);
        } else {
            findings.warning(fault.text);
        }
    }
    let listeners: Vec<_> = daemon.listen_addrs().filter_map(Result::ok).collect();
    let check = options.check.as_ref();
    let check = match check.map(CheckOptions::read).transpose() {
        Ok(check) => check,
        Err(error) => {
            findings.error(error.line());
            None
        }
    };
    let mut max_clients = None;
    if options.is_daemon {
        match daemon.capacity(&listeners, 0) {
            Ok(most) => {
                if let Some(text) = most.warning() {
                    findings.warning(text);
                }
                max_clients = Some(most.number());
            }
            Err(error) => findings.error(format!("cannot start: {error}")),
        }
    }
    if let Some(option) = arguments
        .daemon_option
        .as_ref()
        .filter(|_| !options.is_daemon)
    {
        findings.warning(format!(
            "{option} is for a daemon: give --listen too, or have a service manager pass sockets"
        ));
    }
    for text in warnings(&options, &services, &listeners, check.as_ref()) {
        findings.warning(text);
    }
    if !arguments.failover.quiet {
        let effective = Effective {
            arguments,
            services: &services,
            workers: daemon.workers(),
            max_clients,
        };
        let text = match &arguments.file {
            None => Ok(effective.text()),
            Some(_) => written(&effective.settings(&options), Written::All),
        };
        match text {
            // Nobody reads it who has closed standard output.
            Ok(text) => _ = std::io::stdout().write_all(text.as_bytes()),
            Err(text) => findings.error(text),
        }
    }
    if let Some(file) = &arguments.file {
        findings.placed(file.warnings());
    }
    // At the end, where a log is looked at first.
    for line in &findings.placed {
        eprintln!("{line}");
    }
    for line in &findings.lines {
        let file = arguments.file.as_ref();
        match file.and_then(|file| file.position_of(line)) {
            Some(position) => eprintln!("{position}: {line}"),
            None => eprintln!("hapolicy: {line}"),
        }
    }
    findings.errors == 0 && (findings.warnings == 0 || !arguments.failover.strict)
}

/// The lines for standard error.
#[derive(Default)]
struct Findings {
    lines: Vec<String>,
    /// Warnings that begin with their places.
    placed: Vec<String>,
    errors: usize,
    warnings: usize,
}

impl Findings {
    fn error(&mut self, text: impl AsRef<[u8]>) {
        self.errors += 1;
        self.lines.push(printable(text));
    }

    fn placed(&mut self, warnings: Vec<(String, String)>) {
        self.warnings += warnings.len();
        let lines = warnings.into_iter();
        let lines = lines.map(|(position, text)| printable(format!("{position}: warning: {text}")));
        self.placed.extend(lines);
    }

    fn warning(&mut self, text: impl AsRef<[u8]>) {
        self.warnings += 1;
        self.lines.push(format!("warning: {}", printable(text)));
    }
}
