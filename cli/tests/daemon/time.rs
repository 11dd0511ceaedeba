//! The cost of services that hang.

use policy_testing::{
    eventually,
    process::{self, Daemon},
    stub::{Reply, Script, Stub},
};

use crate::service;

#[test]
fn the_deadline_bounds_what_hung_services_cost_together() {
    let hung: Vec<Stub> = (0..3)
        .map(|_| Stub::tcp(Script::reply(Reply::Hang)))
        .collect();
    let services: Vec<String> = hung.iter().map(Stub::address).collect();
    let services = process::services(&services);
    let mut args: Vec<&str> = services.iter().map(String::as_str).collect();
    args.extend(["--deadline", "1s", "-d", "DEFER in time"]);
    let daemon = Daemon::tcp(&args);
    // A service's own 10 s would exceed what this client waits.
    let mut client = daemon.connect();
    client.set_patience(std::time::Duration::from_secs(8));
    assert_eq!(client.ask_about("x"), "DEFER in time");
    daemon.stop();
}

#[test]
fn a_hung_service_costs_its_timeout_once_and_is_left_alone_then() {
    let (hung, good) = (
        Stub::tcp(Script::reply(Reply::Hang)),
        Stub::tcp(Script::answer("good")),
    );
    let services = [
        service("hung", &hung, ":1:1:1.5"),
        service("good", &good, ":2"),
    ];
    let daemon = Daemon::tcp(&["-s", &services[0], "-s", &services[1]]);
    let mut client = daemon.connect();
    let told = format!(
        "Timeout for 'hung' ({}): no answer within 1.5s",
        hung.address()
    );
    // It is not blamed for a time in which the daemon stood still: then it costs the next request its time.
    let is_told = eventually(|| {
        assert_eq!(client.ask_about("x"), "good");
        !daemon.process.out.lines(&told).is_empty()
    });
    assert!(is_told, "{}", daemon.process.out.text());
    let before = hung.requests().len();
    for _ in 0..50 {
        assert_eq!(client.ask_about("x"), "good");
    }
    let asked = hung.requests().len() - before;
    assert!(asked <= 1, "asked {asked} times more");
    let log = daemon.stop().out;
    assert_eq!(process::lines(&log, &told).len(), 1, "{log}");
}
