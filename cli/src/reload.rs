//! A configuration file that is read again while its settings hold: all of it or nothing.

use std::sync::mpsc::Sender;

use policy_daemon::{
    NextListeners, Reloading, StartError,
    log::{Level, Log, printable},
};

use crate::{
    args::{Options, Stop},
    check_config::Effective,
    config::{Change, Written, differences, written},
    proxy::{Exchange, Message, Proxy},
    services::{Services, checks},
};

/// The settings that hold, and how they are read again.
#[derive(Debug)]
pub(crate) struct Reload {
    options: Options,
    /// Whether a service manager has passed listening sockets.
    passed: bool,
}

impl Reload {
    pub(crate) fn new(options: &Options, passed: bool) -> Self {
        Self {
            options: options.clone(),
            passed,
        }
    }

    /// Whether there is a file to be read.
    pub(crate) const fn has_file(&self) -> bool {
        self.options.file.is_some()
    }

    /// Reads the file, and logs what has changed, or what is wrong with it.
    ///
    /// # Errors
    ///
    /// What is wrong with it, a line each.
    pub(crate) fn again(
        &mut self,
        before: &Proxy,
        daemon: &Reloading<'_, Message>,
        done: Sender<()>,
    ) -> Result<(Exchange, NextListeners), Vec<String>> {
        let log = before.journal.log();
        match self.read(before, daemon, done) {
            Ok((options, exchange, listeners)) => {
                self.say_changes(&options, log);
                self.options = options.with_start_of(&self.options);
                Ok((exchange, listeners))
            }
            Err(lines) => {
                for line in &lines {
                    log.line(Level::Error, line);
                }
                let text = "SIGHUP: the configuration has errors, the settings of before stay";
                log.line(Level::Error, text);
                Err(lines)
            }
        }
    }

    fn read(
        &self,
        before: &Proxy,
        daemon: &Reloading<'_, Message>,
        done: Sender<()>,
    ) -> Result<(Options, Exchange, NextListeners), Vec<String>> {
        let options = Options::parse(self.options.words.clone(), self.passed);
        let options = options.map_err(|stopped| match stopped.stop {
            Stop::Config(findings) => findings.lines,
            Stop::Usage(text) | Stop::Show(text) => vec![text],
        })?;
        let line = |error: StartError| vec![error.line()];
        let services = Services::for_daemon(&options).map_err(line)?;
        let check = checks(&options).map_err(line)?;
        if !options.is_daemon {
            return Err(vec!["no listener: give `listen`".to_owned()]);
        }
        let holding = options.clone().with_start_of(&self.options);
        let exchange = services.exchange(&holding, before, check, done);
        let exchange = exchange.ok_or_else(|| vec!["no service".to_owned()])?;
        let listeners = daemon.bind(&options.listen).map_err(line)?;
        Ok((options, exchange, listeners))
    }

    /// Logs each setting that differs.
    fn say_changes(&self, options: &Options, log: &Log) {
        let (before, after) = (shown(&self.options), shown(options));
        for change in differences(&before, &after) {
            match change {
                Change::Of(key, _) if NEEDS_RESTART.contains(&key.as_str()) => {
                    let text = format!("SIGHUP: {key} has changed, which needs a restart");
                    log.line(Level::Warning, text);
                }
                Change::Of(_, text) | Change::OfService(text) => {
                    log.line(Level::Notice, printable(format!("SIGHUP: {text}")));
                }
            }
        }
    }
}

impl Options {
    /// These options, but for those that hold from a start to an end.
    fn with_start_of(mut self, other: &Self) -> Self {
        self.admin.clone_from(&other.admin);
        self.control.clone_from(&other.control);
        self.user.clone_from(&other.user);
        self.workers = other.workers;
        self.stdout = other.stdout;
        self.shutdown.clone_from(&other.shutdown);
        let (idle, request_timeout) = (self.limits.idle, self.limits.request_timeout);
        self.limits.clone_from(&other.limits);
        self.limits.idle = idle;
        self.limits.request_timeout = request_timeout;
        self
    }
}

/// All settings as a file.
fn shown(options: &Options) -> String {
    let services = Services::parse(options);
    let effective = Effective {
        options,
        services: &services,
        workers: options.daemon().workers(),
        max_clients: options.limits.max_clients.map(usize::from),
    };
    // A file is UTF-8, so that it can be written again.
    written(&effective, Written::All).unwrap_or_default()
}

/// Settings that hold from a start to an end.
const NEEDS_RESTART: [&str; 13] = [
    "control",
    "admin",
    "user",
    "workers",
    "stdout",
    "drain",
    "handover",
    "allow",
    "max-clients",
    "max-clients-per-address",
    "max-clients-per-user",
    "max-request",
    "max-memory",
];
