//! hapolicy between Postfix and the policy services, in each of its three places.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{BufRead, BufReader};
use std::mem;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{self, Sender};
use std::thread;

use policy_testing::mail_system::Setup;
use policy_testing::process::{copy_hapolicy, hapolicy, write_program};

use crate::PATIENCE;

/// Where hapolicy stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Mode {
    /// Started by spawn(8) for each connection.
    Spawn,
    /// A daemon on a TCP port.
    Inet,
    /// A daemon on a UNIX socket.
    Unix,
}

/// One hapolicy with its own services.
#[derive(Debug)]
pub struct Proxy {
    endpoint: String,
    running: Running,
}

#[derive(Debug)]
enum Running {
    /// The file that has a line for each start.
    Spawned(PathBuf),
    Daemon {
        child: Child,
        errors: PathBuf,
        arguments: Vec<String>,
    },
}

impl Proxy {
    /// Starts a daemon, or prepares a service of spawn(8), under a name that nothing else has.
    pub fn start(mode: Mode, setup: &mut Setup, name: &str, arguments: &[String]) -> Self {
        if mode == Mode::Spawn {
            let program = install(setup.path());
            let (program, starts) = counted(&program, setup.path(), name);
            return Self {
                endpoint: setup.add_spawn(name, &program, arguments),
                running: Running::Spawned(starts),
            };
        }
        let endpoint = match mode {
            Mode::Unix => format!("unix:{}/{name}.socket,mode=0666", setup.path().display()),
            Mode::Inet | Mode::Spawn => "inet:127.0.0.1:0".to_owned(),
        };
        let errors = setup.path().join(format!("{name}.stderr"));
        let listen = ["--listen".to_owned(), endpoint, "-L".to_owned()];
        let arguments = [&listen, arguments].concat();
        let (child, endpoint) = start_daemon(&arguments, &errors);
        Self {
            endpoint,
            running: Running::Daemon {
                child,
                errors,
                arguments,
            },
        }
    }

    /// Has another daemon with the same arguments take over, and waits for the end of the first.
    pub fn hand_over(&mut self) {
        let Running::Daemon {
            child,
            errors,
            arguments,
        } = &mut self.running
        else {
            panic!("it is no daemon");
        };
        let (successor, endpoint) = start_daemon(arguments, errors);
        assert_eq!(endpoint, self.endpoint);
        let mut before = mem::replace(child, successor);
        let ended = before.wait().expect("it is our child");
        assert!(ended.success(), "{ended}");
    }

    /// What Postfix calls it: `inet:127.0.0.1:PORT`, `unix:/path` or `unix:private/name`.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// How many processes were started; `None` of a daemon.
    pub fn starts(&self) -> Option<usize> {
        let Running::Spawned(starts) = &self.running else {
            return None;
        };
        Some(
            fs::read_to_string(starts)
                .expect("we made it")
                .lines()
                .count(),
        )
    }

    /// What a daemon wrote to its standard error, which should be nothing.
    pub fn errors(&self) -> String {
        match &self.running {
            Running::Spawned(_) => String::new(),
            Running::Daemon { errors, .. } => {
                let errors = fs::read(errors).expect("we made it");
                String::from_utf8_lossy(&errors).into_owned()
            }
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if let Running::Daemon { child, .. } = &mut self.running {
            // It may have died.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Starts a daemon; it is ready, and listens there.
fn start_daemon(arguments: &[String], errors: &Path) -> (Child, String) {
    let mut child = Command::new(hapolicy())
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(File::create(errors).expect("a file of our own"))
        .spawn()
        .expect("hapolicy starts");
    let (sender, endpoints) = mpsc::channel();
    let output = child.stdout.take().expect("it is piped");
    thread::spawn(move || listen(output, &sender));
    match endpoints.recv_timeout(PATIENCE) {
        Ok(endpoint) => (child, endpoint),
        Err(_) => {
            // It may have died.
            let _ = child.kill();
            let _ = child.wait();
            let errors = fs::read_to_string(errors).unwrap_or_default();
            panic!("hapolicy is not ready: {errors}");
        }
    }
}

/// Reports the endpoint when it is ready, and goes on reading: a full pipe would stop the daemon.
fn listen(output: ChildStdout, endpoints: &Sender<String>) {
    for line in BufReader::new(output).lines().map_while(Result::ok) {
        if let Some((_, endpoint)) = line.split_once("listening on ") {
            // Nobody listens after the first one.
            let _ = endpoints.send(endpoint.to_owned());
        }
    }
}

/// Puts hapolicy where the user nobody can reach it; returns its new path.
fn install(directory: &Path) -> PathBuf {
    let installed = directory.join("hapolicy");
    if installed.exists() {
        return installed;
    }
    copy_hapolicy(directory)
}

/// A program that adds a line to a file and becomes hapolicy; and that file.
fn counted(program: &Path, directory: &Path, name: &str) -> (PathBuf, PathBuf) {
    let starts = directory.join(format!("{name}.starts"));
    OpenOptions::new()
        .create_new(true)
        .append(true)
        .open(&starts)
        .expect("names are unique");
    fs::set_permissions(&starts, Permissions::from_mode(0o666)).expect("our own");
    let script = directory.join(format!("{name}.sh"));
    let text = format!(
        "#!/bin/sh\necho started >> {}\nexec {} \"$@\"\n",
        starts.display(),
        program.display()
    );
    write_program(&script, &text);
    (script, starts)
}
