//! Two starts at one path.

use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt, chown},
    thread,
};

use rustix::{
    io::Errno,
    thread::{Uid, set_thread_groups, set_thread_res_uid},
};

use tempfile::TempDir;

use super::*;
use crate::{listen::address::ListenAddr, process::owner::is_root};

#[test]
fn who_loses_the_path_between_bind_and_listen_is_told_so_and_leaves_the_others_file_alone() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("x.sock");
    let mut file = SocketFile::at(&path).unwrap();
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
    socket.bind(&SockAddr::unix(&path).unwrap()).unwrap();
    // No process listens yet, so that another start takes it for an old one.
    fs::remove_file(&path).unwrap();
    let other = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
    other.bind(&SockAddr::unix(&path).unwrap()).unwrap();
    let before = fs::metadata(&path).unwrap().ino();
    let permissions = Permissions {
        mode: Some(0o600),
        ..Permissions::default()
    };
    let error = file.listen(&socket, permissions, 5).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    file.remove();
    assert_eq!(fs::metadata(&path).unwrap().ino(), before);
    drop(other);
}

#[test]
fn one_start_at_a_time_looks_at_a_directory_and_binds_in_it() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("x.sock");
    let mut file = SocketFile::at(&path).unwrap();
    let alone = file.lock().expect("nobody else starts");
    let address: ListenAddr = format!("unix:{}", path.display()).parse().unwrap();
    let (begun, begins) = std::sync::mpsc::channel();
    let other = thread::spawn(move || {
        begun.send(()).unwrap();
        address.bind()
    });
    begins.recv().unwrap();
    let socket = file.bind(Type::STREAM, Permissions::default(), 5).unwrap();
    drop(alone);
    let error = other.join().unwrap().unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    let found = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
    found.connect(&SockAddr::unix(&path).unwrap()).unwrap();
    drop(socket);
}

/// A stranger who holds it costs a second, and no start.
#[test]
fn a_directory_that_somebody_keeps_to_himself_is_bound_in_all_the_same() {
    let dir = TempDir::new().unwrap();
    let file = SocketFile::at(&dir.path().join("x.sock")).unwrap();
    let _held = file.lock().expect("nobody else starts");
    assert!(file.lock().is_none());
}

/// Such as one to whose path somebody has mistaken.
#[test]
fn a_handover_takes_the_place_of_its_own_kind_of_socket_alone() {
    let dir = TempDir::new().unwrap();
    for (kind, is_others) in [
        (Type::STREAM, true),
        (Type::DGRAM, true),
        (Type::SEQPACKET, false),
    ] {
        for lives in [true, false] {
            let path = dir.path().join("socket");
            let socket = Socket::new(Domain::UNIX, kind, None).unwrap();
            socket.bind(&SockAddr::unix(&path).unwrap()).unwrap();
            if kind != Type::DGRAM {
                socket.listen(5).unwrap();
            }
            let _lives = lives.then_some(socket);
            let removed = SocketFile::at(&path).unwrap().remove_unless_others();
            let stays = lives && is_others;
            assert_eq!(path.exists(), stays, "{kind:?} {lives}: {removed:?}");
            assert_eq!(removed.is_err(), stays, "{kind:?} {lives}: {removed:?}");
            _ = fs::remove_file(&path);
        }
    }
}

/// Whether a process has it cannot be seen: it stays, and nothing is said of who has it.
#[test]
fn a_socket_that_this_process_may_not_connect_to_stays_for_that_reason() {
    if !is_root() {
        return;
    }
    let user = 54321;
    for kind in [Type::STREAM, Type::SEQPACKET] {
        for lives in [true, false] {
            let dir = TempDir::new().unwrap();
            let path = dir.path().join("socket");
            let socket = Socket::new(Domain::UNIX, kind, None).unwrap();
            socket.bind(&SockAddr::unix(&path).unwrap()).unwrap();
            socket.listen(5).unwrap();
            let _lives = lives.then_some(socket);
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
            chown(dir.path(), Some(user), None).unwrap();
            let tries_as_user = || {
                set_thread_groups(&[]).unwrap();
                let user = Uid::from_raw(user);
                set_thread_res_uid(user, user, user).unwrap();
                let file = SocketFile::at(&path).unwrap();
                [file.remove_unless_others(), file.remove_stale()]
            };
            let tried = thread::scope(|scope| scope.spawn(tries_as_user).join().unwrap());
            for tried in tried {
                let errno = Errno::from_io_error(&tried.unwrap_err());
                assert_eq!(errno, Some(Errno::ACCESS), "{kind:?} {lives}");
            }
            assert!(path.exists(), "{kind:?} {lives}");
        }
    }
}
