//! The program: see [`policyd_weight::program`].

use std::process::ExitCode;

use mimalloc::MiMalloc;

/// Faster than the system's for what a request takes: many small pieces, for a short time.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    policyd_weight::program::run()
}
