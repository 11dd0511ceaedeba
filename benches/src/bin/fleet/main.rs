//! A fleet in virtual time: 1,000 balancers that do not know of each other send 100 million requests in
//! 1,000 seconds to the same 50 servers, while servers restart, slow down and are lost. All that four
//! times, by each strategy.
//!
//! ```text
//! cargo run --release -p policy-benches --bin fleet [-- --requests 10000000 --plot fleet.svg]
//! ```

mod measure;
mod report;
mod scene;

use std::{
    error::Error,
    fs,
    path::PathBuf,
    time::{Duration, Instant},
};

use clap::Parser;
use policy_simulation::{Balance, run};

use crate::{
    measure::Measures,
    report::Run,
    scene::{SECONDS, Scene},
};

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
        for (strategy, balance) in STRATEGIES {
            let begin = Instant::now();
            let measures = live(&scene, balance, balancers, requests);
            let (took, given_up, name) = (begin.elapsed(), measures.given_up, scene.name);
            eprintln!("{name}, {strategy}: {took:.1?}, {given_up} without an answer");
            runs.push(Run {
                scene: scene.clone(),
                strategy,
                measures,
            });
        }
    }
    print!("{}", report::tables(&runs, balancers));
    if let Some(file) = options.plot {
        fs::write(file, report::plots(&runs, balancers)?)?;
    }
    Ok(())
}

/// All balancers live through the scene, with about so many requests in all, at random times.
fn live(scene: &Scene, balance: Balance, balancers: u64, requests: u64) -> Measures {
    let mut measures = Measures::new();
    let mean = Duration::from_secs_f64((SECONDS as u64 * balancers) as f64 / requests as f64);
    for seed in 1..=balancers {
        measures.begin();
        run(&scene.world(balance, seed, mean), &mut measures);
    }
    measures.complete();
    measures
}

const STRATEGIES: [(&str, Balance); 4] = [
    ("round robin", Balance::RoundRobin),
    ("least loaded", Balance::LeastLoaded),
    ("hash, even keys", Balance::Hash(KEYS)),
    ("hash, skewed keys", Balance::HashSkewed(KEYS)),
];
const KEYS: u64 = 1_000_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scene::DISTURBED;

    #[test]
    fn a_quiet_fleet_shares_by_weight() {
        let [quiet, ..] = Scene::all();
        let measures = live(&quiet, Balance::RoundRobin, 2, 50_000);
        assert!((49_000..51_000).contains(&measures.requests()));
        let troubles = (
            measures.given_up,
            measures.wasted(0..SECONDS),
            measures.late(),
        );
        assert_eq!(troubles, (0, 0, 0));
        assert!(measures.share_error(&quiet, 0..SECONDS) < 0.01);
    }

    #[test]
    fn restarts_cost_each_balancer_what_is_under_way_and_three_attempts_a_server() {
        let [_, restarts, ..] = Scene::all();
        for (strategy, balance) in STRATEGIES {
            let measures = live(&restarts, balance, 2, 50_000);
            let wasted = measures.wasted(0..SECONDS);
            // The answers of those that began just before are lost with the first restart.
            assert_eq!(wasted, measures.wasted(DISTURBED.start - 1..DISTURBED.end));
            assert!((50..2 * 50 * 4).contains(&wasted), "{wasted} by {strategy}");
            assert_eq!(measures.given_up, 0);
        }
    }

    #[test]
    fn a_slow_server_has_more_under_way_and_is_asked_less_where_that_counts() {
        let [_, _, slow, _] = Scene::all();
        let under_way = |balance| {
            let measures = live(&slow, balance, 1, 50_000);
            assert_eq!(measures.given_up, 0);
            let each = DISTURBED.map(|second| measures.most_under_way(&slow, second));
            each.sum::<f64>() / 300.0
        };
        let (by_turn, by_load) = (
            under_way(Balance::RoundRobin),
            under_way(Balance::LeastLoaded),
        );
        assert!(
            by_turn > 15.0 && by_load < by_turn,
            "{by_load} and {by_turn}"
        );
    }
}
