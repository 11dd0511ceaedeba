//! A drop-in without threads or descriptors: that is nobody's fault but its own, and ends nothing
//! but the attempt that needed one.

use std::{
    fs,
    io::Write,
    os::{
        fd::OwnedFd,
        unix::{fs::PermissionsExt, net::UnixStream, process::CommandExt},
    },
    path::PathBuf,
    process::{Command, Stdio},
};

use policy_testing::{
    process::{Client, Daemon, Process, copy_hapolicy, hapolicy, is_root, request},
    stub::{Script, Stub},
};
use tempfile::TempDir;

#[test]
fn a_drop_in_that_can_start_no_thread_asks_the_next_service() {
    if !is_root() {
        return;
    }
    let stub = Stub::tcp(Script::answer("good"));
    let (by_name, by_address) = (by_name(&stub), format!("b={}:2", stub.address()));
    for (services, action) in [
        (&[&by_name, &by_address][..], "good"),
        (&[&by_name], "dunno"),
    ] {
        let program = Program::for_anybody();
        let mut command = program.limited("--nproc=1");
        command
            .arg("-L")
            .args(services.iter().flat_map(|service| ["-s", service]));
        let (mut client, process) = under_spawn(&mut command);
        client.send(&request(&[]));
        let said = String::from_utf8(client.reply().unwrap()).unwrap();
        let port = stub.port();
        let expected = format!(
            "[LOG warning]: Could not open socket to 'a' (localhost:{port}): no thread to look up \
             'localhost': Resource temporarily unavailable (os error 11)\naction={action}\n\n"
        );
        assert_eq!(said, expected);
        drop(client);
        assert_eq!(process.end().code, Some(0));
    }
}

#[test]
fn a_daemon_that_can_start_no_thread_keeps_its_client_and_does_not_take_the_service_for_down() {
    if !is_root() {
        return;
    }
    let stub = Stub::tcp(Script::answer("good"));
    let program = Program::for_anybody();
    let mut command = program.limited("--nproc=4");
    command.args(["-L", "--workers", "1", "--listen", "inet:127.0.0.1:0"]);
    command.args(["--last-resort", "0s", "-s", &by_name(&stub)]);
    // As many as there may be: its own thread, those of its log and its worker, and a process that sleeps.
    let mut other = Command::new("sleep");
    let mut other = other.arg("60").uid(program.user).spawn().unwrap();
    let daemon = Daemon::of(command.stdin(Stdio::null()), 1);
    let mut client = daemon.connect();
    assert_eq!(client.ask_about("x"), "dunno");
    other.kill().unwrap();
    other.wait().unwrap();
    assert_eq!(client.ask_about("x"), "good", "the service is up");
    let log = daemon.stop().out;
    assert!(log.contains("no thread to look up 'localhost'"), "{log}");
    assert!(
        !log.contains("is down") && !log.contains("internal error"),
        "{log}"
    );
}

#[test]
fn pipes_need_no_threads() {
    if !is_root() {
        return;
    }
    let program = Program::for_anybody();
    let mut command = program.limited("--nproc=1");
    command.args(["-s", "a=127.0.0.1:1"]);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(&request(&[]))
        .unwrap();
    let ended = child.wait_with_output().unwrap();
    assert_eq!(ended.stdout, b"action=dunno\n\n");
    assert!(ended.status.success());
}

#[test]
fn descriptors_that_run_out_blame_no_service_and_cause_no_panic() {
    let stub = Stub::tcp(Script::answer("good"));
    let services = [by_name(&stub), format!("b={}:2", stub.address())];
    for descriptors in 3..16 {
        let mut command = Command::new("prlimit");
        command
            .arg(format!("--nofile={descriptors}"))
            .arg(hapolicy());
        command.args(["-L", "-s", &services[0], "-s", &services[1]]);
        let (mut client, process) = under_spawn(&mut command);
        client.try_send(&request(&[]));
        let said = client
            .reply()
            .map(|reply| String::from_utf8(reply).unwrap());
        drop(client);
        let ended = process.end();
        let Some(said) = said else {
            // Too few to begin with.
            assert!(
                matches!(ended.code, Some(1 | 71 | 127)),
                "{descriptors}: {ended:?}"
            );
            continue;
        };
        assert_eq!(ended.code, Some(0), "{descriptors}: {said}");
        assert!(!said.contains("internal error"), "{descriptors}: {said}");
        if said.ends_with("action=dunno\n\n") {
            for name in ["'a'", "'b'"] {
                let text = format!("Could not open socket to {name} (");
                let line = said.lines().find(|line| line.contains(&text)).expect(&said);
                assert!(
                    line.contains("Too many open files"),
                    "{descriptors}: {said}"
                );
            }
        }
    }
}

fn by_name(stub: &Stub) -> String {
    format!("a=localhost:{}:1", stub.port())
}

/// As spawn(8) starts it.
fn under_spawn(command: &mut Command) -> (Client, Process) {
    let (near, far) = UnixStream::pair().unwrap();
    let far = OwnedFd::from(far);
    let process = Process::untouched(
        command
            .stdin(far.try_clone().unwrap())
            .stdout(far.try_clone().unwrap())
            .stderr(far),
    );
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    (Client::of(near), process)
}

/// A copy of hapolicy that a user can reach who has no other processes.
struct Program {
    user: u32,
    path: PathBuf,
    _directory: TempDir,
}

impl Program {
    fn for_anybody() -> Self {
        let directory = TempDir::new().unwrap();
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let path = copy_hapolicy(directory.path());
        // The number of a process is nobody else's, and so this number of a user.
        static NEXT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let number = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        Self {
            user: 2_000_000_000 + std::process::id() * 8 + number,
            path,
            _directory: directory,
        }
    }

    fn limited(&self, limit: &str) -> Command {
        let mut command = Command::new("prlimit");
        command
            .arg(limit)
            .arg(&self.path)
            .uid(self.user)
            .gid(self.user);
        command
    }
}
