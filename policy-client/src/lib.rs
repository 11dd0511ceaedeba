//! A test client and a test server for Postfix policy servers: the program, and its connection and its load for other
//! measurements.

use std::process::ExitCode;

use clap::{Parser, Subcommand, error::ErrorKind};
use policy_daemon::command_line::usage_line;

mod answer;
mod batch;
mod bench;
mod check;
mod completions;
mod conform;
#[cfg(test)]
mod described;
mod exchange;
mod input;
mod output;
mod policyd_client;
mod query;
mod replay;
mod request;
mod serve;
#[cfg(test)]
mod snapshot;
mod status;
mod tap;
mod values;

pub use answer::{Answer, Fault, Flaw, Oddity, Unusual};
pub use bench::{Answered, ClosedLoop, Target};
pub use exchange::{Connection, Failure, Idle};
use status::{Status, fail};

/// Asks Postfix policy servers, and plays one.
#[derive(Debug, Parser)]
#[command(name = "policy-client", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Batch(batch::Batch),
    Bench(bench::Bench),
    Check(check::Check),
    #[command(hide = true)]
    Completions(completions::Completions),
    Conform(conform::Conform),
    Query(query::Query),
    Replay(replay::Replay),
    Serve(serve::Serve),
    Tap(tap::Tap),
}

/// The program.
#[must_use]
pub fn main() -> ExitCode {
    if status::note::is_policyd_client() {
        return policyd_client::main();
    }
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) if error.use_stderr() && check::is_asked() => {
            return check::unknown(&usage_line(&error));
        }
        Err(error) if error.use_stderr() && error.kind() != NO_ARGUMENTS => {
            return fail(&usage_line(&error), Status::Usage);
        }
        Err(error) => {
            // There is nowhere left to report that this failed.
            _ = error.print();
            let is_fault = error.use_stderr();
            return if is_fault {
                Status::Usage
            } else {
                Status::Success
            }
            .into();
        }
    };
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error, Status::System),
    };
    let status = runtime.block_on(async {
        match arguments.command {
            Command::Batch(batch) => batch.run().await,
            Command::Bench(bench) => bench.run(),
            Command::Check(check) => check.run().await,
            Command::Completions(completions) => completions.run(),
            Command::Conform(conform) => conform.run().await,
            Command::Query(query) => query.run().await,
            Command::Replay(replay) => replay.run().await,
            Command::Serve(serve) => serve.run().await,
            Command::Tap(tap) => tap.run().await,
        }
    });
    // A thread may still wait for a resolver, or read standard input.
    runtime.shutdown_background();
    status
}

/// The help text is the error then.
const NO_ARGUMENTS: ErrorKind = ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand;
