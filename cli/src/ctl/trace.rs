//! `hapolicy ctl trace`: the story of requests, line by line, as long as it is asked for.

use std::{
    io::{Write, stdout},
    path::Path,
    time::Duration,
};

use clap::Args;
use policy_daemon::{
    command_line::parse_duration,
    control::{AskError, follow},
    log::printable,
};

/// Which requests, and for how long. Each filter that is given has to fit.
#[derive(Args, Clone, Debug)]
pub(super) struct Arguments {
    /// Those of this envelope sender; <> is that of bounces
    #[arg(long, value_name = "ADDRESS")]
    sender: Option<String>,
    /// Those for this envelope recipient
    #[arg(long, value_name = "ADDRESS")]
    recipient: Option<String>,
    /// Those about this SMTP client: its address, a network, or its name
    #[arg(long, value_name = "ADDRESS|NETWORK|NAME")]
    client: Option<String>,
    /// Those of this message, as Postfix names it in all its requests
    #[arg(long, value_name = "INSTANCE")]
    instance: Option<String>,
    /// How long, an hour at most
    #[arg(long = "for", value_name = "DURATION", default_value = "1m", value_parser = duration)]
    time: Duration,
}

impl Arguments {
    /// The words that the daemon reads.
    pub(super) fn words(&self) -> Vec<String> {
        let filters = [
            ("sender", &self.sender),
            ("recipient", &self.recipient),
            ("client", &self.client),
            ("instance", &self.instance),
        ];
        let filters = filters
            .iter()
            .filter_map(|(name, value)| Some(format!("{name}={}", value.as_ref()?)));
        let time = format!("for={}ms", self.time.as_millis());
        ["trace".to_owned(), time]
            .into_iter()
            .chain(filters)
            .collect()
    }

    /// Prints each line as it comes.
    pub(super) fn run(&self, socket: &Path) -> Result<(), AskError> {
        follow(socket, &self.words(), self.time, |line| {
            let mut output = stdout().lock();
            let printed = writeln!(output, "{}", printable(line)).and_then(|()| output.flush());
            // Whoever reads it may have gone.
            printed.is_ok()
        })
    }
}

/// A time that a trace may take.
fn duration(text: &str) -> Result<Duration, String> {
    let time = parse_duration(text)?;
    if time > MAX_TIME {
        return Err("more than an hour".to_owned());
    }
    Ok(time)
}

const MAX_TIME: Duration = Duration::from_secs(3600);
