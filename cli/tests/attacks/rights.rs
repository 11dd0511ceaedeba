//! The rights of a daemon that gave up root, and descriptors that its starter left open.

use std::{fs, os::fd::AsFd, process::Command};

use command_fds::{CommandFdExt, FdMapping};
use policy_testing::{
    World,
    process::{Daemon, Process, hapolicy, is_root, run},
    stub::{Script, Stub},
};

use crate::attacker::command_as;

#[test]
fn no_thread_has_a_right_left_nor_a_way_to_get_one() {
    if !is_root() {
        return;
    }
    let world = World::new();
    let daemon = world.start(
        &["inet:127.0.0.1:0"],
        &["--user", "nobody", "--workers", "3"],
    );
    let process = format!("/proc/{}", daemon.process.id());
    let tasks: Vec<_> = fs::read_dir(format!("{process}/task")).unwrap().collect();
    assert!(tasks.len() >= 3);
    for task in tasks {
        // One that has ended meanwhile has no rights.
        let Ok(status) = fs::read_to_string(task.unwrap().path().join("status")) else {
            continue;
        };
        for (name, value) in [
            ("Uid", "65534 65534 65534 65534"),
            ("Gid", "65534 65534 65534 65534"),
            ("Groups", "65534"),
            ("CapInh", NONE),
            ("CapPrm", NONE),
            ("CapEff", NONE),
            ("CapBnd", NONE),
            ("CapAmb", NONE),
            ("NoNewPrivs", "1"),
        ] {
            let line = status
                .lines()
                .find_map(|line| line.strip_prefix(&format!("{name}:")));
            let words: Vec<&str> = line.unwrap().split_whitespace().collect();
            assert_eq!(words.join(" "), value, "{name}: {status}");
        }
    }
    // Another process of its user's can neither read its memory nor its environment.
    for file in ["environ", "mem", "maps"] {
        let path = format!("{process}/{file}");
        let words = ["cat", &path];
        let ended = Process::of(&mut command_as(65534, "/".as_ref(), &words)).end();
        assert_ne!(ended.code, Some(0), "{file}: {ended:?}");
    }
    daemon.stop();
}

#[test]
fn descriptors_of_the_starter_are_closed() {
    let stub = Stub::tcp(Script::default());
    let secret = tempfile::NamedTempFile::new().unwrap();
    let mut command = Command::new(hapolicy());
    command.args(["-L", "--listen", "inet:127.0.0.1:0", "-s"]);
    command.arg(format!("a={}", stub.address()));
    let mapping = |child_fd| FdMapping {
        parent_fd: secret.as_file().as_fd().try_clone_to_owned().unwrap(),
        child_fd,
    };
    command
        .fd_mappings(vec![mapping(3), mapping(77), mapping(500)])
        .unwrap();
    let daemon = Daemon::of(&mut command, 1);
    let open = fs::read_dir(format!("/proc/{}/fd", daemon.process.id())).unwrap();
    for entry in open.flatten() {
        // One that is closed meanwhile leads nowhere.
        let target = fs::read_link(entry.path()).unwrap_or_default();
        assert_ne!(target, secret.path());
    }
    assert_eq!(daemon.connect().ask_about("x"), "dunno");
    daemon.stop();
}

#[test]
fn a_daemon_that_stays_root_says_so() {
    if !is_root() {
        return;
    }
    let world = World::new();
    for (words, times) in [
        (&[][..], 1),
        (&["--user", "root"], 1),
        (&["--user", "nobody"], 0),
    ] {
        let daemon = world.start(&["inet:127.0.0.1:0"], words);
        let log = daemon.stop().out;
        assert_eq!(
            log.matches("[LOG warning]: warning: running as root: ")
                .count(),
            times,
            "{words:?}"
        );
    }
}

/// To the system this number means: as it is.
#[test]
fn a_user_or_group_that_is_no_number_of_one_is_refused() {
    let world = World::new();
    let unix = world.unix();
    for words in [
        ["--listen", &format!("{unix},group=4294967295")],
        ["--listen", &format!("{unix},owner=4294967295")],
        ["--user", "nobody:4294967295"],
        ["--user", "4294967295"],
    ] {
        let all = world.words(&[&words[..], &["--listen", "inet:127.0.0.1:0"]].concat());
        let ended = run(hapolicy(), &all);
        assert_eq!(ended.code, Some(78), "{words:?}: {ended:?}");
        assert_eq!(ended.err.lines().count(), 1, "{ended:?}");
    }
}

const NONE: &str = "0000000000000000";
