//! Reloads by a command or a service manager, and commands at the same time.

use std::{fs, thread};

use policy_testing::{
    admin,
    process::{Daemon, Manager, Signal, hapolicy, run},
    stub::{Script, Stub},
};
use serde_json::Value;
use tempfile::TempDir;

use super::{BAD, Configured, GOOD, service, with_listener};

#[test]
fn a_command_reloads_and_says_what_came_of_it_and_what_a_command_has_set_stays() {
    let stub = Stub::tcp(Script::answer("a"));
    let dir = TempDir::new().unwrap();
    let socket = dir.path().join("control");
    let settings = |weight: &str| {
        let control = format!("control = \"unix:{}\"\n", socket.display());
        control + &service("a", &stub, weight)
    };
    let configured = Configured::start(&settings(""));
    let ctl = |words: &[&str]| {
        let socket = socket.to_str().unwrap();
        run(hapolicy(), &[&["ctl", "--socket", socket], words].concat())
    };
    assert_eq!(ctl(&["drain", "a"]).code, Some(0));
    assert_eq!(ctl(&["weight", "a", "7"]).code, Some(0));
    fs::write(
        &configured.path,
        with_listener(&settings("timeout = \"5s\"")),
    )
    .unwrap();
    let done = ctl(&["reload"]);
    let changed = "service a: timeout = \"5s\" (was \"10s\")\nthe configuration is reloaded\n";
    let expected = (Some(0), changed, "");
    assert_eq!((done.code, &*done.out, &*done.err), expected);
    let status = ctl(&["status", "--json"]).out;
    assert!(
        status.contains("\"mode\":\"drain\"") && status.contains("\"weight\":7"),
        "{status}"
    );

    fs::write(&configured.path, with_listener("deadlin = 5\n")).unwrap();
    let refused = ctl(&["reload"]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    let said = "hapolicy.toml:2:1: error: unknown key `deadlin`";
    assert!(refused.err.contains(said), "{refused:?}");
    fs::write(
        &configured.path,
        with_listener(&settings("weight = 2\nmode = \"disabled\"")),
    )
    .unwrap();
    assert_eq!(ctl(&["reload"]).code, Some(0));
    let status = ctl(&["status", "--json"]).out;
    assert!(
        status.contains("\"mode\":\"disabled\"") && status.contains("\"weight\":2"),
        "{status}"
    );
    configured.daemon.stop();
}

#[test]
fn the_service_manager_is_told_of_the_beginning_and_the_end() {
    let stub = Stub::tcp(Script::answer("a"));
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("hapolicy.toml");
    fs::write(&path, with_listener(&service("a", &stub, ""))).unwrap();
    let manager = Manager::of(Vec::new());
    let mut command = manager.command(&["--config", path.to_str().unwrap()]);
    let daemon = Daemon::of(command.env_remove("LISTEN_FDS"), 1);
    assert!(manager.wait(1, "READY=1"));
    daemon.process.signal(Signal::HUP);
    assert!(manager.wait(2, "READY=1"));
    let said = manager.said();
    let reloading = said.iter().position(|said| {
        let time = said.strip_prefix("RELOADING=1\nMONOTONIC_USEC=");
        time.is_some_and(|time| time.parse::<u64>().is_ok())
    });
    let ready = said.iter().rposition(|said| said == "READY=1");
    assert!(reloading.is_some() && reloading < ready, "{said:?}");
    daemon.stop();
}

#[test]
fn no_command_is_lost_while_the_file_is_read_again() {
    let stub = Stub::tcp(Script::answer("a"));
    let dir = TempDir::new().unwrap();
    let socket = dir.path().join("control");
    let settings = |deadline: usize| {
        format!(
            "control = \"unix:{}\"\ndeadline = \"{deadline}s\"\n{}",
            socket.display(),
            service("a", &stub, "")
        )
    };
    let configured = Configured::start(&settings(50));
    let ctl = |words: &[&str]| {
        let socket = socket.to_str().unwrap();
        run(hapolicy(), &[&["ctl", "--socket", socket], words].concat())
    };
    for round in 0..60 {
        fs::write(&configured.path, with_listener(&settings(30 + round))).unwrap();
        let weight = (round + 2).to_string();
        thread::scope(|scope| {
            let reload = scope.spawn(|| ctl(&["reload"]));
            for words in [&["drain", "a"][..], &["weight", "a", &weight]] {
                assert_eq!(ctl(words).code, Some(0));
            }
            assert_eq!(reload.join().unwrap().code, Some(0));
        });
        let status = ctl(&["status", "--json"]).out;
        let status: Value = serde_json::from_str(&status).unwrap();
        let service = &status["services"][0];
        assert_eq!(
            (&service["mode"], &service["weight"]),
            (&"drain".into(), &(round + 2).into()),
            "{round}"
        );
        assert_eq!(ctl(&["enable", "a"]).code, Some(0));
    }
    configured.daemon.stop();
}

#[test]
fn reloads_are_counted_by_what_has_come_of_them() {
    let settings = "admin = \"inet:127.0.0.1:0\"\n[service.a]\naddress = \"127.0.0.1:1\"\n";
    let configured = Configured::start(settings);
    assert!(configured.daemon.process.out.wait_lines(1, "metrics at "));
    let address = admin::address(&configured.log()).unwrap();
    configured.reload(settings, GOOD);
    configured.reload("deadlin = 5\n", BAD);
    configured.reload(settings, GOOD);
    let metrics = admin::get(&address, "/metrics").body;
    for (outcome, count) in [("done", 2), ("refused", 1)] {
        let line = format!("hapolicy_reloads_total{{outcome=\"{outcome}\"}} {count}");
        assert!(
            metrics.lines().any(|found| found == line),
            "{line}: {metrics}"
        );
    }
    configured.daemon.stop();
}
