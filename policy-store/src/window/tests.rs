//! The laws of sliding windows, against a list of all events.

use proptest::prelude::*;

use super::*;

/// All events that were counted: when, and how much or what.
#[derive(Default)]
struct Events(Vec<(u64, u64)>);

impl Events {
    fn sum(&self, after: u64) -> u64 {
        self.0
            .iter()
            .filter(|(at, _)| *at > after)
            .map(|(_, amount)| amount)
            .sum()
    }

    fn distinct(&self, after: u64) -> u64 {
        let live = self
            .0
            .iter()
            .filter(|(at, _)| *at > after)
            .map(|(_, value)| value);
        live.collect::<std::collections::BTreeSet<_>>().len() as u64
    }
}

fn windows(text: &str) -> Windows {
    text.parse().unwrap()
}

#[test]
fn a_text_is_read_as_it_is_written() {
    for (text, written) in [
        ("60/1m, 500/1h, 2000/1d", "60/1m, 500/1h, 2000/1d"),
        ("1/90,2/m", "1/90s, 2/1m"),
        ("0/60m", "0/1h"),
    ] {
        assert_eq!(windows(text).to_string(), written);
        assert_eq!(windows(written), windows(text));
    }
}

#[test]
fn a_text_that_is_none_is_refused() {
    let nine = "1/1s,1/2s,1/3s,1/4s,1/5s,1/6s,1/7s,1/8s,1/9s";
    for (text, why) in [
        ("", "`` is no limit such as 60/1m or 2000/1d (s, m, h, d)"),
        (
            "60",
            "`60` is no limit such as 60/1m or 2000/1d (s, m, h, d)",
        ),
        (
            "+6/1m",
            "`+6/1m` is no limit such as 60/1m or 2000/1d (s, m, h, d)",
        ),
        (
            "6/1w",
            "`6/1w` is no limit such as 60/1m or 2000/1d (s, m, h, d)",
        ),
        (
            "6/1é",
            "`6/1é` is no limit such as 60/1m or 2000/1d (s, m, h, d)",
        ),
        (
            "/1m",
            "`/1m` is no limit such as 60/1m or 2000/1d (s, m, h, d)",
        ),
        (
            "6/99999999999999999999d",
            "`6/99999999999999999999d` is no limit such as 60/1m or 2000/1d (s, m, h, d)",
        ),
        (
            "6/0s",
            "a window of 0ns is not within 1s and 366d, in whole seconds",
        ),
        (
            "6/367d",
            "a window of 31708800s is not within 1s and 366d, in whole seconds",
        ),
        ("6/1m,7/60s", "two windows of 60s"),
        (nine, "9 windows, but from 1 to 8 are allowed"),
    ] {
        assert_eq!(
            text.parse::<Windows>().unwrap_err().to_string(),
            why,
            "{text}"
        );
    }
}

#[test]
fn what_is_denied_does_not_count() {
    let windows = windows("2/1m");
    let mut state = WindowState::default();
    for (now, allowed, used) in [
        (0, true, 1),
        (0, true, 2),
        (1, false, 2),
        (60_999, false, 2),
        (61_000, true, 1),
    ] {
        let usage = state.count(now, &windows, Event::Amount(1));
        assert_eq!(
            (usage.allowed, usage.windows[0].used),
            (allowed, used),
            "at {now}"
        );
    }
}

#[test]
fn what_is_denied_counts_where_all_is_counted() {
    let windows = windows("1/1m").counting_all();
    let mut state = WindowState::default();
    for (allowed, used) in [(true, 1), (false, 2), (false, 3)] {
        let usage = state.count(0, &windows, Event::Amount(1));
        assert_eq!((usage.allowed, usage.windows[0].used), (allowed, used));
    }
}

#[test]
fn an_event_is_counted_in_all_windows_or_in_none() {
    let windows = windows("9/1m, 1/1h");
    let mut state = WindowState::default();
    assert!(state.count(0, &windows, Event::Amount(1)).allowed);
    let usage = state.count(0, &windows, Event::Amount(1));
    assert!(!usage.allowed);
    assert_eq!(
        usage
            .windows
            .iter()
            .map(|window| window.used)
            .collect::<Vec<_>>(),
        [1, 1]
    );
}

#[test]
fn a_value_counts_once_while_it_is_seen() {
    let windows = windows("2/1m");
    let mut state = WindowState::default();
    for (now, value, allowed, used) in [
        (0, b"a", true, 1),
        (1, b"b", true, 2),
        (2, b"c", false, 2),
        (59_000, b"a", true, 2),
        (60_000, b"c", false, 2),
        // `b` was last seen a minute ago, `a` was not.
        (60_001, b"c", true, 2),
        (60_002, b"b", false, 2),
    ] {
        let usage = state.count(now, &windows, Event::Distinct(value));
        assert_eq!(
            (usage.allowed, usage.windows[0].used),
            (allowed, used),
            "at {now}"
        );
    }
}

#[test]
fn the_number_of_values_is_bounded_where_all_is_counted() {
    let windows = windows("5/1d").counting_all();
    // As many as are remembered, all of them seen at 7: written here, since counting them takes a while.
    let mut bytes = vec![b'D', 0x90, 0x4e, 7];
    for value in 0..MAX_DISTINCT as u64 {
        bytes.extend_from_slice(&value.to_be_bytes());
        bytes.push(0);
    }
    let mut state = WindowState::decode(&bytes);
    assert_eq!(
        state.usage(8, &windows).windows[0].used,
        MAX_DISTINCT as u64
    );
    for value in [b"one more", b"another "] {
        assert!(!state.count(8, &windows, Event::Distinct(value)).allowed);
        assert_eq!(state.encode().len(), bytes.len());
    }
}

#[test]
fn another_kind_of_event_starts_anew() {
    let windows = windows("5/1d");
    let mut state = WindowState::default();
    state.count(0, &windows, Event::Amount(5));
    assert_eq!(
        state.count(0, &windows, Event::Distinct(b"a")).windows[0].used,
        1
    );
    assert_eq!(
        state.count(0, &windows, Event::Amount(2)).windows[0].used,
        2
    );
}

#[test]
fn a_window_that_stays_keeps_its_events_when_others_change() {
    let mut state = WindowState::default();
    state.count(0, &windows("5/1h, 9/1d"), Event::Amount(3));
    let usage = state.count(0, &windows("9/1m, 5/1h"), Event::Amount(1));
    assert_eq!(
        usage
            .windows
            .iter()
            .map(|window| window.used)
            .collect::<Vec<_>>(),
        [1, 4]
    );
}

#[test]
fn a_clock_that_is_set_back_far_forgets() {
    let windows = windows("1/1m");
    let mut state = WindowState::default();
    assert!(state.count(10_000_000, &windows, Event::Amount(1)).allowed);
    assert!(!state.count(9_990_000, &windows, Event::Amount(1)).allowed);
    assert!(state.count(1_000_000, &windows, Event::Amount(1)).allowed);
}

#[test]
fn limits_on_values_that_could_not_be_kept_are_refused() {
    let windows = windows("10001/1d");
    assert!(check_event(&windows, Event::Amount(1)).is_ok());
    let error = check_event(&windows, Event::Distinct(b"")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "10001 distinct values of a limit, of which at most 10000 are allowed"
    );
}

proptest! {
    #[test]
    fn never_are_more_than_the_limit_let_through_within_the_time(
        steps in prop::collection::vec((0..40_000_u64, 0..4_u64), 1..100),
        limit in 0..12_u64,
    ) {
        let windows = windows(&format!("{limit}/1m, {}/1h", limit * 3));
        let mut state = WindowState::default();
        let mut events = Events::default();
        let mut now = 1_764_000_000_123;
        for (wait, amount) in steps {
            now += wait;
            state = WindowState::decode(&state.encode());
            let usage = state.count(now, &windows, Event::Amount(amount));
            if usage.allowed {
                events.0.push((now, amount));
            }
            for (window, length) in usage.windows.iter().zip([60_000, 3_600_000]) {
                let exact = events.sum(now - length);
                let longest = events.sum(now - length - length / SLOTS);
                prop_assert!(exact <= window.window.limit);
                prop_assert!(exact <= window.used && window.used <= longest);
            }
            // Denied only if at least one slot more would be too much.
            if !usage.allowed {
                let over = |length: u64, limit| events.sum(now - length - length / SLOTS) + amount > limit;
                prop_assert!(over(60_000, limit) || over(3_600_000, limit * 3));
            }
        }
    }

    #[test]
    fn distinct_values_are_counted_exactly(
        steps in prop::collection::vec((0..20_000_u64, 0..9_u64), 1..100),
        limit in 1..6_u64,
    ) {
        let windows = windows(&format!("{limit}/1m, {}/10m", limit + 2));
        let mut state = WindowState::default();
        let mut events = Events::default();
        let mut now = 1_764_000_000_123;
        for (wait, value) in steps {
            now += wait;
            state = WindowState::decode(&state.encode());
            let usage = state.count(now, &windows, Event::Distinct(&value.to_be_bytes()));
            events.0.push((now, value));
            let over = |length, limit| events.distinct(now - length) > limit;
            prop_assert_eq!(usage.allowed, !over(60_000, limit) && !over(600_000, limit + 2));
            if !usage.allowed {
                events.0.pop();
            }
            for (window, length) in usage.windows.iter().zip([60_000, 600_000]) {
                prop_assert_eq!(window.used, events.distinct(now - length));
            }
        }
    }

    #[test]
    fn any_bytes_are_a_state_or_an_empty_one(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let state = WindowState::decode(&bytes);
        prop_assert_eq!(WindowState::decode(&state.encode()), state);
    }
}
