//! `policy-client completions`: what a shell completes, for packages.

use std::{io, process::ExitCode};

use clap::{Args, CommandFactory};
use clap_complete::{Shell, generate};

use crate::{
    output::{ended, print},
    status::Status,
};

/// Prints what this shell reads to complete the command line.
#[derive(Args, Debug)]
pub(crate) struct Completions {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

impl Completions {
    pub(crate) fn run(self) -> ExitCode {
        let mut text = Vec::new();
        let mut command = crate::Arguments::command();
        // For bash the library takes a hyphen in the name for the beginning of a subcommand, in one of two places.
        generate(self.shell, &mut command, "policy_client", &mut text);
        let text = String::from_utf8_lossy(&text).replace("policy_client", "policy-client");
        let printed: io::Result<()> = print(text.as_bytes());
        ended(printed, Status::Success).into()
    }
}
