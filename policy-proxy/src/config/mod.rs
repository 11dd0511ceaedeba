//! The configuration file: read as a whole, or refused with all that is wrong with it.
//!
//! A key is a long option of a command, and has its value read by that option's own rules, so that nothing is described
//! twice. What a file says is put together as the words of a command line, and goes the way of one from there. So this reader
//! knows no arguments: who has read them gives it the [`Command`].

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

use clap::Command;

mod addresses;

mod difference;
pub use difference::{Change, differences};

mod files;
mod finding;

mod groups;
pub use groups::Owner;

mod mirrors;
mod named;
mod names;
mod reader;
mod routing;
mod service;
mod suggest;
mod tables;
mod value;
mod write;

pub use finding::Findings;
pub use write::{Given, Settings, Written, written};

use addresses::place_of_address;
use finding::{Finding, Place, Source};
use reader::Reader;
use tables::{Listening, Tables};

/// What configuration files say.
#[derive(Clone, Debug)]
pub struct Config {
    /// The file, with its whole path, and those that it includes.
    sources: Vec<Source>,
    /// The words of a command line that says the same.
    pub words: Vec<OsString>,
    /// The places of the long options.
    options: Vec<(String, Place)>,
    /// The addresses where it has the daemon listen.
    listening: Vec<Listening>,
    /// The names of the services, in their order.
    pub services: Vec<String>,
    /// Groups, listeners, routes and mirrors.
    tables: Tables,
    /// What is probably not meant.
    warnings: Vec<(Place, String)>,
}

impl Config {
    /// Reads a file, and those that it includes. Its keys are the long options of this command.
    ///
    /// ```
    /// use clap::{Arg, Command, value_parser};
    /// use policy_proxy::config::Config;
    ///
    /// let workers = Arg::new("workers").long("workers").value_parser(value_parser!(u16));
    /// let command = Command::new("example").arg(workers);
    /// let path = std::env::temp_dir().join(format!("policy-proxy-{}.toml", std::process::id()));
    ///
    /// std::fs::write(&path, "workers = 2\n[service.a]\naddress = \"127.0.0.1:10031\"\n")?;
    /// let config = Config::read(&path, command.clone()).expect("both are known");
    /// assert_eq!(config.words, ["--workers=2", "--service=a=127.0.0.1:10031:::"]);
    ///
    /// std::fs::write(&path, "wokers = 2")?;
    /// let findings = Config::read(&path, command).unwrap_err();
    /// assert!(findings.lines[0].ends_with("unknown key `wokers`: no key here (did you mean `workers`?)"));
    /// # std::fs::remove_file(path)?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Findings`]: all that is wrong with them.
    pub fn read(path: &Path, command: Command) -> Result<Self, Findings> {
        let mut reader = Reader {
            command,
            ..Reader::default()
        };
        // A daemon may read it again from elsewhere.
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        reader.read(path);
        reader.check_names();
        reader.check_addresses();
        let Reader {
            sources,
            findings,
            words,
            options,
            listening,
            services,
            tables,
            warnings,
            ..
        } = reader;
        if findings.is_empty() {
            Ok(Self {
                sources,
                words: words.into_iter().map(OsString::from).collect(),
                options,
                listening,
                services: services.into_iter().map(|name| name.text).collect(),
                tables,
                warnings,
            })
        } else {
            Err(Findings::new(findings, &sources))
        }
    }

    /// The path of the file.
    pub fn path(&self) -> Option<PathBuf> {
        let first = self.sources.first();
        first.map(|source| source.path.clone())
    }

    /// A path as the file means it: one that is relative begins in the directory of the file.
    pub fn beside(&self, path: &Path) -> PathBuf {
        let file = self.path();
        let directory = file.as_deref().and_then(Path::parent);
        directory.map_or_else(|| path.to_owned(), |directory| directory.join(path))
    }

    /// A fault that the settings have together, at the first option that the text names.
    pub fn refuse(&self, text: &str) -> Findings {
        let finding = Finding {
            place: self.place_of(text).unwrap_or(Place {
                source: 0,
                span: 0..0,
            }),
            title: as_keys(text),
            label: String::new(),
            help: None,
        };
        Findings::new(vec![finding], &self.sources)
    }

    /// What is probably not meant: `FILE:LINE:COLUMN`, and a text.
    pub fn warnings(&self) -> Vec<(String, String)> {
        let line = |(place, text): &(Place, String)| {
            let source = self.sources.get(place.source)?;
            let position = source.position(place.span.start);
            Some((position, text.clone()))
        };
        self.warnings.iter().filter_map(line).collect()
    }

    /// `FILE:LINE:COLUMN` of the first option that a text names.
    pub fn position_of(&self, text: &str) -> Option<String> {
        let place = self.place_of(text)?;
        let source = self.sources.get(place.source)?;
        Some(source.position(place.span.start))
    }

    fn place_of(&self, text: &str) -> Option<Place> {
        if let Some(place) = place_of_address(&self.listening, text) {
            return Some(place.clone());
        }
        let named = named(text)?;
        let mut options = self.options.iter();
        let (_, place) = options.find(|(option, _)| option == named)?;
        Some(place.clone())
    }
}

/// The first long option that a text names.
fn named(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once("--")?;
    let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '-');
    rest.get(..end.unwrap_or(rest.len()))
}

/// A text about options as one about keys.
fn as_keys(text: &str) -> String {
    let mut parts = text.split("--");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |mut text, part| {
        let end = part.find(|c: char| !c.is_ascii_alphanumeric() && c != '-');
        let (name, rest) = part.split_at(end.unwrap_or(part.len()));
        text += &format!("`{name}`{rest}");
        text
    })
}
