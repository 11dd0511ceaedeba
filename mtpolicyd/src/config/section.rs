//! The parameters of one block, read with their types: the only way in which a plugin sees the configuration.

mod connected;
mod of_chain;
mod referring;
mod secret;
mod settings;
mod shared;

use std::{collections::HashSet, path::PathBuf, sync::Arc};

use super::{
    build::Build,
    later::{LaterFile, Use},
    similar::similar,
};
use crate::{
    chain::{Setting, number},
    config_general::{Block, Entry, Place, Value},
};

/// The parameters of a block.
///
/// Each method reads one parameter. What is missing or has the wrong type is noted with its place, and the method returns a
/// value that will not be used, since the daemon does not start then. Parameters that nobody has asked for are noted as
/// unknown at the end.
#[derive(Debug)]
pub struct Section<'s> {
    name: Arc<str>,
    /// The plugin, or whatever else is not within another block.
    owner: Arc<str>,
    block: &'s Block,
    place: &'s Place,
    build: &'s mut Build,
    asked: HashSet<String>,
    /// The parameters that a field of the session may override.
    overridable: Vec<Setting>,
    /// The plugin that it is, or stands in, among those of the configuration.
    user: usize,
    /// Errors are warnings: of what the original ignores.
    is_lenient: bool,
}

impl<'s> Section<'s> {
    /// The parameters of the block with this name.
    pub(crate) fn new(
        name: &str,
        block: &'s Block,
        place: &'s Place,
        build: &'s mut Build,
    ) -> Self {
        let name: Arc<str> = name.into();
        Self {
            owner: Arc::clone(&name),
            name,
            block,
            place,
            user: build.references.current(),
            build,
            asked: HashSet::new(),
            overridable: Vec::new(),
            is_lenient: false,
        }
    }

    /// The same for a block that stands for keys of mtpolicyd 1.x, which 2.x ignores: its errors are warnings.
    pub(crate) fn lenient(self, is_lenient: bool) -> Self {
        Self { is_lenient, ..self }
    }

    /// The name of the block: the plugin's, with which it is logged and scored.
    #[must_use]
    pub fn name(&self) -> Arc<str> {
        Arc::clone(&self.name)
    }

    /// Whether everything is to be as in the original (`--compat`).
    #[must_use]
    pub fn compat(&self) -> bool {
        self.build.compat
    }

    /// A text; `None` if it is not given.
    pub fn text(&mut self, key: &str) -> Option<String> {
        match &self.entry(key)?.value {
            Value::Text(text) => Some(text.clone()),
            Value::Absent => None,
            Value::Block(_) => {
                self.error(key, format!("`{key}` is a block, but a value is wanted"));
                None
            }
        }
    }

    /// A text with a default. The key without a value is an error, as in the original.
    pub fn text_or(&mut self, key: &str, default: &str) -> String {
        let entry = self.entry(key);
        if entry.is_some_and(|entry| entry.value == Value::Absent) {
            self.error(key, format!("`{key}` has no value"));
        }
        self.text(key).unwrap_or_else(|| default.to_owned())
    }

    /// A text that has to be given.
    pub fn required(&mut self, key: &str) -> String {
        if self.entry(key).is_none() {
            self.error(key, format!("`{key}` is missing in `{}`", self.name));
        }
        self.text_or(key, "")
    }

    /// A switch: `1` is on, `0` and nothing are off.
    pub fn flag(&mut self, key: &str, default: bool) -> bool {
        match self.text(key).as_deref() {
            None => default,
            Some("1") => true,
            Some("0" | "") => false,
            Some(other) => {
                self.error(key, format!("`{key}` is `{other}`, but 1 or 0 is wanted"));
                default
            }
        }
    }

    /// A switch that is on with any text but `0` and nothing, as in Perl: `no` is a warning.
    pub fn truth(&mut self, key: &str) -> bool {
        let text = self.text(key).unwrap_or_default();
        if !["", "0", "1"].contains(&&*text) {
            self.warning(
                key,
                format!("`{key}` is `{text}`, which means 1: use 1 or 0"),
            );
        }
        !["", "0"].contains(&&*text)
    }

    /// A whole number.
    pub fn integer(&mut self, key: &str, default: i64) -> i64 {
        let Some(text) = self.text(key) else {
            return default;
        };
        let number = text.parse().ok().filter(|_| number::is_integer(&text));
        if number.is_none() {
            self.error(
                key,
                format!("`{key}` is `{text}`, but a whole number is wanted"),
            );
        }
        number.unwrap_or(default)
    }

    /// A whole number that is not negative, such as a time in seconds.
    pub fn count(&mut self, key: &str, default: u64) -> u64 {
        let signed = self.integer(key, i64::try_from(default).unwrap_or(i64::MAX));
        if signed < 0 {
            self.error(key, format!("`{key}` is negative"));
        }
        u64::try_from(signed).unwrap_or(default)
    }

    /// A list, separated by commas with or without blanks. Empty if it is not given. The original keeps blanks at both ends
    /// of the list, so that its first word is none that anybody has; so does `--compat`.
    pub fn list(&mut self, key: &str) -> Vec<String> {
        let text = self.text(key).unwrap_or_default();
        let text = if self.compat() { &text } else { text.trim() };
        let count = text.split(',').count();
        let item = |(index, item): (usize, &str)| {
            let item = if index > 0 { item.trim_start() } else { item };
            let item = if index + 1 < count {
                item.trim_end()
            } else {
                item
            };
            item.to_owned()
        };
        let items = text.split(',').enumerate().map(item);
        items.filter(|item| !item.is_empty()).collect()
    }

    /// A block in the block, such as Greylist's `<Ticket>`.
    pub fn block(&mut self, key: &str) -> Option<Section<'_>> {
        let entry = self.entry(key)?;
        if let Value::Block(block) = &entry.value {
            let owner = Arc::clone(&self.owner);
            let section = Section::new(key, block, &entry.place, self.build);
            return Some(Section { owner, ..section });
        }
        self.error(key, format!("`{key}` is a value, but a block is wanted"));
        None
    }

    /// Named blocks in the block, such as Limit's `<Class NAME>`, in their order.
    pub fn blocks(&mut self, key: &str, mut each: impl FnMut(&mut Section<'_>)) {
        let Some(entry) = self.entry(key) else {
            return;
        };
        let Value::Block(named) = &entry.value else {
            self.error(key, format!("`{key}` is a value, but a block is wanted"));
            return;
        };
        for entry in &named.entries {
            if let Value::Block(block) = &entry.value {
                let mut section = Section::new(&entry.key, block, &entry.place, self.build);
                each(&mut section);
                section.finish();
            } else {
                let text = format!("a <{key}> needs a name, as in <{key} {}>", entry.key);
                self.build.findings.error(&entry.place, text);
            }
        }
    }

    /// Notes an error at a parameter, or at the block if it is not given.
    pub fn error(&mut self, key: &str, text: impl Into<String>) {
        let place = self.place_of(key);
        if self.is_lenient {
            self.build.findings.warning(&place, text);
        } else {
            self.build.findings.error(&place, text);
        }
    }

    /// Notes a warning at a parameter, or at the block if it is not given.
    pub fn warning(&mut self, key: &str, text: impl Into<String>) {
        let place = self.place_of(key);
        self.build.findings.warning(&place, text);
    }

    /// Notes what is skipped at a start with a warning, and is an error in `--check-config`.
    pub fn skipped(&mut self, key: &str, text: impl Into<String>) {
        if self.build.is_check {
            self.error(key, text);
        } else {
            self.warning(key, text);
        }
    }

    /// Notes a file that the daemon opens later: a check looks at it.
    pub fn opens(&mut self, key: &str, path: impl Into<PathBuf>, used: Use) {
        let file = LaterFile {
            place: self.place_of(key),
            key: key.to_owned(),
            path: path.into(),
            used,
        };
        self.build.findings.note(file);
    }

    /// Blocks that others read.
    pub(crate) fn ignore(&mut self, keys: &[&str]) {
        self.asked.extend(keys.iter().map(|key| (*key).to_owned()));
    }

    /// Notes the parameters that nobody has asked for. What is left are those that a field of the session may override.
    pub(crate) fn finish(self) -> Vec<Setting> {
        for entry in &self.block.entries {
            if self.asked.contains(&entry.key) {
                continue;
            }
            let invisible = entry.key.chars().find(|char| INVISIBLE.contains(char));
            let hint = similar(&entry.key, self.asked.iter().map(String::as_str));
            let hint = match (invisible, hint) {
                (Some(char), _) => format!(
                    ": it has the invisible character U+{:04X} in it",
                    u32::from(char)
                ),
                (None, Some(key)) => format!(": did you mean `{key}`?"),
                (None, None) => String::new(),
            };
            let text = format!("`{}` means nothing in `{}`{hint}", entry.key, self.name);
            self.build.findings.warning(&entry.place, text);
        }
        self.overridable
    }

    fn entry(&mut self, key: &str) -> Option<&'s Entry> {
        if !self.asked.contains(key) {
            self.asked.insert(key.to_owned());
        }
        self.block.get(key)
    }

    fn place_of(&self, key: &str) -> Place {
        let entry = self.block.get(key);
        entry.map_or_else(|| self.place.clone(), |entry| entry.place.clone())
    }
}

/// Byte order marks, blanks that are none for the grammar, and marks of no width, as texts from elsewhere have them.
const INVISIBLE: [char; 7] = [
    '\u{a0}', '\u{200b}', '\u{200c}', '\u{200d}', '\u{202f}', '\u{2060}', '\u{feff}',
];
