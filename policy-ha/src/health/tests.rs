//! The table of health transitions, row by row.

use super::*;

const ZERO: Duration = Duration::ZERO;

#[expect(clippy::disallowed_methods, reason = "an arbitrary epoch")]
fn epoch() -> Instant {
    Instant::now()
}

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// A backend, its rules, and the start of time.
struct World {
    health: Health,
    config: Config,
    epoch: Instant,
}

impl World {
    fn new(config: Config) -> Self {
        Self {
            health: Health::new(1),
            config,
            epoch: epoch(),
        }
    }

    fn success(&mut self, at: u64) -> Option<Transition> {
        self.health.succeeded(self.epoch + secs(at))
    }

    fn failure(&mut self, at: u64, took: u64) -> Option<Transition> {
        self.health
            .failed(self.epoch + secs(at), secs(took), &self.config)
    }

    fn handed_out(&mut self, at: Instant) {
        self.health.handed_out(at, &self.config);
    }

    /// Hands out the trial at the moment when it is due, and says how long the next one has to wait.
    fn trial(&mut self) -> Duration {
        let due = self.health.due().expect("down");
        self.handed_out(due);
        self.health.due().expect("still down") - due
    }
}

/// Whether this is the backoff, spread or not.
#[track_caller]
fn assert_spread(backoff: Duration, base: Duration) {
    let limit = base + base / 4;
    assert!(
        (base..limit).contains(&backoff),
        "{backoff:?} is not within {base:?} and a quarter"
    );
}

fn down_for(change: Option<Transition>) -> Duration {
    match change {
        Some(Transition::Down { due_in }) => due_in,
        other => unreachable!("{other:?} instead of down"),
    }
}

#[test]
fn an_answer_leaves_it_up() {
    let mut world = World::new(Config::default());
    assert_eq!(world.success(1), None);
    assert_eq!(world.health.status(), Status::Up);
    assert_eq!(world.health.due(), None);
}

#[test]
fn a_refusal_takes_it_down_for_the_least_backoff() {
    let mut world = World::new(Config::default());
    let due_in = down_for(world.failure(5, 0));
    assert_spread(due_in, secs(1));
    let since = world.epoch + secs(5);
    let due = since + due_in;
    assert_eq!(world.health.status(), Status::Down { since, due });
    assert_eq!(world.health.due(), Some(due));
}

#[test]
fn a_time_out_takes_it_down_for_as_long_as_it_took() {
    let mut world = World::new(Config::default());
    assert_spread(down_for(world.failure(10, 10)), secs(10));
}

#[test]
fn failures_in_a_row_take_it_down_only_when_they_are_enough() {
    let mut world = World::new(Config::default().with_max_failures(3));
    assert_eq!(world.failure(1, 0), None);
    assert_eq!(world.failure(2, 0), None);
    assert_eq!(world.success(3), None);
    assert_eq!(world.failure(4, 0), None);
    assert_eq!(world.failure(5, 0), None);
    assert_eq!(world.health.status(), Status::Up);
    assert_spread(down_for(world.failure(6, 0)), secs(1));
}

#[test]
fn a_row_of_failures_starts_anew_after_coming_back() {
    let mut world = World::new(Config::default().with_max_failures(2));
    world.failure(1, 0);
    down_for(world.failure(2, 0));
    assert_eq!(world.success(4), Some(Transition::Up { after: secs(2) }));
    assert_eq!(world.failure(5, 0), None);
    assert_spread(down_for(world.failure(6, 0)), secs(1));
}

#[test]
fn failures_side_by_side_count_one_by_one() {
    let mut world = World::new(Config::default().with_max_failures(2));
    assert_eq!(world.failure(10, 10), None);
    assert_spread(down_for(world.failure(10, 10)), secs(10));
}

#[test]
fn each_trial_doubles_the_backoff_up_to_the_limit() {
    let mut world = World::new(Config::default());
    world.failure(0, 0);
    for base in [2, 4, 8, 16, 32, 60, 60, 60] {
        assert_spread(world.trial(), secs(base));
    }
}

#[test]
fn a_first_backoff_above_the_limit_is_kept() {
    let mut world = World::new(Config::default());
    assert_spread(down_for(world.failure(100, 100)), secs(100));
    assert_spread(world.trial(), secs(100));
    assert_spread(world.trial(), secs(100));
}

#[test]
fn a_last_resort_changes_nothing() {
    let mut world = World::new(Config::default());
    let due_in = down_for(world.failure(0, 0));
    let before = world.health.status();
    world.handed_out(world.epoch + due_in - Duration::from_nanos(1));
    assert_eq!(world.health.status(), before);
    assert_spread(world.trial(), secs(2));
}

#[test]
fn handing_out_one_that_is_up_changes_nothing() {
    let mut world = World::new(Config::default());
    world.handed_out(world.epoch);
    assert_eq!(world.health.status(), Status::Up);
}

#[test]
fn failures_while_down_only_put_the_trial_off() {
    let mut world = World::new(Config::default());
    let first = down_for(world.failure(10, 0));
    for _ in 0..100 {
        assert_eq!(world.failure(10, 0), None);
    }
    assert_eq!(world.health.due(), Some(world.epoch + secs(10) + first));
    assert_eq!(world.failure(11, 7), None);
    assert_eq!(world.health.due(), Some(world.epoch + secs(18)));
    assert_spread(world.trial(), secs(2));
}

#[test]
fn any_answer_brings_it_back_and_says_how_long_it_was_down() {
    let mut world = World::new(Config::default());
    world.failure(10, 0);
    assert_eq!(world.success(17), Some(Transition::Up { after: secs(7) }));
    assert_eq!(world.health.status(), Status::Up);
    assert_eq!(world.success(18), None);
    assert_spread(down_for(world.failure(19, 0)), secs(1));
}

#[test]
fn a_failure_begun_before_the_last_answer_does_not_count() {
    let mut world = World::new(Config::default());
    world.success(5);
    assert_eq!(world.failure(14, 10), None);
    assert_eq!(world.health.status(), Status::Up);
    // One that began with the answer, or after it, does.
    assert_spread(down_for(world.failure(15, 10)), secs(10));
    // An old one does not put a trial off either.
    let before = world.health.status();
    assert_eq!(world.failure(1000, 999), None);
    assert_eq!(world.health.status(), before);
}

#[test]
fn a_failure_that_does_not_count_leaves_the_row_as_it_was() {
    let mut world = World::new(Config::default().with_max_failures(2));
    world.success(5);
    assert_eq!(world.failure(6, 0), None);
    assert_eq!(world.failure(7, 7), None);
    assert_spread(down_for(world.failure(8, 0)), secs(1));
}

#[test]
fn answers_reported_out_of_order_keep_the_latest() {
    let mut world = World::new(Config::default());
    world.success(20);
    world.success(10);
    assert_eq!(world.failure(25, 10), None);
    assert_eq!(world.health.status(), Status::Up);
}

#[test]
fn coming_back_before_going_down_took_no_time() {
    let mut world = World::new(Config::default());
    world.failure(10, 0);
    assert_eq!(world.success(3), Some(Transition::Up { after: ZERO }));
}

#[test]
fn the_spread_differs_by_backend_and_by_outage_but_not_by_trial() {
    let trials = |health: Health, outages: u64| {
        let mut world = World {
            health,
            ..World::new(Config::default())
        };
        let mut waits = Vec::new();
        for outage in 0..outages {
            world.success(outage * 100);
            waits.push(down_for(world.failure(outage * 100 + 1, 0)));
        }
        (waits, world.trial())
    };
    let (waits, next) = trials(Health::new(7), 3);
    assert!(waits[0] != waits[1] && waits[1] != waits[2] && waits[0] != waits[2]);
    assert_eq!(next.as_millis(), (waits[2] * 2).as_millis());
    assert_ne!(trials(Health::new(8), 1).0[0], waits[0]);
}

#[test]
fn the_spread_reaches_from_nothing_to_a_quarter() {
    let waits = (0..1000).map(|key| Health::new(key).spread(secs(1000)).as_secs());
    let mut tenths = [0; 10];
    for wait in waits {
        tenths[(wait - 1000) as usize / 25] += 1;
    }
    assert!(
        tenths.iter().all(|share| (60..140).contains(share)),
        "{tenths:?}"
    );
}

#[test]
fn times_beyond_all_clocks_are_cut_short() {
    let endless = Config::default()
        .with_min_backoff(Duration::MAX)
        .with_max_backoff(Duration::MAX);
    let mut world = World::new(endless);
    assert!(down_for(world.failure(0, 0)) > secs(1 << 40));
    world.trial();
    let far = world.health.due().expect("down");
    world.health.failed(far, Duration::MAX, &endless);
    assert!(world.health.due() >= Some(far));
}

#[test]
fn an_attempt_that_took_longer_than_all_time_proves_nothing_against_an_answer() {
    let mut world = World::new(Config::default());
    world.success(0);
    assert_eq!(
        world
            .health
            .failed(world.epoch, Duration::MAX, &Config::default()),
        None
    );
    let mut silent = World::new(Config::default());
    assert!(
        silent
            .health
            .failed(silent.epoch, Duration::MAX, &Config::default())
            .is_some()
    );
}
