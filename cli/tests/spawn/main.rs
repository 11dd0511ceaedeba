//! `hapolicy` without `--listen`, as spawn(8) starts it: on every kind of standard input and output, and what it does
//! to them.

#[cfg(all(
    target_os = "linux",
    target_pointer_width = "64",
    target_endian = "little"
))]
mod binary;
mod end;
mod exhausted;
mod left_alone;
mod log;
mod services;
mod stdio;

use std::{
    io::{PipeReader, PipeWriter, Read},
    net::{Ipv4Addr, TcpListener, TcpStream},
    os::{fd::OwnedFd, unix::net::UnixStream},
    process::Command,
};

use policy_testing::{
    process::{Process, hapolicy},
    stub::Stub,
};
use socket2::Socket;

fn tcp() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (near, listener.accept().unwrap().0)
}

fn tcp_sockets() -> (Socket, Socket) {
    let (near, far) = tcp();
    (near.into(), far.into())
}

fn unix_sockets() -> (Socket, Socket) {
    let (near, far) = UnixStream::pair().unwrap();
    (near.into(), far.into())
}

/// As spawn(8) starts it: one socket is standard input, output and error.
fn spawn(args: &[&str], socket: impl Into<OwnedFd>) -> Process {
    let socket = socket.into();
    Process::untouched(
        Command::new(hapolicy())
            .args(args)
            .stdin(socket.try_clone().unwrap())
            .stdout(socket.try_clone().unwrap())
            .stderr(socket),
    )
}

fn start(args: &[&str], input: impl Into<OwnedFd>, output: impl Into<OwnedFd>) -> Process {
    let command = &mut Command::new(hapolicy());
    Process::untouched(command.args(args).stdin(input.into()).stdout(output.into()))
}

fn on_pipes(
    args: &[&str],
    (input, requests): (PipeReader, PipeWriter),
    (replies, output): (PipeReader, PipeWriter),
) -> (Process, PipeWriter, PipeReader) {
    (start(args, input, output), requests, replies)
}

fn read_reply(replies: &mut PipeReader) -> String {
    let mut reply = Vec::new();
    while !reply.ends_with(b"\n\n") {
        let mut byte = [0];
        let count = replies.read(&mut byte).unwrap();
        assert_eq!(count, 1, "an end after {reply:?}");
        reply.push(byte[0]);
    }
    String::from_utf8(reply).unwrap()
}

fn read_all(replies: &mut PipeReader) -> String {
    let mut all = String::new();
    replies.read_to_string(&mut all).unwrap();
    all
}

fn service(stub: &Stub) -> String {
    format!("a={}", stub.address())
}
