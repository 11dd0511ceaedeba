//! Metrics that a fault, a limit or a setting moves, each by its value.

use std::time::{SystemTime, UNIX_EPOCH};

use policy_testing::{
    admin::{address, get, value},
    eventually,
    process::{Daemon, request},
    stub::{Script, Stub},
};

use crate::service;

#[test]
fn the_process_and_its_services_are_shown_as_they_are_set() {
    let before = now();
    let stub = Stub::tcp(Script::answer("dunno"));
    let good = service("good", &stub, ":2");
    let watched = Watched::start(&[
        "--max-clients",
        "7",
        "--health-check",
        "1s",
        "-s",
        &good,
        "-s",
        "dead=127.0.0.1:1:1",
        "-s",
        "off=127.0.0.1:1:3",
        "--mode",
        "off=disabled",
    ]);
    let build = concat!(
        "hapolicy_build_info{version=\"",
        env!("CARGO_PKG_VERSION"),
        "\"}"
    );
    for (name, expected) in [
        (build, 1.0),
        ("hapolicy_max_clients", 7.0),
        (r#"hapolicy_service_enabled{service="good"}"#, 1.0),
        (r#"hapolicy_service_enabled{service="off"}"#, 0.0),
        (r#"hapolicy_service_down_seconds{service="dead"}"#, 0.0),
    ] {
        assert_eq!(
            watched.value(name).to_string(),
            expected.to_string(),
            "{name}"
        );
    }
    let started = watched.value("hapolicy_start_time_seconds");
    assert!(before - 1.0 <= started && started <= now(), "{started}");
    // Down, and looked at again.
    assert_eq!(watched.daemon.connect().ask_about("x"), "dunno");
    for name in [
        r#"hapolicy_service_down_seconds{service="dead"}"#,
        r#"hapolicy_failed_checks_total{service="dead"}"#,
    ] {
        assert!(eventually(|| watched.value(name) > 0.0), "{name}");
    }
    // Labels are names of the configuration.
    let metrics = get(&watched.admin, "/metrics").body;
    assert!(!metrics.contains("127.0.0.1"), "{metrics}");
    watched.daemon.stop();
}

#[test]
fn clients_that_are_closed_lines_that_are_left_out_and_other_types_are_counted() {
    let stub = Stub::tcp(Script::answer("dunno"));
    let good = service("good", &stub, "");
    let few = ["--max-clients", "2", "--workers", "1"];
    let watched = Watched::start(&[&few[..], &["-l", "--log-sample=0%", "-s", &good]].concat());
    let mut client = watched.daemon.connect();
    assert_eq!(client.ask_about("x"), "dunno");
    let left_out = "hapolicy_log_lines_left_out_total";
    assert_eq!(watched.value(left_out).to_string(), "1");
    assert_eq!(client.ask(b"request=other\n\n"), "dunno");
    let unrecognized = "hapolicy_unrecognized_requests_total";
    assert_eq!(watched.value(unrecognized).to_string(), "1");

    let closed = |reason: &str| {
        let name = format!("hapolicy_closed_clients_total{{reason=\"{reason}\"}}");
        watched.value(&name).to_string()
    };
    let mut refused = watched.daemon.connect();
    refused.send(b"GET / HTTP/1.1\r\n\r\n");
    assert!(refused.is_ended());
    assert_eq!(closed("refused"), "1");
    // The oldest one leaves for a third one.
    let others = [(); 2].map(|()| {
        let mut other = watched.daemon.connect();
        assert_eq!(other.ask_about("x"), "dunno");
        other
    });
    assert!(client.is_ended());
    assert_eq!(closed("evicted"), "1");
    assert_eq!(closed("no_place"), "0");
    // None can leave while all have a request under way.
    stub.set(Script::answer("dunno").held());
    let before = stub.requests().len();
    for other in &others {
        other.send(&request(&[("sender", "x")]));
    }
    assert!(stub.wait_requests(before + 2));
    assert!(watched.daemon.connect().is_ended());
    assert_eq!(closed("no_place"), "1");
    stub.release();
    for mut other in others {
        assert_eq!(other.action(), "dunno");
    }
    watched.daemon.stop();
}

/// A daemon with `--admin`.
struct Watched {
    daemon: Daemon,
    admin: String,
}

impl Watched {
    fn start(args: &[&str]) -> Self {
        let daemon = Daemon::tcp(&[&["--admin", "inet:127.0.0.1:0"], args].concat());
        assert!(daemon.process.out.wait_lines(1, "metrics at "));
        let admin = address(&daemon.process.out.text()).unwrap();
        Self { daemon, admin }
    }

    fn value(&self, name: &str) -> f64 {
        value(&get(&self.admin, "/metrics").body, name)
    }
}

fn now() -> f64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs_f64()
}
