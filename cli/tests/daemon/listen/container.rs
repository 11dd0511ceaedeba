//! As in a container: processes of elsewhere have no number, and users no names.

use std::{
    fs,
    os::unix::fs::{MetadataExt, chown},
    process::{Command, Stdio},
};

use policy_testing::process::{Daemon, hapolicy, is_root};
use tempfile::TempDir;

use super::{path, unix};

/// Postfix in a container of its own, with a socket in a volume.
#[test]
fn a_client_whose_process_has_no_number_here_is_served() {
    if !is_root() {
        return;
    }
    let dir = TempDir::new().unwrap();
    let mut command = Command::new("unshare");
    command.args(["--pid", "--fork", "--kill-child", hapolicy(), "-L"]);
    command.args(["--listen", &unix(&dir), "--max-clients-per-user", "1"]);
    let daemon = Daemon::of(command.args(SERVICE).stdin(Stdio::null()), 1);
    let mut client = daemon.connect();
    assert_eq!(client.ask_about("x"), "dunno");
    // Whose it is, is known all the same.
    assert!(daemon.connect().is_ended());
    let said = "closing a connection from user 0: it has 1 (--max-clients-per-user)";
    assert!(
        daemon.process.out.wait_lines(1, said),
        "{}",
        daemon.process.out.text()
    );
}

/// It leads a group, so that it has to join another one before it can leave its session.
#[test]
fn a_daemon_starts_whose_parents_group_has_no_number_here() {
    if !is_root() {
        return;
    }
    let dir = TempDir::new().unwrap();
    let mut command = Command::new("unshare");
    let script = "perl -e 'setpgrp; exec @ARGV' -- \"$@\" & wait";
    command.args(["--pid", "--fork", "--kill-child", "sh", "-c", script, "sh"]);
    command.args([hapolicy(), "-L", "--user", "nobody"]);
    command.args(["--listen", &format!("{},mode=0666", unix(&dir))]);
    let daemon = Daemon::of(command.args(SERVICE).stdin(Stdio::null()), 1);
    assert_eq!(daemon.connect().ask_about("x"), "dunno");
}

#[test]
fn numbers_of_users_need_no_list_of_users() {
    if !is_root() {
        return;
    }
    for (options, owner) in [
        (",mode=0600,owner=54322,group=54323", 54322),
        (",mode=0600", 54321),
    ] {
        let dir = TempDir::new().unwrap();
        // Of another user, with whose rights the socket is bound.
        chown(dir.path(), Some(54321), Some(54321)).unwrap();
        let listen = unix(&dir) + options;
        let script = "mount -t tmpfs tmpfs /etc && exec \"$@\"";
        let mut command = Command::new("unshare");
        command.args([
            "--mount",
            "sh",
            "-c",
            script,
            "sh",
            hapolicy(),
            "-L",
            "--listen",
            &listen,
        ]);
        let daemon = Daemon::of(
            command
                .args(["--user", "54321:12345"])
                .args(SERVICE)
                .stdin(Stdio::null()),
            1,
        );
        assert_eq!(fs::metadata(path(&dir)).unwrap().uid(), owner, "{options}");
        assert!(daemon.process.out.wait_lines(1, "user: 54321"));
        daemon.stop();
    }
}

const SERVICE: [&str; 2] = ["-s", "a=127.0.0.1:1"];
