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
        generate(self.shell, &mut command, "policy-client", &mut text);
        let printed: io::Result<()> = print(&text);
        ended(printed, Status::Success).into()
    }
}
