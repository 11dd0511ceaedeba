//! Which other program has an address already, in a check of what a start would fail at.

use std::{fs, net::TcpListener, os::unix::net::UnixListener, path::PathBuf, process::Command};

use policy_testing::process::{Process, hapolicy, run};
use socket2::{Domain, SockAddr, Socket, Type};
use tempfile::TempDir;

#[test]
fn a_program_that_has_an_address_already_is_named_and_not_the_daemon_itself() {
    let dir = TempDir::new().unwrap();
    let socket = dir.path().join("control");
    let other = UnixListener::bind(&socket).unwrap();
    let control = format!("--control=unix:{}", socket.display());
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let admin = format!("--admin=inet:{}", tcp.local_addr().unwrap());
    let args = [
        "-sa=127.0.0.1:1",
        "--listen=inet:127.0.0.1:0",
        &control,
        &admin,
    ];
    let check = || {
        run(
            hapolicy(),
            &[&args[..], &["--check-config", "--quiet"]].concat(),
        )
    };
    let checked = check();
    assert_eq!(checked.code, Some(0), "{checked:?}");
    let lines: Vec<_> = checked.err.lines().collect();
    let process = format!(" (process {})", std::process::id());
    for (line, option) in lines.iter().zip([&admin, &control]) {
        let (option, address) = option.split_once('=').unwrap();
        let said =
            format!("hapolicy: warning: {option} {address}: another program listens there: ");
        assert!(
            line.starts_with(&said) && line.ends_with(&process),
            "{checked:?}"
        );
    }
    assert_eq!(lines.len(), 2, "{checked:?}");
    // A file that nobody listens at is replaced.
    drop((other, tcp));
    assert_eq!(check().err, "");
    let _daemon = start(&args);
    assert_eq!(check().err, "");
}

/// From its own directory, as Postfix's master does.
#[test]
fn a_program_that_has_a_socket_by_a_relative_path_is_named_and_one_that_does_not_listen_is_not() {
    let dir = TempDir::new().unwrap();
    let socket = dir.path().join("control");
    let up = std::env::current_dir().unwrap();
    let up: PathBuf = up.components().skip(1).map(|_| "..").collect();
    let relative = up.join(socket.strip_prefix("/").unwrap());
    let deep = dir.path().join("a/".repeat(30));
    fs::create_dir_all(&deep).unwrap();
    let control = format!("--control=unix:{}", socket.display());
    let args = ["-sa=127.0.0.1:1", "--listen=inet:127.0.0.1:0", &control];
    let check = || {
        let mut command = Command::new(hapolicy());
        command.args(args).args(["--check-config", "--quiet"]);
        Process::of(command.current_dir(&deep)).end()
    };
    let listener = UnixListener::bind(&relative).unwrap();
    let checked = check();
    let process = format!(" (process {})\n", std::process::id());
    assert!(
        checked.err.contains("another program listens there: ") && checked.err.ends_with(&process),
        "{checked:?}"
    );
    drop(listener);
    fs::remove_file(&socket).unwrap();

    let bound = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
    bound.bind(&SockAddr::unix(&socket).unwrap()).unwrap();
    assert_eq!(check().err, "");
    start(&args);
}

/// A daemon with these options, which gets its addresses.
fn start(args: &[&str]) -> Process {
    let daemon = Process::start(hapolicy(), &[args, &["--stdout"]].concat());
    let is_listening = daemon.out.wait_lines(1, "listening on ");
    assert!(is_listening, "{}", daemon.out.text());
    daemon
}
