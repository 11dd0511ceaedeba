//! Laws that hold for arbitrary backends, weights, seeds, strategies, operators and histories.

mod support;

use std::time::Duration;

use policy_ha::{Backend, BackendId, Balancer, Config, Mode, Outcome, Preference, Status, Tried};
use proptest::{collection::vec, prelude::*};
use support::{
    By, Wish, backends, by, config, epoch, events, gcd, live, lived, millis, mode, secs, shares,
    wish,
};

proptest! {
    #[test]
    fn each_enabled_backend_is_offered_exactly_once_whatever_the_history(
        (mut balancer, now) in lived(),
        (stick, by) in wish(),
        outcomes in vec(prop::option::of(any::<bool>()), 64),
    ) {
        let ids: Vec<_> = balancer.ids().collect();
        let stick = stick.map(|index| ids[usize::from(index) % ids.len()]);
        let is_due = |id| match balancer.mode(id) {
            Mode::Enabled => true,
            Mode::Drain => stick == Some(id) && balancer.status(id) == Status::Up,
            Mode::Disabled => false,
        };
        let expected: Vec<_> = ids.iter().copied().filter(|&id| is_due(id)).collect();
        let mut tried = Tried::new();
        let mut offered = Vec::new();
        for outcome in outcomes {
            let left = balancer.left(tried);
            let is_up = |id: &BackendId| balancer.status(*id) == Status::Up;
            let open = ids.iter().filter(|id| balancer.mode(**id) == Mode::Enabled && !tried.contains(**id));
            prop_assert_eq!(balancer.left_up(tried), open.filter(|id| is_up(id)).count());
            let Some(id) = (Wish { stick, by }).pick(&mut balancer, now, &mut tried) else {
                prop_assert_eq!(left, 0);
                break;
            };
            prop_assert!(tried.contains(id));
            offered.push(id);
            prop_assert_eq!(tried.len(), offered.len());
            match outcome {
                Some(true) => drop(balancer.observe(now, id, Outcome::Success)),
                Some(false) => drop(balancer.observe(now, id, Outcome::Failure { took: secs(1) })),
                None => {} // cancelled
            }
        }
        prop_assert_eq!((Wish { stick, by }).pick(&mut balancer, now, &mut tried), None);
        offered.sort_unstable();
        prop_assert_eq!(offered, expected);
    }

    #[test]
    fn an_operators_word_counts_from_the_next_offer_on(
        (mut balancer, mut now) in lived(),
        (stick, by) in wish(),
        changes in vec((0..64u8, mode(), any::<bool>(), 0..2_000u64), 0..100),
    ) {
        let ids: Vec<_> = balancer.ids().collect();
        let id = |index: u8| ids[usize::from(index) % ids.len()];
        let wish = Wish { stick: stick.map(id), by };
        let mut tried = Tried::new();
        for (index, mode, success, wait) in changes {
            balancer.set_mode(id(index), mode);
            prop_assert_eq!(balancer.mode(id(index)), mode);
            let before = balancer.clone();
            let Some(id) = wish.pick(&mut balancer, now, &mut tried) else {
                tried = Tried::new();
                continue;
            };
            let allowed = match before.mode(id) {
                Mode::Enabled => true,
                Mode::Drain => wish.stick == Some(id) && before.status(id) == Status::Up,
                Mode::Disabled => false,
            };
            prop_assert!(allowed);
            let took = millis(wait);
            now += took;
            balancer.observe(now, id, if success { Outcome::Success } else { Outcome::Failure { took } });
        }
    }

    #[test]
    fn those_up_or_due_are_offered_first_and_by_priority(
        config in config(), backends in backends(), events in events(), by in by(),
    ) {
        let mut balancer = Balancer::new(config, backends.clone()).unwrap();
        let mut now = epoch();
        live(&mut balancer, &mut now, &events);
        // The rank of a backend, for a request's first offer and for the later ones.
        let place = |id: BackendId, status: Status, is_first: bool| {
            let priority = backends[id.index()].priority;
            match status {
                Status::Down { due, .. } if due > now => (2, due, priority),
                Status::Down { .. } if !is_first => (1, now, priority),
                _ => (0, now, priority),
            }
        };
        let mut tried = Tried::new();
        while balancer.left(tried) > 0 {
            let before = balancer.clone();
            let rank = |id| place(id, before.status(id), tried.is_empty());
            let open = before.ids().filter(|&id| before.mode(id) == Mode::Enabled && !tried.contains(id));
            let best = open.map(rank).min();
            let is_first = tried.is_empty();
            let id = Wish::by(by).pick(&mut balancer, now, &mut tried).unwrap();
            let rank = place(id, before.status(id), is_first);
            prop_assert_eq!(Some(rank), best, "after {:?}", tried);
            prop_assert_eq!(tried.is_last_resort(), rank.0 == 2);
        }
    }

    #[test]
    fn a_list_that_is_renewed_changes_nothing_for_those_that_stay(
        config in config(), backends in backends(), events in events(), keys in vec(any::<u64>(), 10),
        order in Just((0..64_usize).collect::<Vec<_>>()).prop_shuffle(), leaves in any::<u64>(),
    ) {
        let named = (0..).zip(backends).map(|(n, backend)| backend.with_key(n));
        let backends: Vec<_> = named.collect();
        let mut old = Balancer::new(config, backends.clone()).unwrap();
        let mut now = epoch();
        live(&mut old, &mut now, &events);
        let ids: Vec<_> = old.ids().collect();
        let stays = order.into_iter().filter(|&place| place < ids.len() && leaves >> place & 1 == 0);
        let stays: Vec<_> = stays.collect();
        prop_assume!(!stays.is_empty());
        let list = stays.iter().map(|&place| (backends[place], Some(ids[place])));
        let mut new = old.renewed(config, list).unwrap();
        for (id, &place) in new.ids().zip(&stays) {
            prop_assert_eq!(new.status(id), old.status(ids[place]));
            prop_assert_eq!(new.mode(id), old.mode(ids[place]));
        }
        // A backend that left is as if disabled: all others have the order that they had.
        for &id in ids.iter().filter(|id| !stays.contains(&id.index())) {
            old.set_mode(id, Mode::Disabled);
        }
        for key in keys {
            let wish = Wish::by(By::Key(key));
            let were = wish.round(&mut old, now).into_iter().map(BackendId::index);
            let are = wish.round(&mut new, now).into_iter().map(|id| stays[id.index()]);
            // Equals among the last resorts go by their place.
            let ups = |place: &usize| old.status(ids[*place]) == Status::Up;
            prop_assert!(were.filter(ups).eq(are.filter(ups)));
        }
    }

    #[test]
    fn shares_are_exact_again_soon_after_any_history(
        weights in vec(1..=5u16, 1..=6), seed in any::<u64>(), events in events(),
    ) {
        let backends = weights.iter().map(|&weight| Backend::new(10, weight));
        let mut balancer = Balancer::new(Config::default().with_seed(seed), backends).unwrap();
        let mut now = epoch();
        live(&mut balancer, &mut now, &events);
        for id in balancer.ids().collect::<Vec<_>>() {
            balancer.observe(now, id, Outcome::Success);
            balancer.set_mode(id, Mode::Enabled);
        }
        let divisor = weights.iter().fold(0, |divisor, &weight| gcd(divisor, weight.into()));
        let exact: Vec<_> = weights.iter().map(|&weight| usize::from(weight) / divisor).collect();
        let turn: usize = exact.iter().sum();
        // Anyone is owed half a request for each other backend at most: soon paid.
        for _ in 0..turn * weights.len() {
            Wish::by(By::Turn).first(&mut balancer, now);
        }
        let firsts: Vec<_> = (0..turn).filter_map(|_| Wish::by(By::Turn).first(&mut balancer, now)).collect();
        prop_assert_eq!(shares(&firsts, weights.len()), exact);
    }

    #[test]
    fn same_calls_get_same_answers(
        config in config(), backends in backends(), events in events(),
    ) {
        let start = epoch();
        let mut one = Balancer::new(config, backends.clone()).unwrap();
        let mut two = Balancer::new(config, backends).unwrap();
        let said = live(&mut one, &mut start.clone(), &events);
        prop_assert_eq!(said, live(&mut two, &mut start.clone(), &events));
    }

    #[test]
    fn cancelled_requests_leave_nothing_behind_but_a_later_trial(
        (mut balancer, now) in lived(), requests in vec(by(), 1..20),
    ) {
        let before = balancer.clone();
        for by in requests {
            Wish::by(by).round(&mut balancer, now);
        }
        for id in before.ids() {
            match (before.status(id), balancer.status(id)) {
                (Status::Down { since, due }, Status::Down { since: still, due: next })
                    if due <= now && before.mode(id) == Mode::Enabled =>
                        prop_assert!(since == still && next >= now),
                (was, is) => prop_assert_eq!(was, is),
            }
        }
    }

    #[test]
    fn a_backend_that_is_down_is_tried_at_most_once_per_backoff_while_another_is_up(
        gaps in vec((0..3_000u64, by()), 1..200), seed in any::<u64>(), took in 0..20u64, priority in 10..12u16,
    ) {
        let backends = [Backend::new(10, 1), Backend::new(priority, 1)];
        let mut balancer = Balancer::new(Config::default().with_seed(seed), backends).unwrap();
        let [dead, _] = *balancer.ids().collect::<Vec<_>>() else { unreachable!() };
        let start = epoch();
        let mut now = start;
        let mut tries = Vec::new();
        for (gap, by) in gaps {
            let mut tried = Tried::new();
            while let Some(id) = Wish::by(by).pick(&mut balancer, now, &mut tried) {
                if id != dead {
                    balancer.observe(now, id, Outcome::Success);
                    break;
                }
                tries.push(now);
                now += secs(took);
                balancer.observe(now, id, Outcome::Failure { took: secs(took) });
            }
            now += Duration::from_millis(gap);
        }
        let mut backoff = secs(took.max(1));
        for pair in tries.windows(2) {
            prop_assert!(pair[1] - pair[0] >= backoff, "{:?} after {:?}", pair[1] - pair[0], backoff);
            backoff = (backoff * 2).min(secs(60));
        }
        // And so, however long it is away, for no more than half of the time.
        prop_assert!(secs(took) * tries.len() as u32 * 2 <= now - start + secs(took));
    }

    #[test]
    fn no_history_loses_a_backend_that_answers_again(
        config in config(), weights in vec(1..=5u16, 1..=8), events in events(),
    ) {
        let backends = weights.iter().map(|&weight| Backend::new(10, weight));
        let mut balancer = Balancer::new(config, backends).unwrap();
        let mut now = epoch();
        live(&mut balancer, &mut now, &events);
        // Longer than any backoff can be here, and time may have run backwards.
        now += secs(10_000);
        for id in balancer.ids().collect::<Vec<_>>() {
            balancer.set_mode(id, Mode::Enabled);
        }
        // Ordinary requests find out, each answered by the first that is asked.
        let turn: usize = weights.iter().copied().map(usize::from).sum();
        for _ in 0..turn * weights.len() {
            let id = balancer.pick(now, Preference::None, &mut Tried::new()).unwrap();
            balancer.observe(now, id, Outcome::Success);
        }
        prop_assert!(balancer.ids().all(|id| balancer.status(id) == Status::Up));
    }

    #[test]
    fn failures_from_before_an_answer_change_nothing(
        (mut balancer, now) in lived(), which in any::<prop::sample::Index>(), took in 1..100_000u64,
    ) {
        let ids: Vec<_> = balancer.ids().collect();
        let id = *which.get(&ids);
        // Later than anything that was observed before.
        let now = now + secs(10_000);
        balancer.observe(now, id, Outcome::Success);
        let took = Duration::from_millis(took);
        let late = Outcome::Failure { took: took + Duration::from_nanos(1) };
        for _ in 0..10 {
            prop_assert_eq!(balancer.observe(now + took, id, late), None);
            prop_assert_eq!(balancer.status(id), Status::Up);
        }
    }

    #[test]
    fn nothing_panics_whatever_the_times_and_ids(
        extremes in any::<[bool; 4]>(), backends in backends(),
        calls in vec((0..64usize, any::<u64>(), any::<[bool; 2]>(), by(), mode()), 0..200),
    ) {
        let longest = |extreme, normal| if extreme { Duration::MAX } else { normal };
        let config = Config::default()
            .with_max_failures(if extremes[0] { u32::MAX } else { 1 })
            .with_min_backoff(longest(extremes[1], Duration::ZERO))
            .with_max_backoff(longest(extremes[2], Duration::ZERO));
        let mut balancer = Balancer::new(config, backends).unwrap();
        let foreign: Vec<_> = Balancer::new(config, [Backend::default(); 64]).unwrap().ids().collect();
        let start = epoch();
        let mut tried = Tried::new();
        for (index, number, [forwards, success], by, mode) in calls {
            let step = Duration::from_nanos(number);
            let moved = if forwards { start.checked_add(step) } else { start.checked_sub(step) };
            let now = moved.unwrap_or(start);
            let id = foreign[index];
            let took = longest(extremes[3], step);
            let outcome = if success { Outcome::Success } else { Outcome::Failure { took } };
            balancer.observe(now, id, outcome);
            balancer.status(id);
            balancer.set_mode(id, mode);
            let wish = Wish { stick: Some(id), by };
            if wish.pick(&mut balancer, now, &mut tried).is_none() {
                prop_assert_eq!(balancer.left(tried), 0);
                tried = Tried::new();
            }
        }
    }
}
