//! The options of `hapolicy` that say who is asked when a service fails, with real services.

mod process;
mod support;

use std::time::Duration;

use process::Daemon;
use support::stub::{Reply, Script, Stub};

// --retry

#[test]
fn a_request_that_was_read_is_put_to_another_server_unless_told_otherwise() {
    for (args, answer) in [
        (&[][..], "b"),
        (&["--retry", "always"], "b"),
        (&["--retry=unsent"], "dunno"),
    ] {
        let (a, b) = (
            Stub::tcp(Script::reply(Reply::CloseUnanswered)),
            Stub::tcp(Script::answer("b")),
        );
        let services = [service("a", &a, ":1"), service("b", &b, ":2")];
        let daemon = Daemon::tcp(&[&["-s", &services[0], "-s", &services[1]], args].concat());
        let mut client = daemon.connect();
        assert_eq!(client.ask_about("x"), answer, "{args:?}");
        assert_eq!(a.requests().len(), 1, "{args:?}");
        assert_eq!(client.ask_about("y"), "b", "a is down all the same");
        daemon.stop();
    }
}

#[test]
fn a_server_that_refuses_has_read_nothing() {
    let (a, b) = (
        Stub::tcp(Script::answer("a")),
        Stub::tcp(Script::answer("b")),
    );
    let services = [service("a", &a, ":1"), service("b", &b, ":2")];
    let args = ["-s", &services[0], "-s", &services[1], "--retry", "unsent"];
    let daemon = Daemon::tcp(&args);
    let mut client = daemon.connect();
    assert_eq!(client.ask_about("x"), "a");
    a.stop();
    assert_eq!(
        client.ask_about("y"),
        "b",
        "also where a connection was kept"
    );
    daemon.stop();
}

// --last-resort

#[test]
fn a_hung_service_costs_a_request_no_more_than_the_bound_once_that_is_known() {
    for (bound, asked) in [("200ms", 2), ("0s", 1)] {
        let hung = Stub::tcp(Script::reply(Reply::Hang));
        // Its rest is as long as its time, so that the second request is no trial.
        let hung_service = service("hung", &hung, ":::5");
        let args = ["-s", &hung_service, "--last-resort", bound];
        let daemon = Daemon::tcp(&args);
        let mut client = daemon.connect();
        assert_eq!(client.ask_about("x"), "dunno");
        // Less than the time of an attempt.
        client.set_patience(Duration::from_secs(4));
        assert_eq!(client.ask_about("y"), "dunno", "{bound}");
        assert_eq!(hung.requests().len(), asked, "{bound}");
        daemon.stop();
    }
}

#[test]
fn a_service_that_is_up_again_is_found_by_the_first_request() {
    let a = Stub::tcp(Script::answer("a"));
    let daemon = Daemon::tcp(&["-s", &service("a", &a, "")]);
    let mut client = daemon.connect();
    a.stop();
    for _ in 0..5 {
        assert_eq!(client.ask_about("x"), "dunno");
    }
    a.restart();
    assert_eq!(client.ask_about("x"), "a");
    daemon.stop();
}

fn service(name: &str, stub: &Stub, fields: &str) -> String {
    format!("{name}={}{fields}", stub.address())
}
