//! Many worlds, and one that is looked at closely.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::Duration,
};

use super::{draw, net::Counts, run, shrink};

/// Runs worlds from this seed on, until there were so many events or, if that is said, for so many minutes. The seed of
/// one in which a law was broken.
pub(crate) fn run(first: u64, events: u64, minutes: Option<u64>) -> Option<u64> {
    let begin = run::epoch();
    let is_enough = |so_far| match minutes {
        None => so_far >= events,
        Some(minutes) => run::epoch() - begin >= Duration::from_secs(minutes * 60),
    };
    let (next, so_far) = (AtomicU64::new(first), AtomicU64::new(0));
    let is_over = AtomicBool::new(false);
    let (sum, broken) = (Mutex::new(Counts::default()), Mutex::new(None));
    let cores = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                let mut counts = Counts::default();
                while !is_over.load(Relaxed) {
                    let seed = next.fetch_add(1, Relaxed);
                    let plan = draw::plan(seed);
                    let outcome = std::panic::catch_unwind(|| run::run(&plan, false)).ok();
                    let Some(outcome) = outcome.filter(|outcome| outcome.broken.is_none()) else {
                        is_over.store(true, Relaxed);
                        broken.lock().unwrap().get_or_insert(seed);
                        break;
                    };
                    counts.add(&outcome.counts);
                    let events = outcome.counts.events;
                    if is_enough(so_far.fetch_add(events, Relaxed) + events) {
                        is_over.store(true, Relaxed);
                    }
                }
                sum.lock().unwrap().add(&counts);
            });
        }
    });
    let took = (run::epoch() - begin).as_secs_f64() * cores as f64;
    let sum = sum.into_inner().unwrap();
    let (worlds, events) = (sum.worlds as f64 / took, sum.events as f64 / took);
    println!("{sum:?}\nby each of {cores} cores a second {worlds:.0} worlds, {events:.0} events");
    broken.into_inner().unwrap()
}

/// Tells what happens in a world; if it breaks a law, in one that is as small as can be.
pub(crate) fn tell(seed: u64) {
    let plan = draw::plan(seed);
    // A panic is a law that is broken: it is told at the end.
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let broken = shrink::fails(&plan);
    let small = broken
        .as_ref()
        .map(|broken| shrink::shrink(&plan, broken.law));
    std::panic::set_hook(hook);
    let Some((broken, small)) = broken.zip(small) else {
        println!("{plan}\n{}", run::run(&plan, true).story.join("\n"));
        return;
    };
    let told = std::panic::catch_unwind(|| run::run(&small, true).story.join("\n"));
    println!("\nWORLD_SEED={seed} breaks a law. The smallest of its kind:\n\n{small}");
    println!("{}", told.unwrap_or_default());
    let broken = shrink::fails(&small).unwrap_or(broken);
    panic!(
        "WORLD_SEED={seed}: {}, at {:?}: {}",
        broken.law, broken.at, broken.what
    );
}

impl Counts {
    fn add(&mut self, other: &Self) {
        self.worlds += other.worlds;
        self.events += other.events;
        self.requests += other.requests;
        self.answered += other.answered;
        self.defaults += other.defaults;
        self.downs += other.downs;
        self.connects += other.connects;
        self.crowded += other.crowded;
        self.harmful += other.harmful;
        self.evicted += other.evicted;
        self.short += other.short;
    }
}
