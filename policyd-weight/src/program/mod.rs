//! The program: what each action of the command line does.

mod account;
mod args;
mod cache_place;
mod client;
mod commands;
mod control;
mod daemon;
mod explain;
mod handler;
mod maintenance;
mod paths;
mod pid_file;
mod predecessor;
mod serve;
mod service;
mod spawn;
mod stop;
mod watched;
mod writers;

use std::{
    env,
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
};

use serde_json::{Value, json};

use account::Account;
pub use args::{Action, Args, USAGE, WrongArgs};

use crate::{
    config::{self, DefaultSet, Finding, Loaded, Source},
    policy::{Settings, findings},
};

/// Why the program ends, beside success.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Exit {
    status: u8,
    message: String,
}

impl Exit {
    /// The configuration does not work.
    pub(crate) fn config(message: impl Into<String>) -> Self {
        Self {
            status: 78,
            message: message.into(),
        }
    }

    /// As the Perl program ends where it dies.
    pub(crate) fn died(message: impl Into<String>) -> Self {
        Self {
            status: 255,
            message: message.into(),
        }
    }

    pub(crate) fn with_status(status: u8, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
        }
    }

    /// Writes the message on standard error.
    fn say(&self) {
        if !self.message.is_empty() {
            say(&self.message);
        }
    }
}

/// Runs the program.
#[must_use]
pub fn run() -> ExitCode {
    let mut words = env::args_os()
        .skip(1)
        .map(|word| word.to_string_lossy().into_owned())
        .peekable();
    if words.next_if(|word| word == "ctl").is_some() {
        return commands::CTL.run(words);
    }
    let args = match Args::parse(words) {
        Ok(args) => args,
        Err(wrong) => {
            print(&format!("{}\n", wrong.message));
            print(if wrong.with_usage { USAGE } else { "" });
            return ExitCode::from(wrong.status);
        }
    };
    match act(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(exit) => {
            exit.say();
            ExitCode::from(exit.status)
        }
    }
}

fn act(args: &Args) -> Result<(), Exit> {
    match args.action {
        Action::Help => print(USAGE),
        Action::Version => print(&version()),
        Action::Defaults => {
            let set = args.defaults.unwrap_or(DefaultSet::Debian);
            print(&set.text());
        }
        Action::ParseConfig => return parse_config(args),
        Action::CheckConfig => return check_config(args),
        Action::Explain => return explain::run(args),
        Action::Spawn | Action::Start | Action::Stop | Action::Restart | Action::Reload => {
            return daemon::act(args);
        }
    }
    Ok(())
}

/// Where the options come from.
fn source(args: &Args) -> Source {
    let path = args.file.clone().or_else(config::find);
    Source::new(path, args.defaults, args.compat)
}

/// The settings, of a path that holds wherever the process goes.
fn settings(args: &Args) -> Result<Settings, Exit> {
    let mut source = source(args);
    source.debug = args.debug;
    source.path = source
        .path
        .map(|path| std::path::absolute(&path).unwrap_or(path));
    Settings::load(source, None).map_err(Exit::config)
}

fn parse_config(args: &Args) -> Result<(), Exit> {
    // A fault is an error with `--compat` as well, and options of our own are none of the Perl program's.
    let set = args.defaults.unwrap_or(DefaultSet::Debian);
    let defaults = set
        .options(true)
        .map_err(|problem| Exit::config(problem.to_string()))?;
    let path = args.file.clone().unwrap_or_default();
    let text = policy_store::read_file(&path, config::MAX_FILE)
        .map_err(|error| Exit::config(format!("{}: error: {error}", path.display())))?;
    let evaluated = crate::perl::evaluate(&text, &defaults)
        .map_err(|problem| Exit::config(problem.report(&path.display().to_string(), "error")))?;
    let changed = evaluated
        .options
        .changed_from(&defaults)
        .into_iter()
        .map(|(name, values)| {
            let is_array = name.starts_with('@');
            let value = if is_array {
                json!(values)
            } else {
                json!(values.concat())
            };
            (name, value)
        });
    let changed: serde_json::Map<String, Value> = changed.collect();
    print(&format!("{}\n", json!({ "changed": changed })));
    Ok(())
}

fn check_config(args: &Args) -> Result<(), Exit> {
    let source = source(args);
    let loaded = config::load(&source, None).map_err(Exit::config)?;
    let shown = source.shown();
    let mut findings = findings(&source, &loaded);
    findings.extend(Account::new(&loaded.options).unknown(&loaded));
    findings.extend(config::unknown_host(&loaded));
    findings.extend(config::other_listeners(&loaded));
    if !findings.iter().any(Finding::is_error) {
        findings.extend(store_away(&loaded)?);
    }
    let mut lines = loaded.warnings.clone();
    if let Some(fault) = &loaded.ignored {
        lines.push(fault.clone());
    }
    lines.extend(
        findings
            .iter()
            .map(|finding| finding.report(&source, &loaded)),
    );
    let has_error = loaded.ignored.is_some() || findings.iter().any(Finding::is_error);
    let lines = lines.join("\n");
    if has_error {
        return Err(Exit::config(lines));
    }
    if !lines.is_empty() {
        _ = writeln!(io::stderr(), "{lines}");
    }
    let seen = format!("{shown}: no error, {} defaults\n", source.defaults);
    // What a name server or a file says is looked at as well.
    Settings::load(source, None).map_err(Exit::config)?;
    print(&seen);
    Ok(())
}

/// A cache that hosts share, and that does not answer.
fn store_away(loaded: &Loaded) -> Result<Option<Finding>, Exit> {
    let store = loaded.options.scalar("CACHE_STORE").to_string();
    let away = runtime()?.block_on(crate::cache::probe(&store));
    Ok(away.map(|away| {
        Finding::warning(&["$CACHE_STORE"], format!(
            "$CACHE_STORE: {away}; as long as it is away no client is remembered, and each mail has its score anew"
        ))
    }))
}

fn runtime() -> Result<tokio::runtime::Runtime, Exit> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.map_err(|error| Exit::with_status(71, format!("cannot start: {error}")))
}

fn version() -> String {
    format!(
        "policyd-weight version: {}, the score of 0.1.15\n",
        env!("CARGO_PKG_VERSION")
    )
}

/// Writes a line on standard error.
fn say(line: &str) {
    // Nobody reads it: nothing is to be done.
    _ = writeln!(io::stderr(), "{line}");
}

fn print(text: &str) {
    // Nobody reads it: nothing is to be done.
    _ = io::stdout().lock().write_all(text.as_bytes());
}

/// The path of a directory's file.
fn within(directory: &str, name: &str) -> PathBuf {
    PathBuf::from(directory).join(name)
}
