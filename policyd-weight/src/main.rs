//! The program: see [`policyd_weight::program`].

use std::process::ExitCode;

use mimalloc::MiMalloc;

/// Faster than the system's for what a request takes: many small pieces, for a short time.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// The allocator asks for no huge pages. Some systems give them unasked, and a process would have twice the memory.
fn refuse_huge_pages() {
    // An old system has no such call.
    _ = rustix::thread::disable_transparent_huge_pages(true);
}

fn main() -> ExitCode {
    refuse_huge_pages();
    policyd_weight::program::run()
}
