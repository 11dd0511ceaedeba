//! `hapolicy ctl trace`: the story of a request, as it is served.

use std::{
    fs,
    io::{Read, Write},
    os::unix::net::UnixStream,
};

use policy_testing::{
    eventually,
    process::{Process, Signal, hapolicy, lines, request},
    stub::{Script, Stub},
};

use crate::{control::Controlled, service};

#[test]
fn a_trace_tells_the_steps_of_the_requests_that_it_is_about_and_of_no_others() {
    let stub = Stub::tcp(Script::answer("REJECT it's"));
    let daemon = Controlled::start(&[
        "--deadline=5s",
        "-s",
        "bad=127.0.0.1:1:1",
        "-s",
        &service("good", &stub, ":2"),
    ]);
    let trace = trace(
        &daemon,
        &["--sender", "A@example.com", "--client", "192.0.2.0/24"],
    );
    let mut client = daemon.daemon.connect();
    for (sender, address) in [
        ("b@example.com", "192.0.2.1"),
        ("a@example.com", "198.51.100.1"),
        ("a@example.com", "192.0.2.7"),
    ] {
        let attributes = [
            ("instance", "1.2.3"),
            ("sender", sender),
            ("client_address", address),
        ];
        client.ask(&request(&attributes));
    }
    assert!(
        trace.out.wait_lines(1, " reply after "),
        "{}",
        trace.out.text()
    );
    trace.signal(Signal::TERM);
    let text = trace.end().out;
    let steps = text.lines().map(|line| line.split_once("] ").unwrap().1);
    // It may be time for another trial.
    let steps: Vec<&str> = steps.filter(|step| !step.starts_with("'bad' ")).collect();
    let good = format!("'good' ({})", stub.address());
    let expected = [
        "request: request=smtpd_access_policy protocol_state=RCPT instance=1.2.3 sender=a@example.com client_address=192.0.2.7".to_owned(),
        "services: bad down *, good up; 0 default actions".to_owned(),
        format!("{good} answered after *: 'REJECT it\\x27s'"),
        format!("reply after *: 'REJECT it\\x27s', the answer of {good}"),
    ];
    assert_eq!(steps.len(), expected.len(), "{text}");
    for (step, expected) in steps.iter().zip(&expected) {
        let fits = match expected.split_once('*') {
            Some((begin, end)) => step.starts_with(begin) && step.ends_with(end),
            None => step == expected,
        };
        assert!(fits, "{step}: {expected}");
    }
    daemon.daemon.stop();
}

#[test]
fn a_trace_tells_why_a_request_got_the_default_action() {
    let daemon = Controlled::start(&["-s", "bad=127.0.0.1:1"]);
    let trace = trace(&daemon, &["--instance", "m1"]);
    daemon.daemon.connect().ask_about("m1");
    assert!(
        trace.out.wait_lines(1, " reply after "),
        "{}",
        trace.out.text()
    );
    let text = trace.out.text();
    assert_eq!(
        lines(&text, "'bad' (127.0.0.1:1) failed after ").len(),
        1,
        "{text}"
    );
    assert!(text.contains(": Connection refused"), "{text}");
    let why = "'dunno', the default action, since no service answered (1 of 1 services are down)\n";
    assert!(text.ends_with(why), "{text}");
    daemon.daemon.stop();
}

#[test]
fn a_trace_that_ends_with_the_daemon_says_so() {
    let daemon = Controlled::start(&["-s", "one=127.0.0.1:1"]);
    let trace = trace(&daemon, &[]);
    daemon.daemon.stop();
    let ended = trace.end();
    assert_eq!(ended.code, Some(69), "{ended:?}");
    let said = ": the daemon has ended, and the trace with it\n";
    assert!(ended.err.ends_with(said), "{ended:?}");
}

#[test]
fn a_trace_ends_with_its_time_and_is_refused_where_it_cannot_be() {
    let daemon = Controlled::start(&["-s", "one=127.0.0.1:1"]);
    let ended = daemon.ctl(&["trace", "--for", "10ms"]);
    assert_eq!(
        (ended.code, &*ended.out),
        (Some(0), "the trace is over: 0 lines\n"),
        "{ended:?}"
    );
    assert!(daemon.daemon.process.out.wait_lines(
        1,
        "notice]: control: a trace of all requests for 0.01s, as "
    ));
    for (words, code, text) in [
        (&["trace", "--for", "61m"][..], 64, "more than an hour"),
        (&["trace", "--client", ""], 1, "client='': no address"),
    ] {
        let ended = daemon.ctl(words);
        assert_eq!(ended.code, Some(code), "{ended:?}");
        assert!(ended.err.contains(text), "{ended:?}");
    }

    let begin = || {
        let mut stream = UnixStream::connect(daemon.path()).unwrap();
        stream.write_all(b"trace\nfor=1m\n\n").unwrap();
        let mut status = [0; 3];
        stream.read_exact(&mut status).unwrap();
        assert_eq!(&status, b"ok\n");
        stream
    };
    let traces: Vec<_> = (0..4).map(|_| begin()).collect();
    let refused = daemon.ctl(&["trace", "--for", "10ms"]);
    let text = "hapolicy ctl: 4 traces are under way: wait for the end of one\n";
    assert_eq!((refused.code, &*refused.err), (Some(1), text));
    assert_eq!(
        daemon.ctl(&["status"]).code,
        Some(0),
        "there is room for commands"
    );
    drop(traces);
    // A client that goes makes room.
    assert!(eventually(
        || daemon.ctl(&["trace", "--for", "10ms"]).code == Some(0)
    ));
    daemon.daemon.stop();
}

#[test]
fn a_trace_goes_on_after_its_terminal_has_stopped_it() {
    let stub = Stub::tcp(Script::answer("DUNNO"));
    let daemon = Controlled::start(&["-s", &service("good", &stub, "")]);
    let trace = trace(&daemon, &[]);
    let is_stopped = || {
        let stat = fs::read_to_string(format!("/proc/{}/stat", trace.id())).unwrap();
        stat.rsplit_once(") ").unwrap().1.starts_with('T')
    };
    trace.signal(Signal::STOP);
    assert!(eventually(is_stopped));
    trace.signal(Signal::CONT);
    assert!(eventually(|| !is_stopped()));
    daemon.daemon.connect().ask_about("m1");
    assert!(
        trace.out.wait_lines(1, " reply after "),
        "{}",
        trace.err.text()
    );
    daemon.daemon.stop();
}

#[test]
fn a_command_that_is_too_long_is_refused() {
    let daemon = Controlled::start(&["-s", "one=127.0.0.1:1"]);
    let ended = daemon.ctl(&["trace", "--sender", &"x".repeat(5000)]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.err.contains("more than 4096 bytes"), "{ended:?}");
    daemon.daemon.stop();
}

/// A trace that has begun.
fn trace(daemon: &Controlled, filters: &[&str]) -> Process {
    let path = daemon.path();
    let words = ["ctl", "--socket", path.to_str().unwrap(), "trace"];
    let trace = Process::start(hapolicy(), &[&words[..], filters].concat());
    assert!(
        daemon
            .daemon
            .process
            .out
            .wait_lines(1, "control: a trace of "),
        "{}",
        trace.err.text()
    );
    trace
}
