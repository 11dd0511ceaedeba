//! The tables of groups, listeners and routes as they stand in a file. No command line has them.

use std::ops::Range;

use policy_socket::Endpoint;
use toml::de::{DeTable, DeValue};

use super::{
    Place,
    mirrors::MirrorTable,
    reader::Reader,
    value::{self, Value, list, listen_address, text, texts},
};

/// Groups of services, listeners with rules of their own, and routes, as files say them.
#[derive(Clone, Debug, Default)]
pub(super) struct Tables {
    /// `[group.NAME]`.
    pub(super) groups: Vec<GroupTable>,
    /// `[listener.NAME]`.
    pub(super) listeners: Vec<ListenerTable>,
    /// `[[route]]`.
    pub(super) routes: Vec<RouteTable>,
    /// `[mirror.NAME]`.
    pub(super) mirrors: Vec<MirrorTable>,
}

/// A name, and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Name {
    /// The name.
    pub(super) text: String,
    pub(super) place: Place,
}

/// `[group.NAME]`.
#[derive(Clone, Debug)]
pub(super) struct GroupTable {
    /// Its name.
    pub(super) name: Name,
    /// The names of its services.
    pub(super) services: Vec<Name>,
    /// The words of a command line that say what differs from the settings of all.
    pub(super) words: Vec<String>,
}

/// `[listener.NAME]`.
#[derive(Clone, Debug)]
pub(super) struct ListenerTable {
    /// Its name.
    pub(super) name: Name,
    /// In the syntax of `--listen`.
    pub(super) address: String,
    /// Where that is.
    pub(super) endpoint: Endpoint,
    /// The group of its requests, if it names one.
    pub(super) group: Option<Name>,
    /// The words of a command line with its default action and its deadline.
    pub(super) words: Vec<String>,
}

/// `[[route]]`.
#[derive(Clone, Debug)]
pub(super) struct RouteTable {
    pub(super) place: Place,
    /// The values of `policy_context` that it takes; all, where there are none.
    pub(super) contexts: Vec<String>,
    /// The values of `protocol_state` that it takes, as Postfix writes them; all, where there are none.
    pub(super) states: Vec<String>,
    /// The names of the listeners whose requests it takes; of all, where there are none.
    pub(super) listeners: Vec<Name>,
    /// The group of what it takes.
    pub(super) group: Name,
}

impl RouteTable {
    /// Whether it takes each request.
    pub(super) fn takes_all(&self) -> bool {
        self.contexts.is_empty() && self.states.is_empty() && self.listeners.is_empty()
    }
}

impl Reader {
    pub(super) fn groups(&mut self, source: usize, value: &Value<'_>) {
        let known = [&["services"][..], &GROUP_OPTIONS].concat();
        self.named_tables(source, value, "group", |reader, name, table| {
            let mut services = Vec::new();
            let words = reader.keys(&name, "group", table, &known, |key, value| {
                if key != "services" {
                    return None;
                }
                let found = texts(value, "the name of a service");
                Some(found.map(|names| services = names))
            });
            let services = services.into_iter();
            let services = services.map(|(text, span)| Name {
                text,
                place: Place { source, span },
            });
            let group = GroupTable {
                name,
                services: services.collect(),
                words,
            };
            reader.tables.groups.push(group);
        });
    }

    pub(super) fn listeners(&mut self, source: usize, value: &Value<'_>) {
        self.named_tables(source, value, "listener", |reader, name, table| {
            let (mut address, mut group) = (None, None);
            let words = reader.keys(&name, "listener", table, &LISTENER_KEYS, |key, value| {
                let found = match key {
                    "address" => {
                        listen_address(value).map(|found| address = Some((found, value.span())))
                    }
                    "group" => text(value, "the name of a group").map(|found| {
                        let place = Place {
                            source,
                            span: value.span(),
                        };
                        group = Some(Name { text: found, place });
                    }),
                    _ => return None,
                };
                Some(found.map_err(|wrong| vec![wrong]))
            });
            let Some(((address, endpoint), span)) = address else {
                if !table.iter().any(|(key, _)| key.get_ref() == "address") {
                    let title = format!("invalid listener `{}`", name.text);
                    let label =
                        "it has no `address`, such as \"inet:127.0.0.1:10040\" or \"unix:/path\"";
                    reader.find(source, name.place.span, &title, label, None);
                }
                return;
            };
            reader.listens_at(&address, source, span);
            reader.words.push(format!("--listen={address}"));
            reader
                .options
                .push(("listen".to_owned(), name.place.clone()));
            let listener = ListenerTable {
                name,
                address,
                endpoint,
                group,
                words,
            };
            reader.tables.listeners.push(listener);
        });
    }

    pub(super) fn routes(&mut self, source: usize, value: &Value<'_>) {
        let DeValue::Array(list) = value.get_ref() else {
            let help = "routes are a list of tables: [[route]], with `group` in each";
            let title = "`route` is no list of tables";
            return self.find(source, value.span(), title, "", Some(help.to_owned()));
        };
        for value in list.iter() {
            let DeValue::Table(table) = value.get_ref() else {
                self.find(source, value.span(), "a route is no table", "", None);
                continue;
            };
            self.route(source, value.span(), table);
        }
    }

    fn route(&mut self, source: usize, span: Range<usize>, table: &DeTable<'_>) {
        let place = Place { source, span };
        let name = Name {
            text: String::new(),
            place: place.clone(),
        };
        let (mut contexts, mut states, mut listeners) = (None, None, None);
        let mut group = None;
        self.keys(&name, "route", table, &ROUTE_KEYS, |key, value| {
            let named = |(text, span): (String, Range<usize>)| Name {
                text,
                place: Place { source, span },
            };
            Some(match key {
                "policy_context" => list(value, "a string").map(|found| contexts = Some(found)),
                "protocol_state" => list(value, "a string")
                    .and_then(value::states)
                    .map(|found| states = Some(found)),
                "listener" => list(value, "the name of a listener")
                    .map(|found| listeners = Some(found.into_iter().map(named).collect())),
                "group" => text(value, "the name of a group")
                    .map(|found| group = Some(named((found, value.span()))))
                    .map_err(|wrong| vec![wrong]),
                _ => return None,
            })
        });
        let texts = |found: Option<Vec<(String, Range<usize>)>>| -> Vec<String> {
            let found = found.into_iter().flatten();
            found.map(|(text, _)| text).collect()
        };
        match group {
            Some(group) => self.tables.routes.push(RouteTable {
                place,
                contexts: texts(contexts),
                states: texts(states),
                listeners: listeners.unwrap_or_default(),
                group,
            }),
            None if table.iter().any(|(key, _)| key.get_ref() == "group") => {}
            None => {
                let label = "it has no `group`";
                self.find(source, place.span, "invalid route", label, None);
            }
        }
    }
}

/// The settings that a group may have of its own.
pub(super) const GROUP_OPTIONS: [&str; 10] = [
    "default",
    "affinity",
    "deadline",
    "balance",
    "retry",
    "last-resort",
    "max-connections",
    "max-age",
    "keep",
    "max-failures",
];
const LISTENER_KEYS: [&str; 4] = ["address", "group", "default", "deadline"];
const ROUTE_KEYS: [&str; 4] = ["policy_context", "protocol_state", "listener", "group"];
