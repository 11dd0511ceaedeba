//! `policyd-weight ctl trace`: the story of a request, as it is served, in the words of `--explain`.

use policy_testing::process::{Process, Signal};

use super::{
    control::Controlled,
    world::{PROGRAM, good, text},
};

/// The stories of so many requests, each line without its time and its place.
fn told(trace: Process, count: usize) -> Vec<String> {
    let is_told = trace.out.wait_lines(count, "] action=");
    assert!(is_told, "{}{}", trace.out.text(), trace.err.text());
    trace.signal(Signal::TERM);
    let all = trace.end().out;
    let lines = all.lines().map(|line| {
        let (_, rest) = line.split_once(" [").unwrap();
        let (place, text) = rest.split_once("] ").unwrap();
        assert!(place.parse::<u64>().is_ok(), "{line}");
        match text.strip_prefix("action=") {
            Some(_) => text.rsplit_once(" [").unwrap().0.to_owned(),
            None => text.to_owned(),
        }
    });
    lines.collect()
}

fn trace(daemon: &Controlled, filters: &[&str]) -> Process {
    let socket = daemon.world.path("control").display().to_string();
    let words = ["ctl", "--socket", &socket, "trace"];
    let trace = Process::start(PROGRAM, &[&words, filters].concat());
    daemon.wait_for_line("control: a trace of ");
    trace
}

#[test]
fn a_trace_tells_the_steps_that_explain_does_and_what_a_cache_has_decided() {
    let daemon = Controlled::start();
    let world = &daemon.world;
    let trace = trace(&daemon, &["--client", "100.64.2.10"]);
    let explained = world.feed(&["--explain"], &good("1"));
    let explained = text(&explained.stdout);
    world.ask(&super::world::bad("2"));
    for instance in ["1", "1"] {
        world.ask(&good(instance));
    }
    let told = told(trace, 2);
    let explained: Vec<&str> = explained.lines().collect();
    let (action, steps) = explained.split_last().unwrap();
    assert!(
        steps.len() > 3 && told[0].starts_with("request: request=smtpd_access_policy "),
        "{told:?}"
    );
    assert!(told[0].contains(" client_address=100.64.2.10"), "{told:?}");
    assert_eq!(told[1], "decided by: score");
    let (of_steps, rest) = told[2..].split_at(steps.len());
    assert_eq!(of_steps, steps);
    // With -d the answer has more than the one that is explained.
    assert_eq!(rest[0].split(' ').next(), action.split(' ').next());
    let second = [
        "decided by: memory",
        "action=DUNNO multirecipient-mail - already accepted by previous query",
    ];
    assert!(rest[1].starts_with("request: "), "{rest:?}");
    assert_eq!(rest[2..], second);
}
