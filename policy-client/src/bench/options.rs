//! The options of `policy-client bench`.

use std::{path::PathBuf, time::Duration};

use clap::{Args, ValueEnum};
use policy_daemon::command_line::parse_duration;
use policy_proto::ProtocolState;
use regex::bytes::Regex;

use super::load::Life;
use crate::{
    request::preset::{Version, stage},
    values::expression::expression,
    values::{number, some_time},
};

/// Measures how fast a policy server answers, and whether it answers all.
///
/// Clients ask as smtpd processes do: each about one message after the other, once for each recipient. In a closed loop
/// a client asks again as soon as it is answered. With --rate requests have planned times, whatever the answers do, and
/// latency counts from these: a stall is seen. The exit status is 0 when each request was answered, 69 when one was not,
/// and 1 when an answer was not as --expect says. Ctrl-C ends it with what was measured so far.
#[derive(Args, Debug)]
pub(crate) struct Bench {
    /// Whom to ask.
    #[arg(
        help = "inet:host:port, host:port, [v6]:port or unix:/path",
        required_unless_present = "compare"
    )]
    pub(super) endpoint: Option<String>,
    /// Clients, each with one connection
    #[arg(short, long, value_name = "N", default_value = "16", value_parser = number::<usize>(1..=50_000))]
    pub(super) connections: usize,
    /// Send so many requests a second at planned times, instead of each after the answer before
    #[arg(long, value_name = "PER-SECOND", value_parser = rate)]
    pub(super) rate: Option<f64>,
    /// How long to measure
    #[arg(short, long, default_value = "10s", value_parser = some_time)]
    pub(super) duration: Duration,
    /// Measure this many requests instead
    #[arg(short = 'n', long, value_name = "N", conflicts_with = "duration", value_parser = number::<u64>(1..=u64::MAX))]
    pub(super) count: Option<u64>,
    /// Ask for so long before the measurement begins [default: 1s, or 0s with --count]
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub(super) warm_up: Option<Duration>,
    /// Open a connection for each message, or for each request, instead of keeping it
    #[arg(long, value_name = "FOR")]
    pub(super) new: Option<New>,
    /// How long to wait for each answer
    #[arg(long, default_value = "10s", value_parser = some_time)]
    pub(super) timeout: Duration,
    /// Send the requests of this file, as `tap` records them, over and over
    #[arg(long, value_name = "FILE", conflicts_with_all = ["seed", "stages", "recipients", "postfix"])]
    pub(super) requests: Option<PathBuf>,
    /// Makes other messages
    #[arg(long, value_name = "N", default_value = "1", value_parser = number::<u64>(0..=u64::MAX))]
    pub(super) seed: u64,
    /// The stages at which each message is asked about: rcpt once for each recipient
    #[arg(long, value_name = "STAGE,...", value_delimiter = ',', default_value = "rcpt", value_parser = stage())]
    pub(super) stages: Vec<ProtocolState>,
    /// How many recipients messages have
    #[arg(long, value_name = "N-M", default_value = "1-4", value_parser = recipients)]
    pub(super) recipients: (u8, u8),
    /// The Postfix whose attributes are sent
    #[arg(long, value_name = "VERSION", default_value = "3.12")]
    pub(super) postfix: Version,
    /// Count answers as wrong unless this regular expression matches the action or a part of it
    #[arg(long, value_name = "REGEX", value_parser = expression)]
    pub(super) expect: Option<Regex>,
    /// Count answers that are matched as default ones, as a proxy gives them when no server answers
    #[arg(long, value_name = "REGEX", value_parser = expression)]
    pub(super) default: Option<Regex>,
    /// Print a line of figures on standard error this often [default: 1s on a terminal, else never]
    #[arg(long, value_name = "DURATION", value_parser = some_time)]
    pub(super) every: Option<Duration>,
    /// Show a live screen instead of lines
    #[arg(long, conflicts_with = "json")]
    pub(super) tui: bool,
    /// Print an object instead of text
    #[arg(long)]
    pub(super) json: bool,
    /// Draw latency over percentiles into this file
    #[arg(long, value_name = "FILE.svg")]
    pub(super) plot: Option<PathBuf>,
    /// Compare two files that --json has printed
    #[arg(long, value_names = ["A.json", "B.json"], num_args = 2, conflicts_with = "endpoint")]
    pub(super) compare: Vec<PathBuf>,
}

/// What a new connection is opened for.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum New {
    Message,
    Request,
}

impl New {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Message => "message",
            Self::Request => "request",
        }
    }
}

impl Bench {
    pub(super) const fn life(&self) -> Life {
        match self.new {
            None => Life::Kept,
            Some(New::Message) => Life::Message,
            Some(New::Request) => Life::Request,
        }
    }
}

fn rate(text: &str) -> Result<f64, &'static str> {
    let rate = text.parse().ok();
    let rate = rate.filter(|rate| (0.001..=10_000_000.0).contains(rate));
    rate.ok_or("a rate is 0.001 to 10000000 requests a second")
}

fn recipients(text: &str) -> Result<(u8, u8), &'static str> {
    let (from, to) = text.split_once('-').unwrap_or((text, text));
    let numbers = from.parse().ok().zip(to.parse().ok());
    let numbers = numbers.filter(|(from, to)| (1..=*to).contains(from));
    numbers.ok_or("a number of recipients is 1 to 255, or two of them: 1-4")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_make_no_measurement_are_refused() {
        for (text, value) in [
            ("1", Some((1, 1))),
            ("1-4", Some((1, 4))),
            ("0", None),
            ("4-1", None),
            ("1-256", None),
            ("-", None),
        ] {
            assert_eq!(recipients(text).ok(), value, "{text}");
        }
        for (text, value) in [
            ("5000", Some(5000.0)),
            ("0.5", Some(0.5)),
            ("0", None),
            ("-1", None),
            ("inf", None),
            ("NaN", None),
        ] {
            assert_eq!(rate(text).ok(), value, "{text}");
        }
    }
}
