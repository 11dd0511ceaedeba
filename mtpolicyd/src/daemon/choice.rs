//! The choice of a virtual host for a request, and whether a reload would leave requests without one.

use policy_net::Endpoint;

use crate::{
    chain::Attributes,
    chain::plugin::PluginError,
    config::{Config, VirtualHost},
};

/// The virtual host for a request: by `policy_context` where that is on, else by where it came. Over a UNIX socket that none
/// names, as that of a service manager, it is for the first one, if all have one port or path and that is allowed.
pub(super) fn choose<'c>(
    config: &'c Config,
    attributes: &Attributes<'_>,
    listener: Option<&Endpoint>,
    has_default: bool,
) -> Result<&'c VirtualHost, PluginError> {
    if config.globals.vhost_by_policy_context
        && let Some(context) = attributes.get("policy_context")
        && let Some(host) = config
            .hosts
            .iter()
            .find(|host| !context.is_empty() && host.name.as_bytes() == context)
    {
        return Ok(host);
    }
    let by_place = listener.and_then(|listener| at(config, listener, has_default));
    by_place.ok_or_else(|| {
        let place = listener.map_or_else(|| "?".to_owned(), ToString::to_string);
        PluginError::Other(format!("no virtual host defined for port {place}"))
    })
}

/// The first of these places where requests found a virtual host with the configuration before, and none does with the next one.
pub(super) fn left_without_host<'e>(
    previous: &Config,
    next: &Config,
    places: &'e [Endpoint],
    has_default: bool,
) -> Option<&'e Endpoint> {
    let mut names = names_by_context(previous).peekable();
    let loses_names = names.peek().is_some() && names.all(|name| !has_name(next, name));
    places.iter().find(|place| {
        at(next, place, has_default).is_none()
            && (loses_names || at(previous, place, has_default).is_some())
    })
}

/// What `policy_context` may not be any more at one of these places, where others of its values still have a virtual host.
pub(super) fn names_without_host<'c>(
    previous: &'c Config,
    next: &Config,
    places: &[Endpoint],
    has_default: bool,
) -> Vec<&'c str> {
    if places
        .iter()
        .all(|place| at(next, place, has_default).is_some())
    {
        return vec![];
    }
    let names = names_by_context(previous);
    names.filter(|name| !has_name(next, name)).collect()
}

/// Whether `policy_context` may have this value.
fn has_name(config: &Config, name: &str) -> bool {
    names_by_context(config).any(|other| other == name)
}

/// The values that `policy_context` may have.
fn names_by_context(config: &Config) -> impl Iterator<Item = &str> {
    let hosts = config.hosts.iter().map(|host| &*host.name);
    hosts.filter(|name| config.globals.vhost_by_policy_context && !name.is_empty())
}

/// The virtual host of a place where the daemon listens.
fn at<'c>(config: &'c Config, place: &Endpoint, has_default: bool) -> Option<&'c VirtualHost> {
    match place {
        Endpoint::Inet { port, .. } => config.hosts.iter().find(|host| host.port == Some(*port)),
        Endpoint::Unix(path) => VirtualHost::at_path(&config.hosts, path, has_default),
        _ => None,
    }
}
