//! The program: see [`policyd_weight::program`].

use std::process::ExitCode;

fn main() -> ExitCode {
    policyd_weight::program::run()
}
