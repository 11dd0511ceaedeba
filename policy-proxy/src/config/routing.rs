//! Reads the tables of groups, listeners and routes: `[group.NAME]`, `[listener.NAME]` and `[[route]]`.

use std::ops::Range;

use toml::de::{DeTable, DeValue};

use super::{
    Place,
    reader::Reader,
    tables::{GROUP_OPTIONS, GroupTable, ListenerTable, Name, RouteTable},
    value::{self, Value, list, listen_address, text, texts},
};

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

const LISTENER_KEYS: [&str; 4] = ["address", "group", "default", "deadline"];
const ROUTE_KEYS: [&str; 4] = ["policy_context", "protocol_state", "listener", "group"];
