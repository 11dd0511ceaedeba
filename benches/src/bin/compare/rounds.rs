//! The rounds: each contestant in turn, so that a busy machine is as unkind to each.

use std::{error::Error, process, thread::sleep, time::Duration};

use policy_benches::{
    machine,
    process::{Usage, resident},
};

use crate::{
    case::Case,
    contestant::{Contestant, Running},
    figures::{Comparison, Row, Sample},
    options::Part,
};

/// Lets all who are fit for this case run in each round, and another one first each time. `stub` is the
/// number of the servers' process.
pub(crate) fn play(
    case: Case,
    running: &mut [(Contestant, Running)],
    stub: u32,
    rounds: usize,
    time: Duration,
) -> Result<Comparison, Box<dyn Error>> {
    let mut taking_part: Vec<_> = running
        .iter_mut()
        .filter(|(contestant, _)| contestant.is_fit_for(&case))
        .collect();
    let rows = taking_part.iter().map(|(contestant, _)| Row {
        contestant: contestant.clone(),
        samples: Vec::with_capacity(rounds),
    });
    let mut comparison = Comparison {
        case,
        load: machine::load(),
        rows: rows.collect(),
    };
    for round in 0..rounds {
        for turn in 0..taking_part.len() {
            let number = (round + turn) % taking_part.len();
            let (contestant, running) = &mut *taking_part[number];
            let sample = measure(case, running, stub, time);
            let sample = sample.map_err(|error| format!("{}: {error}", contestant.name()))?;
            comparison.rows[number].samples.push(sample);
            // Until what was closed is cleared away.
            sleep(PAUSE);
        }
    }
    comparison.compare_with_direct();
    Ok(comparison)
}

fn measure(
    case: Case,
    running: &mut Running,
    stub: u32,
    time: Duration,
) -> Result<Sample, Box<dyn Error>> {
    running.prepare(case.connections)?;
    let mut load = running.load(case.connections, case.part == Part::New)?;
    load.run(time / 5)?;
    let others = [process::id(), stub];
    let before = (Usage::of(running.ids())?, Usage::of(others)?);
    let answered = load.run(time)?;
    let used = Usage::of(running.ids())? - before.0;
    let others = Usage::of(others)? - before.1;
    let requests = answered.answers as f64;
    let cpu = |used: Usage| used.cpu.as_secs_f64() * 1e6 / requests;
    let [p50, p99, p99_9] =
        [0.5, 0.99, 0.999].map(|part| answered.latency(part).as_nanos() as f64 / 1e3);
    Ok([
        requests / answered.elapsed.as_secs_f64(),
        p50,
        p99,
        p99_9,
        f64::NAN,
        cpu(used),
        cpu(used) + cpu(others),
        used.switches as f64 / requests,
        resident(&running.processes)? as f64,
    ])
}

const PAUSE: Duration = Duration::from_millis(50);
