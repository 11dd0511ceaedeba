//! Each way in which a policy server goes wrong, in front of ours, of the Perl script and of HAProxy:
//! what their clients get, after how long, and who is blamed. In a world of its own, so that it is
//! started by
//!
//! ```text
//! benches/faults [--record] [--only PART]
//! ```

mod client;
mod descriptors;
mod load;
mod lock;
mod program;
mod report;
mod syslog;
mod table;
mod verdict;

use std::{error::Error, fs, net::UdpSocket, path::PathBuf, thread};

use clap::Parser;
use policy_benches::machine;
use policy_testing::faults;

use crate::{load::Scenario, program::Program, report::Report, syslog::Syslog};

/// Has each program meet each fault of a policy server.
#[derive(Debug, Parser)]
struct Options {
    /// The directory of the world, with the programs in it.
    home: PathBuf,
    /// Keep the tables under benches/record/.
    #[arg(long)]
    record: bool,
    /// Only what has this in its name.
    #[arg(
        long,
        value_name = "PART",
        default_value = "",
        conflicts_with = "record"
    )]
    only: String,
}

fn main() -> Result<(), Box<dyn Error>> {
    let Options { home, record, only } = Options::parse();
    let names = UdpSocket::bind("127.0.0.53:53")?;
    thread::spawn(move || faults::answer_names(&names));
    let syslog = Syslog::start(&home)?;

    let scenarios = Scenario::ALL.into_iter();
    let scenarios = scenarios.filter(|scenario| scenario.name().contains(&only));
    let mut report = Report {
        rows: table::run(&home, &syslog, &only),
        load: scenarios
            .map(|scenario| (scenario, load::run(scenario, &home, &syslog)))
            .collect(),
        descriptors: Vec::new(),
    };
    if "descriptors".contains(&only) {
        for program in Program::ALL
            .into_iter()
            .filter(|program| program.is_daemon())
        {
            let outcome = descriptors::run(program, &home, &syslog)?;
            report.descriptors.push((program, outcome));
        }
    }
    if report.rows.is_empty() && report.load.is_empty() && report.descriptors.is_empty() {
        return Err(format!("no fault has '{only}' in its name").into());
    }
    let page = report.markdown();
    print!("{page}");
    if record {
        let name = format!("record/{}-faults", machine::today());
        let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(name);
        fs::write(file.with_extension("md"), page)?;
        fs::write(
            file.with_extension("json"),
            format!("{:#}\n", report.json()),
        )?;
        eprintln!("recorded in {}", file.with_extension("md").display());
    }
    Ok(())
}
