//! The options of `hapolicy` that say who is asked when a service fails, with real services.

mod process;
mod support;

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

fn service(name: &str, stub: &Stub, fields: &str) -> String {
    format!("{name}={}{fields}", stub.address())
}
