//! Signals, descriptors and files that the drop-in leaves as it found them.

use std::{
    fs,
    io::{Write, pipe},
    os::{fd::OwnedFd, unix::net::UnixStream},
    process::Command,
};

use policy_testing::{
    process::{Client, Process, hapolicy, request},
    stub::{Script, Stub},
};
use rustix::fs::OFlags;

use crate::{on_pipes, read_reply, service, start};

#[test]
fn pipes_are_left_blocking() {
    let stub = Stub::tcp(Script::default());
    let (input, output) = (pipe().unwrap(), pipe().unwrap());
    let (ours_in, ours_out) = (input.0.try_clone().unwrap(), output.1.try_clone().unwrap());
    let flags = |fd: &OwnedFd| rustix::fs::fcntl_getfl(fd).unwrap();
    let (ours_in, ours_out): (OwnedFd, OwnedFd) = (ours_in.into(), ours_out.into());
    let before = (flags(&ours_in), flags(&ours_out));
    let (process, mut requests, mut replies) = on_pipes(&["-s", &service(&stub)], input, output);
    requests.write_all(&request(&[])).unwrap();
    assert_eq!(read_reply(&mut replies), "action=dunno\n\n");
    let during = (flags(&ours_in), flags(&ours_out));
    assert_eq!(before, during);
    assert!(!(during.0 | during.1).contains(OFlags::NONBLOCK));
    drop(requests);
    assert_eq!(process.end().code, Some(0));
    assert_eq!(before, (flags(&ours_in), flags(&ours_out)));
}

#[test]
fn files_are_left_as_they_are() {
    let stub = Stub::tcp(Script::default());
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("input");
    fs::write(&path, request(&[])).unwrap();
    let input = fs::File::open(&path).unwrap();
    let before = rustix::fs::fcntl_getfl(&input).unwrap();
    let (mut replies, output) = pipe().unwrap();
    let process = start(&["-s", &service(&stub)], input.try_clone().unwrap(), output);
    assert_eq!(read_reply(&mut replies), "action=dunno\n\n");
    assert_eq!(process.end().code, Some(0));
    assert_eq!(rustix::fs::fcntl_getfl(&input).unwrap(), before);
}

#[test]
fn standard_error_that_is_not_the_clients_socket_is_left_alone() {
    let stub = Stub::tcp(Script::default());
    let (near, far) = UnixStream::pair().unwrap();
    let (_reader, stderr) = pipe().unwrap();
    let process = Process::untouched(
        Command::new(hapolicy())
            .args(["-s", &service(&stub)])
            .stdin(OwnedFd::from(far.try_clone().unwrap()))
            .stdout(OwnedFd::from(far))
            .stderr(stderr),
    );
    let mut client = Client::of(near);
    assert_eq!(client.ask_about("1"), "dunno");
    let stderr = fs::read_link(format!("/proc/{}/fd/2", process.id())).unwrap();
    assert!(stderr.to_str().unwrap().starts_with("pipe:"), "{stderr:?}");
}
