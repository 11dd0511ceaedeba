//! The order in which all is measured.

use std::{env, error::Error, iter, path::PathBuf, thread::available_parallelism};

use policy_benches::process::cpus;

use crate::{
    arena::Arena,
    calls::Calls,
    case::Case,
    contestant::{Contestant, Running},
    idle::Idle,
    options::{Options, Part},
    outcome::Outcome,
    report, rounds,
};

/// Measures all, and prints each part when it is there.
pub(crate) fn run(options: &Options) -> Result<Outcome, Box<dyn Error>> {
    let cpus = cpus()?;
    let contestants = contestants(options)?;
    let mut outcome = Outcome::default();
    for &place in &options.place {
        for &transport in &options.transport {
            let mut arena = Arena::open(place, transport, &cpus)?;
            take_turns(options, &mut arena, &contestants, &mut outcome)?;
            if options.only.contains(&Part::Idle) {
                let idle = idle(options, &mut arena, &contestants)?;
                println!("\n{}", report::idle(&idle.0, &idle.1));
                outcome.idle.push(idle);
            }
        }
    }
    Ok(outcome)
}

fn contestants(options: &Options) -> Result<Vec<Contestant>, Box<dyn Error>> {
    let ours = env::current_exe()?.with_file_name("hapolicy");
    let programs: Vec<PathBuf> = iter::once(ours).chain(options.beside.clone()).collect();
    let workers = available_parallelism().map_or(1, usize::from);
    let hapolicy = |workers| {
        let programs = programs.iter().cloned();
        programs.map(move |program| Contestant::Ours { program, workers })
    };
    let mut contestants = vec![Contestant::Direct, Contestant::HAPROXY];
    contestants.extend([Contestant::Nginx, Contestant::Perl]);
    contestants.extend(hapolicy(1));
    if workers > 1 {
        contestants.extend(hapolicy(workers));
        contestants.push(Contestant::Haproxy { threads: workers });
    }
    let wanted = &options.contestant;
    contestants.retain(|contestant| {
        *contestant == Contestant::HAPROXY
            || wanted.is_empty()
            || wanted.contains(&contestant.name())
    });
    Ok(contestants)
}

fn take_turns(
    options: &Options,
    arena: &mut Arena,
    contestants: &[Contestant],
    outcome: &mut Outcome,
) -> Result<(), Box<dyn Error>> {
    let mut running: Vec<(Contestant, Running)> = Vec::new();
    for contestant in contestants {
        running.push((contestant.clone(), arena.start(contestant)?));
    }
    let case = |part, connections| Case {
        place: arena.place,
        transport: arena.transport,
        part,
        connections,
    };
    let kept = options
        .connections
        .iter()
        .map(|&connections| case(Part::Kept, connections));
    let new = case(Part::New, AT_A_TIME);
    for case in kept.clone().chain([new]) {
        if options.only.contains(&case.part) {
            let (stub, rounds) = (arena.stub.id(), options.rounds);
            let comparison = rounds::play(case, &mut running, stub, rounds, options.time())?;
            println!("\n{}", report::comparison(&comparison));
            outcome.comparisons.push(comparison);
        }
    }
    if !options.only.contains(&Part::Calls) {
        return Ok(());
    }
    for case in kept.chain([new]) {
        let before = outcome.calls.len();
        for (contestant, running) in &mut running {
            if *contestant != Contestant::Direct && contestant.is_fit_for(&case) {
                let calls = Calls::count(case, contestant, running, options.time())?;
                outcome.calls.push(calls);
            }
        }
        println!("\n{}", report::calls(&outcome.calls[before..]));
    }
    Ok(())
}

fn idle(
    options: &Options,
    arena: &mut Arena,
    contestants: &[Contestant],
) -> Result<(Case, Vec<Idle>), Box<dyn Error>> {
    let case = Case {
        place: arena.place,
        transport: arena.transport,
        part: Part::Idle,
        connections: AT_A_TIME,
    };
    let taking_part = contestants
        .iter()
        .filter(|contestant| contestant.has_own_process());
    let measure = |contestant: &Contestant| {
        let idle = Idle::measure(arena, contestant, options.rounds, options.time());
        idle.map_err(|error| format!("{}: {error}", contestant.name()).into())
    };
    let idle: Result<_, Box<dyn Error>> = taking_part.map(measure).collect();
    Ok((case, idle?))
}

/// Connections, where each is for one request.
const AT_A_TIME: usize = 16;
