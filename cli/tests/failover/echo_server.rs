//! A policy server that can be killed.

use std::{
    env,
    io::{BufRead, BufReader, Read, Write},
    net::{Ipv4Addr, TcpListener, TcpStream},
    process::{Child, ChildStdout, Command, Stdio},
    thread,
};

/// A policy server in a process of its own, so that it can be killed: this very program, told by its
/// environment to run [`the_policy_server_of_the_other_tests`].
#[derive(Debug)]
pub(crate) struct EchoServer {
    child: Child,
    pub(crate) port: u16,
    _out: BufReader<ChildStdout>,
}

impl EchoServer {
    pub(crate) fn start(name: &str, port: u16) -> Self {
        let mut child = Command::new(env::current_exe().expect("this program has a path"))
            .args([
                "--exact",
                "echo_server::the_policy_server_of_the_other_tests",
                "--nocapture",
            ])
            .env(ECHO, format!("{name} {port}"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("this program starts again");
        let mut out = BufReader::new(child.stdout.take().expect("it is piped"));
        let port = out.by_ref().lines().find_map(|line| {
            let line = line.expect("text");
            line.split_once("echo on ")?.1.parse().ok()
        });
        Self {
            port: port.expect("it listens"),
            _out: out,
            child,
        }
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it is our child");
    }
}

impl Drop for EchoServer {
    fn drop(&mut self) {
        // An error says that it has ended already.
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

/// `NAME PORT` of the server that this program is to be.
const ECHO: &str = "HAPOLICY_TEST_ECHO";

/// Does nothing unless [`EchoServer`] asks for it.
#[test]
fn the_policy_server_of_the_other_tests() {
    let Ok(what) = env::var(ECHO) else {
        return;
    };
    let (name, port) = what.split_once(' ').expect("a name and a port");
    let port = port.parse().expect("a port");
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).expect("a free port");
    let port = listener.local_addr().expect("it is bound").port();
    println!("\necho on {port}");
    for stream in listener.incoming().map_while(Result::ok) {
        let name = name.to_owned();
        thread::spawn(move || echo(&name, &stream));
    }
}

fn echo(name: &str, mut stream: &TcpStream) {
    stream.set_nodelay(true).expect("a socket");
    let mut mark = String::new();
    for line in BufReader::new(stream).lines().map_while(Result::ok) {
        if let Some(sender) = line.strip_prefix("sender=") {
            mark = sender.to_owned();
        }
        let reply = format!("action={name} {mark}\n\n");
        if line.is_empty() && stream.write_all(reply.as_bytes()).is_err() {
            return;
        }
    }
}
