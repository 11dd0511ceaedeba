//! mtpolicyd, a modular policy server for Postfix.

use std::process::ExitCode;

use mimalloc::MiMalloc;
use mtpolicyd::{args::Args, daemon};
use policy_daemon::Inherited;

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
    let mut words = std::env::args_os()
        .skip(1)
        .map(|word| word.to_string_lossy().into_owned())
        .peekable();
    if words.next_if(|word| word == "ctl").is_some() {
        return daemon::CTL.run(words);
    }
    let args = Args::parse(words);
    // A task has no sockets, and a signal ends it as it does any program.
    let inherited = if args.task.is_none() {
        Inherited::take()
    } else {
        Ok(Inherited::default())
    };
    let inherited = match inherited {
        Ok(inherited) => inherited,
        Err(error) => {
            eprintln!("mtpolicyd: LISTEN_FDS: {error}");
            return ExitCode::from(78);
        }
    };
    if args.task.is_none() && (args.foreground || args.is_background_child) {
        inherited.close_others();
    }
    daemon::run(&args, inherited)
}
