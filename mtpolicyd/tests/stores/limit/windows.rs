//! Windows in the course of time, and many mails at once.

use std::time::Duration;

use tokio::time::advance;

use super::{DENIED, FRAME, Frame, PASSED};
use crate::world::World;

#[tokio::test(start_paused = true)]
async fn a_window_slides_and_what_was_denied_is_not_in_it() {
    let world = FRAME
        .world("limits=\"2/1m, 3/1h\"\ncount_at=RCPT\naction=\"reject %LIMIT%\"")
        .await;
    for (after, instance, expected) in [
        (0, 1, PASSED),
        (30, 2, PASSED),
        (0, 3, "reject 2/1m"),
        (0, 4, "reject 2/1m"),
        // The first is a minute ago, and a slot.
        (32, 5, PASSED),
        (0, 6, "reject 2/1m"),
        (600, 7, "reject 3/1h"),
        (3600, 8, PASSED),
    ] {
        advance(Duration::from_secs(after)).await;
        let answer = world.ask(&format!("instance={instance}")).await;
        assert_eq!(answer, expected, "{instance}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_longer_window_that_has_the_value_is_not_the_one_that_denies_it() {
    for limits in ["3/1h, 2/1m", "2/1m, 3/1h"] {
        let parameters = format!(
            "limits=\"{limits}\"\ncount_at=RCPT\nmetric=distinct_recipients\naction=\"reject %LIMIT%\""
        );
        let world = FRAME.world(&parameters).await;
        for (after, instance, recipient, expected) in [
            (0, 1, "a@x", PASSED),
            (100, 2, "b@x", PASSED),
            (0, 3, "c@x", PASSED),
            // The hour has it, and is full; the minute has no room for it.
            (10, 4, "a@x", "reject 2/1m"),
            // The minute is over, and the hour has no room.
            (90, 5, "d@x", "reject 3/1h"),
        ] {
            advance(Duration::from_secs(after)).await;
            let answer = world
                .ask(&format!("instance={instance} recipient={recipient}"))
                .await;
            assert_eq!(answer, expected, "{limits} {instance}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_only_scores_is_counted_although_it_is_too_much() {
    let world = FRAME.world("limits=1/1m\ncount_at=RCPT\nscore=3").await;
    let scored = "PREPEND X-MtScore: NO score=3 [p=3]";
    for (after, instance, expected) in [
        (0, 1, PASSED),
        (50, 2, scored),
        (50, 3, scored),
        (62, 4, PASSED),
    ] {
        advance(Duration::from_secs(after)).await;
        let answer = world.ask(&format!("instance={instance}")).await;
        assert_eq!(answer, expected, "{instance}");
    }
}

#[tokio::test]
async fn never_more_than_the_limit_pass_at_once() {
    for store in ["limits", "db"] {
        let parameters =
            format!("limits=30/1h\ncount_at=RCPT\nstore={store}\naction=\"reject over\"");
        let world = FRAME.world(&parameters).await;
        let requests = (0..100).map(|index| world.ask_owned(format!("instance=i{index}")));
        let answers = futures_util::future::join_all(requests).await;
        let passed = answers.iter().filter(|answer| *answer == PASSED).count();
        let denied = answers.iter().filter(|answer| *answer == DENIED).count();
        assert_eq!((passed, denied), (30, 70), "{store}");
    }
}

#[tokio::test]
async fn two_hosts_have_one_limit_in_a_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("limits.sqlite");
    let connections = format!(
        "<Connection limits>\nmodule=Sql\ndsn=dbi:SQLite:dbname={}\n</Connection>\n",
        path.display()
    );
    let plugins = FRAME.plugins("limits=7/1h\ncount_at=RCPT\naction=\"reject over\"");
    let hosts = [
        World::new(&connections, &plugins),
        World::new(&connections, &plugins),
    ];
    let ask = |index: usize| hosts[index % 2].ask_owned(format!("instance=i{index}"));
    let answers = futures_util::future::join_all((0..20).map(ask)).await;
    let passed = answers.iter().filter(|answer| *answer == PASSED).count();
    let denied = answers.iter().filter(|answer| *answer == DENIED).count();
    assert_eq!((passed, denied), (7, 13), "{answers:?}");
}

#[tokio::test]
async fn two_limits_of_one_store_do_not_meet() {
    let frame = Frame {
        behind: "<Plugin q>\nmodule=Limit\nlimits=2/1h\ncount_at=RCPT\naction=\"reject second\"\n</Plugin>",
        ..FRAME
    };
    let world = frame
        .world("limits=3/1h\ncount_at=RCPT\naction=\"reject first\"")
        .await;
    for (instance, expected) in [
        (1, "ok"),
        (2, "ok"),
        (3, "reject second"),
        (4, "reject first"),
    ] {
        assert_eq!(world.ask(&format!("instance={instance}")).await, expected);
    }
}
