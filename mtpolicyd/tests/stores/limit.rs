//! `Limit`: what is counted, for whom, and what comes of it.

mod alert;
mod command;
mod own;

use std::time::Duration;

use tokio::time::advance;

use super::world::{Case, Frame};

const FRAME: Frame<'static> = Frame {
    behind: "<Plugin h>\nmodule=AddScoreHeader\n</Plugin>",
    ..Frame::of("Limit")
};

const PASSED: &str = "PREPEND X-MtScore: NO score=0";
/// A mail's second request has its header already.
const AGAIN: &str = "dunno";
const DENIED: &str = "reject over";

/// Runs each case with a store in memory, and with one in a file.
async fn check(cases: &[Case<'_>]) {
    for store in ["", "store=db"] {
        for (name, parameters, requests) in cases {
            let parameters = format!("{store}\n{parameters}");
            FRAME.check(&[(name, &parameters, requests)]).await;
        }
    }
}

#[tokio::test]
async fn each_metric_counts_a_mail_once_at_the_state_that_is_wanted() {
    let cases: &[Case<'_>] = &[
        (
            "messages at RCPT: however many recipients",
            "limits=2/1h\ncount_at=RCPT\naction=\"reject over\"",
            &[
                ("instance=1", PASSED),
                ("instance=1 recipient=b@x", AGAIN),
                ("instance=2", PASSED),
                ("instance=3", DENIED),
                ("instance=3 recipient=b@x", DENIED),
                ("instance=1 recipient=c@x", AGAIN),
            ],
        ),
        (
            "messages at END-OF-MESSAGE, the default: other states are not looked at",
            "limits=1/1h\naction=\"reject over\"",
            &[
                ("instance=1", PASSED),
                ("instance=1 protocol_state=DATA", AGAIN),
                ("instance=1 protocol_state=END-OF-MESSAGE", AGAIN),
                ("instance=1 protocol_state=END-OF-MESSAGE", AGAIN),
                ("instance=2", PASSED),
                ("instance=2 protocol_state=END-OF-MESSAGE", DENIED),
                ("instance=3 protocol_state=(absent)", PASSED),
            ],
        ),
        (
            "messages at DATA",
            "limits=1/1h\ncount_at=DATA\naction=\"reject over\"",
            &[
                ("instance=1 protocol_state=DATA", PASSED),
                ("instance=2", PASSED),
                ("instance=2 protocol_state=END-OF-MESSAGE", AGAIN),
                ("instance=3 protocol_state=DATA", DENIED),
            ],
        ),
        (
            "each request counts where none has an instance",
            "limits=1/1h\ncount_at=RCPT\naction=\"reject over\"",
            &[("instance=", PASSED), ("instance=", DENIED)],
        ),
        (
            "recipients at RCPT: each one once",
            "limits=2/1h\ncount_at=RCPT\nmetric=recipients\naction=\"reject over\"",
            &[
                ("instance=1 recipient=a@x", PASSED),
                ("instance=1 recipient=a@x", AGAIN),
                ("instance=1 recipient=b@x", AGAIN),
                ("instance=1 recipient=c@x", DENIED),
                ("instance=2 recipient=a@x", DENIED),
            ],
        ),
        (
            "recipients at END-OF-MESSAGE: those of the mail, 1 at least",
            "limits=5/1h\nmetric=recipients\naction=\"reject over\"",
            &[
                (
                    "instance=1 recipient_count=3 protocol_state=END-OF-MESSAGE",
                    PASSED,
                ),
                (
                    "instance=2 recipient_count=3 protocol_state=END-OF-MESSAGE",
                    DENIED,
                ),
                (
                    "instance=3 recipient_count=0 protocol_state=END-OF-MESSAGE",
                    PASSED,
                ),
                (
                    "instance=4 recipient_count=(absent) protocol_state=END-OF-MESSAGE",
                    PASSED,
                ),
                (
                    "instance=5 recipient_count=1 protocol_state=END-OF-MESSAGE",
                    DENIED,
                ),
            ],
        ),
        (
            "bytes",
            "limits=1000/1h\nmetric=bytes\naction=\"reject over\"",
            &[
                ("instance=1 size=600 protocol_state=END-OF-MESSAGE", PASSED),
                ("instance=2 size=600 protocol_state=END-OF-MESSAGE", DENIED),
                ("instance=3 size=400 protocol_state=END-OF-MESSAGE", PASSED),
                (
                    "instance=4 size=(absent) protocol_state=END-OF-MESSAGE",
                    PASSED,
                ),
                ("instance=5 size=1 protocol_state=END-OF-MESSAGE", DENIED),
            ],
        ),
        (
            "distinct_recipients at RCPT: in any mail, in upper case or lower",
            "limits=2/1h\ncount_at=RCPT\nmetric=distinct_recipients\naction=\"reject over\"",
            &[
                ("instance=1 recipient=a@x", PASSED),
                ("instance=2 recipient=A@X", PASSED),
                ("instance=3 recipient=b@x", PASSED),
                ("instance=4 recipient=c@x", DENIED),
                ("instance=5 recipient=b@x", PASSED),
            ],
        ),
        (
            "distinct_recipients at END-OF-MESSAGE: those that the requests before have named",
            "limits=2/1h\nmetric=distinct_recipients\naction=\"reject over\"",
            &[
                ("instance=1 recipient=a@x", PASSED),
                ("instance=1 recipient=b@x", AGAIN),
                ("instance=1 recipient= protocol_state=END-OF-MESSAGE", AGAIN),
                (
                    "instance=2 recipient=b@x protocol_state=END-OF-MESSAGE",
                    PASSED,
                ),
                ("instance=3 recipient=c@x", PASSED),
                (
                    "instance=3 recipient= protocol_state=END-OF-MESSAGE",
                    DENIED,
                ),
                (
                    "instance=4 recipient=d@x protocol_state=END-OF-MESSAGE",
                    DENIED,
                ),
            ],
        ),
        (
            "addresses of one account: a whole one of IPv4, a /64 of IPv6",
            "limits=2/1h\ncount_at=RCPT\nmetric=addresses\nkey=sender\naction=\"reject over\"",
            &[
                ("instance=1 client_address=192.0.2.1", PASSED),
                ("instance=2 client_address=2001:db8::1", PASSED),
                ("instance=3 client_address=2001:db8::2", PASSED),
                ("instance=4 client_address=192.0.2.2", DENIED),
                ("instance=5 client_address=unknown", PASSED),
                ("instance=6 client_address=192.0.2.2 sender=b@x", PASSED),
            ],
        ),
    ];
    check(cases).await;
}

#[tokio::test]
async fn countries_of_one_account_are_counted() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("geo.dat");
    std::fs::write(&file, two_countries()).unwrap();
    let parameters = format!(
        "limits=1/1d\ncount_at=RCPT\nmetric=countries\nkey=sender\naction=\"reject over\"\ndatabase={}",
        file.display()
    );
    let requests = &[
        ("instance=1 client_address=10.0.0.1", PASSED),
        ("instance=2 client_address=20.0.0.1", PASSED),
        ("instance=3 client_address=200.0.0.1", DENIED),
        ("instance=4 client_address=2001:db8::1", PASSED),
        ("instance=5 client_address=200.0.0.1 sender=b@x", PASSED),
    ];
    check(&[("countries", &parameters, requests)]).await;
}

#[tokio::test]
async fn the_key_is_the_first_that_a_request_has() {
    let cases: &[Case<'_>] = &[
        (
            "sasl_username, sender, client_address/24, unless something else is said",
            "limits=1/1h\ncount_at=RCPT\naction=\"reject over\"",
            &[
                ("instance=1 sasl_username=u sender=a@x", PASSED),
                ("instance=2 sasl_username=U sender=b@x", DENIED),
                ("instance=3 sender=u", PASSED),
                ("instance=4 sender=a@x", PASSED),
                ("instance=5 sender=A@x", DENIED),
                ("instance=6 sender=", PASSED),
                ("instance=7 sender= client_address=100.64.2.99", DENIED),
                ("instance=8 sender= client_address=100.64.3.1", PASSED),
                ("instance=9 sender= client_address=2001:db8::1", PASSED),
                ("instance=10 sender= client_address=2001:db8::2", DENIED),
                ("instance=11 sender= client_address=2001:db8:0:1::", PASSED),
            ],
        ),
        (
            "key: networks as large as it says",
            "limits=1/1h\ncount_at=RCPT\nkey=client_address/16/32\naction=\"reject over\"",
            &[
                ("instance=1 client_address=192.0.2.1", PASSED),
                ("instance=2 client_address=192.0.99.1", DENIED),
                ("instance=3 client_address=192.1.2.1", PASSED),
                ("instance=4 client_address=2001:db8::", PASSED),
                ("instance=5 client_address=2001:db8:ffff::", DENIED),
            ],
        ),
        (
            "key: without a value nothing is limited",
            "limits=0/1h\ncount_at=RCPT\nkey=\"sasl_username, s:user\"\naction=\"reject over\"",
            &[
                ("instance=1", PASSED),
                ("instance=2 sasl_username=u", DENIED),
            ],
        ),
    ];
    check(cases).await;
}

#[tokio::test]
async fn each_parameter_says_what_comes_of_it() {
    let cases: &[Case<'_>] = &[
        (
            "action: the default",
            "limits=\"5/1m, 1/2h\"\ncount_at=RCPT",
            &[
                ("instance=1", PASSED),
                (
                    "instance=2",
                    "defer_if_permit limit of 1/2h messages is reached, try again later",
                ),
            ],
        ),
        (
            "action: what is known is put in",
            "limits=0/1m\ncount_at=RCPT\naction=\"reject %NAME% %KEY% %USED% of %LIMIT% %METRIC%\"",
            &[(
                "instance=1",
                "reject p carol@acme.example 0 of 0/1m messages",
            )],
        ),
        (
            "score alone: all pass, and all are counted",
            "limits=1/1h\ncount_at=RCPT\nscore=4.50",
            &[
                ("instance=1", PASSED),
                ("instance=2", "PREPEND X-MtScore: NO score=4.50 [p=4.50]"),
                ("instance=2 recipient=b@x", AGAIN),
            ],
        ),
        (
            "score_field",
            "limits=0/1h\ncount_at=RCPT\nscore=4\nscore_field=other",
            &[("instance=1", PASSED)],
        ),
        (
            "enabled=off",
            "limits=0/1h\ncount_at=RCPT\nenabled=off",
            &[("instance=1", PASSED)],
        ),
        (
            "exempt: names, domains, networks",
            "limits=0/1h\ncount_at=RCPT\nexempt=\"Boss@x, @ours.example, 192.0.2.0/25, 2001:db8::1\"\naction=\"reject over\"",
            &[
                ("instance=1", DENIED),
                ("instance=2 sender=boss@X", PASSED),
                ("instance=3 sender=a@ours.example", PASSED),
                ("instance=4 sender=a@sub.ours.example", DENIED),
                ("instance=5 client_address=192.0.2.7", PASSED),
                ("instance=6 client_address=192.0.2.200", DENIED),
                ("instance=7 client_address=2001:db8::1", PASSED),
            ],
        ),
        (
            "an unknown window: none is full that has room",
            "limits=\"2/1m, 1000/1d\"\ncount_at=RCPT\naction=\"reject %LIMIT%\"",
            &[
                ("instance=1", PASSED),
                ("instance=2", PASSED),
                ("instance=3", "reject 2/1m"),
            ],
        ),
    ];
    // The score is written as the configuration has it only in the detail.
    let cases: Vec<_> = cases
        .iter()
        .map(|(name, parameters, requests)| {
            let requests: Vec<_> = requests
                .iter()
                .map(|(request, answer)| (*request, answer.replace("score=4.50 ", "score=4.5 ")))
                .collect();
            (*name, *parameters, requests)
        })
        .collect();
    for (name, parameters, requests) in &cases {
        let requests: Vec<_> = requests
            .iter()
            .map(|(request, answer)| (*request, answer.as_str()))
            .collect();
        check(&[(name, parameters, &requests)]).await;
    }
}

#[tokio::test]
async fn a_user_may_have_other_parameters() {
    for (parameter, value, answer) in [
        ("enabled", "off", PASSED),
        ("action", "reject mine", "reject mine"),
        ("limits", "1/1h", PASSED),
        ("limits", "unlimited", PASSED),
        ("limits", "0/1h", DENIED),
        // What cannot be read leaves the limit of everybody.
        ("limits", "many", DENIED),
        ("score", "3", DENIED),
    ] {
        let before = format!("<Plugin s>\nmodule=SetField\nkey=mine\nvalue=\"{value}\"\n</Plugin>");
        let frame = Frame {
            before: &before,
            ..FRAME
        };
        let parameters =
            format!("limits=0/1m\ncount_at=RCPT\naction=\"reject over\"\nuc_{parameter}=mine");
        let answered = frame.world(&parameters).await.ask("").await;
        assert_eq!(answered, answer, "{parameter}={value}");
    }
}

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

#[tokio::test]
async fn who_is_exempt_may_be_in_a_file() {
    let world = FRAME
        .world("limits=0/1h\ncount_at=RCPT\nexempt_file=@TMP@/exempt\naction=\"reject over\"")
        .await;
    std::fs::write(world.path("exempt"), "boss@x yes\n192.0.2.7 yes\n").unwrap();
    for (request, expected) in [
        ("instance=1", DENIED),
        ("instance=2 sender=boss@x", PASSED),
        ("instance=3 client_address=192.0.2.7", PASSED),
        ("instance=4 client_address=192.0.2.8", DENIED),
    ] {
        assert_eq!(world.ask(request).await, expected, "{request}");
    }
}

#[test]
fn what_cannot_work_is_said_when_the_configuration_is_read() {
    for (parameters, finding) in [
        ("", "error: `limits` is missing in `p`"),
        (
            "limits=many",
            "error: `limits`: `many` is no limit such as 60/1m or 2000/1d (s, m, h, d)",
        ),
        (
            "limits=\"1/1m, 2/60s\"",
            "error: `limits`: two windows of 60s",
        ),
        (
            "limits=10001/1d\nmetric=distinct_recipients",
            "error: `limits`: a limit above 10000 cannot be counted",
        ),
        (
            "limits=1/1m\nmetric=mails",
            "error: `metric` is `mails`: use one of messages, recipients, bytes, distinct_recipients, addresses, countries",
        ),
        (
            "limits=1/1m\ncount_at=rcpt",
            "error: `count_at` is `rcpt`: use one of END-OF-MESSAGE, DATA, RCPT",
        ),
        (
            "limits=1/1m\nkey=client_address/33",
            "error: `client_address/33` is no key such as sasl_username, s:user or client_address/24/64",
        ),
        (
            "limits=1/1m\nstore=none",
            "error: there is no <Connection none> with a module Memory, Memcached, Redis or Sql",
        ),
        (
            "limits=1/1m\non_block_command=told",
            "error: `on_block_command`: a program is named by its whole path",
        ),
        (
            "limits=1/1m\non_block_url=ftp://x",
            "error: `on_block_url` is no address such as http://127.0.0.1:8080/blocked",
        ),
        (
            "limits=1/1m\n<Class a>\nmembers=x\n</Class>",
            "error: `limits` is missing in `a`",
        ),
        (
            "limits=1/1m\n<Class a>\nlimits=b\n</Class>",
            "error: `limits`: `b` is no limit such as 60/1m or 2000/1d (s, m, h, d)",
        ),
        (
            "limits=1/1m\nClass=a",
            "error: `Class` is a value, but a block is wanted",
        ),
        (
            "limits=1/1m\n<Class>\nlimits=1/1m\n</Class>",
            "error: a <Class> needs a name, as in <Class limits>",
        ),
        (
            "limits=1/1m\nmetric=countries\ndatabase=/nonexistent",
            "error: `database`: /nonexistent: cannot be read",
        ),
        (
            "limits=1/1m\nlimits_ldap=none\nlimits_filter=(uid=%s)",
            "error: there is no <Connection none> with a module Ldap",
        ),
        (
            "limits=1/1m\nlimit=1/1m",
            "warning: `limit` means nothing in `p`: did you mean `limits`?",
        ),
    ] {
        assert_eq!(FRAME.findings(parameters, false), [finding], "{parameters}");
    }
}

/// A file of countries in which the lower half of all addresses is in one and the upper half in another.
fn two_countries() -> Vec<u8> {
    let country = |number: u32| (16_776_960 + number).to_le_bytes();
    [&country(56)[..3], &country(225)[..3]].concat()
}
