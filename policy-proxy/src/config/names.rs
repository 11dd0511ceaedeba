//! The names that tables use for each other: unknown ones are faults, and what can never be used is warned of.

use policy_flow::Route;

use super::{
    Place,
    reader::Reader,
    suggest::did_you_mean,
    tables::{GroupTable, ListenerTable, Name, RouteTable},
};
use crate::options::DEFAULT_GROUP;

impl Reader {
    /// Looks at the names that tables use for each other, once all is read.
    pub(super) fn check_names(&mut self) {
        let tables = std::mem::take(&mut self.tables);
        let services: Vec<Name> = std::mem::take(&mut self.services);
        let names =
            |list: &[Name]| -> Vec<String> { list.iter().map(|name| name.text.clone()).collect() };
        let known_services = names(&services);
        let mut groups: Vec<String> = tables
            .groups
            .iter()
            .map(|group| group.name.text.clone())
            .collect();
        let listed: Vec<&Name> = tables
            .groups
            .iter()
            .flat_map(|group| &group.services)
            .collect();
        let is_left = |name: &String| !listed.iter().any(|listed| listed.text == *name);
        let has_default =
            groups.iter().any(|name| name == DEFAULT_GROUP) || known_services.iter().any(is_left);
        if has_default && !groups.iter().any(|name| name == DEFAULT_GROUP) {
            groups.push(DEFAULT_GROUP.to_owned());
        }
        for name in &listed {
            self.is_known(name, "service", &known_services);
        }
        for (at, name) in listed.iter().enumerate() {
            if listed
                .iter()
                .take(at)
                .any(|before| before.text == name.text)
            {
                let title = format!("service `{}` is in two groups, or twice in one", name.text);
                let label = "one service has one group";
                let help = "give it twice, under two names: each has its own state and connections";
                self.find_at(&name.place, &title, label, Some(help.to_owned()));
            }
        }
        for group in &tables.groups {
            let is_empty = group.services.is_empty()
                && !(group.name.text == DEFAULT_GROUP && known_services.iter().any(is_left));
            if is_empty {
                let title = format!("group `{}` has no service", group.name.text);
                self.find_at(&group.name.place, &title, "give `services`", None);
            }
        }
        let known_listeners: Vec<String> = tables
            .listeners
            .iter()
            .map(|listener| listener.name.text.clone())
            .collect();
        for listener in &tables.listeners {
            if let Some(group) = &listener.group {
                self.is_known(group, "group", &groups);
            }
        }
        for group in tables
            .mirrors
            .iter()
            .filter_map(|mirror| mirror.group.as_ref())
        {
            self.is_known(group, "group", &groups);
        }
        for route in &tables.routes {
            self.is_known(&route.group, "group", &groups);
            for listener in &route.listeners {
                self.is_known(listener, "listener", &known_listeners);
            }
        }
        self.tables = tables;
        self.services = services;
        if !self.tables.groups.is_empty() && !has_default {
            self.check_ways();
        }
        if self.findings.is_empty() {
            self.warn_of_useless();
        }
    }

    /// Without a group `default` each request has to have a group of its own.
    fn check_ways(&mut self) {
        if self.tables.routes.iter().any(RouteTable::takes_all) {
            return;
        }
        let without = |listener: &&ListenerTable| listener.group.is_none();
        let mut places: Vec<Place> = self
            .tables
            .listeners
            .iter()
            .filter(without)
            .map(|listener| listener.name.place.clone())
            .collect();
        places.extend(self.given.get("listen").cloned());
        if places.is_empty() && self.tables.listeners.is_empty() {
            let first = self.tables.groups.first();
            places.extend(first.map(|group| group.name.place.clone()));
        }
        for place in places {
            let help = "give a last [[route]] with nothing but its `group`, or a service that no group lists";
            self.find_at(
                &place,
                "a request that no route takes has no group",
                "it may come here",
                Some(help.to_owned()),
            );
        }
    }

    fn warn_of_useless(&mut self) {
        let tables = &self.tables;
        let mut warnings = Vec::new();
        let mut before: Vec<(Route, usize)> = Vec::new();
        for (number, table) in tables.routes.iter().enumerate() {
            let route = table.route(0, tables);
            let covering = before.iter().find(|(other, _)| other.covers(&route));
            if let Some((_, other)) = covering {
                let text = format!(
                    "route {} takes no request: route {} takes all that it would",
                    number + 1,
                    other + 1
                );
                warnings.push((table.place.clone(), text));
            }
            before.push((route, number));
        }
        for GroupTable { name, .. } in &tables.groups {
            let is_used = name.text == DEFAULT_GROUP
                || tables
                    .routes
                    .iter()
                    .any(|route| route.group.text == name.text)
                || tables.listeners.iter().any(|listener| {
                    listener
                        .group
                        .as_ref()
                        .is_some_and(|group| group.text == name.text)
                });
            if !is_used {
                let text = format!(
                    "group `{}` gets no request: no route and no listener names it",
                    name.text
                );
                warnings.push((name.place.clone(), text));
            }
        }
        self.warnings = warnings;
    }

    fn is_known(&mut self, name: &Name, kind: &str, known: &[String]) {
        if !known.contains(&name.text) {
            let title = format!("unknown {kind} `{}`", name.text);
            let label = format!("there is no [{kind}.{}]", name.text);
            let help = did_you_mean(&name.text, known.iter().map(String::as_str));
            self.find_at(&name.place, &title, &label, help);
        }
    }

    fn find_at(&mut self, place: &Place, title: &str, label: &str, help: Option<String>) {
        self.find(place.source, place.span.clone(), title, label, help);
    }
}
