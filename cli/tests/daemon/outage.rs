//! The log while no service answers.

use policy_testing::{
    process::{self, Daemon},
    stub::{Script, Stub},
};

use crate::service;

#[test]
fn requests_that_nobody_answers_are_told_and_counted() {
    let (a, b) = (Stub::tcp(Script::default()), Stub::tcp(Script::default()));
    let services = [service("a", &a, ""), service("b", &b, "")];
    let daemon = Daemon::tcp(&["-s", &services[0], "-s", &services[1]]);
    let mut client = daemon.connect();
    assert_eq!(client.ask_about("x"), "dunno");
    a.stop();
    b.stop();
    for _ in 0..40 {
        assert_eq!(client.ask_about("x"), "dunno");
    }
    let first = "[LOG warning]: warning: no service answered: default action 'dunno' (2 of 2 services are down)";
    let out = &daemon.process.out;
    assert!(out.wait_lines(1, first), "{}", out.text());
    b.restart();
    assert_eq!(client.ask_about("x"), "dunno");
    assert!(
        out.wait_lines(1, "[LOG info]: services answer again after "),
        "{}",
        out.text()
    );
    // One more, whose end comes so soon that it is not said before the daemon's.
    b.stop();
    assert_eq!(client.ask_about("x"), "dunno");
    b.restart();
    assert_eq!(client.ask_about("x"), "dunno");
    let log = daemon.stop().out;
    let lines = process::lines(&log, "answer");
    let said = |text: &str| {
        let lines = lines.iter().enumerate();
        let said = lines.filter(|(_, line)| line.contains(text));
        said.map(|(number, _)| number).collect::<Vec<_>>()
    };
    let over = said("services answer again after ");
    assert_eq!(over.len(), 2, "{log}");
    assert!(
        lines[over[0]].ends_with("s: 40 requests got the default action"),
        "{log}"
    );
    assert!(
        lines[over[1]].ends_with("s: 1 request got the default action"),
        "{log}"
    );
    // What was held back is not told when it is over: its number is.
    let begun = said("no service answered:");
    assert_eq!(lines[begun[0]], first);
    assert!(begun.iter().all(|number| *number < over[1]), "{log}");
    let at_the_end = "default action: 'dunno', given for want of an answer: 41";
    assert_eq!(process::lines(&log, at_the_end).len(), 1, "{log}");
}

#[test]
fn a_connection_that_is_closed_for_want_of_an_answer_is_told_so() {
    let daemon = Daemon::tcp(&["-s", "a=127.0.0.1:1", "-d", "close"]);
    let mut client = daemon.connect();
    client.send(&process::request(&[]));
    assert!(client.is_ended());
    let log = daemon.stop().out;
    let told = "warning: no service answered: closing the connection (1 of 1 services are down)";
    assert_eq!(process::lines(&log, told).len(), 1, "{log}");
}

#[test]
fn services_that_may_not_be_asked_are_told_at_the_start_and_with_each_request() {
    let stub = Stub::tcp(Script::default());
    let services = [service("a", &stub, ""), service("b", &stub, "")];
    for (modes, start, each) in [
        (
            ["a=disabled", "b=disabled"],
            "[LOG warning]: warning: every service is disabled",
            "(0 of 2 services are down, 2 disabled)",
        ),
        (
            ["a=drain", "b=disabled"],
            "[LOG warning]: warning: every service is disabled or drained",
            "(0 of 2 services are down, 1 disabled, 1 drained)",
        ),
    ] {
        let args = [
            "-s",
            &services[0],
            "-s",
            &services[1],
            "--mode",
            modes[0],
            "--mode",
            modes[1],
        ];
        let daemon = Daemon::tcp(&args);
        assert_eq!(daemon.connect().ask_about("x"), "dunno");
        let log = daemon.stop().out;
        assert_eq!(process::lines(&log, start).len(), 1, "{log}");
        let each = format!("no service answered: default action 'dunno' {each}");
        assert_eq!(process::lines(&log, &each).len(), 1, "{log}");
    }
    let daemon = Daemon::tcp(&[
        "-s",
        &services[0],
        "-s",
        &services[1],
        "--mode",
        "a=disabled",
    ]);
    let log = daemon.stop().out;
    assert_eq!(process::lines(&log, "every service"), [""; 0]);
}
