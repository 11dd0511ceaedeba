//! Groups of services, listeners with rules of their own and routes, which only a configuration file has.

use std::ffi::OsString;

use policy_daemon::ListenAddr;
use policy_flow::Route;
use policy_proxy::{
    config::{Config, ListenerTable, RouteTable, Tables},
    options::{DEFAULT_GROUP, Group, Groups, MirrorOptions, NamedListener},
};

use super::{Arguments, Stop};

/// What a file says of groups, beside what its own settings say.
#[derive(Clone, Debug, Default)]
pub(crate) struct FileGroups {
    pub(crate) groups: Groups,
    /// For each group of the list: what holds for it, as arguments.
    pub(crate) given: Vec<GroupArguments>,
}

/// What holds for a group.
#[derive(Clone, Debug)]
pub(crate) struct GroupArguments {
    /// The settings of all, but for those that it has of its own.
    pub(crate) arguments: Arguments,
    /// The names of the latter.
    pub(crate) own: Vec<String>,
}

impl GroupArguments {
    fn of(file: &Config, words: &[String]) -> Result<Self, Stop> {
        let own = words.iter().map(|word| option_of(word).to_owned());
        Ok(Self {
            arguments: with(file, words)?,
            own: own.collect(),
        })
    }

    fn group(&self, name: &str, services: Vec<String>) -> Group {
        Group {
            name: name.to_owned(),
            services,
            options: self.arguments.group_options(),
        }
    }
}

impl FileGroups {
    /// What a file says.
    pub(super) fn of(file: &Config) -> Result<Self, Stop> {
        let Tables {
            groups,
            listeners,
            routes,
            mirrors,
        } = &file.tables;
        let (mut list, mut given) = (Vec::new(), Vec::new());
        for group in groups {
            let services = group.services.iter().map(|name| name.text.clone());
            let arguments = GroupArguments::of(file, &group.words)?;
            list.push(arguments.group(&group.name.text, services.collect()));
            given.push(arguments);
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
            let arguments = GroupArguments::of(file, &[])?;
            list.push(arguments.group(DEFAULT_GROUP, left));
            given.push(arguments);
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
        let groups = Groups {
            routes,
            fallback,
            list,
            listeners: named,
            mirrors,
        };
        Ok(Self { groups, given })
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
fn with(file: &Config, own: &[String]) -> Result<Arguments, Stop> {
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
    Arguments::parse_words(words.chain(own).collect())
}

/// The long option of a word `--NAME=VALUE`.
fn option_of(word: &str) -> &str {
    let name = word.strip_prefix("--").unwrap_or(word);
    name.split('=').next().unwrap_or_default()
}
