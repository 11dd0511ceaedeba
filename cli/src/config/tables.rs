//! The tables of groups, listeners and routes, which no command line has.

use std::ops::Range;

use clap::{Command, CommandFactory};
use policy_daemon::ListenAddr;
use policy_proto::ProtocolState;
use toml::{
    Spanned,
    de::{DeString, DeTable, DeValue},
};

use super::{
    Place,
    mirrors::MirrorTable,
    reader::{Reader, find},
    suggest::did_you_mean,
    value::{self, Value, Wrong, text, texts},
};
use crate::args::Options;

/// Groups of services, listeners with rules of their own, and routes, as files say them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tables {
    pub(crate) groups: Vec<GroupTable>,
    pub(crate) listeners: Vec<ListenerTable>,
    pub(crate) routes: Vec<RouteTable>,
    pub(crate) mirrors: Vec<MirrorTable>,
}

/// A name, and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct Name {
    pub(crate) text: String,
    pub(crate) place: Place,
}

/// `[group.NAME]`.
#[derive(Clone, Debug)]
pub(crate) struct GroupTable {
    pub(crate) name: Name,
    pub(crate) services: Vec<Name>,
    /// The words of a command line that say what differs from the settings of all.
    pub(crate) words: Vec<String>,
}

/// `[listener.NAME]`.
#[derive(Clone, Debug)]
pub(crate) struct ListenerTable {
    pub(crate) name: Name,
    /// In the syntax of `--listen`.
    pub(crate) address: String,
    pub(crate) group: Option<Name>,
    /// The words of a command line with its default action and its deadline.
    pub(crate) words: Vec<String>,
}

/// `[[route]]`.
#[derive(Clone, Debug)]
pub(crate) struct RouteTable {
    pub(crate) place: Place,
    pub(crate) contexts: Vec<String>,
    /// As Postfix writes them.
    pub(crate) states: Vec<String>,
    pub(crate) listeners: Vec<Name>,
    pub(crate) group: Name,
}

impl RouteTable {
    /// Whether it takes each request.
    pub(crate) fn takes_all(&self) -> bool {
        self.contexts.is_empty() && self.states.is_empty() && self.listeners.is_empty()
    }
}

impl Reader {
    pub(super) fn groups(&mut self, source: usize, value: &Value<'_>) {
        self.named_tables(source, value, "group", |reader, name, table| {
            let mut services = Vec::new();
            let words = reader.keys(&name, "group", table, &GROUP_KEYS, |key, value| {
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
                    "address" => listen_address(value).map(|found| address = Some(found)),
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
            let Some(address) = address else {
                if !table.iter().any(|(key, _)| key.get_ref() == "address") {
                    let title = format!("invalid listener `{}`", name.text);
                    let label =
                        "it has no `address`, such as \"inet:127.0.0.1:10040\" or \"unix:/path\"";
                    reader.find(source, name.place.span, &title, label, None);
                }
                return;
            };
            reader.words.push(format!("--listen={address}"));
            reader
                .options
                .push(("listen".to_owned(), name.place.clone()));
            let listener = ListenerTable {
                name,
                address,
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
                    .and_then(known_states)
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

    /// The tables of one kind, each with its name.
    pub(super) fn named_tables(
        &mut self,
        source: usize,
        value: &Value<'_>,
        kind: &str,
        mut each: impl FnMut(&mut Self, Name, &DeTable<'_>),
    ) {
        let DeValue::Table(table) = value.get_ref() else {
            let help = format!("a {kind} is a table: [{kind}.NAME]");
            let title = format!("`{kind}` is no table");
            return self.find(source, value.span(), &title, "", Some(help));
        };
        let mut tables: Vec<_> = table.iter().collect();
        tables.sort_by_key(|(name, _)| name.span().start);
        for (name, value) in tables {
            let shown = name.get_ref().as_ref();
            let DeValue::Table(table) = value.get_ref() else {
                let title = format!("{kind} `{shown}` is no table");
                self.find(source, value.span(), &title, "", None);
                continue;
            };
            if let Some(label) = wrong_name(shown) {
                let title = format!("invalid {kind} `{shown}`");
                self.find(source, name.span(), &title, &label, None);
                continue;
            }
            if self.is_first(source, name, &format!("{kind}.{shown}")) {
                let name = Name {
                    text: shown.to_owned(),
                    place: Place {
                        source,
                        span: name.span(),
                    },
                };
                each(self, name, table);
            }
        }
    }

    /// Reads the keys of a table: those that `own` knows, and long options, whose words are returned.
    pub(super) fn keys(
        &mut self,
        name: &Name,
        kind: &str,
        table: &DeTable<'_>,
        known: &[&str],
        mut own: impl FnMut(&str, &Value<'_>) -> Option<Result<(), Vec<Wrong>>>,
    ) -> Vec<String> {
        let of = match name.text.as_str() {
            "" => kind.to_owned(),
            text => format!("{kind} `{text}`"),
        };
        let source = name.place.source;
        let mut command = self.command.take().unwrap_or_else(Options::command);
        let mut words = Vec::new();
        for (key, value) in table.iter() {
            let text = key.get_ref().as_ref();
            let read = if known.contains(&text) {
                own(text, value).unwrap_or_else(|| {
                    option_words(&mut command, text, value).map(|found| words.extend(found))
                })
            } else {
                self.unknown(source, key, &of, kind, known, &command);
                continue;
            };
            for wrong in read.err().into_iter().flatten() {
                let title = format!("invalid `{text}` of {of}");
                self.find(source, wrong.span, &title, &wrong.label, wrong.help);
            }
        }
        self.command = Some(command);
        words
    }

    fn unknown(
        &mut self,
        source: usize,
        key: &Spanned<DeString<'_>>,
        of: &str,
        kind: &str,
        known: &[&str],
        command: &Command,
    ) {
        let text = key.get_ref().as_ref();
        let title = format!("unknown key `{text}` of {of}");
        let label = format!("no key of a {kind}");
        let help = did_you_mean(text, known.iter().copied()).or_else(|| {
            find(command, text).map(|_| format!("`{text}` stands at the top, before all tables"))
        });
        self.find(source, key.span(), &title, &label, help);
    }
}

/// The words of a long option.
fn option_words(
    command: &mut Command,
    name: &str,
    value: &Value<'_>,
) -> Result<Vec<String>, Vec<Wrong>> {
    let Some(option) = find(command, name) else {
        return Ok(Vec::new());
    };
    let words = value::words(command, &option, value)?;
    Ok(words.into_iter().map(|(word, _)| word).collect())
}

fn listen_address(value: &Value<'_>) -> Result<String, Wrong> {
    let address = text(value, "a string")?;
    match address.parse::<ListenAddr>() {
        Ok(_) => Ok(address),
        Err(error) => Err(Wrong::new(value.span(), error.to_string())),
    }
}

/// A list that is not empty.
fn list(value: &Value<'_>, expected: &str) -> Result<Vec<(String, Range<usize>)>, Vec<Wrong>> {
    let found = texts(value, expected)?;
    if found.is_empty() {
        let label = "an empty list takes no request: leave the key out to take each one";
        return Err(vec![Wrong::new(value.span(), label)]);
    }
    Ok(found)
}

/// Values of `protocol_state` in the case in which Postfix writes them.
fn known_states(
    found: Vec<(String, Range<usize>)>,
) -> Result<Vec<(String, Range<usize>)>, Vec<Wrong>> {
    let (mut states, mut wrong) = (Vec::new(), Vec::new());
    for (text, span) in found {
        let upper = text.to_ascii_uppercase();
        if ProtocolState::parse(upper.as_bytes()).is_some() {
            states.push((upper, span));
        } else {
            let mut fault = Wrong::new(span, "no protocol state of Postfix");
            fault.help = did_you_mean(&upper, STATES);
            wrong.push(fault);
        }
    }
    if wrong.is_empty() {
        Ok(states)
    } else {
        Err(wrong)
    }
}

/// What is wrong with the name of a group or a listener: it stands in the log, in metrics and in commands.
fn wrong_name(name: &str) -> Option<String> {
    if name.is_empty() {
        Some("a name is not empty".to_owned())
    } else if name.chars().any(char::is_control) {
        Some("a name has no control characters".to_owned())
    } else {
        None
    }
}

/// The settings that a group may have of its own.
pub(crate) const GROUP_OPTIONS: [&str; 10] = [
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
const GROUP_KEYS: [&str; 11] = [
    "services",
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
/// As Postfix writes them.
const STATES: [&str; 9] = [
    "CONNECT",
    "EHLO",
    "HELO",
    "MAIL",
    "RCPT",
    "DATA",
    "END-OF-MESSAGE",
    "VRFY",
    "ETRN",
];
