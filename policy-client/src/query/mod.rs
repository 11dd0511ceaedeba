//! `policy-client query`: asks a policy server, and says what it answered.

use std::{ffi::OsString, path::PathBuf, process::ExitCode, time::Duration};

use clap::Args;
use policy_daemon::command_line::parse_duration;
use policy_proto::ProtocolState;
use regex::bytes::Regex;
use tokio::time::{Instant, sleep_until};

mod print;
mod requests;

use print::Printer;
use requests::{Given, Requests};

use crate::{
    exchange::Server,
    output::{Output, ended, measured::Measured, verbose::show_on_standard_error},
    request::{
        Preset,
        preset::{Version, stage},
    },
    status::note::note,
    status::{Status, fail, interrupted},
    values::expression::expression,
    values::{number, server, some_time},
};

/// Asks a policy server and prints its action, one line per request.
///
/// The action is printed without action=. Without an answer the reason is said on standard error, with what Postfix would
/// log and reply.
///
/// The attributes request, protocol_state and instance are added where they are missing, or with --preset all that Postfix
/// sends at that stage: many policy servers need more than these three, and say DUNNO to what they cannot use. A value may
/// have any bytes but NUL and a line end. Requests go over one connection, as long as the server keeps it.
///
/// The exit status is 0 when every request was answered, 69 when one was not, and 1 when an answer was not as --expect
/// says.
#[derive(Args, Debug)]
pub(crate) struct Query {
    /// Whom to ask.
    #[arg(help = "inet:host:port, host:port, [v6]:port or unix:/path")]
    endpoint: String,
    /// Attributes of one request; `-` reads whole requests from standard input instead
    #[arg(value_name = "NAME=VALUE")]
    attributes: Vec<OsString>,
    /// How long to wait for each answer
    #[arg(long, default_value = "10s", value_parser = some_time)]
    timeout: Duration,
    /// Print an object per request
    #[arg(long)]
    json: bool,
    /// Send all that Postfix sends at this stage; attributes on the command line replace its values
    #[arg(long, value_name = "STAGE", value_parser = stage())]
    preset: Option<ProtocolState>,
    /// The Postfix whose attributes --preset sends
    #[arg(
        long,
        value_name = "VERSION",
        default_value = "3.12",
        requires = "preset"
    )]
    postfix: Version,
    /// A file of requests, each ended by an empty line; n between braces in a value is the number of the request
    #[arg(long, value_name = "FILE")]
    template: Option<PathBuf>,
    /// Ask so many times, over one connection
    #[arg(long, value_name = "NUMBER", default_value_t = 1, value_parser = number::<u64>(1..=u64::MAX))]
    count: u64,
    /// Begin a request so long after the one before
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = parse_duration)]
    interval: Duration,
    /// Show the bytes of both directions, and the time taken, on standard error
    #[arg(short, long)]
    verbose: bool,
    /// Status 1 unless the whole action or a part of it is matched by this regular expression
    ///
    /// Case counts, unless it begins with (?i). An answer that hapolicy gives by itself is told from a server's if its
    /// default action has a text of its own, which the expression does not match.
    #[arg(long, value_name = "REGEX", value_parser = expression)]
    expect: Option<Regex>,
}

impl Query {
    pub(crate) async fn run(self) -> ExitCode {
        let endpoint = match server(&self.endpoint) {
            Ok(endpoint) => endpoint,
            Err(error) => return fail(&error, Status::Usage),
        };
        let given = Given {
            attributes: &self.attributes,
            template: self.template.as_deref(),
            preset: Preset {
                stage: self.preset,
                postfix: self.postfix,
            },
            count: self.count,
        };
        let mut requests = match given.requests() {
            Ok(requests) => requests,
            Err((text, status)) => return fail(&text, status),
        };
        let mut interrupted = match interrupted() {
            Ok(interrupted) => Box::pin(interrupted),
            Err(error) => return fail(&error, Status::System),
        };
        let mut server = Server::new(endpoint, self.timeout);
        if self.verbose {
            server = server.watched(show_on_standard_error(">", "<"));
        }
        let mut measured = Measured::new();
        let status = tokio::select! {
            status = self.ask(&mut requests, &mut server, &mut measured) => status,
            () = &mut interrupted => {
                measured.interrupt();
                if measured.answered() == 0 {
                    Status::Unavailable
                } else {
                    measured.status
                }
            }
        };
        if (self.count > 1 || measured.is_interrupted()) && !self.json {
            note(&format!("{measured}"));
        }
        status.into()
    }

    /// Asks one request after the other, over one connection.
    async fn ask(
        &self,
        requests: &mut Requests<'_>,
        server: &mut Server,
        measured: &mut Measured,
    ) -> Status {
        let printer = Printer {
            output: Output { json: self.json },
            is_verbose: self.verbose,
            expected: self.expect.as_ref(),
        };
        let mut next = Instant::now();
        loop {
            let request = match requests.next().await {
                Ok(Some(request)) => request,
                Ok(None) => return measured.status,
                Err((text, status)) => return status.say(&text),
            };
            sleep_until(next).await;
            next = Instant::now() + self.interval;
            let exchange = server.ask(&request).await;
            measured.add(&exchange);
            measured.status = measured.status.max(printer.status(&exchange));
            if let Err(error) = printer.print(server.endpoint(), &request, &exchange) {
                // Nobody reads any more, or the disk is full.
                return ended(Err(error), measured.status);
            }
        }
    }
}
