//! The pages of the admin listener.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::Relaxed},
};

use prometheus_client::{collector::Collector, registry::Registry};

use super::{
    Admin, format,
    http::{NOT_FOUND, OK, Request, Response, UNAVAILABLE},
};

/// The pages of the admin listener.
#[derive(Debug)]
pub(crate) struct Pages {
    service: Arc<dyn Admin>,
    registry: Registry,
    is_stopping: AtomicBool,
}

impl Pages {
    /// Pages of the service and the daemon, whose name is the prefix of all metrics.
    pub(crate) fn new(
        name: &str,
        service: Arc<dyn Admin>,
        daemon: impl Collector + 'static,
    ) -> Self {
        let mut registry = Registry::with_prefix(name.replace('-', "_"));
        registry.register_collector(Box::new(daemon));
        service.register(&mut registry);
        Self {
            service,
            registry,
            is_stopping: AtomicBool::new(false),
        }
    }

    /// From now on `/readyz` says that the daemon stops.
    pub(crate) fn set_stopping(&self) {
        self.is_stopping.store(true, Relaxed);
    }

    pub(super) fn answer(&self, request: &Request) -> Response {
        match request.path.as_str() {
            "/metrics" => self.metrics(&request.accept),
            "/healthz" => Response::text(OK, "ok"),
            "/readyz" => match self.not_ready() {
                None => Response::text(OK, "ok"),
                Some(why) => Response::text(UNAVAILABLE, &why),
            },
            "/" => Response::text(OK, "/metrics\n/healthz\n/readyz"),
            _ => Response::text(NOT_FOUND, "there are /metrics, /healthz and /readyz"),
        }
    }

    fn not_ready(&self) -> Option<String> {
        if self.is_stopping.load(Relaxed) {
            return Some("stopping".to_owned());
        }
        self.service.not_ready()
    }

    fn metrics(&self, accept: &str) -> Response {
        let Ok((content_type, body)) = format::write(&self.registry, accept) else {
            return Response::text(UNAVAILABLE, "the metrics cannot be written");
        };
        Response {
            status: OK,
            content_type,
            body,
        }
    }
}
