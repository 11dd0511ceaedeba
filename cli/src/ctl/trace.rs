//! `hapolicy ctl trace`: the story of requests, line by line, as long as it is asked for.

use clap::Args;
use policy_daemon::control::TraceCommand;

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
    #[arg(long = "for", value_name = "DURATION", default_value = "1m", value_parser = TraceCommand::new)]
    time: TraceCommand,
}

impl Arguments {
    /// What the daemon is asked for.
    pub(super) fn command(&self) -> TraceCommand {
        let filters = [
            ("sender", &self.sender),
            ("recipient", &self.recipient),
            ("client", &self.client),
            ("instance", &self.instance),
        ];
        let mut command = self.time.clone();
        for (name, value) in filters {
            if let Some(value) = value {
                command = command.with(name, value);
            }
        }
        command
    }
}
