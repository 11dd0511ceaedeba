//! `policy-client check`: whether a policy server is well, for Nagios and Icinga.
//!
//! One line and one of four statuses, as the Monitoring Plugins Development Guidelines have them.

use std::{env, ffi::OsString, fmt::Display, process::ExitCode, time::Duration};

use clap::Args;
use policy_daemon::{command_line::parse_duration, log::escaped};
use policy_proto::ProtocolState;
use regex::bytes::Regex;

use crate::{
    exchange::Server,
    expression::expression,
    output::print,
    preset::{Version, stage},
    request,
    status::interrupted,
    values::{server, some_time},
};

/// Asks a policy server once, and says how it is in one line for Nagios or Icinga.
///
/// The exit status is 0 (OK), 1 (WARNING: slow), 2 (CRITICAL: no answer, not the expected one, or far too
/// slow), or 3 (UNKNOWN: wrong command line, or ended by a signal).
///
/// What came together with the answer besides it stands in the line as excess, and what other programs than Postfix may
/// not take as unusual. Neither changes the status.
#[derive(Args, Debug)]
pub(crate) struct Check {
    /// Whom to ask.
    #[arg(help = "inet:host:port, host:port, [v6]:port or unix:/path")]
    endpoint: String,
    /// Attributes that replace those of the preset, or are added to them
    #[arg(value_name = "NAME=VALUE")]
    attributes: Vec<OsString>,
    /// The stage whose attributes are sent
    #[arg(long, value_name = "STAGE", default_value = "rcpt", value_parser = stage())]
    preset: ProtocolState,
    /// The Postfix whose attributes are sent
    #[arg(long, value_name = "VERSION", default_value = "3.12")]
    postfix: Version,
    /// CRITICAL unless the action or a part of it is matched by this regular expression
    #[arg(long, value_name = "REGEX", value_parser = expression)]
    expect: Option<Regex>,
    /// WARNING when the answer takes as long
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = parse_duration)]
    warning: Duration,
    /// CRITICAL when the answer takes as long
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = parse_duration)]
    critical: Duration,
    /// How long to wait for the answer, connecting included
    #[arg(long, default_value = "10s", value_parser = some_time)]
    timeout: Duration,
}

/// The state of a service.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    Ok = 0,
    Warning = 1,
    Critical = 2,
    Unknown = 3,
}

impl Check {
    pub(crate) async fn run(self) -> ExitCode {
        let endpoint = match server(&self.endpoint) {
            Ok(endpoint) => endpoint,
            Err(error) => return unknown(&error),
        };
        if self.critical < self.warning {
            return unknown(&"--critical is less than --warning");
        }
        let instance = request::instance();
        let preset = request::Preset {
            stage: Some(self.preset),
            postfix: self.postfix,
        };
        let given = match request::pairs(&self.attributes) {
            Ok(given) => given,
            Err(text) => return unknown(&text),
        };
        let request = match preset.request(&given, &instance) {
            Ok(request) => request,
            Err(text) => return unknown(&text),
        };
        let interrupted = match interrupted() {
            Ok(interrupted) => interrupted,
            Err(error) => return unknown(&format!("cannot wait for signals: {error}")),
        };
        let mut server = Server::new(endpoint.clone(), self.timeout);
        let exchange = tokio::select! {
            exchange = server.ask(&request) => exchange,
            () = interrupted => {
                return unknown(&format!("interrupted before {endpoint} has answered"));
            }
        };
        let answer = exchange
            .action()
            .map_err(|failure| format!("{endpoint}: {failure}"));
        let (state, mut text) = self.judge(answer, exchange.elapsed);
        if let Some(unusual) = exchange.unusual() {
            text += &format!(", unusual: {unusual}");
        }
        if !exchange.excess.is_empty() {
            text += &format!(", excess '{}'", exchange.excess.escape_ascii());
        }
        say(state, &text, &self.performance(exchange.elapsed))
    }

    /// The state, and a text that says why.
    fn judge(&self, answer: Result<&[u8], impl Display>, elapsed: Duration) -> (State, String) {
        let action = match answer {
            Ok(action) => action,
            Err(reason) => return (State::Critical, format!("no answer from {reason}")),
        };
        let is_expected = |expected: &Regex| expected.is_match(action);
        let text = format!("{} after {:.3} s", shown(action), elapsed.as_secs_f64());
        if !self.expect.as_ref().is_none_or(is_expected) {
            (State::Critical, format!("unexpected answer: {text}"))
        } else if elapsed >= self.critical {
            (State::Critical, text)
        } else if elapsed >= self.warning {
            (State::Warning, text)
        } else {
            (State::Ok, text)
        }
    }

    /// The time with its thresholds, and the greatest value that it can have.
    fn performance(&self, elapsed: Duration) -> String {
        let [elapsed, warning, critical, timeout] =
            [elapsed, self.warning, self.critical, self.timeout].map(|time| time.as_secs_f64());
        format!("time={elapsed:.6}s;{warning};{critical};0;{timeout}")
    }
}

/// Whether the command line asks for this, right or wrong: its errors are an UNKNOWN on standard output.
pub(crate) fn is_asked() -> bool {
    env::args_os().nth(1).is_some_and(|word| word == "check")
}

/// Nothing can be said of the server.
pub(crate) fn unknown(error: &dyn Display) -> ExitCode {
    say(State::Unknown, &error.to_string(), "")
}

fn say(state: State, text: &str, performance: &str) -> ExitCode {
    let word = match state {
        State::Ok => "OK",
        State::Warning => "WARNING",
        State::Critical => "CRITICAL",
        State::Unknown => "UNKNOWN",
    };
    let text = shown(text);
    let line = match performance {
        "" => format!("POLICY {word} - {text}\n"),
        performance => format!("POLICY {word} - {text} | {performance}\n"),
    };
    // There is nowhere left to report that this failed; the status says it all.
    _ = print(line.as_bytes());
    ExitCode::from(state as u8)
}

/// A text before the bar that begins the performance data.
fn shown(text: impl AsRef<[u8]>) -> String {
    escaped(text, MAX_TEXT, |c| c == '|')
}

/// The longest text in the line, in bytes: the guidelines ask for less than 80, Nagios takes 4 KiB.
const MAX_TEXT: usize = 400;

#[cfg(test)]
mod tests {
    use clap::{Args as _, Command, FromArgMatches};

    use super::*;

    #[test]
    fn the_state_follows_from_the_answer_and_its_time() {
        let check = check(&[
            "--expect",
            "^DUNNO|Greylisted",
            "--warning",
            "1s",
            "--critical",
            "5s",
        ]);
        for (answer, milliseconds, state) in [
            (Ok("DUNNO"), 10, State::Ok),
            (Ok("DEFER_IF_PERMIT Greylisted"), 999, State::Ok),
            (Ok("DUNNO"), 1000, State::Warning),
            (Ok("DUNNO"), 4999, State::Warning),
            (Ok("DUNNO"), 5000, State::Critical),
            (Ok("REJECT"), 10, State::Critical),
            (Ok("REJECT"), 2000, State::Critical),
            (Err("connection refused"), 10, State::Critical),
        ] {
            let elapsed = Duration::from_millis(milliseconds);
            let (judged, text) = check.judge(answer.map(str::as_bytes), elapsed);
            assert_eq!(judged, state, "{answer:?} after {elapsed:?}: {text}");
            let (Ok(part) | Err(part)) = answer;
            assert!(text.contains(part), "{text}");
        }
    }

    #[test]
    fn the_performance_data_has_all_five_values() {
        let check = check(&["--warning", "500ms", "--critical", "5s", "--timeout", "1m"]);
        let performance = check.performance(Duration::from_micros(12_345));
        assert_eq!(performance, "time=0.012345s;0.5;5;0;60");
    }

    #[test]
    fn no_answer_begins_the_performance_data() {
        assert_eq!(shown("REJECT a|time=0s\nb"), r"REJECT a\x7ctime=0s?b");
    }

    fn check(words: &[&str]) -> Check {
        let words = [&["check", "inet:127.0.0.1:1"], words].concat();
        let matches = Check::augment_args(Command::new("check")).get_matches_from(&words);
        Check::from_arg_matches(&matches).unwrap()
    }
}
