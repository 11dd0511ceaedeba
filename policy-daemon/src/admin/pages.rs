//! The pages of the admin listener.

use std::{
    sync::Arc,
    time::{Instant, SystemTime},
};

use policy_socket::Peer;
use prometheus_client::{collector::Collector, metrics::info::Info, registry::Registry};

use super::{
    Admin, ServiceMetrics,
    daemon_metrics::DaemonState,
    format,
    host::HostNames,
    http::{MISDIRECTED, NO_POLICY, NOT_FOUND, OK, Request, Response, UNAVAILABLE},
    status::{History, POLICY, Page},
};

/// The pages of the admin listener.
#[derive(Debug)]
pub(crate) struct Pages {
    service: Arc<dyn Admin>,
    registry: Registry,
    daemon: Box<dyn DaemonState>,
    name: String,
    hosts: HostNames,
    history: History,
}

impl Pages {
    /// Pages of the service and the daemon, whose name is the prefix of all metrics, at these addresses.
    pub(crate) fn new(
        name: &str,
        addresses: &[String],
        service: Arc<dyn Admin>,
        daemon: impl Collector + DaemonState + Clone + 'static,
    ) -> Self {
        let prefix = service.prefix().unwrap_or(name).replace('-', "_");
        let mut registry = Registry::with_prefix(prefix);
        registry.register_collector(Box::new(daemon.clone()));
        if let Some(version) = service.version() {
            let build = Info::new([("version", version.to_owned())]);
            registry.register("build", "The version of the program", build);
        }
        service.register(&mut registry);
        registry.register_collector(Box::new(ServiceMetrics(Arc::clone(&service))));
        Self {
            service,
            registry,
            daemon: Box::new(daemon),
            name: name.to_owned(),
            hosts: HostNames::new(addresses),
            history: History::default(),
        }
    }

    /// Takes a sample for the plots.
    pub(super) fn sample(&self) {
        self.history.add(Instant::now(), self.service.sample());
    }

    pub(super) fn answer(&self, request: &Request, peer: Peer) -> Response {
        // No browser asks over a UNIX socket.
        let is_ours = matches!(peer, Peer::User(_))
            || request
                .host
                .as_deref()
                .is_none_or(|host| self.hosts.has(host));
        if !is_ours {
            return Response::text(MISDIRECTED, ASKED_BY);
        }
        match request.path.as_str() {
            "/metrics" => self.metrics(&request.accept),
            "/healthz" => Response::text(OK, "ok"),
            "/readyz" => match self.not_ready() {
                None => Response::text(OK, "ok"),
                Some(why) => Response::text(UNAVAILABLE, &why),
            },
            "/" => self.status(),
            _ => Response::text(NOT_FOUND, "there are /, /metrics, /healthz and /readyz"),
        }
    }

    fn not_ready(&self) -> Option<String> {
        if self.daemon.is_stopping() {
            return Some("stopping".to_owned());
        }
        self.service.not_ready()
    }

    fn status(&self) -> Response {
        let daemon = &self.daemon;
        let page = Page {
            name: &self.name,
            version: self.service.version(),
            not_ready: self.not_ready(),
            start: daemon.start(),
            clients: daemon.clients(),
            max_clients: daemon.max_clients(),
            log_lines_lost: daemon.log_lines_lost(),
            history: &self.history,
            sections: self.service.sections(),
            changes: self.service.changes(),
        };
        Response {
            status: OK,
            content_type: "text/html; charset=utf-8",
            policy: POLICY,
            body: page.render(SystemTime::now()),
        }
    }

    fn metrics(&self, accept: &str) -> Response {
        let Ok((content_type, body)) = format::write(&self.registry, accept) else {
            return Response::text(UNAVAILABLE, "the metrics cannot be written");
        };
        Response {
            status: OK,
            content_type,
            policy: NO_POLICY,
            body,
        }
    }
}

const ASKED_BY: &str =
    "ask by an address, as localhost, by the name of the machine, or by the one in --admin";
