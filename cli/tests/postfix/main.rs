//! hapolicy with a real Postfix in front of it and misbehaving policy services behind it.
//!
//! Each test has a Postfix of its own and sends the same messages through every combination of
//! {the services' condition} x {1, 3 recipients}, TLS and SMTPUTF8 once. Time is not asserted,
//! since machines differ: Postfix pauses a second exactly when it makes a connection to its policy
//! server again, so its connections are counted, and its log is searched for what it says then.
//!
//! Must be run as root; the Debian packages postfix, openssl and fail2ban must be installed.
#![allow(unreachable_pub, reason = "the modules of a test have no outside")]

use std::any::Any;
use std::thread;
use std::time::{Duration, Instant};

use policy_testing::mail_system::{Processes, Setup, log};
use policy_testing::stub::{Reply, Script, Stub};

mod ban;
mod case;
mod explained;
mod groups;
mod proxy;
mod services;
mod session;

use case::{Case, Failures, THREE_RECIPIENTS};
use proxy::{Mode, Proxy};
use services::{Condition, Seen};

#[test]
fn under_spawn_every_recipient_is_answered_over_one_connection() {
    check_all_conditions(Mode::Spawn);
}

#[test]
fn as_a_daemon_on_a_tcp_port_every_recipient_is_answered_over_one_connection() {
    check_all_conditions(Mode::Inet);
}

#[test]
fn as_a_daemon_on_a_unix_socket_every_recipient_is_answered_over_one_connection() {
    check_all_conditions(Mode::Unix);
}

/// As in daily use: Postfix keeps the connection of an idle process.
#[test]
fn a_connection_outlasts_the_session_that_made_it() {
    check(|setup| {
        [Mode::Spawn, Mode::Inet, Mode::Unix]
            .map(|mode| Case::new(mode, Condition::FirstCloses, Processes::OneForAll, setup))
    });
}

/// What Postfix has not noticed is not in its log.
#[test]
fn a_connection_outlasts_the_daemon_that_accepted_it() {
    let mut setup = Setup::new();
    let script = Script::reply(Reply::Call(|request| services::answer("first", request)));
    let server = Stub::tcp(script);
    let mut proxies = [Mode::Inet, Mode::Unix].map(|mode| {
        let name = format!("handover-{mode:?}").to_lowercase();
        let handover = format!("unix:{}/{name}", setup.path().display());
        let service = format!("first={}", server.address());
        let arguments = ["--handover", &handover, "-s", &service].map(str::to_owned);
        let proxy = Proxy::start(mode, &mut setup, &name, &arguments);
        let smtpd = setup.add_smtpd(Processes::OneForAll, proxy.endpoint());
        (proxy, smtpd)
    });
    let mut postfix = setup.start();
    for restart in 0..4 {
        for (proxy, smtpd) in &mut proxies {
            let replies = THREE_RECIPIENTS.run(*smtpd);
            assert_eq!(
                replies,
                THREE_RECIPIENTS.replies(Some("first")),
                "{restart}"
            );
            proxy.hand_over();
        }
    }
    postfix.deliver(8);
    postfix.stop();

    let log = postfix.log();
    for (proxy, _) in &proxies {
        assert_eq!(log::connections(&log, proxy.endpoint()), 1, "{log}");
        assert_eq!(log::pauses(&log, proxy.endpoint()), 0, "{log}");
        assert_eq!(proxy.errors(), "");
    }
    assert_eq!(log::complaints(&log).collect::<Vec<_>>(), [""; 0]);
}

/// Why hapolicy keeps its clients' connections whatever the policy services do.
#[test]
fn without_hapolicy_a_server_that_closes_costs_a_pause_for_each_recipient() {
    let mut setup = Setup::new();
    let script = Script::reply(Reply::Call(|request| services::answer("first", request)));
    let server = Stub::tcp(script.closing());
    let endpoint = format!("inet:{}", server.address());
    let smtpd = setup.add_smtpd(Processes::OnePerSession, &endpoint);
    let mut postfix = setup.start();
    let begin = Instant::now();
    let replies = THREE_RECIPIENTS.run(smtpd);
    let elapsed = begin.elapsed();
    postfix.deliver(1);
    postfix.stop();

    let log = postfix.log();
    let requests = THREE_RECIPIENTS.stages().len();
    let pauses = log::pauses(&log, &endpoint);
    println!("directly, 3 recipients: {requests} requests, {pauses} pauses, {elapsed:.1?}");
    assert_eq!(replies, THREE_RECIPIENTS.replies(Some("first")));
    assert_eq!(Seen::of_session(&server, &THREE_RECIPIENTS).len(), requests);
    assert_eq!(log::connections(&log, &endpoint), requests);
    assert_eq!(pauses, requests - 1, "{log}");
}

/// `-d close`: what to do is Postfix's own affair then.
#[test]
fn without_an_action_postfix_tries_again_and_takes_its_own_default() {
    let mut setup = Setup::new();
    let nobody = ["-s", "a=127.0.0.1:1", "-d", "close"].map(str::to_owned);
    let modes = [Mode::Spawn, Mode::Inet, Mode::Unix];
    let mut cases = Vec::new();
    for (options, reply, tries) in [
        ("", "451 4.3.5 ", 2),
        (",try_limit=1,default_action=DEFER", "450 4.7.1 ", 1),
    ] {
        for mode in modes {
            let name = format!("close-{tries}-{mode:?}").to_lowercase();
            let proxy = Proxy::start(mode, &mut setup, &name, &nobody);
            let policy = format!("{{{}{options}}}", proxy.endpoint());
            let smtpd = setup.add_smtpd(Processes::OnePerSession, &policy);
            cases.push((proxy, smtpd, reply, tries));
        }
    }
    let mut postfix = setup.start();
    let replies: Vec<_> = cases
        .iter()
        .map(|(_, smtpd, ..)| THREE_RECIPIENTS.run(*smtpd))
        .collect();
    postfix.stop();

    let log = postfix.log();
    for ((proxy, _, reply, tries), replies) in cases.iter().zip(replies) {
        assert!(replies[0].starts_with(reply), "{replies:?}");
        assert_eq!(log::connections(&log, proxy.endpoint()), *tries, "{log}");
    }
}

fn check_all_conditions(mode: Mode) {
    check(|setup| {
        Condition::ALL.map(|condition| Case::new(mode, condition, Processes::OnePerSession, setup))
    });
}

/// All these cases at once.
fn check<const N: usize>(cases: impl FnOnce(&mut Setup) -> [Case; N]) {
    let mut setup = Setup::new();
    let cases = cases(&mut setup);
    let mut postfix = setup.start();
    let mut failures = Failures::default();
    thread::scope(|scope| {
        for run in cases.each_ref().map(|case| scope.spawn(|| case.run())) {
            match run.join() {
                Ok(found) => failures.append(found),
                Err(panic) => failures.add(format!("a session ended early: {}", text(&*panic))),
            }
        }
    });
    let messages = cases.iter().map(Case::deliveries).sum();
    if !postfix.deliver(messages) {
        failures.add(format!("{messages} messages were not delivered"));
    }
    postfix.stop();

    let log = postfix.log();
    for case in &cases {
        failures.append(case.check_log(&log));
    }
    for line in log::complaints(&log) {
        failures.add(format!("in Postfix's log: {line}"));
    }
    failures.finish();
}

/// What a thread said when it panicked.
fn text(panic: &(dyn Any + Send)) -> &str {
    if let Some(text) = panic.downcast_ref::<String>() {
        return text;
    }
    panic.downcast_ref::<&str>().unwrap_or(&"a panic")
}

/// Bounds a failure; nothing here takes as long.
const PATIENCE: Duration = Duration::from_secs(60);
