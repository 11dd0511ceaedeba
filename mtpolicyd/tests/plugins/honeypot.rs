//! Honeypot.

use crate::support::{Checker, found};

const END: &str = "<Plugin end>\nmodule=Action\naction=ok end of chain\n</Plugin>\n";
const TRAP: &str = "recipient=trap@ours.example";

fn honeypot(parameters: &str) -> String {
    format!(
        "<Plugin h>\nmodule=Honeypot\nrecipients=\"trap@ours.example, other@ours.example\"\n{parameters}\n</Plugin>\n{END}"
    )
}

#[tokio::test(start_paused = true)]
async fn who_writes_to_a_trap_is_kept_out_for_two_hours() {
    let rejected = "reject trapped by honeypod";
    let mut checker = Checker::new(&honeypot(""), "");
    checker
        .expect(&[
            ("", "ok end of chain"),
            (TRAP, rejected),
            ("", rejected),
            ("client_address=100.64.2.11", "ok end of chain"),
        ])
        .await;
    checker.advance(7199).await;
    assert_eq!(checker.ask("").await, rejected);
    checker.advance(1).await;
    assert_eq!(checker.ask("").await, "ok end of chain");
}

#[tokio::test(start_paused = true)]
async fn each_parameter_does_what_it_says() {
    let nested = "mode=passive\n<Plugin n>\nmodule=Action\naction=defer nested\n</Plugin>";
    for (parameters, request, answer) in [
        (
            "",
            "recipient=other@ours.example",
            "reject trapped by honeypod",
        ),
        ("", "recipient=Trap@ours.example", "ok end of chain"),
        ("", "recipient=(absent)", "ok end of chain"),
        ("enabled=off", TRAP, "ok end of chain"),
        ("mode=passive", TRAP, "ok end of chain"),
        (nested, TRAP, "defer nested"),
        (nested, "", "ok end of chain"),
        ("reject_message=gotcha", TRAP, "reject gotcha"),
        (
            "recipients_re=\"^a[0-9]+@, ^b@\"",
            "recipient=a12@x",
            "reject trapped by honeypod",
        ),
        (
            "recipients_re=\"^a[0-9]+@, ^b@\"",
            "recipient=b@x",
            "reject trapped by honeypod",
        ),
        (
            "recipients_re=\"^a[0-9]+@, ^b@\"",
            "recipient=c@x",
            "ok end of chain",
        ),
    ] {
        let mut checker = Checker::new(&honeypot(parameters), "");
        assert_eq!(checker.ask(request).await, answer, "{parameters}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_time_and_the_network_can_be_set() {
    let rejected = "reject trapped by honeypod";
    for (parameters, trapped, other, seconds, answer) in [
        ("expire=60", "100.64.2.10", "100.64.2.10", 59, rejected),
        (
            "expire=60",
            "100.64.2.10",
            "100.64.2.10",
            60,
            "ok end of chain",
        ),
        ("ipv4_mask=24", "100.64.2.10", "100.64.2.99", 1, rejected),
        (
            "ipv4_mask=24",
            "100.64.2.10",
            "100.64.3.10",
            1,
            "ok end of chain",
        ),
        ("", "2001:db8::1", "2001:db8::ffff:2", 1, rejected),
        ("", "2001:db8::1", "2001:db8:0:1::1", 1, "ok end of chain"),
        (
            "ipv6_mask=128",
            "2001:db8::1",
            "2001:db8::2",
            1,
            "ok end of chain",
        ),
        (
            "ipv6_mask=56",
            "2001:db8::1",
            "2001:db8:0:ff::1",
            1,
            rejected,
        ),
    ] {
        let mut checker = Checker::new(&honeypot(parameters), "");
        checker
            .ask(&format!("{TRAP} client_address={trapped}"))
            .await;
        checker.advance(seconds).await;
        let request = format!("client_address={other}");
        assert_eq!(checker.ask(&request).await, answer, "{parameters} {other}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_passive_one_scores_each_mail_once() {
    let sum = "<Plugin g>\nmodule=ScoreAction\nthreshold=1\naction=\"reject %SCORE%%SCORE_DETAIL%\"\n</Plugin>\n";
    let blocks = honeypot("mode=passive\nscore=3").replace(END, sum);
    let mut checker = Checker::new(&blocks, "").with_sessions();
    checker
        .expect(&[
            (TRAP, "reject 3, h=3"),
            ("", "reject 3, h=3"),
            ("instance=b", "reject 3, h=3"),
            ("instance=c client_address=100.64.2.11", "dunno"),
        ])
        .await;
}

#[tokio::test(start_paused = true)]
async fn stores_are_shared_by_name() {
    // Two plugins of one name, as in two virtual hosts, know of the same clients; those of other names do not.
    let own = |name: &str| {
        format!(
            "<Plugin {name}>\nmodule=Honeypot\nrecipients=trap@ours.example\nmode=passive\n<Plugin n>\nmodule=Action\naction=reject {name}\n</Plugin>\n</Plugin>\n"
        )
    };
    for connections in ["", "<Connection memcached>\nmodule=Memory\n</Connection>\n"] {
        let blocks = format!(
            "{connections}<Plugin if>\nmodule=Condition\nkey=sender\nmatch=a@x\n{}</Plugin>\n{}{}",
            own("one"),
            own("two"),
            own("one"),
        );
        Checker::new(&blocks, "")
            .expect(&[
                (&format!("{TRAP} sender=a@x"), "reject one"),
                // `two` has not seen the trap: its chain was not run.
                ("", "reject one"),
            ])
            .await;
    }
    let named = "<Connection mem>\nmodule=Memory\n</Connection>\n";
    let blocks = format!("{named}{}", honeypot("store=mem"));
    assert_eq!(
        Checker::new(&blocks, "").ask(TRAP).await,
        "reject trapped by honeypod"
    );
}

#[tokio::test(start_paused = true)]
async fn that_of_the_original_fails_each_request() {
    let mut checker = Checker::compat(&honeypot(""), "");
    assert!(checker.ask("").await.starts_with("closed: plugin h failed"));
    let mut checker = Checker::compat(&honeypot("enabled=off"), "");
    assert_eq!(checker.ask("").await, "ok end of chain");
}

#[test]
fn mistakes_are_found_at_the_start() {
    for (parameters, finding) in [
        (
            "recipients_re=(",
            "error: `recipients_re`: `(` is no regular expression: ",
        ),
        (
            "store=none",
            "error: there is no <Connection none> with a module Memory",
        ),
        (
            "expire=soon",
            "error: `expire` is `soon`, but a whole number is wanted",
        ),
        (
            "ipv4_mask=33",
            "error: `ipv4_mask` is not a number from 0 to 32",
        ),
        (
            "ipv6_mask=129",
            "error: `ipv6_mask` is not a number from 0 to 128",
        ),
    ] {
        let found = found(&honeypot(parameters));
        assert!(
            found.iter().any(|text| text.starts_with(finding)),
            "{parameters}: {found:?}"
        );
    }
}
