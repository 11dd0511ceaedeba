//! Messages to the manager.

use std::{
    fs,
    time::{Duration, Instant},
};

use policy_testing::{
    eventually,
    process::{Daemon, Manager, Process, Signal},
    stub::{Script, Stub},
};

use super::{service, tcp};

#[test]
fn the_manager_is_told_when_a_daemon_is_ready_and_when_it_stops() {
    let stub = Stub::tcp(Script::default());
    let manager = Manager::of(vec![tcp("127.0.0.1:0").0]);
    let daemon = manager.start(&["-s", &service(&stub)]);
    assert!(manager.wait(1, "READY=1"), "{:?}", manager.said());
    assert!(!manager.said().contains(&"STOPPING=1".to_owned()));
    daemon.stop();
    assert!(manager.wait(1, "STOPPING=1"), "{:?}", manager.said());
}

#[test]
fn a_manager_that_is_slow_to_read_is_told_of_the_end_all_the_same() {
    let stub = Stub::tcp(Script::default());
    // Of one that keeps nothing for the next process there is nothing else to wait for.
    let manager = Manager::of(Vec::new());
    let args = ["-s", &service(&stub), "--listen", "inet:127.0.0.1:0"];
    let daemon = Daemon::of(&mut manager.command(&args), 1);
    assert!(manager.wait(1, "READY=1"), "{:?}", manager.said());
    let deaf = manager.deaf();
    daemon.process.signal(Signal::TERM);
    assert!(daemon.process.out.wait_lines(1, "stopped"));
    drop(deaf);
    assert!(manager.wait(1, "STOPPING=1"), "{:?}", manager.said());
    daemon.ended_well();
}

#[test]
fn a_daemon_that_does_not_start_is_not_ready() {
    let stub = Stub::tcp(Script::default());
    let manager = Manager::of(vec![tcp("127.0.0.1:0").0]);
    let args = [
        "-s",
        &service(&stub),
        "--listen",
        "unix:/nonexistent/policy.sock",
    ];
    assert_eq!(
        Process::of(&mut manager.command(&args)).end().code,
        Some(71)
    );
    assert_eq!(manager.said(), [""; 0]);
}

#[test]
fn the_manager_is_told_the_states_of_the_services_when_one_changes() {
    let (a, b) = (Stub::tcp(Script::default()), Stub::tcp(Script::default()));
    let manager = Manager::of(vec![tcp("127.0.0.1:0").0]);
    let services = [
        format!("a={}", a.address()),
        format!("b={}:20", b.address()),
    ];
    let daemon = manager.start(&["-s", &services[0], "-s", &services[1], "--mode", "b=drain"]);
    assert!(manager.wait(1, "STATUS=a up, b up (drain); 0 default actions"));
    a.stop();
    assert_eq!(daemon.connect().ask_about("x"), "dunno");
    let down = || {
        let said = manager.said();
        let mut said = said.iter();
        said.any(|said| {
            said.starts_with("STATUS=a down ")
                && said.ends_with("s, b up (drain); 1 default action")
        })
    };
    assert!(eventually(down), "{:?}", manager.said());
    a.restart();
    assert_eq!(daemon.connect().ask_about("x"), "dunno");
    assert!(manager.wait(1, "STATUS=a up, b up (drain); 1 default action"));
    daemon.stop();
}

#[test]
fn a_manager_that_reads_no_status_holds_up_no_request() {
    let stub = Stub::tcp(Script::default());
    let manager = Manager::of(vec![tcp("127.0.0.1:0").0]);
    let daemon = manager.start(&["-s", &service(&stub), "-d", "default"]);
    assert!(manager.wait(1, "STATUS=a up; 0 default actions"));
    let deaf = manager.deaf();
    stub.stop();
    let mut client = daemon.connect();
    client.set_patience(Duration::from_secs(2));
    let begin = Instant::now();
    // Meanwhile the change is to be told, which waits for 3 s.
    while begin.elapsed() < Duration::from_millis(2500) {
        assert_eq!(client.ask_about("x"), "default");
    }
    drop(deaf);
    daemon.stop();
}

#[test]
fn the_watchdog_is_fed_as_long_as_all_workers_turn() {
    let stub = Stub::tcp(Script::default());
    let mut manager = Manager::of(vec![tcp("127.0.0.1:0").0]);
    manager
        .environment
        .push(("WATCHDOG_USEC", "300000".to_owned()));
    let daemon = manager.start(&["-s", &service(&stub), "--workers", "3"]);
    assert!(manager.wait(5, "WATCHDOG=1"), "{:?}", manager.said());

    // One of three stands still; the others serve on.
    let stopped = Stopped::thread(daemon.process.id(), "worker 1");
    assert!(daemon.process.out.wait_lines(1, "worker 1 is stuck"));
    let fed = || {
        manager
            .said()
            .iter()
            .filter(|said| *said == "WATCHDOG=1")
            .count()
    };
    let before = fed();
    assert!(daemon.process.out.wait_lines(4, "worker 1 is stuck"));
    assert_eq!(fed(), before);
    drop(stopped);
    assert!(
        manager.wait(before + 3, "WATCHDOG=1"),
        "{:?}",
        manager.said()
    );
    daemon.stop();
}

#[test]
fn without_a_watchdog_nobody_is_fed() {
    let stub = Stub::tcp(Script::default().after(Duration::from_millis(500)));
    let mut manager = Manager::of(vec![tcp("127.0.0.1:0").0]);
    let environment = [("WATCHDOG_USEC", "200000"), ("WATCHDOG_PID", "1")];
    manager.environment = environment
        .map(|(name, value)| (name, value.to_owned()))
        .to_vec();
    let daemon = manager.start(&["-s", &service(&stub)]);
    // Some of what would be its periods.
    assert_eq!(daemon.connect().ask_about("x"), "dunno");
    daemon.stop();
    assert!(
        !manager.said().contains(&"WATCHDOG=1".to_owned()),
        "for another process"
    );
}

/// A thread of a process that is kept from running until this is dropped.
struct Stopped(nix::unistd::Pid);

impl Stopped {
    fn thread(process: u32, name: &str) -> Self {
        use nix::sys::ptrace;

        let tasks = fs::read_dir(format!("/proc/{process}/task")).unwrap();
        let thread = tasks.map(|task| task.unwrap().path()).find(|task| {
            fs::read_to_string(task.join("comm")).is_ok_and(|found| found.trim() == name)
        });
        let thread = thread.expect("a thread of that name");
        let id = thread
            .file_name()
            .unwrap()
            .to_str()
            .unwrap()
            .parse()
            .unwrap();
        let id = nix::unistd::Pid::from_raw(id);
        ptrace::seize(id, ptrace::Options::empty()).unwrap();
        ptrace::interrupt(id).unwrap();
        let flags = nix::sys::wait::WaitPidFlag::__WALL;
        nix::sys::wait::waitpid(id, Some(flags)).unwrap();
        Self(id)
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        _ = nix::sys::ptrace::detach(self.0, None);
    }
}
