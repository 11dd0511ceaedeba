//! The example `limited`: a policy server on tokio that is restarted without loss.

use std::{
    io::{BufRead, BufReader, Lines, Read, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
    time::Duration,
};

/// The server as a process, which is ended with the test.
struct Server {
    process: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Server {
    fn start(handover: &Path) -> Self {
        let mut process = Command::new(example())
            .arg("inet:127.0.0.1:0")
            .arg(handover)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = process.stdout.take().unwrap();
        let lines = BufReader::new(output).lines();
        Self { process, lines }
    }

    /// The rest of the next line of its log that begins so.
    fn wait_for(&mut self, begin: &str) -> String {
        let mut lines = self.lines.by_ref().map(Result::unwrap);
        let found = lines.find_map(|line| Some(line.split_once(begin)?.1.to_owned()));
        found.unwrap_or_else(|| panic!("no line {begin}"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        _ = self.process.kill();
        _ = self.process.wait();
    }
}

/// Cargo builds examples beside the tests.
fn example() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.parent()
        .unwrap()
        .with_file_name("examples")
        .join("limited")
}

fn connect(address: &str) -> TcpStream {
    let client = TcpStream::connect(address).unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    client
}

fn ask(client: &mut TcpStream, sender: &str) -> String {
    let request = format!("request=smtpd_access_policy\nsender={sender}\n\n");
    client.write_all(request.as_bytes()).unwrap();
    let mut reply = Vec::new();
    while !reply.ends_with(b"\n\n") {
        let mut byte = [0];
        client.read_exact(&mut byte).unwrap();
        reply.extend(byte);
    }
    String::from_utf8(reply).unwrap().to_ascii_lowercase()
}

#[test]
fn the_example_fits_forty_lines() {
    let lines = include_str!("../examples/limited.rs").lines().count();
    assert!(lines <= 40, "{lines} lines");
}

#[test]
fn a_client_is_served_on_over_the_same_connection_when_the_server_is_restarted() {
    let directory = tempfile::tempdir().unwrap();
    let handover = directory.path().join("handover");
    let mut first = Server::start(&handover);
    let address = first.wait_for("listening on inet:");
    let mut clients: Vec<_> = (0..5).map(|_| connect(&address)).collect();
    for client in &mut clients {
        assert_eq!(ask(client, "a@spam.example"), "action=reject spam\n\n");
    }

    let mut second = Server::start(&handover);
    assert_eq!(second.wait_for("listening on inet:"), address);
    assert_eq!(first.process.wait().unwrap().code(), Some(0));
    for client in &mut clients {
        assert_eq!(ask(client, "a@example.com"), "action=dunno\n\n");
    }
    assert_eq!(
        ask(&mut connect(&address), "a@example.com"),
        "action=dunno\n\n"
    );
}

#[test]
fn a_server_without_a_listener_that_it_can_bind_says_so_with_its_exit_status() {
    let directory = tempfile::tempdir().unwrap();
    let ended = |address: &str| {
        let mut command = Command::new(example());
        command.arg(address).arg(directory.path().join("handover"));
        command.output().unwrap()
    };
    let exposed = ended("inet:0.0.0.0:0");
    assert_eq!(exposed.status.code(), Some(78));
    let text = String::from_utf8(exposed.stderr).unwrap();
    assert!(text.contains("is not on loopback: --allow"), "{text}");
    assert_eq!(ended("unix:/nonexistent/policy").status.code(), Some(71));
}

const PATIENCE: Duration = Duration::from_secs(20);
