//! The command line, by the rules of Getopt::Long, and the options that the original lacks.

use std::path::PathBuf;

/// What the process is to do.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Args {
    /// What is asked for instead of a daemon.
    pub task: Option<Task>,
    /// The configuration.
    pub config: Option<PathBuf>,
    /// No background, and the log on standard error.
    pub foreground: bool,
    /// Where metrics are shown, beside what the configuration says.
    pub admin: Vec<String>,
    /// The path of the socket for commands, instead of the configuration's.
    pub control: Option<String>,
    /// The level of the log, instead of the configuration's.
    pub log_level: Option<u8>,
    /// As the original in everything.
    pub compat: bool,
    /// Decide and log, and answer dunno.
    pub dry_run: bool,
    /// With `--check-config`: warnings count as errors.
    pub strict: bool,
    /// With `--explain`: JSON.
    pub json: bool,
    /// The foreground process of a daemon in the background, which its starter waits for.
    pub is_background_child: bool,
    /// What was not understood.
    pub warnings: Vec<String>,
    /// A value or a key is missing: what would be done is not what was meant.
    pub is_incomplete: bool,
}

/// What is asked for instead of a daemon.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Task {
    /// `-h`.
    Help,
    /// `--version`.
    Version,
    /// `-d`: the virtual hosts on standard output.
    Dump,
    /// `-t`: these tasks.
    Cron(Vec<String>),
    /// `--check-config`.
    Check,
    /// `--parse-config`: JSON on standard output.
    Parse,
    /// `--explain`: a request on standard input.
    Explain,
    /// `limits show KEY` and `limits reset KEY`.
    Limits {
        /// Whose.
        key: String,
        /// Whether they are emptied.
        is_reset: bool,
    },
}

impl Args {
    /// Reads the words after the program's name.
    ///
    /// ```
    /// use mtpolicyd::args::{Args, Task};
    ///
    /// let args = Args::parse(["-f", "--conf=/etc/mt.conf", "-l", "4", "--no-such"].map(String::from));
    /// assert!(args.foreground && args.task.is_none());
    /// assert_eq!(args.config.as_deref(), Some("/etc/mt.conf".as_ref()));
    /// assert_eq!(args.log_level, Some(4));
    /// assert_eq!(args.warnings, ["Unknown option: no-such"]);
    ///
    /// let args = Args::parse(["-c", "mt.conf", "limits", "reset", "alice"].map(String::from));
    /// assert_eq!(args.task, Some(Task::Limits { key: "alice".to_owned(), is_reset: true }));
    /// ```
    #[must_use]
    pub fn parse(words: impl IntoIterator<Item = String>) -> Self {
        let mut args = Self::default();
        let mut words = words.into_iter().peekable();
        while let Some(word) = words.next() {
            if word == "--" {
                break;
            }
            if word == "limits" {
                args.limits(words.next(), words.next());
                continue;
            }
            let Some(option) = word.strip_prefix("--").or_else(|| word.strip_prefix('-')) else {
                args.warnings.push(format!("Unknown argument: {word}"));
                continue;
            };
            let (name, mut value) = match option.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (option, None),
            };
            let Some(known) = find(name) else {
                args.warnings.push(format!("Unknown option: {name}"));
                continue;
            };
            if known.takes_value && value.is_none() {
                value = words.next_if(|next| !next.starts_with('-') || next == "-");
            }
            let is_blank = |value: &String| value.trim().is_empty();
            match (known.takes_value, &value) {
                // Without a task a daemon would start.
                (true, value)
                    if value
                        .as_ref()
                        .is_none_or(|value| known.name == "cron" && is_blank(value)) =>
                {
                    args.is_incomplete = true;
                    let text = format!("Option {name} requires an argument");
                    args.warnings.push(text);
                    continue;
                }
                (false, Some(_)) => {
                    let text = format!("Option {name} does not take an argument");
                    args.warnings.push(text);
                    continue;
                }
                _ => {}
            }
            args.apply(known.name, value.unwrap_or_default());
        }
        args
    }

    fn apply(&mut self, name: &str, value: String) {
        match name {
            "help" => self.task = Some(Task::Help),
            "version" => self.task = Some(Task::Version),
            "dump_config" => self.task = Some(Task::Dump),
            "check-config" => self.task = Some(Task::Check),
            "explain" => self.task = Some(Task::Explain),
            "parse-config" => {
                self.task = Some(Task::Parse);
                self.set_config(value);
            }
            "cron" if !value.trim().is_empty() => {
                let tasks = value.split(',').map(|task| task.trim().to_owned());
                self.task = Some(Task::Cron(tasks.collect()));
            }
            "config" => self.set_config(value),
            "admin" => self
                .admin
                .extend(Some(value).filter(|value| !value.is_empty())),
            "control" => self.control = Some(value).filter(|value| !value.is_empty()),
            "foreground" => self.foreground = true,
            // 0 is no level in the original.
            "loglevel" => match value.parse() {
                Ok(level) => self.log_level = Some(level).filter(|level| *level > 0),
                Err(_) => self.warnings.push(format!(
                    "Value \"{value}\" invalid for option l (number expected)"
                )),
            },
            "compat" => self.compat = true,
            "dry-run" => self.dry_run = true,
            "strict" => self.strict = true,
            "json" => self.json = true,
            "background-child" => self.is_background_child = true,
            _ => {}
        }
    }

    fn limits(&mut self, verb: Option<String>, key: Option<String>) {
        match (verb.as_deref(), key) {
            (Some(verb @ ("show" | "reset")), Some(key)) => {
                let is_reset = verb == "reset";
                self.task = Some(Task::Limits { key, is_reset });
            }
            // A daemon is not what was wanted.
            _ => {
                self.warnings
                    .push("limits: use `limits show KEY` or `limits reset KEY`".to_owned());
                self.is_incomplete = true;
                self.task = Some(Task::Help);
            }
        }
    }

    fn set_config(&mut self, value: String) {
        if !value.is_empty() {
            self.config = Some(value.into());
        }
    }

    /// The configuration, or the usual one.
    #[must_use]
    pub fn config(&self) -> PathBuf {
        self.config
            .clone()
            .unwrap_or_else(|| "/etc/mtpolicyd/mtpolicyd.conf".into())
    }
}

struct Known {
    name: &'static str,
    takes_value: bool,
    others: &'static [&'static str],
}

/// The option of this name, of one of its other names, or of a beginning that is no other option's.
fn find(name: &str) -> Option<&'static Known> {
    let name = name.to_ascii_lowercase();
    let names =
        |known: &'static Known| std::iter::once(known.name).chain(known.others.iter().copied());
    let exact = OPTIONS
        .iter()
        .find(|known| names(known).any(|other| other == name));
    exact.or_else(|| {
        let mut begin = OPTIONS
            .iter()
            .filter(|known| names(known).any(|other| other.starts_with(&name)));
        begin.next().filter(|_| begin.next().is_none())
    })
}

const fn switch(name: &'static str, others: &'static [&'static str]) -> Known {
    Known {
        name,
        takes_value: false,
        others,
    }
}

const fn value(name: &'static str, others: &'static [&'static str]) -> Known {
    Known {
        name,
        takes_value: true,
        others,
    }
}

const OPTIONS: &[Known] = &[
    switch("help", &["h"]),
    switch("dump_config", &["d", "dump_vhosts"]),
    // An abbreviation that is no other option's in the original.
    value("config", &["c", "con"]),
    switch("foreground", &["f"]),
    value("loglevel", &["l"]),
    value("cron", &["t"]),
    value("admin", &[]),
    value("control", &[]),
    switch("check-config", &[]),
    value("parse-config", &[]),
    switch("explain", &[]),
    switch("json", &[]),
    switch("strict", &[]),
    switch("dry-run", &[]),
    switch("compat", &[]),
    switch("version", &[]),
    switch("background-child", &[]),
];

/// The usage.
pub const USAGE: &str = "\
mtpolicyd [-h|--help] [-c|--config=<file>] [-f|--foreground] [-l|--loglevel=<level>] [-d|--dump_vhosts]
          [-t|--cron=<task1,hourly,daily,...>] [--check-config [--strict]] [--parse-config=<file>]
          [--explain [--json]] [--admin=<endpoint>] [--control=unix:<path>] [--dry-run] [--compat] [--version]
mtpolicyd [-c <file>] limits show|reset <key>
mtpolicyd ctl [--socket <path>] status|lists|limits|reload|trace
";
