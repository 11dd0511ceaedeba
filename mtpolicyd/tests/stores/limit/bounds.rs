//! A mail, a recipient and a score count as often as they should, and what is collected of a mail has bounds.

use super::{AGAIN, Case, DENIED, FRAME, PASSED, check};
use crate::world::World;

#[tokio::test]
async fn recipients_are_collected_at_rcpt_once_and_in_lower_case() {
    let cases: &[Case<'_>] = &[
        (
            "a recipient in capitals is the same one",
            "limits=1/1h\nmetric=distinct_recipients\naction=\"reject over\"",
            &[
                ("instance=1 recipient=A@X", PASSED),
                ("instance=1 recipient=a@x", AGAIN),
                (
                    "instance=1 recipient=a@x protocol_state=END-OF-MESSAGE",
                    AGAIN,
                ),
            ],
        ),
        (
            "none is collected at DATA",
            "limits=1/1h\nmetric=distinct_recipients\naction=\"reject over\"",
            &[
                ("instance=1 recipient=a@x", PASSED),
                ("instance=1 recipient=b@x protocol_state=DATA", AGAIN),
                ("instance=1 recipient= protocol_state=END-OF-MESSAGE", AGAIN),
            ],
        ),
        (
            "recipients at RCPT: each is one, whatever the number says",
            "limits=2/1h\ncount_at=RCPT\nmetric=recipients\naction=\"reject over\"",
            &[
                ("instance=1 recipient=a@x recipient_count=3", PASSED),
                ("instance=1 recipient=b@x recipient_count=3", AGAIN),
                ("instance=1 recipient=c@x recipient_count=3", DENIED),
            ],
        ),
        (
            "recipients at END-OF-MESSAGE: a mail counts once, whatever it names",
            "limits=1/1h\nmetric=recipients\naction=\"reject over\"",
            &[
                (
                    "instance=1 recipient=a@x protocol_state=END-OF-MESSAGE",
                    PASSED,
                ),
                (
                    "instance=1 recipient=b@x protocol_state=END-OF-MESSAGE",
                    AGAIN,
                ),
            ],
        ),
        (
            "as many different values as can be counted",
            "limits=10000/1h\ncount_at=RCPT\nmetric=addresses\naction=\"reject over\"",
            &[("instance=1", PASSED)],
        ),
    ];
    check(cases).await;
}

#[tokio::test]
async fn only_what_is_needed_of_a_mail_is_in_its_session_and_no_more_than_1000_recipients() {
    let end = "recipient= protocol_state=END-OF-MESSAGE";
    let world = FRAME.world("limits=1/1h\naction=\"reject over\"").await;
    world.ask("instance=1 recipient=a@x").await;
    assert_eq!(world.field("1", "p-recipients"), None);

    let parameters = "limits=1000/1h\nmetric=distinct_recipients\naction=\"reject over\"";
    let world = FRAME.world(parameters).await;
    for number in 0..1001 {
        let request = format!("instance=1 recipient={number}@x");
        world.ask(&request).await;
    }
    assert_eq!(world.ask(&format!("instance=1 {end}")).await, AGAIN);

    let parameters = "limits=1/1h\nmetric=distinct_recipients\naction=\"reject over\"";
    let world = FRAME.world(parameters).await;
    for _ in 0..1000 {
        world.ask("instance=1 recipient=a@x").await;
    }
    world.ask("instance=1 recipient=b@x").await;
    assert_eq!(world.ask(&format!("instance=1 {end}")).await, DENIED);
}

#[tokio::test]
async fn long_keys_that_differ_at_their_end_have_limits_of_their_own() {
    let parameters = "limits=1/1h\ncount_at=RCPT\naction=\"reject over\"";
    let world = FRAME.world(parameters).await;
    let long = "a".repeat(600);
    for (instance, end, expected) in [
        ("1", "@one", PASSED),
        ("2", "@two", PASSED),
        ("3", "@one", DENIED),
    ] {
        let request = format!("instance={instance} sasl_username={long}{end}");
        assert_eq!(world.ask(&request).await, expected, "{instance}");
    }
}

#[tokio::test]
async fn a_mail_whose_session_is_lost_counts_once_all_the_same() {
    for store in ["limits", "db"] {
        let parameters =
            format!("limits=1/1h\ncount_at=RCPT\nstore={store}\naction=\"reject over\"");
        let world = FRAME.world(&parameters).await;
        for recipient in ["a@x", "b@x", "a@x"] {
            let request = format!("instance=1 recipient={recipient}");
            assert_eq!(world.ask(&request).await, PASSED, "{store} {recipient}");
            world.forget();
        }
    }
}

#[tokio::test]
async fn a_mail_that_is_denied_again_has_its_score_once() {
    let parameters = "limits=0/1h\ncount_at=RCPT\nscore=5\naction=\"reject over\"";
    let world = FRAME.world(parameters).await;
    for recipient in ["a@x", "b@x"] {
        let request = format!("instance=1 recipient={recipient}");
        assert_eq!(world.ask(&request).await, DENIED);
    }
    assert_eq!(world.field("1", "score").as_deref(), Some("5"));
}

#[tokio::test]
async fn the_window_that_is_named_is_the_first_one_without_room() {
    let world = FRAME
        .world("limits=\"3/1h, 2/1d\"\ncount_at=RCPT\naction=\"reject %LIMIT%\"")
        .await;
    for (instance, expected) in [(1, PASSED), (2, PASSED), (3, "reject 2/1d")] {
        let answer = world.ask(&format!("instance={instance}")).await;
        assert_eq!(answer, expected, "{instance}");
    }
    // A limit that only scores has counted the mail already.
    let world = FRAME
        .world("limits=\"3/1h, 2/1d\"\ncount_at=RCPT\nscore=1")
        .await;
    world.services.journal.set_level(4);
    for instance in 1..=3 {
        world.ask(&format!("instance={instance}")).await;
    }
    let log = world.log();
    assert!(log.contains("is over 2/1d messages"), "{log}");
    assert!(!log.contains("is over 3/1h"), "{log}");
}

/// What was counted longest ago leaves for what comes.
#[tokio::test]
async fn a_memory_holds_as_many_entries_as_it_may() {
    let plugins = FRAME.plugins("limits=1/1h\ncount_at=RCPT\naction=\"reject over\"");
    for (parameter, again) in [
        ("", DENIED),
        ("max_entries=1000", DENIED),
        ("max_entries=4", PASSED),
    ] {
        let memory = format!("<Connection limits>\nmodule=Memory\n{parameter}\n</Connection>\n");
        let world = World::new(&memory, &plugins);
        for sender in 1..=8 {
            let request = format!("instance={sender} sender={sender}@x");
            assert_eq!(world.ask(&request).await, PASSED, "{parameter}");
        }
        // The last one is there in any case.
        assert_eq!(
            world.ask("instance=9 sender=8@x").await,
            DENIED,
            "{parameter}"
        );
        assert_eq!(
            world.ask("instance=10 sender=1@x").await,
            again,
            "{parameter}"
        );
    }
}
