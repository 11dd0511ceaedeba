//! The start under spawn(8): the time from the start of a process to its first answer, and its memory then. Prints
//! ours beside the Perl script's, if that is installed.
//!
//! ```text
//! cargo build --release && cargo run --release -p policy-benches --bin spawn
//! ```

use std::{
    error::Error,
    path::{Path, PathBuf},
    process::Command,
    slice, thread,
    time::{Duration, Instant},
};

use policy_benches::{
    endpoint::Endpoints,
    process::{Errors, Process, resident},
    report::{Table, median, number},
    samples::RCPT,
    stub::{self, ACTION, ANSWER, Reply},
};
use policy_client::{Connection, Failure};
use tokio::runtime::{Builder, Runtime};

const ROUNDS: usize = 41;
const PATIENCE: Duration = Duration::from_secs(10);

fn main() -> Result<(), Box<dyn Error>> {
    let endpoint = Endpoints::new()?.tcp()?;
    let listener = endpoint.listen()?;
    thread::spawn(move || stub::serve(&[listener], |_| Reply::Now(ANSWER.into())));
    let service = format!("a={}:", endpoint.service());
    let perl = PathBuf::from("/usr/sbin/hapolicy");
    let mut programs = vec![(
        "hapolicy",
        std::env::current_exe()?.with_file_name("hapolicy"),
    )];
    if perl.exists() {
        programs.push(("Perl hapolicy", perl));
    }
    let mut samples = vec![Vec::new(); programs.len()];
    let runtime = Builder::new_current_thread().enable_all().build()?;
    // Interleaved, so that a busy machine is as unkind to each.
    for _ in 0..ROUNDS {
        for ((_, program), samples) in programs.iter().zip(&mut samples) {
            samples.push(start(program, &service, &runtime)?);
        }
    }
    let mut table = Table::new("", ["median ms", "fastest ms", "VmRSS kB"]);
    for ((name, _), samples) in programs.iter().zip(&samples) {
        let times = || samples.iter().map(|(time, _)| time.as_secs_f64() * 1e3);
        let fastest = times().fold(f64::INFINITY, f64::min);
        let memory = median(samples.iter().map(|(_, resident)| *resident as f64));
        table.row(
            *name,
            [
                number(median(times()), 2),
                number(fastest, 2),
                number(memory, 0),
            ],
        );
    }
    print!("{table}");
    Ok(())
}

/// Starts the program, and asks it once.
fn start(
    program: &Path,
    service: &str,
    runtime: &Runtime,
) -> Result<(Duration, u64), Box<dyn Error>> {
    let begin = Instant::now();
    let (near, process) =
        Process::on_pair(Command::new(program).args(["-s", service]), Errors::Nowhere)?;
    let answer = runtime.block_on(async {
        let mut connection = Connection::over(near).map_err(Failure::Connect)?;
        connection.send(RCPT, PATIENCE).await?;
        connection.answer(PATIENCE).await
    })?;
    let elapsed = begin.elapsed();
    let resident = resident(slice::from_ref(&process))?;
    if *answer.action != *ACTION.as_bytes() || answer.unusual.is_some() {
        return Err(format!("unexpected answer: {answer:?}").into());
    }
    Ok((elapsed, resident))
}
