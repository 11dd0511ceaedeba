//! Parameters that name other plugins, whose results are used.

use super::Section;

impl Section<'_> {
    /// The name of a plugin with this module, which has to be given.
    pub fn plugin(&mut self, key: &str, module: &'static str) -> String {
        let name = self.required(key);
        self.refer(key, &name, module);
        name
    }

    /// The names of plugins with this module, a comma list.
    pub fn plugins(&mut self, key: &str, module: &'static str) -> Vec<String> {
        let names = self.list(key);
        for name in &names {
            self.refer(key, name, module);
        }
        names
    }

    /// What is missing is said once all plugins are known.
    fn refer(&mut self, key: &str, name: &str, module: &'static str) {
        if name.is_empty() {
            return;
        }
        let place = self.place_of(key);
        self.build
            .references
            .push(&place, key, name, module, self.user);
    }
}
