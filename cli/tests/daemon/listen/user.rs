//! As whom a daemon runs.

use std::fs;

use policy_testing::{
    process::{Client, Daemon, hapolicy, is_root, run},
    stub::{Script, Stub},
};
use tempfile::TempDir;

use super::{DAEMON, NOBODY, service, unix};

#[test]
fn a_daemon_runs_as_the_user_that_was_asked_for_and_no_group_of_root_is_left() {
    if !is_root() {
        return;
    }
    let stub = Stub::tcp(Script::default());
    for (user, uid, gid) in [
        ("nobody", NOBODY, NOGROUP),
        ("nobody:daemon", NOBODY, DAEMON),
        ("65534:1", NOBODY, DAEMON),
        // Unknown to the system, as in a container.
        ("54321", 54321, 54321),
        ("54321:12345", 54321, 12345),
    ] {
        let dir = TempDir::new().unwrap();
        let listen = ["inet:127.0.0.1:0", &unix(&dir)];
        let daemon = Daemon::start(&listen, &["-s", &service(&stub), "--user", user]);
        let pid = daemon.process.id();
        let ids = |id: u32| vec![id.to_string(); 4];
        assert_eq!(status(&format!("/proc/{pid}/status"), "Uid"), ids(uid));
        for thread in fs::read_dir(format!("/proc/{pid}/task")).unwrap() {
            let file = thread.unwrap().path().join("status").display().to_string();
            assert_eq!(status(&file, "Uid"), ids(uid), "{user}");
            assert_eq!(status(&file, "Gid"), ids(gid), "{user}");
            assert_eq!(status(&file, "Groups"), [gid.to_string()], "{user}");
            assert_eq!(status(&file, "CapEff"), ["0000000000000000"], "{user}");
        }
        for endpoint in &daemon.endpoints {
            assert_eq!(Client::connect(endpoint).ask_about("1"), "dunno");
        }
        daemon.stop();
    }
}

#[test]
fn a_user_that_does_not_exist_ends_the_start_with_78() {
    let stub = Stub::tcp(Script::default());
    for user in ["no-such-user", "nobody:no-such-group", "", ":"] {
        let args = [
            "--listen",
            "inet:127.0.0.1:0",
            "-s",
            &service(&stub),
            "--user",
            user,
        ];
        let ended = run(hapolicy(), &args);
        assert_eq!(ended.code, Some(78), "{user}: {ended:?}");
        assert_eq!(ended.err.lines().count(), 1, "{user}: {ended:?}");
        assert_eq!(ended.out, "", "{user}");
    }
}

/// The words of a line in a status file of proc(5).
fn status(file: &str, name: &str) -> Vec<String> {
    let text = fs::read_to_string(file).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let words = line.unwrap().trim_start_matches(':').split_whitespace();
    words.map(str::to_owned).collect()
}

const NOGROUP: u32 = 65534;
