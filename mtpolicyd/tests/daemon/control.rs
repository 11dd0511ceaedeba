//! `control` and `--control`, and `mtpolicyd ctl` that asks over it.

use std::{
    io::{Read, Write},
    os::unix::{fs::PermissionsExt, net::UnixStream},
};

use policy_testing::{
    eventually,
    process::{Ended, Process, Signal, as_user, is_root},
};
use serde_json::Value;

use super::world::{PROGRAM, World, ask, host};

/// A store that is away, a limit that counts in memory, a list that does not exist, and a plugin that fails.
const PLUGINS: &str = "
  <Plugin counter>
    module = Limit
    key = sasl_username
    count_at = RCPT
    limits = 5/1h
    store = memory
  </Plugin>
  <Plugin broken>
    module = Limit
    key = sender
    count_at = RCPT
    limits = 5/1h
    store = away
    on_error = continue
  </Plugin>
";
const CONNECTIONS: &str = "control = unix:@TMP@/control
<Connection away>
  module = Redis
  server = 127.0.0.1:1
</Connection>
<Connection memory>
  module = Memory
</Connection>
";

/// A daemon with a control socket.
struct Controlled {
    world: World,
    process: Process,
}

impl Controlled {
    fn start() -> Self {
        let world = World::new(&config(""));
        let process = world.serve(&[]);
        assert!(process.err.wait_lines(1, "commands at unix:"));
        Self { world, process }
    }

    fn ctl(&self, words: &[&str]) -> Ended {
        let path = self.world.path("control").display().to_string();
        Process::start(PROGRAM, &[&["ctl", "--socket", &path], words].concat()).end()
    }

    fn status(&self) -> Value {
        serde_json::from_str(&self.ctl(&["status", "--json"]).out).unwrap()
    }
}

fn config(more: &str) -> String {
    format!("{CONNECTIONS}{}{more}", host(PLUGINS))
}

fn request(user: &str) -> String {
    format!("protocol_state=RCPT\nsasl_username={user}\nsender=a@x")
}

#[test]
fn the_status_shows_what_was_answered_and_what_failed() {
    let daemon = Controlled::start();
    let mut client = daemon.world.connect();
    for _ in 0..3 {
        assert_eq!(
            ask(&mut client, &request("alice")).as_deref(),
            Some("action=dunno")
        );
    }
    let status = daemon.status();
    let version = env!("CARGO_PKG_VERSION");
    for (of, value) in [
        ("name", Value::from("mtpolicyd")),
        ("version", version.into()),
        ("state", "serving".into()),
        ("workers", 1.into()),
        ("clients", 1.into()),
        ("requests", 3.into()),
        ("log_lines_lost", 0.into()),
    ] {
        assert_eq!(status[of], value, "{of}: {status}");
    }
    assert!(status["uptime_seconds"].is_number(), "{status}");
    let answer = &status["answers"][0];
    assert_eq!(
        (&answer["action"], &answer["requests"]),
        (&"dunno".into(), &3.into())
    );
    let plugins = status["plugins"].as_array().unwrap();
    let broken = plugins.iter().find(|of| of["plugin"] == "broken").unwrap();
    assert_eq!(broken["failed"], 3, "{broken}");
    let store = &status["stores"][0];
    assert_eq!(
        (&store["connection"], &store["failed"]),
        (&"away".into(), &3.into())
    );
    assert!(
        store["since_seconds"].is_number() && store["is_good"].is_boolean(),
        "{store}"
    );
    let effects = status["errors_of_plugins"].as_array().unwrap();
    let continued = effects
        .iter()
        .find(|of| of["on_error"] == "continue")
        .unwrap();
    assert_eq!(continued["requests"], 3, "{status}");
    assert_eq!(status["sessions"][0]["outcome"], "opened");
    assert_eq!(status["sessions"][0]["sessions"], 3);

    let table = daemon.ctl(&["status"]).out;
    let head = format!("mtpolicyd {version}, running for ");
    assert!(table.starts_with(&head), "{table}");
    for line in [
        "requests: 3, log lines lost: 0",
        "Answers",
        "Stores",
        "Plugins",
        "Sessions",
    ] {
        assert!(table.lines().any(|found| found == line), "{line}: {table}");
    }
    let row = table
        .lines()
        .rfind(|line| line.starts_with("broken "))
        .unwrap();
    let row: Vec<_> = row.split_whitespace().collect();
    assert_eq!(row, ["broken", "test", "0", "0", "3", "0"], "{table}");
}

#[test]
fn limits_in_the_memory_of_the_daemon_are_shown_and_emptied() {
    let daemon = Controlled::start();
    // The other plugin, whose store is away, says so in its turn.
    daemon
        .world
        .configure(&config("").replace("store = away", "store = memory"));
    assert_eq!(daemon.ctl(&["reload"]).code, Some(0));
    let none = daemon.ctl(&["limits", "show", "alice"]);
    assert_eq!(
        (none.code, &*none.err),
        (Some(1), "mtpolicyd ctl: nothing is counted for alice\n")
    );
    let mut client = daemon.world.connect();
    for _ in 0..2 {
        ask(&mut client, &request("alice")).unwrap();
    }
    let shown = daemon.ctl(&["limits", "show", "alice"]);
    assert_eq!(
        (shown.code, &*shown.out),
        (
            Some(0),
            "counter: sasl_username=alice: 2 of 5/1h messages\n"
        ),
        "{shown:?}"
    );
    let reset = daemon.ctl(&["limits", "reset", "alice"]);
    assert_eq!(
        (reset.code, &*reset.out),
        (Some(0), "counter: sasl_username=alice: reset\n")
    );
    assert_eq!(daemon.ctl(&["limits", "show", "alice"]).code, Some(1));
    // The log says who has asked, and of the commands that only show nothing.
    let told = "control: limits: counter: sasl_username=alice: reset, as ";
    assert!(
        daemon.process.err.wait_lines(1, told),
        "{}",
        daemon.process.err.text()
    );
    let user = format!("uid {}", rustix::process::geteuid().as_raw());
    let changes = daemon.process.err.lines("control: limits");
    assert!(
        changes.len() == 1 && changes[0].contains(&user),
        "{changes:?}"
    );
}

#[test]
fn a_limit_whose_store_is_away_says_so() {
    let daemon = Controlled::start();
    let failed = daemon.ctl(&["limits", "show", "alice"]);
    assert_eq!(failed.code, Some(1), "{failed:?}");
    assert!(
        failed
            .err
            .starts_with("mtpolicyd ctl: broken: away (redis 127.0.0.1:1): connection failed: "),
        "{failed:?}"
    );
}

#[test]
fn each_list_is_shown_with_its_last_test() {
    let daemon = Controlled::start();
    let none = daemon.ctl(&["lists"]);
    assert_eq!((none.code, &*none.out), (Some(0), "no list is asked\n"));
    let rbl =
        "<Plugin listed>\nmodule=RBL\ndomain=list.invalid\nmode=reject\nself_test=0\n</Plugin>\n";
    daemon
        .world
        .configure(&config("").replace("<Plugin broken>", &format!("{rbl}<Plugin broken>")));
    assert_eq!(daemon.ctl(&["reload"]).code, Some(0));
    let lists: Value = serde_json::from_str(&daemon.ctl(&["lists", "--json"]).out).unwrap();
    let list = &lists[0];
    for (of, value) in [
        ("dns_list", Value::from("list.invalid")),
        ("state", "untested".into()),
        ("is_good", true.into()),
        ("asked", 0.into()),
        ("errors", 0.into()),
        ("test", "".into()),
    ] {
        assert_eq!(list[of], value, "{of}: {lists}");
    }
    let table = daemon.ctl(&["lists"]).out;
    assert!(table.contains("\nlist.invalid  untested "), "{table}");
}

#[test]
fn a_reload_says_what_is_wrong_and_changes_nothing_then() {
    let daemon = Controlled::start();
    daemon.world.configure(&config("").replace("5/1h", "many"));
    let refused = daemon.ctl(&["reload"]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(
        refused.err.contains("mt.conf:") && refused.err.contains(": error: "),
        "{refused:?}"
    );
    assert!(ask(&mut daemon.world.connect(), &request("bob")).is_some());

    daemon.world.configure(&config("no_such_key = 1\n"));
    let done = daemon.ctl(&["reload"]);
    assert_eq!(done.code, Some(0), "{done:?}");
    assert!(done.out.contains("warning: "), "{done:?}");
    assert!(
        done.out.ends_with("the configuration is reloaded\n"),
        "{done:?}"
    );
    let told = "control: the configuration is reloaded, as ";
    assert!(
        daemon.process.err.wait_lines(1, told),
        "{}",
        daemon.process.err.text()
    );
}

#[test]
fn only_root_and_the_user_of_the_daemon_may_command() {
    let daemon = Controlled::start();
    let path = daemon.world.path("control");
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    if is_root() {
        // Even where the file lets it connect.
        let open = |path: &std::path::Path, mode| {
            std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
        };
        open(&path, 0o666);
        open(daemon.world.directory.path(), 0o755);
        let answer = as_user(12_345, || {
            let mut stream = UnixStream::connect(&path).unwrap();
            stream.write_all(b"limits\nreset\nalice\n\n").unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            answer
        });
        assert_eq!(
            answer,
            "failed\nonly root and the daemon's user may command"
        );
        let told = "--control refuses user 12345: only root and the daemon's user may command";
        assert!(daemon.process.err.wait_lines(1, told));
    }
}

#[test]
fn a_command_that_is_none_says_which_there_are() {
    let daemon = Controlled::start();
    for (words, code, text) in [
        (
            &["drain", "x"][..],
            64,
            "unknown command 'drain': there are status, lists, limits, reload, trace",
        ),
        (
            &["limits", "show"],
            64,
            "use limits show KEY, or limits reset KEY",
        ),
        (
            &[],
            64,
            "a command is missing: there are status, lists, limits, reload, trace",
        ),
    ] {
        let ended = daemon.ctl(words);
        assert_eq!(
            (ended.code, &*ended.err),
            (Some(code), &*format!("mtpolicyd ctl: {text}\n"))
        );
    }
    // Another client may send what it likes.
    let mut stream = UnixStream::connect(daemon.world.path("control")).unwrap();
    stream.write_all(b"drain\nx\n\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert_eq!(answer, "failed\nunknown command: drain x");
    let help = daemon.ctl(&["--help"]);
    assert!(
        help.code == Some(0) && help.out.contains("limits reset KEY"),
        "{help:?}"
    );
}

#[test]
fn without_a_daemon_the_client_says_what_to_do() {
    let ended = Process::start(PROGRAM, &["ctl", "--socket=/nonexistent/control", "status"]).end();
    assert_eq!(ended.code, Some(69), "{ended:?}");
    let hint =
        "no daemon has it: start mtpolicyd with --control, and give its path with --socket\n";
    assert!(ended.err.ends_with(hint), "{ended:?}");
}

#[test]
fn a_socket_of_the_command_line_counts_before_that_of_the_file() {
    let world = World::new(&config(""));
    let control = format!("unix:{}", world.path("other").display());
    let process = world.serve(&["--control", &control]);
    assert!(process.err.wait_lines(1, &format!("commands at {control}")));
    assert!(!world.path("control").exists());
    process.signal(Signal::TERM);
    assert!(
        eventually(|| !world.path("other").exists()),
        "it goes with the daemon"
    );

    for text in ["control = /run/x", "control = inet:127.0.0.1:1"] {
        world.configure(&config("").replace("control = unix:@TMP@/control", text));
        let checked = world.run(&["--check-config"]);
        assert_eq!(checked.code, Some(78), "{checked:?}");
        assert!(checked.err.contains("is no unix:/PATH"), "{checked:?}");
    }
    let wrong = world.run(&["-f", "--control", "inet:127.0.0.1:1"]);
    assert_ne!(wrong.code, Some(0), "{wrong:?}");
}
