//! `Limit`: what is counted, for whom, and what comes of it.

mod alert;
mod bounds;
mod command;
mod own;
mod parameters;
mod windows;

use std::time::Duration;

use policy_testing::mmdb::mmdb;

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
    for (name, bytes) in [("geo.dat", two_countries()), ("geo.mmdb", mmdb("DE", "US"))] {
        let file = directory.path().join(name);
        std::fs::write(&file, bytes).unwrap();
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
        check(&[(name, &parameters, requests)]).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_file_of_countries_that_changes_is_read_again() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("geo.dat");
    let one_country = [&two_countries()[..3], &two_countries()[..3]].concat();
    std::fs::write(&file, one_country).unwrap();
    let parameters = format!(
        "limits=1/1d\ncount_at=RCPT\nmetric=countries\nkey=sender\naction=\"reject over\"\ndatabase={}",
        file.display()
    );
    let world = FRAME.world(&parameters).await;
    for number in 0..1000 {
        tokio::time::advance(Duration::from_secs(1)).await;
        let mut answers = Vec::new();
        for address in ["10.0.0.1", "200.0.0.1"] {
            let request =
                format!("instance={number}{address} sender={number} client_address={address}");
            answers.push(world.ask(&request).await);
        }
        if answers == [PASSED, DENIED] {
            assert!(number > 0);
            return;
        }
        assert_eq!(answers, [PASSED, PASSED]);
        std::fs::write(&file, two_countries()).unwrap();
        tokio::task::spawn_blocking(|| {}).await.unwrap();
    }
    panic!("the other file is never read");
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

/// A file of countries in which the lower half of all addresses is in one and the upper half in another.
fn two_countries() -> Vec<u8> {
    let country = |number: u32| (16_776_960 + number).to_le_bytes();
    [&country(56)[..3], &country(225)[..3]].concat()
}
