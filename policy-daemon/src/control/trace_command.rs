//! `PROGRAM ctl trace`: which requests, for how long, and each line as it comes.

use std::{
    io::{self, Write, stdout},
    path::Path,
    time::Duration,
};

use super::{AskError, follow};
use crate::{command_line::parse_duration_to, log::printable, trace::END};

/// What a trace is about, and for how long: the words of `PROGRAM ctl trace`.
///
/// ```
/// use policy_daemon::control::TraceCommand;
///
/// let words = ["--sender", "a@example.com", "--for=5m"].map(str::to_owned);
/// let command = TraceCommand::parse(&words).unwrap();
/// assert_eq!(command, TraceCommand::new("5m").unwrap().with("sender", "a@example.com"));
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TraceCommand {
    filters: Vec<(&'static str, String)>,
    time: Duration,
}

impl TraceCommand {
    /// All requests, for this duration.
    ///
    /// # Errors
    ///
    /// It is no duration, or longer than an hour.
    pub fn new(time: &str) -> Result<Self, String> {
        let time = parse_duration_to(time, MAX_TIME, "an hour")?;
        Ok(Self {
            filters: Vec::new(),
            time,
        })
    }

    /// The same, and this filter has to fit as well: one of [`FILTERS`](Self::FILTERS).
    #[must_use]
    pub fn with(mut self, filter: &'static str, value: impl Into<String>) -> Self {
        self.filters.push((filter, value.into()));
        self
    }

    /// Reads the words after `trace`: `--FILTER VALUE` or `--FILTER=VALUE`, and `--for DURATION`, which is a minute if it is
    /// not given.
    ///
    /// # Errors
    ///
    /// The word that is wrong.
    pub fn parse(words: &[String]) -> Result<Self, String> {
        let mut time = None;
        let mut filters = Vec::<(&'static str, String)>::new();
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let (name, value) = match word.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (word.as_str(), None),
            };
            let known = Self::FILTERS
                .iter()
                .find(|(filter, _)| name.strip_prefix("--").is_some_and(|name| name == *filter));
            if known.is_none() && name != "--for" {
                return Err(format!("use trace {}", Self::usage()));
            }
            let value = value.or_else(|| words.next().cloned());
            let value = value.ok_or_else(|| format!("a value is missing after {name}"))?;
            let is_second = match known {
                Some((filter, _)) => filters.iter().any(|(other, _)| other == filter),
                None => time.is_some(),
            };
            if is_second {
                return Err(format!("{name} is given twice"));
            }
            match known {
                Some((filter, _)) => filters.push((*filter, value)),
                None => time = Some(value),
            }
        }
        let time = time.as_deref().unwrap_or(DEFAULT_TIME);
        let command = Self::new(time).map_err(|error| format!("--for {time}: {error}"))?;
        Ok(Self { filters, ..command })
    }

    /// What may stand after `trace`.
    #[must_use]
    pub fn usage() -> String {
        let filters = Self::FILTERS.iter();
        let filters = filters.map(|(filter, value)| format!("[--{filter} {value}] "));
        filters.collect::<String>() + "[--for DURATION]"
    }

    /// Has the daemon behind this control socket trace, and prints each line as it comes.
    ///
    /// # Errors
    ///
    /// [`AskError`]; also where the daemon ends before the trace.
    pub fn run(&self, socket: &Path) -> Result<(), AskError> {
        let mut is_over = false;
        follow(socket, &self.words(), self.time, |line| {
            let mut output = stdout().lock();
            let printed = writeln!(output, "{}", printable(line)).and_then(|()| output.flush());
            // The reader may have gone.
            is_over = printed.is_err() || line.starts_with(END);
            printed.is_ok()
        })?;
        if is_over {
            return Ok(());
        }
        let error = io::Error::other("the daemon has ended, and the trace with it");
        Err(AskError::Unavailable(socket.display().to_string(), error))
    }

    /// The words that the daemon reads, of which each is a line.
    #[must_use]
    pub fn words(&self) -> Vec<String> {
        let filters = self.filters.iter();
        let filters = filters.map(|(name, value)| format!("{name}={}", value.replace('\n', "?")));
        let time = format!("for={}ms", self.time.as_millis());
        ["trace".to_owned(), time]
            .into_iter()
            .chain(filters)
            .collect()
    }

    /// The filters, each with the kind of its value.
    pub const FILTERS: [(&'static str, &'static str); 4] = [
        ("sender", "ADDRESS"),
        ("recipient", "ADDRESS"),
        ("client", "ADDRESS|NETWORK|NAME"),
        ("instance", "INSTANCE"),
    ];
}

const DEFAULT_TIME: &str = "1m";
const MAX_TIME: Duration = Duration::from_secs(3600);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_an_order_or_what_is_wrong_with_them_is_said() {
        let parse = |line: &str| {
            let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
            TraceCommand::parse(&words).map(|command| command.words().join(" "))
        };
        for (line, expected) in [
            ("", Ok("trace for=60000ms")),
            ("--sender <> --for 5s", Ok("trace for=5000ms sender=<>")),
            (
                "--client=192.0.2.0/24 --recipient a@b",
                Ok("trace for=60000ms client=192.0.2.0/24 recipient=a@b"),
            ),
            ("--instance 1=2", Ok("trace for=60000ms instance=1=2")),
            ("--sender", Err("a value is missing after --sender")),
            ("--for 61m", Err("--for 61m: more than an hour")),
            ("--for 99h", Err("--for 99h: more than an hour")),
            ("--for 5", Err("--for 5: a duration needs a unit")),
            ("a@b", Err("use trace [--sender ADDRESS] [--recipient")),
            ("--helo x", Err("use trace [--sender ADDRESS]")),
            ("--sender a --sender=b", Err("--sender is given twice")),
            ("--for 1s --for 2s", Err("--for is given twice")),
            ("--for 1h", Ok("trace for=3600000ms")),
        ] {
            match (parse(line), expected) {
                (Ok(words), Ok(expected)) => assert_eq!(words, expected, "{line}"),
                (Err(error), Err(expected)) => assert!(error.starts_with(expected), "{error}"),
                (found, _) => panic!("{line}: {found:?}"),
            }
        }
        let command = TraceCommand::new("1s").unwrap().with("sender", "a\nfor=9s");
        assert_eq!(command.words(), ["trace", "for=1000ms", "sender=a?for=9s"]);
    }
}
