//! A fleet in virtual time: 1,000 balancers that do not know of each other send 100 million requests in
//! 1,000 seconds to the same 50 servers, while servers restart, slow down and are lost. All that four
//! times, by each strategy.
//!
//! ```text
//! cargo run --release -p policy-benches --bin fleet [-- --requests 10000000 --plot fleet.svg]
//! ```

mod measure;
mod report;
mod run;
mod scene;

use std::{error::Error, fs, path::PathBuf, time::Instant};

use clap::Parser;

use crate::{report::Run, run::Balance, scene::Scene};

/// Shows how policy-ha's strategies share the load of a fleet, and what disturbances cost.
#[derive(Debug, Parser)]
struct Options {
    /// Requests of each scene with each strategy. With fewer of them chance weighs more
    #[arg(long, default_value_t = 100_000_000)]
    requests: u64,
    /// How many balancers they come from
    #[arg(long, default_value_t = 1000)]
    balancers: u64,
    /// Only the scene of this name
    #[arg(long, value_name = "NAME")]
    scene: Option<String>,
    /// Where to put the plot
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::parse();
    let (balancers, requests) = (options.balancers.max(1), options.requests.max(1));
    let mut scenes = Vec::from(Scene::all());
    if let Some(name) = options.scene {
        scenes.retain(|scene| scene.name == name);
    }
    let mut runs = Vec::new();
    for scene in scenes {
        for balance in Balance::ALL {
            let begin = Instant::now();
            let measures = run::run(&scene, balance, balancers, requests)?;
            let (took, given_up) = (begin.elapsed(), measures.given_up);
            let (name, balance_name) = (scene.name, balance.name());
            eprintln!("{name}, {balance_name}: {took:.1?}, {given_up} without an answer");
            let scene = scene.clone();
            runs.push(Run {
                scene,
                balance,
                measures,
            });
        }
    }
    print!("{}", report::tables(&runs, balancers));
    if let Some(file) = options.plot {
        fs::write(file, report::plots(&runs, balancers))?;
    }
    Ok(())
}
