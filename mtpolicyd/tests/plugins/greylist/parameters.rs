//! Each parameter of Greylist has its effect.

use super::{DEFERRED, END, OK, greylist};
use crate::support::Checker;

#[tokio::test(start_paused = true)]
async fn each_parameter_does_what_it_says() {
    let late = 301;
    // The parameters; the first answer; after which time; the second.
    for (parameters, first, seconds, second) in [
        ("", DEFERRED, late, OK),
        ("enabled=off", OK, 0, OK),
        ("mode=passive", DEFERRED, late, OK),
        ("mode=dunno", DEFERRED, late, "dunno"),
        ("mode=accept", DEFERRED, late, "dunno"),
        ("mode=other", DEFERRED, late, OK),
        (
            "defer_message=defer later",
            "defer later",
            100,
            "defer later (200s left)",
        ),
        ("append_waittime=0", DEFERRED, 100, DEFERRED),
        ("create_ticket=0", OK, 0, OK),
        ("min_retry_wait=60", DEFERRED, 61, OK),
        (
            "min_retry_wait=60",
            DEFERRED,
            59,
            "defer greylisting is active (1s left)",
        ),
        ("max_retry_wait=400", DEFERRED, 400, DEFERRED),
        ("max_retry_wait=400", DEFERRED, 399, OK),
    ] {
        let mut checker = Checker::new(&greylist(parameters), "");
        assert_eq!(checker.ask("").await, first, "{parameters}");
        checker.advance(seconds).await;
        assert_eq!(checker.ask("").await, second, "{parameters}");
    }
    // Those of the block come before those beside it; the original knows neither.
    for (compat, seconds, answer) in [
        (false, 9, "defer greylisting is active (1s left)"),
        (false, 11, OK),
        (true, 11, "defer greylisting is active (289s left)"),
    ] {
        let blocks = "<Plugin g>\nmodule=Greylist\nuse_autowl=0\nmin_retry_wait=60\n\
            <Ticket>\nmodule=Memory\nmin_retry_wait=10\nmax_retry_wait=600\nprefix=x\n</Ticket>\n\
            <AWL>\nmodule=Memory\n</AWL>\n</Plugin>\n";
        let mut checker = Checker::with(&format!("{blocks}{END}"), "", compat);
        checker.ask("").await;
        checker.advance(seconds).await;
        assert_eq!(checker.ask("").await, answer, "{compat} {seconds}");
    }
}

#[tokio::test(start_paused = true)]
async fn accept_reaches_postfix_in_the_original_alone() {
    let blocks = greylist("mode=accept");
    let mut checker = Checker::compat(&blocks, "");
    checker.ask("").await;
    checker.advance(301).await;
    assert_eq!(checker.ask("").await, "accept");
}

#[tokio::test(start_paused = true)]
async fn clients_of_a_network_count_as_one() {
    let left = "defer greylisting is active (300s left)";
    for (parameters, compat, first, second, answer) in [
        ("", false, "100.64.2.10", "100.64.2.11", DEFERRED),
        ("ipv4_mask=24", false, "100.64.2.10", "100.64.2.11", left),
        (
            "ipv4_mask=24",
            false,
            "100.64.2.10",
            "100.64.3.10",
            DEFERRED,
        ),
        ("", false, "2001:db8::1", "2001:db8::2", left),
        ("", false, "2001:db8::1", "2001:db8:0:1::1", DEFERRED),
        (
            "ipv6_mask=56",
            false,
            "2001:db8::1",
            "2001:db8:0:1::1",
            left,
        ),
        (
            "ipv6_mask=128",
            false,
            "2001:db8::1",
            "2001:db8::2",
            DEFERRED,
        ),
        ("", true, "2001:db8::1", "2001:db8::2", DEFERRED),
        ("ipv4_mask=24", false, "unknown", "other", DEFERRED),
    ] {
        let mut checker = Checker::with(&greylist(parameters), "", compat);
        checker.ask(&format!("client_address={first}")).await;
        let got = checker.ask(&format!("client_address={second}")).await;
        assert_eq!(got, answer, "{parameters} {second}");
    }
}

#[tokio::test(start_paused = true)]
async fn passing_scores_each_mail_once() {
    let sum = "<Plugin h>\nmodule=ScoreAction\nthreshold=0\nmatch=lt\naction=\"reject %SCORE%%SCORE_DETAIL%\"\n</Plugin>\n";
    for (parameters, answer) in [
        ("score=-5", "reject -5, g=-5"),
        ("score=-5\nscore_field=other", "reject 0"),
        ("", "reject 0"),
    ] {
        let blocks = greylist(parameters).replace(END, sum);
        let mut checker = Checker::new(&blocks, "").with_sessions();
        assert_eq!(checker.ask("instance=a").await, DEFERRED);
        checker.advance(301).await;
        checker
            .expect(&[("instance=b", answer), ("instance=b", answer)])
            .await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_known_of_a_mail_can_bypass_greylisting() {
    let zone =
        "acme.example TXT \"v=spf1 ip4:100.64.2.10 -all\"\n100.64.2.10@wl.example A 127.0.10.1";
    let other = "client_address=100.64.2.11";
    let before = "<Plugin spf>\nmodule=SPF\ncheck_helo=off\nfail_mode=passive\npass_score=-2\n</Plugin>\n\
        <Plugin wl>\nmodule=RBL\ndomain=wl.example\nmode=passive\n</Plugin>\n";
    for (parameters, request, answer) in [
        ("", "", DEFERRED),
        ("bypass_score=-2", "", OK),
        ("bypass_score=-2.5", "", DEFERRED),
        ("bypass_score=-2", other, DEFERRED),
        ("bypass_score=-2\nscore_field=none", "", DEFERRED),
        ("bypass_spf=spf", "", OK),
        ("bypass_spf=spf", other, DEFERRED),
        ("bypass_spf=\"no, spf\"", "", OK),
        ("bypass_spf=no", "", DEFERRED),
        ("bypass_list=wl", "", OK),
        ("bypass_list=wl", other, DEFERRED),
        ("bypass_list=no", "", DEFERRED),
        ("whitelist=100.64.2.0/29, 100.64.2.11", other, OK),
        ("whitelist=100.64.2.0/29", other, DEFERRED),
    ] {
        let blocks = format!("{before}{}", greylist(parameters));
        assert_eq!(
            Checker::new(&blocks, zone).ask(request).await,
            answer,
            "{parameters}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn the_session_turns_it_off() {
    let set = "<Plugin s>\nmodule=SetField\nkey=f\nvalue=off\n</Plugin>\n";
    let blocks = format!("{set}{}", greylist("uc_enabled=f"));
    assert_eq!(Checker::new(&blocks, "").ask("").await, OK);
}
