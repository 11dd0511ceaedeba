//! Parameters that name another plugin, whose result they use: whether that plugin is there, and has its turn before.

use std::collections::BTreeSet;

use super::{finding::Findings, similar::similar};
use crate::config_general::Place;

/// The plugins of a configuration in their order, and the parameters that name one.
#[derive(Debug, Default)]
pub(crate) struct References {
    plugins: Vec<Plugin>,
    references: Vec<Reference>,
    /// The virtual host that is read.
    host: usize,
}

#[derive(Debug)]
struct Plugin {
    name: String,
    module: String,
    host: usize,
}

#[derive(Debug)]
struct Reference {
    place: Place,
    /// The parameter.
    key: String,
    /// The plugin that it names, and the module that this has to have.
    name: String,
    module: &'static str,
    /// The plugin that it stands in.
    user: usize,
}

impl References {
    /// The plugins from now on are another virtual host's.
    pub(super) fn next_host(&mut self) {
        self.host += 1;
    }

    /// A plugin, before those that are nested in it.
    pub(crate) fn plugin(&mut self, name: &str, module: &str) {
        self.plugins.push(Plugin {
            name: name.to_owned(),
            module: module.to_owned(),
            host: self.host,
        });
    }

    /// Where the next plugin will stand, less one: the one that is read, as long as none is nested in it.
    pub(super) fn current(&self) -> usize {
        self.plugins.len().saturating_sub(1)
    }

    pub(super) fn push(
        &mut self,
        place: &Place,
        key: &str,
        name: &str,
        module: &'static str,
        user: usize,
    ) {
        self.references.push(Reference {
            place: place.clone(),
            key: key.to_owned(),
            name: name.to_owned(),
            module,
            user,
        });
    }

    /// Warns of each that never finds a result, or not at a mail's first request. The original says nothing, and starts.
    pub(super) fn check(&self, has_sessions: bool, findings: &mut Findings) {
        for reference in &self.references {
            if let Some(fault) = self.fault(reference, has_sessions) {
                let Reference { key, name, .. } = reference;
                findings.warning(&reference.place, format!("`{key}` names `{name}`: {fault}"));
            }
        }
    }

    fn fault(&self, reference: &Reference, has_sessions: bool) -> Option<String> {
        let Reference {
            name, module, user, ..
        } = reference;
        let host = self.plugins.get(*user)?.host;
        let named = || self.plugins.iter().filter(|plugin| plugin.name == *name);
        let fits = |at: &usize| {
            let plugin = self.plugins.get(*at);
            plugin.is_some_and(|plugin| plugin.name == *name && plugin.module == *module)
        };
        let places: Vec<usize> = (0..self.plugins.len()).filter(fits).collect();
        let is_here = |at: &&usize| {
            self.plugins
                .get(**at)
                .is_some_and(|plugin| plugin.host == host)
        };
        let here: Vec<&usize> = places.iter().filter(is_here).collect();
        if here.iter().any(|at| *at < user) {
            return None;
        }
        if !here.is_empty() {
            return Some(format!(
                "that plugin has its turn after this one, which finds no result then: put <Plugin {name}> before it"
            ));
        }
        if !places.is_empty() {
            // The session of a mail is the same for all virtual hosts.
            return (!has_sessions).then(|| {
                "that plugin is in another virtual host, and without a <SessionCache> its result is not seen here"
                    .to_owned()
            });
        }
        if let Some(other) = named().next() {
            return Some(format!(
                "that plugin has the module {}, but one with {module} is wanted",
                other.module
            ));
        }
        let all = self
            .plugins
            .iter()
            .filter(|plugin| plugin.module == *module);
        let all: BTreeSet<&str> = all.map(|plugin| plugin.name.as_str()).collect();
        let hint = match similar(name, all.iter().copied()) {
            Some(meant) => format!(": did you mean `{meant}`?"),
            None if all.is_empty() => String::new(),
            None => {
                let all: Vec<&str> = all.into_iter().collect();
                format!(": there are {}", all.join(", "))
            }
        };
        Some(format!(
            "there is no <Plugin {name}> with the module {module}{hint}"
        ))
    }
}
