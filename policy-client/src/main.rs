//! A test client and a test server for Postfix policy servers.

use std::process::ExitCode;

use clap::{Parser, Subcommand, error::ErrorKind};
use policy_daemon::{command_line::usage_line, log::printable};

mod preset;
mod query;
mod serve;

/// Asks Postfix policy servers, and plays one.
#[derive(Debug, Parser)]
#[command(name = "policy-client", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Query(query::Query),
    Serve(serve::Serve),
}

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) if error.use_stderr() && error.kind() != NO_ARGUMENTS => {
            return fail(&usage_line(&error), USAGE);
        }
        Err(error) => {
            // There is nowhere left to report that this failed.
            _ = error.print();
            return ExitCode::from(if error.use_stderr() { USAGE } else { 0 });
        }
    };
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error, SYSTEM),
    };
    let status = runtime.block_on(async {
        match arguments.command {
            Command::Query(query) => query.run().await,
            Command::Serve(serve) => serve.run().await,
        }
    });
    // A thread may still wait for a resolver, or read standard input.
    runtime.shutdown_background();
    status
}

fn fail(error: &dyn std::fmt::Display, status: u8) -> ExitCode {
    eprintln!("policy-client: {}", printable(error.to_string()));
    ExitCode::from(status)
}

/// An answer that is not the expected one; as grep(1) ends without a match.
const UNEXPECTED: u8 = 1;
/// The help text is the error then.
const NO_ARGUMENTS: ErrorKind = ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand;
// sysexits(3)
const USAGE: u8 = 64;
const DATA: u8 = 65;
const UNAVAILABLE: u8 = 69;
const SYSTEM: u8 = 71;
