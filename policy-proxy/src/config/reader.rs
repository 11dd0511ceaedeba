//! The tables of configuration files, read key by key: what is wrong with one does not hide the next.

use std::{collections::HashMap, ops::Range, path::PathBuf};

use clap::{Arg, Command};
use toml::{
    Spanned,
    de::{DeString, DeTable, DeValue},
};

use super::{
    Place, Source, files,
    finding::Finding,
    service,
    suggest::did_you_mean,
    tables::{Listening, Name, Tables},
    value::{self, Value, Wrong},
};

/// What has been read.
#[derive(Default)]
pub(super) struct Reader {
    pub(super) sources: Vec<Source>,
    pub(super) findings: Vec<Finding>,
    /// The words of a command line that says the same.
    pub(super) words: Vec<String>,
    /// The places of the long options.
    pub(super) options: Vec<(String, Place)>,
    /// Where each key was given, by its name in all files.
    pub(super) given: HashMap<String, Place>,
    /// The description of the keys.
    pub(super) command: Command,
    /// The names of the services.
    pub(super) services: Vec<Name>,
    pub(super) tables: Tables,
    /// The addresses to listen at.
    pub(super) listening: Vec<Listening>,
    /// What is probably not meant, with its place.
    pub(super) warnings: Vec<(Place, String)>,
}

impl Reader {
    /// Reads a file, and then those that it includes.
    pub(super) fn read(&mut self, path: PathBuf) {
        let source = self.sources.len();
        let (text, fault) = match files::read(&path) {
            Ok(Ok(text)) => (text, None),
            Ok(Err((text, at))) => (text, Some((at, "not UTF-8".to_owned()))),
            Err(error) => (String::new(), Some((0, format!("cannot be read: {error}")))),
        };
        let text_of_source = text.clone();
        self.sources.push(Source { path, text });
        if let Some((at, title)) = fault {
            return self.find(source, at..at, &title, "", None);
        }
        let (table, errors) = DeTable::parse_recoverable(&text_of_source);
        let mut lines = Vec::new();
        for error in errors {
            let span = error.span().unwrap_or_default();
            let before = text_of_source.get(..span.start).unwrap_or_default();
            let line = before.matches('\n').count();
            // What follows in the same line is often not a fault of its own.
            if !lines.contains(&line) {
                lines.push(line);
                self.find(source, span, error.message(), "", None);
            }
        }
        let mut entries: Vec<_> = table.get_ref().iter().collect();
        // In the order of the file: that of services counts. Other files come after this one.
        entries.sort_by_key(|(key, _)| (key.get_ref() == "include", key.span().start));
        for (key, value) in entries {
            self.key(source, key, value);
        }
    }

    fn key(&mut self, source: usize, key: &Spanned<DeString<'_>>, value: &Value<'_>) {
        match key.get_ref().as_ref() {
            "service" => self.read_services(source, value),
            "group" => self.groups(source, value),
            "listener" => self.listeners(source, value),
            "route" => self.routes(source, value),
            "mirror" => self.mirrors(source, value),
            "include" => self.include(source, key, value),
            name => self.option(source, key, name, value),
        }
    }

    fn option(
        &mut self,
        source: usize,
        key: &Spanned<DeString<'_>>,
        name: &str,
        value: &Value<'_>,
    ) {
        let mut command = std::mem::take(&mut self.command);
        if let Some(option) = find(&command, name) {
            if self.is_first(source, key, name) {
                match value::words(&mut command, &option, value) {
                    Ok(words) => {
                        let span = words
                            .first()
                            .map_or_else(|| value.span(), |(_, at)| at.clone());
                        let place = Place { source, span };
                        self.options.push((name.to_owned(), place));
                        for (word, span) in words {
                            let text = word.split_once('=').filter(|_| LISTENING.contains(&name));
                            if let Some((_, text)) = text {
                                self.listens_at(text, source, span);
                            }
                            self.words.push(word);
                        }
                    }
                    Err(wrong) => self.wrong(source, name, wrong),
                }
            }
        } else {
            let title = format!("unknown key `{name}`");
            let help = if service::KEYS.contains(&name) {
                Some(format!("`{name}` is a key of a service: [service.NAME]"))
            } else {
                let known = command.get_opts().filter_map(Arg::get_long);
                let known = known.filter(|name| is_key(name));
                did_you_mean(name, known.chain(TABLES))
            };
            self.find(source, key.span(), &title, "no key here", help);
        }
        self.command = command;
    }

    fn read_services(&mut self, source: usize, value: &Value<'_>) {
        let DeValue::Table(table) = value.get_ref() else {
            let help = "a service is a table: [service.NAME], with its `address` in it";
            let title = "`service` is no table";
            return self.find(source, value.span(), title, "", Some(help.to_owned()));
        };
        let mut services: Vec<_> = table.iter().collect();
        services.sort_by_key(|(name, _)| name.span().start);
        for (name, value) in services {
            let shown = name.get_ref().as_ref();
            let DeValue::Table(table) = value.get_ref() else {
                let title = format!("service `{shown}` is no table");
                let help = format!("[service.{shown}], or {{ address = ... }}");
                self.find(source, value.span(), &title, "", Some(help));
                continue;
            };
            if !self.is_first(source, name, &format!("service.{shown}")) {
                continue;
            }
            self.services.push(Name {
                text: shown.to_owned(),
                place: Place {
                    source,
                    span: name.span(),
                },
            });
            let command = std::mem::take(&mut self.command);
            let words = service::words(name, table, |key| find(&command, key).is_some());
            self.command = command;
            match words {
                Ok(words) => self.words.extend(words),
                Err(faults) => {
                    for (title, wrong) in faults {
                        self.find(source, wrong.span, &title, &wrong.label, wrong.help);
                    }
                }
            }
        }
    }

    fn include(&mut self, source: usize, key: &Spanned<DeString<'_>>, value: &Value<'_>) {
        if source > 0 {
            let title = "`include` in a file that is included";
            return self.find(source, key.span(), title, "for the first file only", None);
        }
        let directory = match value::text(value, "a directory's path") {
            Ok(directory) => directory,
            Err(wrong) => return self.wrong(source, "include", vec![wrong]),
        };
        let own = self.sources.first().map(|own| own.path.clone());
        let own = own.unwrap_or_default();
        let path = own.parent().unwrap_or(&own).join(directory);
        match files::in_directory(&path, &own) {
            Ok(files) => {
                for file in files {
                    self.read(file);
                }
            }
            Err(error) => {
                let label = format!("{}: {error}", path.display());
                self.wrong(source, "include", vec![Wrong::new(value.span(), label)]);
            }
        }
    }

    /// Whether a key was not given before, in this file or another.
    pub(super) fn is_first(
        &mut self,
        source: usize,
        key: &Spanned<DeString<'_>>,
        name: &str,
    ) -> bool {
        let span = key.span();
        let place = Place { source, span };
        let Some(before) = self.given.insert(name.to_owned(), place.clone()) else {
            return true;
        };
        let position = self.sources.get(before.source);
        let position = position.map(|source| source.position(before.span.start));
        let title = format!("`{name}` is given twice");
        let label = format!("it is given in {} already", position.unwrap_or_default());
        self.find(source, place.span, &title, &label, None);
        false
    }

    fn wrong(&mut self, source: usize, name: &str, wrong: Vec<Wrong>) {
        for wrong in wrong {
            let title = format!("invalid value for `{name}`");
            self.find(source, wrong.span, &title, &wrong.label, wrong.help);
        }
    }

    pub(super) fn find(
        &mut self,
        source: usize,
        span: Range<usize>,
        title: &str,
        label: &str,
        help: Option<String>,
    ) {
        self.findings.push(Finding {
            place: Place { source, span },
            title: title.to_owned(),
            label: label.to_owned(),
            help,
        });
    }
}

/// The option of this name, if it is a key.
pub(super) fn find(command: &Command, name: &str) -> Option<Arg> {
    let mut options = command.get_arguments();
    let option = options.find(|option| option.get_long() == Some(name))?;
    is_key(name).then(|| option.clone())
}

/// Whether a long option is a key of the file: it is a setting, and not one of a single service.
pub(super) fn is_key(name: &str) -> bool {
    !NO_KEYS.contains(&name)
}

const TABLES: [&str; 6] = ["service", "group", "listener", "route", "mirror", "include"];
const NO_KEYS: [&str; 14] = [
    "service",
    "mode",
    "actions",
    "help",
    "version",
    "config",
    "show-config",
    "non-default",
    "convert",
    "check-config",
    "strict",
    "quiet",
    // The older spelling of two others.
    "check",
    "include",
];
/// The keys whose values are addresses to listen at.
const LISTENING: [&str; 4] = ["listen", "admin", "control", "handover"];
