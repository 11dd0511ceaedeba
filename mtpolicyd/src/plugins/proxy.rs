//! `Proxy`: asks another policy server, and the next one where that does not answer.

use std::time::Duration;

use policy_net::{BackendConfig, Connector, Endpoint, Upstream, UpstreamOptions};

use crate::{
    chain::plugin::{Plugin, PluginError, Step},
    chain::{Call, text_of},
    config::Section,
};

#[derive(Debug)]
struct Proxy {
    /// Nobody, until the configuration is refused for that.
    upstream: Option<Upstream<Connector>>,
    /// The servers.
    names: Vec<String>,
}

pub(super) fn new(section: &mut Section<'_>) -> Box<dyn Plugin> {
    let (path, hosts) = (section.text("socket_path"), section.list("host"));
    let names = if let Some(path) = path {
        if !hosts.is_empty() {
            section.warning("host", "`host` means nothing beside `socket_path`");
        }
        vec![format!("unix:{path}")]
    } else if hosts.is_empty() {
        section.error("host", "no host and no socket_path configured!");
        Vec::new()
    } else {
        hosts.iter().map(|host| endpoint_name(host)).collect()
    };
    let is_kept = section.flag("keepalive", false);
    let timeout = Duration::from_secs(section.count("timeout", 5).max(1));
    let mut backends = Vec::with_capacity(names.len());
    for (priority, name) in (10..).zip(&names) {
        match name.parse::<Endpoint>() {
            Ok(endpoint) => {
                let backend = BackendConfig::new(name.as_str(), Connector::new(endpoint));
                let backend = backend.priority(priority).timeout(timeout);
                backends.push(if is_kept {
                    backend
                } else {
                    backend.keep(Duration::ZERO)
                });
            }
            Err(error) => section.error("host", format!("`{name}` names no server: {error}")),
        }
    }
    let upstream = (!backends.is_empty()).then(|| {
        let mut options = UpstreamOptions::default();
        options.deadline = timeout.saturating_mul(u32::try_from(names.len()).unwrap_or(u32::MAX));
        Upstream::new(options, backends)
    });
    let upstream = upstream.and_then(|made| match made {
        Ok(upstream) => Some(upstream),
        Err(error) => {
            section.error("host", format!("`host`: {error}"));
            None
        }
    });
    Box::new(Proxy { upstream, names })
}

/// `host:port`, `[address]:port`, a path, or with `inet:` or `unix:` before it.
fn endpoint_name(host: &str) -> String {
    if host.starts_with("inet:") || host.starts_with("unix:") {
        host.to_owned()
    } else if host.starts_with('/') {
        format!("unix:{host}")
    } else {
        format!("inet:{host}")
    }
}

impl Plugin for Proxy {
    fn run<'a>(&'a self, call: &'a mut Call<'_>) -> Step<'a> {
        Step::later(async move {
            let Some(upstream) = &self.upstream else {
                return Err(PluginError::other("no host and no socket_path configured!"));
            };
            if call.services().manner.is_explanation() {
                let names = self.names.join(", ");
                call.note(|| format!("would ask {names}, which may count the request"));
                return Ok(None);
            }
            let answer = upstream.ask(call.request()).await;
            let answer = answer.map_err(|exhausted| PluginError::Other(exhausted.to_string()))?;
            let action = text_of(answer.response.as_bytes()).into_owned();
            call.note(|| {
                let name = upstream.name(answer.backend).unwrap_or_default();
                format!("{name} answers {action}")
            });
            Ok(Some(action))
        })
    }
}
