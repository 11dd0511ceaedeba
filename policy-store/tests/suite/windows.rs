//! Windows: what is counted, and what is let through.

use std::time::Duration;

use policy_store::{Event, Mark, StoreError, Usage, Windows};
use tokio::task::JoinSet;

use super::{LONG, Tested, eventually};

fn windows(text: &str) -> Windows {
    text.parse().unwrap()
}

/// Whether it is allowed, and what each window holds.
fn seen(usage: &Usage) -> (bool, Vec<u64>) {
    (
        usage.allowed,
        usage.windows.iter().map(|window| window.used).collect(),
    )
}

pub async fn events_are_counted_up_to_the_limit(store: Tested) {
    let windows = windows("3/1h");
    for (allowed, used) in [(true, 1), (true, 2), (true, 3), (false, 3), (false, 3)] {
        let usage = store
            .count(b"limited", &windows, Event::Amount(1))
            .await
            .unwrap();
        assert_eq!(seen(&usage), (allowed, vec![used]));
        assert_eq!(usage.windows[0].window, *windows.iter().next().unwrap());
    }
    let other = store
        .count(b"other", &windows, Event::Amount(1))
        .await
        .unwrap();
    assert_eq!(seen(&other), (true, vec![1]));
}

pub async fn all_windows_count_or_none(store: Tested) {
    let windows = windows("9/1h, 2/1d, 5/10m");
    for expected in [(true, [1; 3]), (true, [2; 3]), (false, [2; 3])] {
        let usage = store
            .count(b"all", &windows, Event::Amount(1))
            .await
            .unwrap();
        assert_eq!(seen(&usage), (expected.0, expected.1.to_vec()));
    }
}

pub async fn bytes_and_recipients_are_counted_as_amounts(store: Tested) {
    let windows = windows("1000000000000/1d");
    for (amount, expected) in [
        (400_000_000_000, (true, vec![400_000_000_000])),
        (0, (true, vec![400_000_000_000])),
        (600_000_000_001, (false, vec![400_000_000_000])),
        (600_000_000_000, (true, vec![1_000_000_000_000])),
        (u64::MAX, (false, vec![1_000_000_000_000])),
        (0, (true, vec![1_000_000_000_000])),
    ] {
        let usage = store
            .count(b"bytes", &windows, Event::Amount(amount))
            .await
            .unwrap();
        assert_eq!(seen(&usage), expected, "{amount}");
    }
}

pub async fn distinct_values_count_once(store: Tested) {
    let windows = windows("2/1h, 3/1d");
    for (value, expected) in [
        (&b"a@x.example"[..], (true, vec![1, 1])),
        (b"b\r\n\0", (true, vec![2, 2])),
        (b"a@x.example", (true, vec![2, 2])),
        (b"", (false, vec![2, 2])),
        (b"b\r\n\0", (true, vec![2, 2])),
    ] {
        let usage = store
            .count(b"distinct", &windows, Event::Distinct(value))
            .await
            .unwrap();
        assert_eq!(seen(&usage), expected, "{value:?}");
    }
    assert_eq!(
        seen(&store.usage(b"distinct", &windows).await.unwrap()),
        (false, vec![2, 2])
    );
}

pub async fn what_is_denied_can_be_counted(store: Tested) {
    let windows = windows("1/1h").counting_all();
    for expected in [(true, vec![1]), (false, vec![2]), (false, vec![3])] {
        let usage = store
            .count(b"denied amounts", &windows, Event::Amount(1))
            .await
            .unwrap();
        assert_eq!(seen(&usage), expected);
    }
    for (value, expected) in [
        (b"a", (true, vec![1])),
        (b"b", (false, vec![2])),
        (b"a", (false, vec![2])),
    ] {
        let usage = store
            .count(b"denied values", &windows, Event::Distinct(value))
            .await
            .unwrap();
        assert_eq!(seen(&usage), expected);
    }
}

pub async fn what_has_its_mark_is_counted_already(store: Tested) {
    let denied = Some((false, 2));
    let cases = [
        (
            windows("2/1h"),
            [
                ("1", Some((true, 1))),
                ("1", None),
                ("2", Some((true, 2))),
                ("3", denied),
                ("3", denied),
                ("2", None),
            ],
        ),
        (
            windows("2/1h").counting_all(),
            [
                ("1", Some((true, 1))),
                ("2", Some((true, 2))),
                ("3", Some((false, 3))),
                ("3", None),
                ("4", Some((false, 4))),
                ("1", None),
            ],
        ),
    ];
    for (number, (windows, events)) in cases.iter().enumerate() {
        let key = format!("marked {number}");
        for (mark, expected) in events {
            let name = format!("mark {number} {mark}");
            let mark = Mark {
                key: name.as_bytes(),
                ttl: Duration::from_secs(60),
            };
            let usage = store.count_once(mark, key.as_bytes(), windows, Event::Amount(1));
            let usage = usage.await.unwrap();
            let found = usage.map(|usage| (usage.allowed, usage.windows[0].used));
            assert_eq!(found, *expected, "{number} {name}");
        }
    }
}

pub async fn a_window_slides(store: Tested) {
    let windows = windows("2/1s, 100/1d");
    let again = async || {
        store
            .count(b"slides", &windows, Event::Amount(2))
            .await
            .unwrap()
    };
    let values = async || {
        store
            .count(b"values slide", &windows, Event::Distinct(b"c"))
            .await
            .unwrap()
    };
    assert!(again().await.allowed);
    store
        .count(b"values slide", &windows, Event::Distinct(b"a"))
        .await
        .unwrap();
    store
        .count(b"values slide", &windows, Event::Distinct(b"b"))
        .await
        .unwrap();
    assert!(eventually(async || { again().await.allowed }).await);
    assert!(eventually(async || { values().await.allowed }).await);
    // What has left the short window is still in the long one.
    assert_eq!(
        store.usage(b"slides", &windows).await.unwrap().windows[1].used,
        4
    );
    assert_eq!(
        store
            .usage(b"values slide", &windows)
            .await
            .unwrap()
            .windows[1]
            .used,
        3
    );
}

pub async fn a_window_is_shown_without_counting(store: Tested) {
    let windows = windows("2/1h");
    for expected in [(true, vec![0]), (true, vec![1]), (false, vec![2])] {
        assert_eq!(
            seen(&store.usage(b"shown", &windows).await.unwrap()),
            expected
        );
        assert_eq!(
            seen(&store.usage(b"shown", &windows).await.unwrap()),
            expected
        );
        store
            .count(b"shown", &windows, Event::Amount(1))
            .await
            .unwrap();
    }
}

pub async fn a_window_is_reset(store: Tested) {
    let windows = windows("1/1h");
    for event in [Event::Amount(1), Event::Distinct(b"a")] {
        assert!(!store.reset(b"reset").await.unwrap());
        assert!(
            store
                .count(b"reset", &windows, event)
                .await
                .unwrap()
                .allowed
        );
        assert!(store.reset(b"reset").await.unwrap());
        assert_eq!(
            seen(&store.usage(b"reset", &windows).await.unwrap()),
            (true, vec![0])
        );
    }
}

pub async fn many_callers_are_let_through_up_to_the_limit(store: Tested) {
    let mut callers = JoinSet::new();
    for caller in 0..8_u8 {
        let store = store.clone();
        callers.spawn(async move {
            let windows = windows("20/1h, 25/1d");
            let mut allowed = (0, 0);
            for number in 0..5 {
                let usage = store
                    .count(b"amounts", &windows, Event::Amount(1))
                    .await
                    .unwrap();
                allowed.0 += u32::from(usage.allowed);
                let value = [caller, number];
                let event = Event::Distinct(&value);
                let usage = store.count(b"values", &windows, event).await.unwrap();
                allowed.1 += u32::from(usage.allowed);
            }
            allowed
        });
    }
    let allowed = callers.join_all().await;
    assert_eq!(allowed.iter().map(|allowed| allowed.0).sum::<u32>(), 20);
    assert_eq!(allowed.iter().map(|allowed| allowed.1).sum::<u32>(), 20);
}

pub async fn another_kind_of_event_starts_anew(store: Tested) {
    let windows = windows("5/1h");
    store.set(b"kinds", b"something else", LONG).await.unwrap();
    for (event, used) in [
        (Event::Amount(3), 3),
        (Event::Distinct(b"a"), 1),
        (Event::Distinct(b"b"), 2),
        (Event::Amount(1), 1),
    ] {
        let usage = store.count(b"kinds", &windows, event).await.unwrap();
        assert_eq!(seen(&usage), (true, vec![used]));
    }
}

pub async fn limits_that_could_not_be_kept_are_refused(store: Tested) {
    let windows = windows("10001/1h");
    assert!(
        store
            .count(b"kept", &windows, Event::Amount(10_001))
            .await
            .unwrap()
            .allowed
    );
    let result = store.count(b"kept", &windows, Event::Distinct(b"a")).await;
    assert!(
        matches!(result, Err(StoreError::TooLarge { limit: 10_000, .. })),
        "{result:?}"
    );
}

pub async fn a_preview_says_what_counting_would_and_counts_nothing(store: Tested) {
    let windows: Windows = "3/1h, 5/1d".parse().unwrap();
    let (amount, distinct) = (Event::Amount, |value: &'static str| {
        Event::Distinct(value.as_bytes())
    });
    let used = |usage: &Usage| usage.windows.iter().map(|of| of.used).collect::<Vec<_>>();
    for events in [
        &[amount(2)][..],
        &[amount(2), amount(1)],
        &[amount(2), amount(2), amount(1)],
        &[distinct("a"), distinct("b"), distinct("a")],
        &[distinct("a"), distinct("b"), distinct("c"), distinct("d")],
        // The other kind starts anew.
        &[distinct("a"), amount(1)],
    ] {
        for windows in [windows.clone(), windows.clone().counting_all()] {
            store.reset(b"preview").await.unwrap();
            for number in 0..events.len() {
                let (before, last) = (&events[number..=number], &events[number..]);
                let told = store.preview(b"preview", &windows, last).await.unwrap();
                let again = store.preview(b"preview", &windows, last).await.unwrap();
                assert_eq!(told, again, "{events:?}");
                if let [event] = last {
                    let counted = store.count(b"preview", &windows, *event).await.unwrap();
                    assert_eq!(told, counted, "{events:?}");
                } else {
                    let one = store.preview(b"preview", &windows, before).await.unwrap();
                    let counted = store.count(b"preview", &windows, before[0]).await.unwrap();
                    assert_eq!(used(&one), used(&counted), "{events:?}");
                }
                // What is told of all of them is what comes of those that are left.
                if let Some(rest) = events.get(number + 1..).filter(|rest| !rest.is_empty()) {
                    let left = store.preview(b"preview", &windows, rest).await.unwrap();
                    assert_eq!(told, left, "{events:?}");
                }
            }
        }
    }
}
