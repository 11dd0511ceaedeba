//! A configuration file that is read again while its settings hold: all of it or nothing.

use std::sync::{Arc, mpsc::Sender};

use policy_daemon::{
    ListenAddr, NextListeners, Reloading, StartError,
    log::{Level, Log, printable},
};
use policy_flow::Check;
use policy_socket::Endpoint;

use crate::{
    args::{Options, Stop},
    check_config::{Effective, warnings},
    config::{Change, Config, Written, differences, written},
    proxy::{CurrentProxy, Exchange, Message},
    services::{Services, checks},
};

/// The settings that hold, and how they are read again.
#[derive(Debug)]
pub(crate) struct Reload {
    options: Options,
    /// The listening sockets that a service manager has passed.
    passed: Vec<Endpoint>,
    /// All settings of the start, as a file.
    start: String,
}

impl Reload {
    pub(crate) fn new(options: &Options, passed: Vec<Endpoint>) -> Self {
        let start = if options.file.is_some() {
            shown(options)
        } else {
            String::new()
        };
        Self {
            options: options.clone(),
            passed,
            start,
        }
    }

    /// Whether there is a file to be read.
    pub(crate) const fn has_file(&self) -> bool {
        self.options.file.is_some()
    }

    /// Reads the file, has its settings in the place of those that hold, and logs what has changed, or what is wrong.
    /// The lines of the log are for an administrator, too.
    ///
    /// # Errors
    ///
    /// What is wrong with it, a line each.
    pub(crate) fn again(
        &mut self,
        current: &CurrentProxy,
        daemon: &Reloading<'_, Message>,
        done: Sender<()>,
    ) -> Result<(Arc<Exchange>, NextListeners, Vec<String>), Vec<String>> {
        let log = current.get().journal.log().clone();
        match self.read(current, daemon, done) {
            Ok((options, exchange, listeners)) => {
                let mut said = self.say_changes(&options, &log);
                said.extend(say_warnings(&options, exchange.proxy.check.as_ref(), &log));
                self.options = options.with_start_of(&self.options);
                Ok((exchange, listeners, said))
            }
            Err(lines) => {
                for line in &lines {
                    log.line(Level::Error, line);
                }
                let text = "reload: the configuration has errors, the settings of before stay";
                log.line(Level::Error, text);
                Err(lines)
            }
        }
    }

    fn read(
        &self,
        current: &CurrentProxy,
        daemon: &Reloading<'_, Message>,
        done: Sender<()>,
    ) -> Result<(Options, Arc<Exchange>, NextListeners), Vec<String>> {
        let options = self.options.again(!self.passed.is_empty());
        let options = options.map_err(|stopped| match stopped.stop {
            Stop::Config(findings) => findings.lines,
            Stop::Usage(text) | Stop::Show(text) => vec![text],
        })?;
        let checked = options.groups.check_passed(&self.passed);
        checked.map_err(|text| vec![text])?;
        let line = |error: StartError| vec![error.line()];
        let services = Services::for_daemon(&options).map_err(line)?;
        let check = checks(&options).map_err(line)?;
        if !options.is_daemon {
            return Err(vec!["no listener: give `listen`".to_owned()]);
        }
        if options.limits.allow != self.options.limits.allow && !options.limits.allow.is_empty() {
            self.check_allow(&options)?;
        }
        let listeners = daemon.bind(&options.listen).map_err(line)?;
        let holding = options.clone().with_start_of(&self.options);
        let _held = current.hold();
        let exchange = services.exchange(&holding, &current.get(), check, done);
        let exchange = exchange.ok_or_else(|| vec!["no service".to_owned()])?;
        current.set(Arc::clone(&exchange.proxy));
        Ok((options, Arc::new(exchange), listeners))
    }

    /// A listener that other machines reach may need the `allow` of the same file, which comes with a restart.
    fn check_allow(&self, options: &Options) -> Result<(), Vec<String>> {
        let now = options.daemon();
        let mut before = now.clone();
        before.allow.clone_from(&self.options.limits.allow);
        let addresses = now.listen_addrs().zip(before.listen_addrs());
        let needs = addresses
            .zip(&options.listen)
            .filter(|((now, before), _)| now.is_ok() && before.is_err());
        let texts = needs.map(|(_, listen)| {
            format!("--listen {listen} needs the new `allow`, which needs a restart")
        });
        let texts: Vec<String> = texts.collect();
        if texts.is_empty() { Ok(()) } else { Err(texts) }
    }

    /// Logs each setting that differs from before, and each that differs from the start and holds since then.
    fn say_changes(&self, options: &Options, log: &Log) -> Vec<String> {
        let (before, after) = (shown(&self.options), shown(options));
        let needs_restart = |key: &str| NEEDS_RESTART.contains(&key);
        let mut said = Vec::new();
        let mut say = |level, text: String| {
            let text = printable(text);
            log.line(level, format!("reload: {text}"));
            said.push(text);
        };
        for change in differences(&before, &after) {
            match change {
                Change::Of(key, _) if needs_restart(&key) => {}
                Change::Of(_, text) | Change::OfTable(text) => say(Level::Notice, text),
            }
        }
        for change in differences(&self.start, &after) {
            if let Change::Of(key, _) = change
                && needs_restart(&key)
            {
                say(
                    Level::Warning,
                    format!("{key} has changed, which needs a restart"),
                );
            }
        }
        said
    }
}

/// Logs what `--check-config` would warn of.
fn say_warnings(options: &Options, check: Option<&Check>, log: &Log) -> Vec<String> {
    let services = Services::parse(options);
    let daemon = options.daemon();
    let listeners: Vec<ListenAddr> = daemon.listen_addrs().filter_map(Result::ok).collect();
    let file = options.file.as_ref();
    let of_options = warnings::all(options, &services, &listeners, check)
        .into_iter()
        .map(|text| {
            let text = printable(text);
            let position = file.and_then(|file| file.position_of(&text));
            (position.unwrap_or_default(), text)
        });
    let of_file = file.map(Config::warnings).unwrap_or_default();
    let mut said = Vec::new();
    for (position, text) in of_options.chain(of_file) {
        let (position, text) = match position.as_str() {
            "" => (position, printable(text)),
            _ => (printable(position) + ": ", printable(text)),
        };
        log.line(Level::Warning, format!("reload: {position}{text}"));
        said.push(format!("{position}warning: {text}"));
    }
    said
}

impl Options {
    /// These options, but for those that hold from a start to an end.
    fn with_start_of(mut self, other: &Self) -> Self {
        self.admin.clone_from(&other.admin);
        self.control.clone_from(&other.control);
        self.user.clone_from(&other.user);
        self.workers = other.workers;
        self.stdout = other.stdout;
        self.log.log_to = other.log.log_to;
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
const NEEDS_RESTART: [&str; 14] = [
    "control",
    "admin",
    "user",
    "workers",
    "stdout",
    "log-to",
    "drain",
    "handover",
    "allow",
    "max-clients",
    "max-clients-per-address",
    "max-clients-per-user",
    "max-request",
    "max-memory",
];
