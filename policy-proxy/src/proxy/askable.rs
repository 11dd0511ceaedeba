//! A proxy is ready as long as it has a service that may be asked.

use crate::{options::nobody_to_ask, proxy::Proxy};

impl Proxy {
    /// A word where no service may be asked.
    pub(crate) fn nobody_to_ask(&self) -> Option<String> {
        (0..self.shared.len()).find_map(|group| {
            let states = self.states_of(group);
            let text = nobody_to_ask(states.iter().map(|state| state.mode))?;
            Some(self.about_group(group, text))
        })
    }

    /// A text about all services of a group, with its name where there are several.
    pub(crate) fn about_group(&self, group: usize, text: &str) -> String {
        match self.settings.groups.get(group) {
            Some(group) if self.has_groups() => format!("group '{}': {text}", group.name),
            _ => text.to_owned(),
        }
    }
}
