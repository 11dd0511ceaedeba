//! A UNIX socket: its mode, its owner, and who removes it.

use std::{
    fs,
    io::ErrorKind,
    os::unix::{
        fs::{FileTypeExt, MetadataExt, PermissionsExt},
        net::UnixListener,
    },
    path::Path,
};

use policy_testing::{
    process::{Daemon, hapolicy, is_root, run},
    stub::{Script, Stub},
};
use tempfile::TempDir;

use super::{DAEMON, NOBODY, path, service, unix};

#[test]
fn a_stale_unix_socket_is_replaced() {
    let stub = Stub::tcp(Script::default());
    let dir = TempDir::new().unwrap();
    drop(UnixListener::bind(path(&dir)).unwrap());
    assert!(fs::symlink_metadata(path(&dir)).is_ok(), "it stays");
    let daemon = Daemon::start(&[&unix(&dir)], &["-s", &service(&stub)]);
    assert_eq!(daemon.connect().ask_about("1"), "dunno");
    daemon.stop();
}

#[test]
fn a_unix_socket_is_gone_when_its_daemon_is() {
    let stub = Stub::tcp(Script::default());
    let dir = TempDir::new().unwrap();
    let daemon = Daemon::start(&[&unix(&dir)], &["-s", &service(&stub)]);
    assert!(
        fs::symlink_metadata(path(&dir))
            .unwrap()
            .file_type()
            .is_socket()
    );
    daemon.stop();
    let gone = fs::symlink_metadata(path(&dir)).unwrap_err();
    assert_eq!(gone.kind(), ErrorKind::NotFound);
}

#[test]
fn a_socket_that_another_has_put_in_its_place_is_left_alone() {
    let stub = Stub::tcp(Script::default());
    let dir = TempDir::new().unwrap();
    let daemon = Daemon::start(&[&unix(&dir)], &["-s", &service(&stub)]);
    // Both inodes exist for a moment, so that their numbers differ.
    let other = dir.path().join("other.sock");
    let _listener = UnixListener::bind(&other).unwrap();
    fs::rename(&other, path(&dir)).unwrap();
    daemon.stop();
    assert!(fs::symlink_metadata(path(&dir)).is_ok());
}

#[test]
fn a_unix_socket_has_the_mode_that_was_asked_for() {
    let stub = Stub::tcp(Script::default());
    for (mode, expected) in [
        ("0660", 0o660),
        ("0666", 0o666),
        ("600", 0o600),
        ("0777", 0o777),
    ] {
        let dir = TempDir::new().unwrap();
        let listen = format!("{},mode={mode}", unix(&dir));
        let daemon = Daemon::start(&[&listen], &["-s", &service(&stub)]);
        let found = fs::symlink_metadata(path(&dir)).unwrap().permissions();
        assert_eq!(found.mode() & 0o7777, expected, "{mode}");
        assert_eq!(daemon.endpoint(), unix(&dir), "without its options");
        daemon.stop();
    }
}

#[test]
fn a_unix_socket_has_the_owner_and_the_group_that_were_asked_for() {
    if !is_root() {
        return;
    }
    let stub = Stub::tcp(Script::default());
    for (options, expected) in [
        (",owner=nobody", (NOBODY, 0)),
        (",group=daemon", (0, DAEMON)),
        (",owner=65534,group=1,mode=0600", (NOBODY, DAEMON)),
        (",mode=0660,group=daemon,owner=nobody", (NOBODY, DAEMON)),
    ] {
        let dir = TempDir::new().unwrap();
        let listen = format!("{}{options}", unix(&dir));
        let daemon = Daemon::start(&[&listen], &["-s", &service(&stub)]);
        let found = fs::symlink_metadata(path(&dir)).unwrap();
        assert_eq!((found.uid(), found.gid()), expected, "{options}");
        daemon.stop();
    }
}

#[test]
fn listen_options_that_make_no_sense_are_refused() {
    let stub = Stub::tcp(Script::default());
    let dir = TempDir::new().unwrap();
    for options in [
        ",mode=rw",
        ",mode=1777",
        ",mode=",
        ",owner=no-such-user",
        ",group=no-such-group",
        ",color=red",
        ",",
    ] {
        let listen = format!("{}{options}", unix(&dir));
        let ended = run(hapolicy(), &["--listen", &listen, "-s", &service(&stub)]);
        // A setting that is wrong, or a wrong command line.
        assert!(matches!(ended.code, Some(64 | 78)), "{options}: {ended:?}");
        assert_eq!(ended.err.lines().count(), 1, "{options}: {ended:?}");
        assert!(!Path::new(&path(&dir)).exists(), "{options}");
    }
}
