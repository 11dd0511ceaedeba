//! Each parameter of a limit has its effect.

use super::{AGAIN, Case, DENIED, FRAME, Frame, PASSED, check};

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
            "error: `database`: /nonexistent: No such file or directory (os error 2)",
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
