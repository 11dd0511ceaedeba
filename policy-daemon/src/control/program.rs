//! `PROGRAM ctl`: the words of a command line, the answer of the daemon, and the exit status.

use std::{io::Write, path::Path, process::ExitCode};

use rustix::process::geteuid;

use super::{AskError, TraceCommand, ask};
use crate::log::printable;

/// `PROGRAM ctl`, for programs without a parser of command lines of their own.
///
/// ```
/// use policy_daemon::control::CtlProgram;
///
/// let ctl = CtlProgram::new("greylist", "/run/greylist/control", &[
///     ("status [--json]", "the daemon and its stores"),
///     ("forget ADDRESS", "a client is new again"),
/// ]);
/// assert!(ctl.usage().starts_with("Usage: greylist ctl [--socket PATH] COMMAND\n"));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct CtlProgram<'a> {
    name: &'a str,
    socket: &'a str,
    commands: &'a [(&'a str, &'a str)],
    has_trace: bool,
}

impl<'a> CtlProgram<'a> {
    /// The name of the program, the path where its daemon listens as a rule, and its commands, each with what it does. In a
    /// command upper-case letters stand for any word, and brackets for what may be left out.
    #[must_use]
    pub const fn new(name: &'a str, socket: &'a str, commands: &'a [(&'a str, &'a str)]) -> Self {
        Self {
            name,
            socket,
            commands,
            has_trace: false,
        }
    }

    /// The same, and there is the command `trace`, of a service that has [traces](super::Control::traces).
    #[must_use]
    pub const fn with_trace(self) -> Self {
        Self {
            has_trace: true,
            ..self
        }
    }

    /// The usage: the commands, each with what it does.
    #[must_use]
    pub fn usage(&self) -> String {
        let Self { name, socket, .. } = self;
        let rows = self.commands.iter().map(|(command, does)| {
            let command = format!("  {command}");
            vec![command, (*does).to_owned()]
        });
        let rows = super::aligned(&rows.collect::<Vec<_>>(), |_| false);
        let trace = if self.has_trace {
            format!(
                "\n  trace {}\n      what happens to the requests for which all that is given fits, step by step, for a time: a \
                 minute, if it is not given\n",
                TraceCommand::usage()
            )
        } else {
            String::new()
        };
        format!(
            "Usage: {name} ctl [--socket PATH] COMMAND\n\nSends a command to a running {name}, over its --control socket; \
             {socket} without --socket.\n\nCommands:\n{rows}{trace}"
        )
    }

    /// Carries out the words after `ctl`. The exit status is 0, 1 where the daemon refuses, 64 for a wrong command, 69 where
    /// no daemon answers, 77 where this user may not ask.
    pub fn run(&self, words: impl IntoIterator<Item = String>) -> ExitCode {
        let mut socket = self.socket.to_owned();
        let (mut command, mut is_json) = (Vec::new(), false);
        let mut words = words.into_iter();
        while let Some(word) = words.next() {
            match word.as_str() {
                "-h" | "--help" => {
                    print(&self.usage());
                    return ExitCode::SUCCESS;
                }
                "--json" => is_json = true,
                "--socket" => match words.next() {
                    Some(path) => socket = path,
                    None => return fail(self.name, "a path is missing after --socket", USAGE),
                },
                _ => match word.strip_prefix("--socket=") {
                    Some(path) => socket = path.to_owned(),
                    None => command.push(word),
                },
            }
        }
        // Wherever it stands.
        command.extend(is_json.then(|| "--json".to_owned()));
        if let Some((first, words)) = command.split_first()
            && first == "trace"
            && self.has_trace
        {
            return match TraceCommand::parse(words) {
                Ok(command) => {
                    let traced = command.run(Path::new(&socket));
                    finish(self.name, traced.map(|()| String::new()))
                }
                Err(text) => fail(self.name, &text, USAGE),
            };
        }
        match self.check(&command) {
            Ok(()) => finish(self.name, ask(Path::new(&socket), &command)),
            Err(text) => fail(self.name, &text, USAGE),
        }
    }

    fn check(&self, words: &[String]) -> Result<(), String> {
        let Some(first) = words.first() else {
            return Err(format!("a command is missing: {}", self.names()));
        };
        if words
            .iter()
            .any(|word| word.is_empty() || word.contains('\n'))
        {
            return Err("a word is empty, or has several lines".to_owned());
        }
        let of_first = self.commands.iter().map(|(command, _)| *command);
        let of_first = of_first.filter(|command| command.split(' ').next() == Some(first));
        let known: Vec<_> = of_first.collect();
        if known.is_empty() {
            return Err(format!("unknown command '{first}': {}", self.names()));
        }
        if known.iter().any(|command| fits(command, words)) {
            return Ok(());
        }
        Err(format!("use {}", known.join(", or ")))
    }

    fn names(&self) -> String {
        let mut names: Vec<_> = self
            .commands
            .iter()
            .filter_map(|(command, _)| command.split(' ').next())
            .collect();
        names.dedup();
        names.extend(self.has_trace.then_some("trace"));
        format!("there are {}", names.join(", "))
    }
}

/// Prints the answer to a command of `NAME ctl`, or says why there is none. The exit status is that of
/// [`CtlProgram::run`].
pub fn finish(name: &str, answer: Result<String, AskError>) -> ExitCode {
    match answer {
        Ok(text) => {
            print(&text);
            ExitCode::SUCCESS
        }
        Err(AskError::Refused(text)) => fail(name, &text, REFUSED),
        Err(AskError::Unavailable(path, error)) => {
            use std::io::ErrorKind::{ConnectionRefused, NotFound, PermissionDenied};
            let hint = match error.kind() {
                NotFound | ConnectionRefused => format!(
                    "; no daemon has it: start {name} with --control, and give its path with --socket"
                ),
                PermissionDenied if !geteuid().is_root() => {
                    "; root may, and the daemon's user".to_owned()
                }
                _ => String::new(),
            };
            let status = if error.kind() == PermissionDenied {
                PERMISSION
            } else {
                UNAVAILABLE
            };
            fail(name, &format!("{path}: {error}{hint}"), status)
        }
    }
}

/// Says on standard error why a command of `NAME ctl` cannot be given, and returns the exit status.
pub fn fail(name: &str, text: &str, status: u8) -> ExitCode {
    // Faults of a configuration have a line each.
    for line in text.lines() {
        // There is nowhere left to report that this failed.
        _ = writeln!(std::io::stderr(), "{name} ctl: {}", printable(line));
    }
    ExitCode::from(status)
}

/// Prints an answer: what it names comes from a configuration or a client, and might hold anything.
fn print(text: &str) {
    let lines: Vec<String> = text.lines().map(printable).collect();
    let mut text = lines.join("\n");
    if !text.is_empty() {
        text.push('\n');
    }
    // The reader may have gone.
    _ = std::io::stdout().write_all(text.as_bytes());
}

/// Whether words are those of a command.
fn fits(command: &str, words: &[String]) -> bool {
    let mut words = words.iter().peekable();
    for token in command.split(' ') {
        let inner = token
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'));
        let word = inner.unwrap_or(token);
        let is_any = word.bytes().all(|byte| byte.is_ascii_uppercase());
        let is_that = |next: &&String| *next == word || is_any && !next.starts_with("--");
        if words.next_if(is_that).is_none() && inner.is_none() {
            return false;
        }
    }
    words.next().is_none()
}

/// The daemon does not do it.
const REFUSED: u8 = 1;
// sysexits(3)
const USAGE: u8 = 64;
const UNAVAILABLE: u8 = 69;
const PERMISSION: u8 = 77;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_a_command_or_what_it_looks_like_is_said() {
        let ctl = CtlProgram::new(
            "x",
            "/run/x",
            &[
                ("status [--json]", ""),
                ("limits show KEY", ""),
                ("limits reset KEY", ""),
                ("cache show [ADDRESS] [--json]", ""),
            ],
        );
        for (line, expected) in [
            ("status", Ok(())),
            ("status --json", Ok(())),
            ("limits show a", Ok(())),
            ("limits reset STATUS", Ok(())),
            ("cache show", Ok(())),
            ("cache show 192.0.2.1", Ok(())),
            ("cache show 192.0.2.1 --json", Ok(())),
            ("cache show --json", Ok(())),
            (
                "",
                Err("a command is missing: there are status, limits, cache"),
            ),
            (
                "stauts",
                Err("unknown command 'stauts': there are status, limits, cache"),
            ),
            ("limits", Err("use limits show KEY, or limits reset KEY")),
            (
                "limits show a b",
                Err("use limits show KEY, or limits reset KEY"),
            ),
            (
                "limits show --json",
                Err("use limits show KEY, or limits reset KEY"),
            ),
            ("status now", Err("use status [--json]")),
        ] {
            let words: Vec<_> = line.split_whitespace().map(str::to_owned).collect();
            assert_eq!(ctl.check(&words), expected.map_err(str::to_owned), "{line}");
        }
        for word in ["", "a\nb"] {
            let words = ["limits", "show", word].map(str::to_owned);
            assert!(ctl.check(&words).is_err(), "{word:?}");
        }
    }
}
