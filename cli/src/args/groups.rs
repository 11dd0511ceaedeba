//! Groups of services, listeners with rules of their own and routes, which only a configuration file has.

use std::{ffi::OsString, time::Duration};

use policy_daemon::ListenAddr;
use policy_flow::Route;
use policy_socket::Endpoint;

use super::{DefaultAction, Options, Stop};
use crate::config::{Config, DEFAULT_GROUP, ListenerTable, RouteTable, Tables};

/// Groups of services, listeners with rules of their own, and routes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Groups {
    /// None where no file has named one: then all services are one group.
    pub(crate) list: Vec<Group>,
    pub(crate) listeners: Vec<NamedListener>,
    /// With the indexes of groups, and of listeners from 1 on: 0 is that of all without a name.
    pub(crate) routes: Vec<Route>,
    pub(crate) mirrors: Vec<MirrorOptions>,
    /// The index of the group that requests go to which no route takes, where their listener names none.
    pub(crate) fallback: Option<usize>,
}

/// A group of services.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    pub(crate) name: String,
    pub(crate) services: Vec<String>,
    /// What holds for it: the settings of all, but for those that it has of its own.
    pub(crate) options: Box<Options>,
    /// The names of the latter.
    pub(crate) own: Vec<String>,
}

/// A service that a share of the requests also goes to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct MirrorOptions {
    /// Its number among the mirrors.
    pub(crate) id: usize,
    pub(crate) name: String,
    pub(crate) endpoint: Endpoint,
    /// The name of the group whose requests it gets a share of: without one those of all.
    pub(crate) group: Option<String>,
    /// In hundredths of a percent.
    pub(crate) share: u16,
    pub(crate) timeout: Duration,
    pub(crate) connections: usize,
}

/// A listener with a name.
#[derive(Clone, Debug)]
pub(crate) struct NamedListener {
    pub(crate) name: String,
    pub(crate) address: String,
    pub(crate) endpoint: Endpoint,
    pub(crate) group: Option<usize>,
    pub(crate) default: Option<DefaultAction>,
    pub(crate) deadline: Option<Duration>,
}

impl Groups {
    /// What a file says.
    pub(super) fn of(file: &Config) -> Result<Self, Stop> {
        let Tables {
            groups,
            listeners,
            routes,
            mirrors,
        } = &file.tables;
        let mut list = Vec::new();
        for group in groups {
            list.push(Group {
                name: group.name.text.clone(),
                services: group
                    .services
                    .iter()
                    .map(|name| name.text.clone())
                    .collect(),
                options: Box::new(with(file, &group.words)?),
                own: group
                    .words
                    .iter()
                    .map(|word| option_of(word).to_owned())
                    .collect(),
            });
        }
        let is_listed = |name: &String| list.iter().any(|group| group.services.contains(name));
        let left = || {
            file.services
                .iter()
                .filter(|name| !is_listed(name))
                .cloned()
        };
        let left: Vec<String> = left().collect();
        let mut all = list.iter_mut();
        if let Some(default) = all.find(|group| group.name == DEFAULT_GROUP) {
            default.services.extend(left);
        } else if !list.is_empty() && !left.is_empty() {
            list.push(Group {
                name: DEFAULT_GROUP.to_owned(),
                services: left,
                options: Box::new(with(file, &[])?),
                own: Vec::new(),
            });
        }
        let group = |name: &str| list.iter().position(|group| group.name == name);
        let mut named = Vec::new();
        for table in listeners {
            let of_group = table.group.as_ref().and_then(|name| group(&name.text));
            named.push(listener(file, table, of_group)?);
        }
        let number = |name: &str| {
            let at = named.iter().position(|listener| listener.name == name)?;
            u16::try_from(at + 1).ok()
        };
        let route = |table: &RouteTable| {
            let bytes =
                |texts: &[String]| texts.iter().map(|text| text.clone().into_bytes()).collect();
            let names = table.listeners.iter();
            let mut route = Route::to(group(&table.group.text).unwrap_or_default());
            route.contexts = bytes(&table.contexts);
            route.states = bytes(&table.states);
            route.listeners = names.filter_map(|name| number(&name.text)).collect();
            route
        };
        let routes = routes.iter().map(route).collect();
        let fallback = group(DEFAULT_GROUP);
        let mirrors = mirrors.iter().enumerate().map(|(id, table)| MirrorOptions {
            id,
            group: table.group.as_ref().map(|name| name.text.clone()),
            ..table.options.clone()
        });
        let mirrors = mirrors.collect();
        Ok(Self {
            routes,
            fallback,
            list,
            listeners: named,
            mirrors,
        })
    }
}

impl Groups {
    /// Looks at the sockets that a service manager has passed, which the file does not know: each needs a group for requests
    /// that no route takes.
    ///
    /// # Errors
    ///
    /// The socket without one, and what is meant.
    pub(crate) fn check_passed(&self, passed: &[Endpoint]) -> Result<(), String> {
        let takes_all = |route: &Route| route.covers(&Route::to(0));
        if self.list.is_empty() || self.fallback.is_some() || self.routes.iter().any(takes_all) {
            return Ok(());
        }
        // The file itself was looked at: each of its listeners has a group.
        let is_unknown =
            |endpoint: &&Endpoint| NamedListener::at(&self.listeners, endpoint).is_none();
        match passed.iter().find(is_unknown) {
            None => Ok(()),
            Some(endpoint) => Err(format!(
                "LISTEN_FDS: a request over the socket {endpoint} that no route takes has no group: give a [listener.NAME] with \
                 this `address` and a `group`, a last [[route]] with nothing but its `group`, or a service that no group lists"
            )),
        }
    }
}

impl NamedListener {
    /// The index of the one that is to listen there.
    pub(crate) fn at(listeners: &[Self], endpoint: &Endpoint) -> Option<usize> {
        let exact = listeners
            .iter()
            .position(|listener| listener.endpoint == *endpoint);
        // A service manager's socket has an address where the file may have a name, and a path without links.
        let address = || ListenAddr::from(endpoint.clone());
        exact.or_else(|| {
            let mut listeners = listeners.iter();
            listeners.position(|listener| {
                address().overlaps(&ListenAddr::from(listener.endpoint.clone()))
            })
        })
    }
}

fn listener(
    file: &Config,
    table: &ListenerTable,
    group: Option<usize>,
) -> Result<NamedListener, Stop> {
    let has = |name: &str| table.words.iter().any(|word| option_of(word) == name);
    let options = with(file, &table.words)?;
    let address = table.address.parse::<ListenAddr>();
    let address =
        address.map_err(|error| Stop::Usage(format!("--listen {}: {error}", table.address)))?;
    Ok(NamedListener {
        name: table.name.text.clone(),
        address: table.address.clone(),
        endpoint: address.endpoint,
        group,
        default: options.default.filter(|_| has("default")),
        deadline: has("deadline").then_some(options.failover.deadline),
    })
}

/// The settings of a file, with some others in their place.
fn with(file: &Config, own: &[String]) -> Result<Options, Stop> {
    let is_replaced = |word: &OsString| {
        let word = word.to_str().unwrap_or_default();
        // The time of one service stays.
        let is_of_service = word
            .strip_prefix("--keep=")
            .is_some_and(|value| value.contains('='));
        !is_of_service && own.iter().any(|own| option_of(own) == option_of(word))
    };
    let words = file.words.iter().filter(|word| !is_replaced(word)).cloned();
    let own = own.iter().map(OsString::from);
    Options::parse_words(words.chain(own).collect())
}

/// The long option of a word `--NAME=VALUE`.
fn option_of(word: &str) -> &str {
    let name = word.strip_prefix("--").unwrap_or(word);
    name.split('=').next().unwrap_or_default()
}
