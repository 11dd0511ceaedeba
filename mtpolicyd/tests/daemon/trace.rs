//! `mtpolicyd ctl trace`: the story of a request, as it is served, in the words of `--explain`.

use policy_testing::process::{Process, Signal};

use super::{
    explain::{PLUGINS, without_times},
    world::{PROGRAM, World, ask, host},
};

/// A daemon, and a trace that has begun.
fn traced(world: &World, words: &[&str], filters: &[&str]) -> (Process, Process) {
    let daemon = world.serve(words);
    assert!(daemon.err.wait_lines(1, "commands at unix:"));
    let socket = world.path("control").display().to_string();
    let trace = ["ctl", "--socket", &socket, "trace"];
    let trace = Process::start(PROGRAM, &[&trace, filters].concat());
    let begins = daemon.err.wait_lines(1, "control: a trace of ");
    assert!(begins, "{}", trace.err.text());
    (daemon, trace)
}

/// The lines without their times and their place, once the last one has come.
fn lines(trace: Process) -> String {
    let is_told = trace.out.wait_lines(1, "] action=");
    assert!(is_told, "{}{}", trace.out.text(), trace.err.text());
    trace.signal(Signal::TERM);
    let text = trace.end().out;
    let lines = text.lines().map(|line| {
        let (_, rest) = line.split_once(" [").unwrap();
        let (place, text) = rest.split_once("] ").unwrap();
        assert!(place.parse::<u64>().is_ok(), "{line}");
        format!("{text}\n")
    });
    without_times(&lines.collect::<String>())
}

#[test]
fn a_trace_tells_of_each_plugin_what_explain_does_and_of_no_other_requests() {
    let world = World::new(&format!("control = unix:@TMP@/control\n{}", host(PLUGINS)));
    let (_daemon, trace) = traced(&world, &[], &["--sender", "A@x"]);
    let mut client = world.connect();
    for sender in ["b@x", "a@x"] {
        assert!(ask(&mut client, &format!("sender={sender}\ninstance=1")).is_some());
    }
    let explained = world
        .run_with(&["--explain"], "sender=a@x\ninstance=1\n")
        .out;
    let request = "request: request=smtpd_access_policy sender=a@x instance=1\n";
    let told = request.to_owned() + without_times(&explained).trim_end() + " [T ms]\n";
    assert_eq!(lines(trace), told);
}

#[test]
fn a_trace_tells_of_an_answer_that_is_not_given() {
    let plugins = "<Plugin broken>\n  module = Condition\n  key = q:x\n</Plugin>\n";
    let world = World::new(&format!("control = unix:@TMP@/control\n{}", host(plugins)));
    let (_daemon, trace) = traced(&world, &[], &[]);
    assert_eq!(world.ask("sender=a@x"), None);
    let told = lines(trace);
    let end = "action=(connection closed without an answer: plugin broken failed: unknown scope q while retrieving variable \
               for q:x) [T ms]\n";
    assert!(told.ends_with(end), "{told}");
}

#[test]
fn a_dry_run_tells_what_would_be_answered() {
    let plugins = "<Plugin no>\n  module = Action\n  action = reject no\n</Plugin>\n";
    let world = World::new(&format!("control = unix:@TMP@/control\n{}", host(plugins)));
    let (_daemon, trace) = traced(&world, &["--dry-run"], &["--client", "192.0.2.0/24"]);
    let answer = world.ask("client_address=192.0.2.7");
    assert_eq!(answer.as_deref(), Some("action=dunno"));
    let told = lines(trace);
    let end = "action=reject no (dry run: answered dunno) [T ms]\n";
    assert!(told.ends_with(end), "{told}");
}

#[test]
fn what_is_no_trace_is_refused_and_the_help_says_what_is() {
    let world = World::new(&format!("control = unix:@TMP@/control\n{}", host(PLUGINS)));
    let _daemon = world.serve(&[]);
    let socket = world.path("control").display().to_string();
    let ctl = |words: &[&str]| {
        Process::start(PROGRAM, &[&["ctl", "--socket", &socket], words].concat()).end()
    };
    let ended = ctl(&["trace", "--for=10ms"]);
    let over = "the trace is over: 0 lines\n";
    assert_eq!((ended.code, &*ended.out), (Some(0), over), "{ended:?}");
    for (words, code, text) in [
        (&["trace", "--for", "61m"][..], 64, "more than an hour"),
        (&["trace", "a@x"], 64, "use trace [--sender ADDRESS]"),
        (&["trace", "--client", ""], 1, "client='': no address"),
        (
            &["trace", "--client=::1", "--client=::2"],
            64,
            "--client is given twice",
        ),
        (&["traces"], 64, "unknown command 'traces'"),
    ] {
        let ended = ctl(words);
        assert_eq!(ended.code, Some(code), "{ended:?}");
        assert!(ended.err.contains(text), "{ended:?}");
    }
    let help = ctl(&["--help"]).out;
    assert!(help.contains("\n  trace [--sender ADDRESS] "), "{help}");
}
