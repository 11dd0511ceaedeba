//! mtpolicyd beside the Perl daemon of that name: CPU for a request, requests per second, latency and memory, for chains with and
//! without stores and DNS lists. Both in one run, round by round.
//!
//! ```text
//! cargo build --release -p mtpolicyd && cargo run --release -p policy-benches --bin mtpolicyd-beside-perl
//! ```
//!
//! As root, with Debian's `mtpolicyd`, `memcached` and `redis-server`; a peer that is not there is left out.

mod case;
mod daemon;
mod peers;
mod request;
mod sample;

use std::{
    error::Error,
    path::{Path, PathBuf},
};

use clap::Parser;
use policy_benches::{
    endpoint::Endpoint,
    report::{Report, Table, median, number, records},
    stub::{self, Reply},
};
use policy_testing::load::Clients;

use case::{Bar, Case, SIMPLE7};
use daemon::{Daemon, ROUND};
use peers::Peers;
use sample::Sample;

/// Measures mtpolicyd beside the Perl daemon of that name, in interleaved rounds.
#[derive(Debug, Parser)]
struct Options {
    /// Measure only the cases whose names have this
    #[arg(long, value_name = "WORD")]
    only: Option<String>,
    /// Leave the Perl daemon out
    #[arg(long)]
    ours: bool,
    /// Ask ours a million times too, for its memory
    #[arg(long)]
    million: bool,
    /// Write the report to benches/record
    #[arg(long)]
    record: bool,
    /// Serve a fixed answer at this endpoint instead
    #[arg(long, value_name = "ENDPOINT", hide = true)]
    serve: Option<Endpoint>,
}

const ROUNDS: usize = 5;

fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::parse();
    if let Some(endpoint) = options.serve {
        let answer = |_: &[u8]| Reply::Now(b"action=reject x\n\n".into());
        return Ok(stub::run(&[endpoint], answer)?);
    }
    let ours = std::env::current_exe()?.with_file_name("mtpolicyd");
    let own = std::env::current_exe()?;
    let mut programs = vec![("mtpolicyd", ours.as_path())];
    let perl = PathBuf::from("/usr/bin/mtpolicyd");
    if perl.exists() && !options.ours {
        programs.push(("Perl mtpolicyd", &perl));
    }
    let mut table = Table::new(
        format!("## Medians of {ROUNDS} rounds of {} s", ROUND.as_secs()),
        [
            "connections",
            "requests/s",
            "p50 ms",
            "p99 ms",
            "CPU us/request",
            "memory MB",
            "not answered",
        ],
    );
    let mut bars = Table::new(
        "## Ours beside the Perl daemon",
        ["connections", "found", "wanted"],
    );
    let peers = Peers::start()?;
    for case in Case::all() {
        let only = options.only.as_ref();
        if only.is_some_and(|word| !case.name.contains(word)) || !peers.has(case.needs) {
            continue;
        }
        let mut programs = programs.clone();
        if case.is_fixed() {
            // No server costs less, whatever it is written in: the rest is the system's.
            programs.push(("a bare loop on mio", &own));
        }
        for clients in case.clients.iter().copied() {
            let samples = rounds(&case, clients, &programs, &peers)?;
            for ((name, _), samples) in programs.iter().zip(&samples) {
                table.row(format!("{name}, {}", case.name), row(samples, clients));
            }
            for bar in case.bars {
                if let Some(found) = bar.found(&samples, clients.count) {
                    let cells = [clients.to_string(), found, bar.to_string()];
                    bars.row(case.name, cells);
                }
            }
        }
    }
    let command = "cargo run --release -p policy-benches --bin mtpolicyd-beside-perl";
    let mut report = Report::new("mtpolicyd beside the Perl daemon", &[], command);
    report.table(bars);
    report.table(table);
    if options.million {
        report.text(&million(&ours, &peers)?);
    }
    print!("{report}");
    if options.record {
        report.write(&records(), "mtpolicyd", &[])?;
    }
    Ok(())
}

/// The samples of each program, which take turns.
fn rounds(
    case: &Case,
    clients: Clients,
    programs: &[(&str, &Path)],
    peers: &Peers,
) -> Result<Vec<Vec<Sample>>, Box<dyn Error>> {
    let mut daemons = Vec::new();
    for (_, program) in programs {
        daemons.push(Daemon::start(program, case, peers)?);
    }
    let mut samples: Vec<_> = programs.iter().map(|_| Vec::new()).collect();
    for _ in 0..ROUNDS {
        for (daemon, samples) in daemons.iter().zip(&mut samples) {
            samples.push(daemon.round(case.request, clients)?);
        }
    }
    Ok(samples)
}

fn row(samples: &[Sample], clients: Clients) -> [String; 7] {
    let of =
        |value: fn(&Sample) -> f64, decimals| number(median(samples.iter().map(value)), decimals);
    [
        clients.to_string(),
        of(|sample| sample.rate, 0),
        of(|sample| sample.p50, 2),
        of(|sample| sample.p99, 2),
        of(|sample| sample.cpu, 1),
        of(|sample| sample.memory, 1),
        samples
            .iter()
            .map(|sample| sample.failed)
            .sum::<u64>()
            .to_string(),
    ]
}

/// What a million requests do to the memory of ours.
fn million(program: &Path, peers: &Peers) -> Result<String, Box<dyn Error>> {
    let case = Case {
        plugins: SIMPLE7,
        ..Case::default()
    };
    let daemon = Daemon::start(program, &case, peers)?;
    let before = daemon.usage()?.1;
    let mut asked = 0;
    while asked < 1_000_000 {
        asked += daemon.ask(case.request, Clients::new(16))?.answered;
    }
    let after = daemon.usage()?.1;
    Ok(format!(
        "Memory of ours before {asked} requests: {before:.1} MB, after them: {after:.1} MB (below {} MB is wanted).",
        Bar::MEMORY
    ))
}
