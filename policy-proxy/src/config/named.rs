//! Tables that have names, and their keys: those of their own, and long options.

use clap::Command;
use toml::{
    Spanned,
    de::{DeString, DeTable, DeValue},
};

use super::{
    Place,
    reader::{Reader, find},
    suggest::did_you_mean,
    tables::Name,
    value::{self, Value, Wrong},
};

impl Reader {
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
        let mut command = std::mem::take(&mut self.command);
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
        self.command = command;
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
