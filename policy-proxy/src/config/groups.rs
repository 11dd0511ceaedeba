//! The tables of a file as options: groups with what holds for each, listeners, routes and mirrors.

use std::ffi::OsString;

use policy_flow::Route;

use super::{
    Config,
    tables::{ListenerTable, RouteTable, Tables},
};
use crate::options::{DEFAULT_GROUP, Group, GroupOptions, Groups, NamedListener};

/// The table that settings belong to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Owner {
    /// A group: `[group.NAME]`, or the services that no group lists.
    Group,
    /// A listener: `[listener.NAME]`.
    Listener,
}

impl Config {
    /// The groups, listeners, routes and mirrors. The settings of a group or of a listener are given to `read` as the words
    /// of a command line: those of all, with its own in their place. Groups come first, in the order of
    /// [`list`](Groups::list).
    ///
    /// # Errors
    ///
    /// The first one of `read`.
    pub fn groups<E>(
        &self,
        mut read: impl FnMut(Owner, Vec<OsString>) -> Result<GroupOptions, E>,
    ) -> Result<Groups, E> {
        let tables = &self.tables;
        let mut list = Vec::new();
        for table in &tables.groups {
            let services = table.services.iter().map(|name| name.text.clone());
            list.push(Group {
                name: table.name.text.clone(),
                services: services.collect(),
                options: read(Owner::Group, self.words_with(&table.words))?,
                own: table
                    .words
                    .iter()
                    .map(|word| option_of(word).to_owned())
                    .collect(),
            });
        }
        let left = self.services_without_group();
        let mut all = list.iter_mut();
        if let Some(default) = all.find(|group| group.name == DEFAULT_GROUP) {
            default.services.extend(left);
        } else if !list.is_empty() && !left.is_empty() {
            list.push(Group {
                name: DEFAULT_GROUP.to_owned(),
                services: left,
                options: read(Owner::Group, self.words.clone())?,
                own: Vec::new(),
            });
        }
        let index = |name: &str| list.iter().position(|group| group.name == name);
        let mut listeners = Vec::new();
        for table in &tables.listeners {
            let options = read(Owner::Listener, self.words_with(&table.words))?;
            let group = table.group.as_ref().and_then(|name| index(&name.text));
            listeners.push(table.listener(group, options));
        }
        let route =
            |table: &RouteTable| table.route(index(&table.group.text).unwrap_or_default(), tables);
        let mirrors = tables.mirrors.iter();
        Ok(Groups {
            routes: tables.routes.iter().map(route).collect(),
            fallback: index(DEFAULT_GROUP),
            list,
            listeners,
            mirrors: mirrors.map(|table| table.options.clone()).collect(),
        })
    }

    /// The names of the services that no group lists.
    fn services_without_group(&self) -> Vec<String> {
        let listed = self.tables.groups.iter().flat_map(|group| &group.services);
        let is_listed = |name: &&String| listed.clone().any(|listed| listed.text == **name);
        let services = self.services.iter().filter(|name| !is_listed(name));
        services.cloned().collect()
    }

    /// The words of all settings, with others in their place.
    fn words_with(&self, own: &[String]) -> Vec<OsString> {
        let is_replaced = |word: &OsString| {
            let word = word.to_str().unwrap_or_default();
            // The time of one service stays.
            let is_of_service = word
                .strip_prefix("--keep=")
                .is_some_and(|value| value.contains('='));
            !is_of_service && own.iter().any(|own| option_of(own) == option_of(word))
        };
        let words = self.words.iter().filter(|word| !is_replaced(word)).cloned();
        words.chain(own.iter().map(OsString::from)).collect()
    }
}

impl ListenerTable {
    /// The listener, with those of the options that are its own.
    fn listener(&self, group: Option<usize>, options: GroupOptions) -> NamedListener {
        let has = |name: &str| self.words.iter().any(|word| option_of(word) == name);
        NamedListener {
            name: self.name.text.clone(),
            address: self.address.clone(),
            endpoint: self.endpoint.clone(),
            group,
            default: options.default.filter(|_| has("default")),
            deadline: has("deadline").then_some(options.deadline),
        }
    }
}

impl RouteTable {
    /// The route to the group of this index.
    pub(super) fn route(&self, group: usize, tables: &Tables) -> Route {
        let bytes = |texts: &[String]| texts.iter().map(|text| text.clone().into_bytes()).collect();
        let names = self.listeners.iter();
        let mut route = Route::to(group);
        route.contexts = bytes(&self.contexts);
        route.states = bytes(&self.states);
        route.listeners = names
            .filter_map(|name| tables.listener_number(&name.text))
            .collect();
        route
    }
}

impl Tables {
    /// The number of a listener: 0 is that of all without a name.
    fn listener_number(&self, name: &str) -> Option<u16> {
        let mut listeners = self.listeners.iter();
        let index = listeners.position(|listener| listener.name.text == name)?;
        u16::try_from(index + 1).ok()
    }
}

/// The long option of a word `--NAME=VALUE`.
fn option_of(word: &str) -> &str {
    let name = word.strip_prefix("--").unwrap_or(word);
    name.split('=').next().unwrap_or_default()
}
