//! SIGHUP: the configuration file is read again, all of it or nothing.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    process::{Command, Stdio},
    sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    thread,
};

use policy_testing::{
    admin,
    process::{Client, Daemon, Manager, Signal, hapolicy, is_root, request, run},
    stub::{Script, Stub},
    within,
};
use serde_json::Value;
use tempfile::TempDir;

/// A daemon with a configuration file.
struct Configured {
    daemon: Daemon,
    path: PathBuf,
    _dir: TempDir,
}

impl Configured {
    fn start(settings: &str) -> Self {
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("hapolicy.toml");
        fs::write(&path, with_listener(settings)).unwrap();
        let mut command = Command::new(hapolicy());
        command.arg("-L").arg("--config").arg(&path);
        let daemon = Daemon::of(command.stdin(Stdio::null()), 1);
        Self {
            daemon,
            path,
            _dir: dir,
        }
    }

    /// Has these settings read, and waits until the log has this once more.
    fn reload(&self, settings: &str, said: &str) {
        let before = self.daemon.process.out.lines(said).len();
        fs::write(&self.path, with_listener(settings)).unwrap();
        self.daemon.process.signal(Signal::HUP);
        let is_said = self.daemon.process.out.wait_lines(before + 1, said);
        assert!(is_said, "{settings}: {}", self.log());
    }

    fn log(&self) -> String {
        self.daemon.process.out.text()
    }

    fn ask(&self) -> String {
        self.daemon.connect().ask_about("x")
    }
}

fn with_listener(settings: &str) -> String {
    format!("listen = \"inet:127.0.0.1:0\"\n{settings}")
}

fn service(name: &str, stub: &Stub, more: &str) -> String {
    let address = stub.address();
    format!("[service.{name}]\naddress = \"{address}\"\n{more}\n")
}

const GOOD: &str = "SIGHUP: the configuration is reloaded";
const BAD: &str = "SIGHUP: the configuration has errors, the settings of before stay";

#[test]
fn services_come_and_go_and_one_that_stays_keeps_its_connection_and_its_counters() {
    let [a, b, c] = ["a", "b", "c"].map(|name| Stub::tcp(Script::answer(name)));
    let (of_a, of_b) = (service("a", &a, ""), service("b", &b, "priority = 20"));
    let configured = Configured::start(&[of_a.clone(), of_b].concat());
    let mut client = configured.daemon.connect();
    assert_eq!(client.ask_about("1"), "a");

    // The order is another one, and so is the priority.
    let of_c = service("c", &c, "priority = 5");
    configured.reload(&[of_c, of_a.clone()].concat(), GOOD);
    assert_eq!(client.ask_about("2"), "c", "{}", configured.log());
    configured.reload(&of_a, GOOD);
    assert_eq!(client.ask_about("3"), "a");
    assert_eq!(a.connections(), 1, "its connection was kept");
    assert!(within_patience(|| c.open() == 0), "c is gone");

    configured.daemon.process.signal(Signal::USR1);
    let told = format!(
        "service 'a' ({}): enabled, up, answered: 2, failed: 0",
        a.address()
    );
    let is_told = configured.daemon.process.out.wait_lines(1, &told);
    assert!(is_told, "{}", configured.log());
    let log = configured.daemon.stop().out;
    for line in [
        format!(
            "[LOG notice]: SIGHUP: service c is new: \"inet:{}\"",
            c.address()
        ),
        "[LOG notice]: SIGHUP: service b is gone".to_owned(),
        "[LOG notice]: SIGHUP: service c is gone".to_owned(),
    ] {
        assert!(log.contains(&line), "{line}: {log}");
    }
}

#[test]
fn a_service_that_has_moved_is_asked_at_its_new_address() {
    let [old, new] = ["old", "new"].map(|name| Stub::tcp(Script::answer(name)));
    let configured = Configured::start(&service("a", &old, ""));
    assert_eq!(configured.ask(), "old");
    configured.reload(&service("a", &new, ""), GOOD);
    assert_eq!(configured.ask(), "new");
    configured.reload(&service("a", &old, ""), GOOD);
    assert_eq!(configured.ask(), "old");
    configured.daemon.stop();
}

#[test]
fn a_service_that_is_down_stays_down_and_is_up_again_when_it_answers() {
    let [a, b] = ["a", "b"].map(|name| Stub::tcp(Script::answer(name)));
    a.stop();
    let services =
        |weight: &str| [service("a", &a, weight), service("b", &b, "priority = 20")].concat();
    let configured = Configured::start(&services(""));
    assert_eq!(configured.ask(), "b");
    configured.reload(&services("weight = 2"), GOOD);
    assert_eq!(configured.ask(), "b");
    configured.daemon.process.signal(Signal::USR1);
    let told = format!("service 'a' ({}): enabled, down for ", a.address());
    let is_told = configured.daemon.process.out.wait_lines(1, &told);
    assert!(is_told, "{}", configured.log());
    let log = configured.daemon.stop().out;
    assert_eq!(log.matches("is down").count(), 1, "once: {log}");
    assert!(
        log.contains("SIGHUP: service a: weight = 2 (was 1)"),
        "{log}"
    );
}

#[test]
fn a_request_under_way_is_answered_by_the_service_that_is_gone_meanwhile() {
    let held = Stub::tcp(Script::answer("held").held());
    let b = Stub::tcp(Script::answer("b"));
    let configured = Configured::start(&service("held", &held, ""));
    let mut client = configured.daemon.connect();
    client.send(&request(&[("sender", "x")]));
    assert!(held.wait_requests(1));
    configured.reload(&service("b", &b, ""), GOOD);
    assert_eq!(configured.ask(), "b");
    held.release();
    assert_eq!(client.action(), "held");
    assert_eq!(client.ask_about("y"), "b");
    assert!(
        within_patience(|| held.open() == 0),
        "nothing is kept of it"
    );
    configured.daemon.stop();
}

#[test]
fn a_bad_file_changes_nothing_and_the_log_names_each_line() {
    let stub = Stub::tcp(Script::answer("a"));
    let good = service("a", &stub, "");
    let configured = Configured::start(&good);
    for (settings, faults) in [
        (
            format!("deadlin = \"9s\"\nidle = 5\n{good}"),
            &[
                ":2:1: error: unknown key `deadlin`: no key here (did you mean `deadline`?)",
                ":3:8: error: invalid value for `idle`: a duration needs a unit",
            ][..],
        ),
        (String::new(), &["no service"]),
        (
            "\n\n\n\n[service.a".to_owned(),
            &["hapolicy.toml:6:11: error: unclosed table"],
        ),
        (
            format!("health-check = \"5s\"\nprobe = \"/nonexistent\"\n{good}"),
            &["--probe /nonexistent: No such file"],
        ),
    ] {
        configured.reload(&settings, BAD);
        for fault in faults {
            let is_error = |line: &&str| line.starts_with("[LOG error]: ") && line.contains(fault);
            let log = configured.log();
            assert_eq!(log.lines().filter(is_error).count(), 1, "{fault}: {log}");
        }
        assert_eq!(configured.ask(), "a");
    }
    configured.reload(&good, GOOD);
    configured.daemon.stop();
}

#[test]
fn rules_for_requests_change_at_once_and_what_needs_a_restart_is_named() {
    let configured =
        Configured::start("default = \"one\"\n[service.a]\naddress = \"127.0.0.1:1\"\n");
    let mut client = configured.daemon.connect();
    assert_eq!(client.ask_about("x"), "one");
    let settings = "default = \"two\"\nworkers = 2\nmax-memory = \"300M\"\nidle = \"60s\"\n\
                    [service.a]\naddress = \"127.0.0.1:1\"\n";
    configured.reload(settings, GOOD);
    assert_eq!(client.ask_about("x"), "two");
    let log = configured.daemon.stop().out;
    for line in [
        "[LOG notice]: SIGHUP: default = \"two\" (was \"one\")",
        "[LOG notice]: SIGHUP: idle = \"60s\" (was \"1200s\")",
        "[LOG warning]: warning: SIGHUP: workers has changed, which needs a restart",
        "[LOG warning]: warning: SIGHUP: max-memory has changed, which needs a restart",
    ] {
        assert!(log.contains(line), "{line}: {log}");
    }
}

#[test]
fn an_idle_time_that_has_become_shorter_ends_clients_that_have_waited_before() {
    let stub = Stub::tcp(Script::answer("a"));
    let of_a = service("a", &stub, "");
    let configured = Configured::start(&of_a);
    let mut client = configured.daemon.connect();
    assert_eq!(client.ask_about("x"), "a");
    configured.reload(&format!("idle = \"1ms\"\n{of_a}"), GOOD);
    assert!(client.is_ended());
    configured.daemon.stop();
}

#[test]
fn listeners_come_and_go_and_clients_of_one_that_is_gone_stay() {
    let stub = Stub::tcp(Script::answer("a"));
    let of_a = service("a", &stub, "");
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("hapolicy.toml");
    let socket = dir.path().join("policy.sock");
    let unix = format!("unix:{}", socket.display());
    let write = |listen: &str| fs::write(&path, format!("listen = {listen}\n{of_a}")).unwrap();
    write("[\"inet:127.0.0.1:0\"]");
    let mut command = Command::new(hapolicy());
    command.arg("-L").arg("--config").arg(&path);
    let daemon = Daemon::of(command.stdin(Stdio::null()), 1);
    let mut early = daemon.connect();
    let reload = |count, said: &str| {
        daemon.process.signal(Signal::HUP);
        assert!(
            daemon.process.out.wait_lines(count, said),
            "{}",
            daemon.process.out.text()
        );
    };

    write(&format!("[\"inet:127.0.0.1:0\", \"{unix},mode=0600\"]"));
    reload(1, GOOD);
    let mut over_unix = Client::connect(&unix);
    assert_eq!(over_unix.ask_about("x"), "a");
    assert_eq!(early.ask_about("x"), "a");

    // What cannot be bound leaves all as it was.
    write(&format!("[\"inet:127.0.0.1:{}\"]", stub.port()));
    reload(1, BAD);
    write(&format!("[\"{unix},mode=0660\"]"));
    reload(2, BAD);
    assert_eq!(daemon.connect().ask_about("x"), "a");

    write(&format!("\"{unix},mode=0600\""));
    reload(2, GOOD);
    assert!(
        Client::try_connect(daemon.endpoint()).is_err(),
        "it is closed"
    );
    assert_eq!(early.ask_about("x"), "a");
    write("\"inet:127.0.0.1:0\"");
    reload(3, GOOD);
    assert!(!socket.exists());
    assert_eq!(over_unix.ask_about("x"), "a");
    let log = daemon.stop().out;
    for line in [
        format!("[LOG info]: listening on {unix}"),
        format!("[LOG info]: not listening on {unix} any more"),
        format!(
            "cannot bind inet:127.0.0.1:{}: Address already in use",
            stub.port()
        ),
        format!("--listen {unix},mode=0660: another mode or owner needs a restart"),
    ] {
        assert!(log.contains(&line), "{line}: {log}");
    }
    let listened = log
        .lines()
        .filter(|line| line.contains("listened on inet:"));
    assert_eq!(listened.count(), 1, "{log}");
}

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
fn no_request_of_many_is_lost_while_good_and_bad_files_are_read() {
    let stubs = ["a", "b", "c"].map(|name| Stub::tcp(Script::answer(name)));
    let [a, b, c] = &stubs;
    let workers = "workers = 2\nlast-resort = \"0s\"\ndefault = \"lost\"\n";
    let good = [
        [workers, &service("a", a, ""), &service("b", b, "")].concat(),
        [
            workers,
            &service("b", b, "weight = 3"),
            &service("c", c, ""),
        ]
        .concat(),
        [
            workers,
            "balance = \"hash:sender\"\n",
            &service("c", c, "priority = 1"),
        ]
        .concat(),
        // The name is that of another one before.
        [
            workers,
            &service("a", c, ""),
            &service("b", a, "keep = \"0s\""),
        ]
        .concat(),
    ];
    let bad = format!("{workers}deadlin = 1\n");
    let configured = Configured::start(&good[0]);
    let (answered, done) = (AtomicUsize::new(0), AtomicBool::new(false));
    let reloads = thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|_| {
                scope.spawn(|| {
                    let mut client = configured.daemon.connect();
                    for number in 0..REQUESTS / CLIENTS {
                        let sender = (number % 97).to_string();
                        client.send(&request(&[("sender", &sender)]));
                        let action = client.action();
                        assert!(["a", "b", "c"].contains(&&*action), "{action}");
                        answered.fetch_add(1, SeqCst);
                    }
                })
            })
            .collect();
        let reloader = scope.spawn(|| {
            let mut reloads = 0;
            for settings in good.iter().cycle() {
                if done.load(SeqCst) {
                    break;
                }
                configured.reload(settings, GOOD);
                configured.reload(&bad, BAD);
                reloads += 2;
            }
            reloads
        });
        let results: Vec<_> = clients.into_iter().map(|client| client.join()).collect();
        done.store(true, SeqCst);
        assert!(results.iter().all(Result::is_ok));
        reloader.join().unwrap()
    });
    assert_eq!(answered.load(SeqCst), REQUESTS);
    assert!(reloads >= 8, "{reloads}");
    println!("{reloads} reloads");
    configured.daemon.stop();
}

fn within_patience(condition: impl FnMut() -> bool) -> bool {
    within(policy_testing::process::PATIENCE, condition)
}

const CLIENTS: usize = 8;
const REQUESTS: usize = 100_000;

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
fn the_file_is_read_again_where_it_was_found_at_the_start() {
    let stub = Stub::tcp(Script::answer("a"));
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("probe"), "request=smtpd_access_policy\n").unwrap();
    let settings =
        "health-check = \"60s\"\nprobe = \"probe\"\n".to_owned() + &service("a", &stub, "");
    // A daemon that becomes another user has / for its directory.
    let user = if is_root() { "user = \"nobody\"\n" } else { "" };
    fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o755)).unwrap();
    fs::write(
        dir.path().join("h.toml"),
        with_listener(&(user.to_owned() + &settings)),
    )
    .unwrap();
    let mut command = Command::new(hapolicy());
    command
        .args(["-L", "--config", "h.toml"])
        .current_dir(dir.path());
    let daemon = Daemon::of(command.stdin(Stdio::null()), 1);
    daemon.process.signal(Signal::HUP);
    assert!(
        daemon.process.out.wait_lines(1, GOOD),
        "{}",
        daemon.process.out.text()
    );
    daemon.stop();
}

#[test]
fn what_needs_a_restart_is_said_at_each_reload_until_it_holds_or_is_taken_back() {
    let service = "[service.a]\naddress = \"127.0.0.1:1\"\n";
    let configured = Configured::start(service);
    let said = || configured.daemon.process.out.lines("needs a restart").len();
    for count in [2, 4] {
        configured.reload(
            &format!("drain = \"5s\"\nmax-memory = \"300M\"\n{service}"),
            GOOD,
        );
        assert_eq!(said(), count, "{}", configured.log());
    }
    configured.reload(service, GOOD);
    assert_eq!(said(), 4, "{}", configured.log());
    configured.daemon.stop();
}

#[test]
fn a_pipe_among_the_included_files_is_a_fault_and_not_waited_for() {
    let stub = Stub::tcp(Script::answer("a"));
    let dir = TempDir::new().unwrap();
    let included = format!(
        "include = \"{}\"\n{}",
        dir.path().display(),
        service("a", &stub, "")
    );
    let configured = Configured::start(&included);
    let pipe = dir.path().join("z.toml");
    let made = Command::new("mkfifo").arg(&pipe).status();
    assert!(made.unwrap().success());
    configured.reload(&included, BAD);
    assert!(
        configured.log().contains("z.toml is no regular file"),
        "{}",
        configured.log()
    );
    assert_eq!(configured.ask(), "a");
    configured.daemon.stop();
}
