//! A configuration file that is read again while its settings hold: all of it or nothing.

use std::sync::{Arc, mpsc::Sender};

use policy_daemon::{ListenAddr, NextListeners, Reloading, StartError, StartFault, log::Level};
use policy_socket::Endpoint;

use super::{
    changes::{say_changes, say_warnings},
    config_file::{ConfigFile, ConfigSource, FileOptions},
};
use crate::{
    options::{CheckOptions, ClientLimits, Options, Services},
    proxy::{CurrentProxy, Exchange, Message},
    setup,
};

/// The settings that hold, and how they are read again.
pub(super) struct Reload {
    options: Options,
    /// The listening sockets that a service manager has passed.
    passed: Vec<Endpoint>,
    source: Box<dyn ConfigSource>,
    /// All settings of the start, as a file, and those that hold.
    start: String,
    shown: String,
}

impl Reload {
    pub(super) fn new(options: &Options, file: ConfigFile, passed: Vec<Endpoint>) -> Self {
        let ConfigFile { shown, source } = file;
        Self {
            options: options.clone(),
            passed,
            source,
            start: shown.clone(),
            shown,
        }
    }

    /// Reads the file, has its settings in the place of those that hold, and logs what has changed, or what is wrong.
    /// The lines of the log are for an administrator, too.
    ///
    /// # Errors
    ///
    /// What is wrong with it, a line each.
    pub(super) fn again(
        &mut self,
        current: &CurrentProxy,
        daemon: &Reloading<'_, Message>,
        done: Sender<()>,
    ) -> Result<(Arc<Exchange>, NextListeners, Vec<String>), Vec<String>> {
        let log = current.get().journal.log().clone();
        match self.read(current, daemon, done) {
            Ok((file, next)) => {
                let Next {
                    exchange,
                    listeners,
                    warnings,
                } = next;
                let mut said = say_changes(&self.start, &self.shown, &file.shown, &log);
                let check = exchange.proxy.check.as_ref();
                said.extend(say_warnings(&file, warnings, check, &log));
                self.options = file.options.with_start_of(&self.options);
                self.shown = file.shown;
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
    ) -> Result<(FileOptions, Next), Vec<String>> {
        let file = self.source.read(!self.passed.is_empty())?;
        match self.prepare(&file, current, daemon, done) {
            Ok(next) => Ok((file, next)),
            Err(lines) => {
                let placed = |line: String| match file.config.position_of(&line) {
                    Some(position) => format!("{position}: error: {line}"),
                    None => line,
                };
                Err(lines.into_iter().map(placed).collect())
            }
        }
    }

    /// All that can fail; the last step has the new settings hold.
    fn prepare(
        &self,
        file: &FileOptions,
        current: &CurrentProxy,
        daemon: &Reloading<'_, Message>,
        done: Sender<()>,
    ) -> Result<Next, Vec<String>> {
        let options = &file.options;
        let checked = options.groups.check_passed(&self.passed);
        checked.map_err(|text| vec![text])?;
        let line = |error: StartError| vec![error.line()];
        let services = Services::for_daemon(options).map_err(line)?;
        let check = options.check.as_ref();
        let check = check.map(CheckOptions::read).transpose().map_err(line)?;
        if !options.is_daemon {
            return Err(vec!["no listener: give `listen`".to_owned()]);
        }
        let allow = &options.daemon.allow;
        if *allow != self.options.daemon.allow && !allow.is_empty() {
            self.check_allow(options)?;
        }
        let listeners = daemon.bind(&options.daemon.listen).map_err(line)?;
        let warnings = self.check_next_start(options)?;
        let holding = options.clone().with_start_of(&self.options);
        let _held = current.hold();
        let exchange = setup::exchange(&services, &holding, &current.get(), check, done);
        let exchange = exchange.ok_or_else(|| vec!["no service".to_owned()])?;
        current.set(Arc::clone(&exchange.proxy));
        Ok(Next {
            exchange: Arc::new(exchange),
            listeners,
            warnings,
        })
    }

    /// Checks what holds from the next start on. Returns what that may fail at.
    fn check_next_start(&self, options: &Options) -> Result<Vec<String>, Vec<String>> {
        let addresses = options.daemon.listen_addrs().filter_map(Result::ok);
        let addresses: Vec<ListenAddr> = addresses.collect();
        let capacity = options.daemon.capacity(&addresses, self.passed.len());
        capacity.map_err(|error| vec![format!("cannot start: {error}")])?;
        let faults = options.daemon.new_start_faults(&self.options.daemon);
        let (certain, possible): (Vec<_>, Vec<_>) =
            faults.into_iter().partition(|fault| fault.is_certain);
        let texts = |faults: Vec<StartFault>| faults.into_iter().map(|fault| fault.text).collect();
        if certain.is_empty() {
            Ok(texts(possible))
        } else {
            Err(texts(certain))
        }
    }

    /// A listener that other machines reach may need the `allow` of the same file, which comes with a restart.
    fn check_allow(&self, options: &Options) -> Result<(), Vec<String>> {
        let now = &options.daemon;
        let mut before = now.clone();
        before.allow.clone_from(&self.options.daemon.allow);
        let addresses = now.listen_addrs().zip(before.listen_addrs());
        let needs = addresses
            .zip(&now.listen)
            .filter(|((now, before), _)| now.is_ok() && before.is_err());
        let texts = needs.map(|(_, listen)| {
            format!("--listen {listen} needs the new `allow`, which needs a restart")
        });
        let texts: Vec<String> = texts.collect();
        if texts.is_empty() { Ok(()) } else { Err(texts) }
    }
}

/// The settings that are to hold.
struct Next {
    exchange: Arc<Exchange>,
    listeners: NextListeners,
    /// What the next start may fail at.
    warnings: Vec<String>,
}

impl Options {
    /// These options, but for those that hold from a start to an end.
    fn with_start_of(mut self, other: &Self) -> Self {
        let listen = std::mem::take(&mut self.daemon.listen);
        self.daemon = other.daemon.clone();
        self.daemon.listen = listen;
        self.clients = ClientLimits {
            idle: self.clients.idle,
            request_timeout: self.clients.request_timeout,
            ..other.clients.clone()
        };
        self.log.stdout = other.log.stdout;
        self
    }
}
