//! Two tables with a line for each scene and strategy, and a page of plots.

use std::error::Error;

use policy_benches::{
    plot::{Axis, Plot, page},
    report::{Report, Table, number},
};

use crate::{
    measure::Measures,
    scene::{DISTURBED, SECONDS as END, SERVERS, Scene},
};

/// A strategy in a scene, and what came of it.
pub(crate) struct Run {
    pub(crate) scene: Scene,
    pub(crate) strategy: &'static str,
    pub(crate) measures: Measures,
}

pub(crate) fn tables(runs: &[Run], balancers: u64) -> Report {
    let head = [
        "share error before, %",
        "in its last 100 s",
        "in the 100 s after",
        "at the end",
        "steady after its start, s",
        "after its end",
    ];
    let mut shares = Table::new("", head);
    let head = [
        "attempts in vain",
        "a balancer, for each server",
        "of a million requests",
        "later than 1 s",
        "most requests/s, x fair",
        "most under way, x fair",
    ];
    let mut costs = Table::new("", head);
    for Run {
        scene,
        strategy,
        measures,
    } in runs
    {
        let name = format!("{}, {strategy}", scene.name);
        let error = |during| number(100.0 * measures.share_error(scene, during), 1);
        let steady = |phase| {
            let time = measures
                .until_steady(scene, phase)
                .filter(|_| scene.troubled() > 0);
            time.map_or_else(|| "-".to_owned(), |time| time.to_string())
        };
        let cells = [
            error(START - 50..START),
            error(STOP - 100..STOP),
            error(STOP..STOP + 100),
            error(END - 100..END),
            steady(START..STOP),
            steady(STOP..END),
        ];
        shares.row(&name, cells);
        let wasted = measures.wasted(0..END) as f64;
        let million = measures.requests() as f64 / 1e6;
        let most = |of: fn(&Measures, &Scene, usize) -> f64| {
            // In the first second there is nothing under way yet.
            (1..END)
                .map(|second| of(measures, scene, second))
                .fold(0.0, f64::max)
        };
        let cells = [
            number(wasted, 0),
            number(wasted / (balancers * scene.troubled().max(1)) as f64, 1),
            number(wasted / million, 0),
            number(measures.late() as f64 / million, 0),
            number(most(Measures::most_requests), 2),
            number(most(Measures::most_under_way), 2),
        ];
        costs.row(&name, cells);
    }
    let mut report = Report::default();
    report.table(shares);
    report.table(costs);
    report
}

/// Of a second.
type Figure = fn(&Run, usize) -> f64;

/// A column for each scene in which something happens.
pub(crate) fn plots(runs: &[Run], balancers: u64) -> Result<String, Box<dyn Error>> {
    let rows: [(_, _, Figure); 3] = [
        ("most requests/s, x fair share", 1.0, |run, second| {
            run.measures.most_requests(&run.scene, second)
        }),
        ("most under way, x fair share", 1.0, |run, second| {
            run.measures.most_under_way(&run.scene, second)
        }),
        ("attempts in vain per second", 10.0, |run, second| {
            run.measures.wasted(second..second + 1) as f64
        }),
    ];
    let mut scenes: Vec<_> = runs.iter().map(|run| &run.scene).collect();
    scenes.dedup_by_key(|scene| scene.name);
    scenes.retain(|scene| scene.troubled() > 0);
    let mut plots = Vec::new();
    for (label, least, of) in rows {
        for scene in &scenes {
            let x = Axis::linear("time, s").to(SHOWN as f64);
            let y = Axis::log(label).from(least);
            let mut plot = Plot::new(scene.name, x, y).band(START as f64, STOP as f64);
            for run in runs.iter().filter(|run| run.scene.name == scene.name) {
                let point = |from: usize| {
                    let most = (from..from + STEP).map(|second| of(run, second));
                    (from as f64, most.fold(0.0, f64::max))
                };
                let points = (1..SHOWN).step_by(STEP).map(point);
                plot = plot.line(run.strategy, points);
            }
            plots.push(plot);
        }
    }
    let title = format!(
        "{balancers} balancers and {SERVERS} servers: the most loaded of those that answer, and attempts in \
         vain. Shaded: something is wrong"
    );
    page(&title, scenes.len(), &plots)
}

const START: usize = DISTURBED.start;
const STOP: usize = DISTURBED.end;
/// Seconds.
const SHOWN: usize = 600;
/// Seconds of which the worst is shown.
const STEP: usize = 3;
