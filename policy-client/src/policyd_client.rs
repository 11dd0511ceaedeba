//! `policyd-client`: the command of mtpolicyd under its own name, with its options.
//!
//! A signal ends it as it ends the original: each action is printed when it comes, and nothing is measured.

use std::{path::PathBuf, process::ExitCode, time::Duration};

use clap::{ArgAction, Parser};
use policy_daemon::command_line::usage_line;
use policy_net::Endpoint;
use policy_proto::{Request, attr};
use tokio::runtime::Builder;

use crate::{
    exchange::Server,
    input::Input,
    output::{Output, ended, verbose::show_on_standard_error},
    request,
    status::{Status, fail, note::POLICYD_CLIENT},
    values::{server, some_time},
};

/// Asks a policy server what is on standard input, and prints its actions.
///
/// A request is lines NAME=VALUE and an empty line. The attributes request and instance are added.
#[derive(Debug, Parser)]
#[command(name = POLICYD_CLIENT, version, disable_help_flag = true)]
struct Arguments {
    /// The policy server
    #[arg(
        short = 'h',
        long,
        value_name = "HOST:PORT",
        default_value = "localhost:12345"
    )]
    host: String,
    /// The UNIX socket of a policy server, in place of --host
    #[arg(
        short,
        long = "socket_path",
        alias = "socket-path",
        value_name = "PATH"
    )]
    socket_path: Option<PathBuf>,
    /// Keep the connection for the next request
    #[arg(short, long)]
    keepalive: bool,
    /// Print requests and answers on standard error
    #[arg(short, long)]
    verbose: bool,
    /// How long to wait for each answer
    #[arg(long, default_value = "100s", value_parser = some_time)]
    timeout: Duration,
    /// Print this
    #[arg(short = '?', long, visible_alias = "usage", action = ArgAction::Help)]
    help: Option<bool>,
}

impl Arguments {
    async fn run(self) -> ExitCode {
        let endpoint = match &self.socket_path {
            Some(path) => Endpoint::Unix(path.clone()),
            None => match server(&self.host) {
                Ok(endpoint) => endpoint,
                Err(error) => return fail(&error, Status::Usage),
            },
        };
        let mut server = Server::new(endpoint, self.timeout);
        if self.verbose {
            server = server.watched(show_on_standard_error(">>", "<<"));
        }
        let mut input = Input::new();
        loop {
            let request = match input.next().await {
                Ok(Some(request)) => request,
                Ok(None) => return ExitCode::SUCCESS,
                Err((text, status)) => return fail(&text, status),
            };
            let request = match complete(&request) {
                Ok(request) => request,
                Err(text) => return fail(&text, Status::Data),
            };
            let exchange = server.ask(&request).await;
            if !self.keepalive {
                server.close();
            }
            let action = match exchange.action() {
                Ok(action) => action,
                // Like the original it asks nothing more then.
                Err(failure) => {
                    let text = format!("{}: {failure}", server.endpoint());
                    return fail(&text, Status::Unavailable);
                }
            };
            let printed = Output { json: false }.line(action, || serde_json::Value::Null);
            if printed.is_err() {
                return ended(printed, Status::Success).into();
            }
        }
    }
}

/// The program under that name.
pub(crate) fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) if error.use_stderr() => return fail(&usage_line(&error), Status::Usage),
        Err(error) => {
            // There is nowhere left to report that this failed.
            _ = error.print();
            return ExitCode::SUCCESS;
        }
    };
    let runtime = match Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error, Status::System),
    };
    let status = runtime.block_on(arguments.run());
    // A thread may still read standard input.
    runtime.shutdown_background();
    status
}

/// A request with the attributes that the original adds, in its order; those that are given count.
fn complete(request: &Request) -> Result<Request, String> {
    let instance = request::instance();
    let added = [
        (attr::REQUEST, attr::SMTPD_ACCESS_POLICY),
        (attr::INSTANCE, instance.as_str()),
    ];
    let added = added.map(|(name, value)| (name.as_bytes(), value.as_bytes()));
    let missing = added
        .into_iter()
        .filter(|(name, _)| request.get(name).is_none());
    let all: Vec<_> = missing.chain(request.attributes()).collect();
    request::of(&all)
}
