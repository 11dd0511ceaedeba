//! The test's ends of a program's descriptors 0, 1 and 2.

use std::fs::{self, File};
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio as ChildStdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use socket2::Socket;

use super::case::{Stdio, Step};

/// Input goes through it, output is collected in it.
pub struct Wires {
    input: Input,
    /// The socket that output comes from, until a reader has it.
    output: Option<Arc<Socket>>,
    collected: Arc<Collected>,
    stderr: Arc<Collected>,
    readers: Vec<JoinHandle<()>>,
}

enum Input {
    Pipe(ChildStdin),
    Socket(Arc<Socket>),
    /// A file, or a pipe that was closed, or nothing yet.
    None,
}

#[derive(Default)]
struct Collected {
    bytes: Mutex<Vec<u8>>,
    changed: Condvar,
    /// The reader of a socket is to let go of it.
    stopped: Mutex<bool>,
}

impl Wires {
    /// Prepares the command; `steps` are the content of an input that is a file.
    pub fn connect(kind: Stdio, steps: &[Step], command: &mut Command, directory: &Path) -> Self {
        command.stdin(ChildStdio::piped());
        command.stdout(ChildStdio::piped());
        command.stderr(ChildStdio::piped());
        let (mut input, mut output) = (Input::None, None);
        match kind {
            Stdio::Pipes => {}
            Stdio::TwoSockets => {
                let (ours, theirs) = pair();
                command.stdin(theirs);
                input = Input::Socket(ours);
                let (ours, theirs) = pair();
                command.stdout(theirs);
                output = Some(ours);
            }
            Stdio::OneSocket | Stdio::Spawn | Stdio::SpawnUnix => {
                let tcp = kind == Stdio::Spawn;
                let (ours, theirs) = if tcp { tcp_pair() } else { pair() };
                command.stdin(theirs.try_clone().expect("dup"));
                if kind != Stdio::OneSocket {
                    command.stderr(theirs.try_clone().expect("dup"));
                }
                command.stdout(theirs);
                input = Input::Socket(Arc::clone(&ours));
                output = Some(ours);
            }
            Stdio::File => {
                let path = directory.join("input");
                let sent = steps.iter().filter_map(|step| match step {
                    Step::Send(bytes) | Step::Bytewise(bytes) => Some(bytes.as_slice()),
                    _ => None,
                });
                fs::write(&path, sent.collect::<Vec<_>>().concat()).expect("a file of our own");
                command.stdin(File::open(&path).expect("a file of our own"));
            }
        }
        Self {
            input,
            output,
            collected: Arc::default(),
            stderr: Arc::default(),
            readers: Vec::new(),
        }
    }

    /// Takes the pipes of the child and begins to read.
    pub fn start(&mut self, child: &Mutex<Child>) {
        let mut child = child.lock().expect("no panic under the lock");
        if let Some(stdin) = child.stdin.take() {
            self.input = Input::Pipe(stdin);
        }
        if let Some(socket) = self.output.take() {
            let timeout = Some(Duration::from_millis(20));
            socket.set_read_timeout(timeout).expect("SO_RCVTIMEO");
            let collected = Arc::clone(&self.collected);
            self.readers
                .push(thread::spawn(move || collected.read(&*socket)));
        } else {
            let stdout = child.stdout.take().expect("a pipe");
            let collected = Arc::clone(&self.collected);
            self.readers
                .push(thread::spawn(move || collected.read(stdout)));
        }
        if let Some(stderr) = child.stderr.take() {
            let collected = Arc::clone(&self.stderr);
            self.readers
                .push(thread::spawn(move || collected.read(stderr)));
        }
    }

    /// A program that has ended takes no input: no matter, the outcome shows it.
    pub fn send(&mut self, bytes: &[u8]) {
        let _ = match &mut self.input {
            Input::Pipe(pipe) => pipe.write_all(bytes),
            Input::Socket(socket) => (&**socket).write_all(bytes),
            Input::None => Ok(()),
        };
    }

    /// Waits until that many replies have come; the comparison tells if they have not.
    pub fn wait_replies(&self, count: usize, limit: Duration) {
        let bytes = self
            .collected
            .bytes
            .lock()
            .expect("no panic under the lock");
        let few = |bytes: &mut Vec<u8>| bytes.windows(2).filter(|w| *w == b"\n\n").count() < count;
        let waited = self.collected.changed.wait_timeout_while(bytes, limit, few);
        drop(waited.expect("no panic under the lock"));
    }

    pub fn end_input(&mut self) {
        match &self.input {
            Input::Pipe(_) => self.input = Input::None,
            // It is shut down already, or the peer is gone.
            Input::Socket(socket) => drop(socket.shutdown(Shutdown::Write)),
            Input::None => {}
        }
    }

    pub fn close(&mut self) {
        if let Some(socket) = self.let_go() {
            drop(socket);
        }
    }

    pub fn reset(&mut self) {
        if let Some(socket) = self.let_go() {
            socket.set_linger(Some(Duration::ZERO)).expect("SO_LINGER");
        }
    }

    /// The last handle of the socket: its drop closes it.
    fn let_go(&mut self) -> Option<Socket> {
        *self
            .collected
            .stopped
            .lock()
            .expect("no panic under the lock") = true;
        for reader in self.readers.drain(..) {
            reader.join().expect("a reader does not panic");
        }
        match std::mem::replace(&mut self.input, Input::None) {
            Input::Socket(socket) => Some(Arc::into_inner(socket).expect("the last handle")),
            _ => None,
        }
    }

    /// What came on standard output and standard error, once the program has ended.
    pub fn finish(self) -> (Vec<u8>, Vec<u8>) {
        for reader in self.readers {
            reader.join().expect("a reader does not panic");
        }
        let take = |collected: &Collected| {
            let mut bytes = collected.bytes.lock().expect("no panic under the lock");
            std::mem::take(&mut *bytes)
        };
        (take(&self.collected), take(&self.stderr))
    }
}

impl Collected {
    fn read(&self, mut from: impl Read) {
        let mut buffer = [0; 16 * 1024];
        loop {
            match from.read(&mut buffer) {
                Ok(0) => return,
                Ok(length) => {
                    let mut bytes = self.bytes.lock().expect("no panic under the lock");
                    bytes.extend_from_slice(&buffer[..length]);
                    drop(bytes);
                    self.changed.notify_all();
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    if *self.stopped.lock().expect("no panic under the lock") {
                        return;
                    }
                }
                // A reset: the program ended with input unread.
                Err(_) => return,
            }
        }
    }
}

fn pair() -> (Arc<Socket>, OwnedFd) {
    let (ours, theirs) = UnixStream::pair().expect("a socket pair");
    (Arc::new(ours.into()), theirs.into())
}

fn tcp_pair() -> (Arc<Socket>, OwnedFd) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    let ours = TcpStream::connect(address).expect("it listens");
    let (theirs, _) = listener.accept().expect("we connected");
    (Arc::new(ours.into()), theirs.into())
}
