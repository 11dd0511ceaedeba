//! The example: two processes that count as one.

use std::{
    env, fs,
    io::{Read as _, Write as _},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::{Child, Command},
    thread,
    time::Duration,
};

/// A process of the example, which ends with the test.
struct Limiter(Child);

impl Limiter {
    fn start(program: &Path, directory: &Path, socket: &str) -> Self {
        let listen = format!("unix:{}", directory.join(socket).display());
        let file = directory.join("limits.sqlite");
        let child = Command::new(program)
            .arg(file)
            .arg(listen)
            .arg("5/1h, 100/1d")
            .spawn()
            .unwrap();
        Self(child)
    }
}

impl Drop for Limiter {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The example. Cargo builds it with all tests together, but not with one of them: then it is built here, if it is missing.
fn program() -> PathBuf {
    let test = env::current_exe().unwrap();
    let built = test.parent().unwrap().parent().unwrap();
    let program = built.join("examples/shared_limiter");
    if program.exists() {
        return program;
    }
    let mut build = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    build.args([
        "build",
        "--quiet",
        "--locked",
        "--package",
        "policy-store",
        "--example",
        "shared_limiter",
    ]);
    if built.ends_with("release") {
        build.arg("--release");
    }
    assert!(build.status().unwrap().success());
    program
}

#[expect(clippy::disallowed_methods, reason = "a process is waited for")]
fn ask(socket: &Path, user: &str) -> String {
    let mut stream = (0..12_000)
        .find_map(|_| {
            let stream = UnixStream::connect(socket).ok();
            if stream.is_none() {
                thread::sleep(Duration::from_millis(5));
            }
            stream
        })
        .unwrap();
    let request =
        format!("request=smtpd_access_policy\nsasl_username={user}\nclient_address=192.0.2.1\n\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = [0; 64];
    let read = stream.read(&mut answer).unwrap();
    String::from_utf8_lossy(&answer[..read]).trim().to_owned()
}

#[test]
fn two_processes_let_through_what_one_would() {
    let directory = tempfile::tempdir().unwrap();
    let program = program();
    let _one = Limiter::start(&program, directory.path(), "one");
    let _other = Limiter::start(&program, directory.path(), "other");
    let sockets = ["one", "other"].map(|name| directory.path().join(name));
    let ask_in_turn = |user: &str| {
        (0..8)
            .map(|turn| ask(&sockets[turn % 2], user))
            .collect::<Vec<_>>()
    };
    for user in ["alice", ""] {
        let answers = ask_in_turn(user);
        assert!(
            answers[..5].iter().all(|answer| answer == "action=DUNNO"),
            "{answers:?}"
        );
        let deferred = "action=DEFER too many messages, try again later";
        assert!(
            answers[5..].iter().all(|answer| answer == deferred),
            "{answers:?}"
        );
    }
    assert!(fs::metadata(directory.path().join("limits.sqlite")).is_ok());
}

#[test]
fn a_long_name_is_limited_as_any_other() {
    let directory = tempfile::tempdir().unwrap();
    let _limiter = Limiter::start(&program(), directory.path(), "one");
    let ask_as = |name: &str| ask(&directory.path().join("one"), name);
    let long = "x".repeat(5000);
    for _ in 0..5 {
        assert_eq!(ask_as(&long), "action=DUNNO");
    }
    let denied = "action=DEFER too many messages, try again later";
    assert_eq!(ask_as(&long), denied);
    assert_eq!(ask_as(&(long + "y")), "action=DUNNO");
}

#[test]
fn an_error_at_the_start_says_what_it_is_about() {
    let program = program();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("limits.sqlite");
    let file = file.to_str().unwrap();
    let missing = directory.path().join("missing/limits.sqlite");
    let missing = missing.to_str().unwrap();
    let socket = directory.path().join("missing/socket");
    let socket = format!("unix:{}", socket.display());
    for (arguments, expected) in [
        (vec![], "usage: shared_limiter FILE ENDPOINT WINDOWS".into()),
        (
            vec![file, "inet:127.0.0.1:0", "3/1M"],
            "`3/1M` is no limit such as 60/1m or 2000/1d (s, m, h, d)".into(),
        ),
        (
            vec![missing, "inet:127.0.0.1:0", "3/1m"],
            format!("{missing}: No such file or directory (os error 2)"),
        ),
        (
            vec![file, &socket, "3/1m"],
            format!("{socket}: No such file or directory (os error 2)"),
        ),
    ] {
        let output = Command::new(&program).args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(said, format!("shared_limiter: {expected}\n"));
    }
}

#[test]
fn the_example_fits_on_a_page() {
    let text = include_str!("../examples/shared_limiter.rs");
    let code = text
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with("//!"));
    assert!(code.count() <= 50);
}
