//! The test's ends of a program's descriptors 0, 1 and 2.

use std::fs::{self, File};
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio as ChildStdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use socket2::Socket;

use crate::case::Step;

/// How the program's descriptors 0, 1 and 2 are connected.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Stdio {
    #[default]
    Pipes,
    /// A socket pair for input, another for output.
    TwoSockets,
    /// One socket pair for input and output, a pipe for standard error.
    OneSocket,
    /// As spawn(8) does: one TCP connection for 0, 1 and 2, SIGPIPE ignored.
    Spawn,
    /// The same with a UNIX socket.
    SpawnUnix,
    /// Input from a file that holds all that the steps send.
    File,
}

/// Input goes through it, output is collected in it.
pub struct Wires {
    input: Input,
    /// The socket that output comes from, until a reader has it.
    output: Option<Arc<Socket>>,
    stdout: Arc<Collected>,
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
    stopped: AtomicBool,
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
                let is_tcp = kind == Stdio::Spawn;
                let (ours, theirs) = if is_tcp { tcp_pair() } else { pair() };
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
            stdout: Arc::default(),
            stderr: Arc::default(),
            readers: Vec::new(),
        }
    }

    /// Takes the pipes of the child and begins to read.
    pub fn start(&mut self, child: &mut Child) {
        if let Some(stdin) = child.stdin.take() {
            self.input = Input::Pipe(stdin);
        }
        if let Some(socket) = self.output.take() {
            let timeout = Some(Duration::from_millis(20));
            socket.set_read_timeout(timeout).expect("SO_RCVTIMEO");
            let stdout = Arc::clone(&self.stdout);
            let reader = thread::spawn(move || stdout.read(&*socket));
            self.readers.push(reader);
        }
        if let Some(pipe) = child.stdout.take() {
            let stdout = Arc::clone(&self.stdout);
            self.readers.push(thread::spawn(move || stdout.read(pipe)));
        }
        if let Some(pipe) = child.stderr.take() {
            let stderr = Arc::clone(&self.stderr);
            self.readers.push(thread::spawn(move || stderr.read(pipe)));
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
        let few = |bytes: &mut Vec<u8>| bytes.windows(2).filter(|w| *w == b"\n\n").count() < count;
        let changed = &self.stdout.changed;
        let waited = changed.wait_timeout_while(self.stdout.lock(), limit, few);
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
        drop(self.let_go());
    }

    pub fn reset(&mut self) {
        let socket = self.let_go().expect("an input that is a socket");
        socket.set_linger(Some(Duration::ZERO)).expect("SO_LINGER");
    }

    /// The last handle of the socket: its drop closes it.
    fn let_go(&mut self) -> Option<Socket> {
        self.stdout.stopped.store(true, Ordering::Release);
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
        let (mut stdout, mut stderr) = (self.stdout.lock(), self.stderr.lock());
        (std::mem::take(&mut stdout), std::mem::take(&mut stderr))
    }
}

impl Collected {
    fn lock(&self) -> MutexGuard<'_, Vec<u8>> {
        self.bytes.lock().expect("no panic under the lock")
    }

    fn read(&self, mut from: impl Read) {
        let mut buffer = [0; 16 * 1024];
        loop {
            match from.read(&mut buffer) {
                Ok(0) => return,
                Ok(length) => {
                    self.lock().extend_from_slice(&buffer[..length]);
                    self.changed.notify_all();
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    if self.stopped.load(Ordering::Acquire) {
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
