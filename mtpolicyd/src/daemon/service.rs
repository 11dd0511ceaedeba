//! The server as a service of a daemon: its workers, its reload, its state for the log.

use std::{
    io,
    path::PathBuf,
    sync::{Arc, OnceLock},
};

use policy_daemon::{
    Reloaded, Reloading, Service, Started, TokioService, TokioWorker, WorkerContext, admin::Admin,
    control::Control,
};

use policy_dns::DnsOptions;
use policy_net::Endpoint;

use super::{
    background::Starter,
    choice::{left_without_host, names_without_host},
    connection_states::ConnectionStates,
    dns_watch::DnsWatch,
    handler::Server,
    log_file::LogFile,
};
use crate::{
    config::{Config, Globals, LoadOptions},
    journal::Journal,
    load::load,
};

/// The server as a service.
#[derive(Debug)]
pub(super) struct MtpolicydService {
    pub(super) tokio: TokioService<Arc<Server>>,
    pub(super) server: Arc<Server>,
    pub(super) path: PathBuf,
    /// The global options of the start, of which some hold on until the end.
    pub(super) started: Globals,
    pub(super) log_file: Option<LogFile>,
    pub(super) log_level: Option<u8>,
    pub(super) compat: bool,
    pub(super) dns_watch: DnsWatch,
    pub(super) connection_states: ConnectionStates,
    pub(super) starter: Option<Starter>,
    /// Where the daemon listens, once it serves.
    pub(super) endpoints: OnceLock<Vec<Endpoint>>,
}

impl Service for MtpolicydService {
    type Message = ();
    type Worker = TokioWorker<Arc<Server>>;

    fn worker(&self, context: WorkerContext<()>) -> io::Result<Self::Worker> {
        self.tokio.worker(context)
    }

    fn started(&self, daemon: &Started<'_>) {
        daemon.log_start();
        _ = self.endpoints.set(daemon.endpoints.to_vec());
        if let Some(starter) = &self.starter {
            starter.tell();
        }
    }

    /// The worker and its runtime have ended, so that nothing is asked any more.
    fn stopped(&self, daemon: &Started<'_>) {
        // What has come since the last second.
        self.connection_states
            .say_changes(&self.server.config(), self.journal());
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        if let Ok(runtime) = runtime {
            runtime.block_on(self.server.config().connections.close());
        }
        daemon.log_stop();
    }

    fn admin(&self) -> Option<Arc<dyn Admin>> {
        self.tokio.admin()
    }

    /// The process has its final user by now.
    fn tick(&self) -> Option<String> {
        self.dns_watch.start(&self.server);
        let journal = self.journal();
        if let Some(file) = &self.log_file {
            file.follow(journal);
        }
        self.connection_states
            .say_changes(&self.server.config(), journal);
        None
    }

    /// As logrotate(8) sends it to daemons after it has moved their logs.
    fn report(&self) {
        if let Some(file) = &self.log_file {
            file.reopen(self.journal());
        }
    }

    fn control(&self) -> Option<Arc<dyn Control>> {
        self.tokio.control()
    }

    /// All or nothing: with an error the configuration stays. Connections with the same parameters live on.
    fn reload_with(&self, _: &Reloading<'_, ()>) -> Reloaded {
        self.report();
        let journal = self.journal();
        let previous = self.server.config();
        let options = LoadOptions {
            compat: self.compat,
            running: Some(&self.started),
            previous: Some(&previous),
            ..LoadOptions::default()
        };
        let (config, findings) = load(&self.path, options);
        let mut said = Vec::new();
        for finding in findings.sorted() {
            journal.line(u8::from(!finding.is_error), &finding.to_string());
            said.push(finding.to_string());
        }
        let Some(config) = config else {
            let text = "reload: the configuration has errors, that of before stays";
            journal.line(0, text);
            return self.keep(text, said);
        };
        // Virtual hosts are found by their ports: those of another `port` would get no request, and the requests no answer.
        if config.globals.listen != self.started.listen {
            let text = "reload: `port` has changed, which needs a restart: the configuration of before stays";
            journal.line(0, text);
            return self.keep(text, said);
        }
        let endpoints = self.endpoints.get().map_or(&[][..], Vec::as_slice);
        if let Some(endpoint) = left_without_host(&previous, &config, endpoints, !self.compat) {
            if matches!(endpoint, Endpoint::Unix(_)) && config.hosts.len() > 1 {
                let text = format!(
                    "reload: there is no <VirtualHost> for requests that come to {endpoint} any more, as several ports have one: the configuration of before stays"
                );
                journal.line(0, &text);
                return self.keep(&text, said);
            }
            let text = format!(
                "reload: there is no <VirtualHost> for requests that come to {endpoint} any more: the configuration of before stays"
            );
            journal.line(0, &text);
            return self.keep(&text, said);
        }
        for name in names_without_host(&previous, &config, endpoints, !self.compat) {
            let text = format!(
                "reload: no virtual host has the name {name} any more: requests with that policy_context are closed without an answer where no other is for their port"
            );
            journal.warning(&text);
            said.push(text);
        }
        said.extend(self.say_what_needs_a_restart(&config));
        journal.set_level(self.log_level.unwrap_or(config.globals.log_level));
        self.reload_name_servers(&config);
        self.server.replace(config);
        // Who reads that it is done finds the new one in force.
        self.server.counters().reloaded(true);
        self.dns_watch.reloaded();
        let text = "reload: the configuration is reloaded";
        journal.line(1, text);
        journal.changes().add(text);
        Reloaded::Done(said)
    }
}

impl MtpolicydService {
    fn journal(&self) -> &Journal {
        &self.server.services().journal
    }

    /// The configuration stays, for this reason.
    fn keep(&self, reason: &str, mut said: Vec<String>) -> Reloaded {
        self.server.counters().reloaded(false);
        self.journal().changes().add(reason);
        said.push(reason.to_owned());
        Reloaded::Failed(said)
    }

    /// Says what has changed, and holds after a restart only.
    fn say_what_needs_a_restart(&self, config: &Config) -> Option<String> {
        let names = self.started.held_until_restart(&config.globals);
        let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
        let names = Some(names.join(", ")).filter(|names| !names.is_empty())?;
        let text = format!("reload: {names} changed, which needs a restart");
        let journal = self.journal();
        journal.line(1, &text);
        Some(text)
    }

    /// With other name servers in `/etc/resolv.conf` the cache is empty; without, it stays.
    fn reload_name_servers(&self, config: &Config) {
        let services = self.server.services();
        match DnsOptions::from_system() {
            Ok(options) => {
                if services.dns.replace(options) {
                    config.lists.forget_errors();
                    let text =
                        "reload: /etc/resolv.conf names other servers, which are asked from now on";
                    services.journal.line(1, text);
                }
            }
            Err(error) => {
                let text = format!("reload: {error}: the name servers of before stay");
                services.journal.warning(&text);
            }
        }
    }
}
