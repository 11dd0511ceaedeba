//! The path of the socket for `-s` and `-k`: what else may be there, and one that does not answer.

use std::{
    fs,
    io::{Read, Write},
    os::unix::net::{UnixListener, UnixStream},
    process::{Command, Stdio},
};

use policy_testing::within;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketType};

use super::{
    PATIENCE,
    world::{PROGRAM, Running, World, good, signal, text},
};

#[test]
fn a_file_that_is_no_socket_stays() {
    let world = World::new("");
    fs::create_dir(world.path("lock")).unwrap();
    let path = world.path("lock/polw.sock");
    fs::write(&path, "precious").unwrap();
    for name in ["lock", "lock/polw.sock"] {
        world.give(name);
    }
    let emptied = world.run(&["-k"]);
    let said = text(&emptied.stderr);
    assert_eq!(emptied.status.code(), Some(1), "{said}");
    let no_socket = format!("{}: it is no socket", path.display());
    assert!(said.contains(&no_socket), "{said}");

    world.configure("$LOG_TO = 'stdout';");
    let log = fs::File::create(world.path("log")).unwrap();
    let mut command = world.command(&["-D", "start"]);
    let running = Running(command.stdout(log).spawn().unwrap());
    assert!(world.ask(&good("1")).starts_with("action="));
    drop(running);
    let log = fs::read_to_string(world.path("log")).unwrap();
    let line = format!("no socket for -s and -k at {no_socket}");
    assert!(log.contains(&line), "{log}");
    assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
}

#[test]
fn a_daemon_that_says_nothing_is_said_not_to_answer_in_time() {
    let world = World::new("");
    fs::create_dir(world.path("lock")).unwrap();
    let _silent = UnixListener::bind(world.path("lock/polw.sock")).unwrap();
    for name in ["lock", "lock/polw.sock"] {
        world.give(name);
    }
    let refused = world.run(&["-s"]);
    let said = text(&refused.stderr);
    assert_eq!(refused.status.code(), Some(1), "{said}");
    assert!(
        said.ends_with("polw.sock: it has not answered within 10 s\n"),
        "{said}"
    );
}

/// A listener without room for one more client holds up neither root nor the start of a daemon.
#[test]
fn a_listener_that_takes_nobody_is_not_waited_for_without_an_end() {
    let world = World::new("$LOG_TO = 'stdout';");
    fs::create_dir(world.path("lock")).unwrap();
    let path = world.path("lock/polw.sock");
    let socket = rustix::net::socket(AddressFamily::UNIX, SocketType::STREAM, None).unwrap();
    rustix::net::bind(&socket, &SocketAddrUnix::new(&path).unwrap()).unwrap();
    rustix::net::listen(&socket, 0).unwrap();
    for name in ["lock", "lock/polw.sock"] {
        world.give(name);
    }
    let _only = UnixStream::connect(&path).unwrap();
    let shown = path.display();
    for word in ["-s", "-k"] {
        let mut command = Command::new("timeout");
        command
            .args(["60", PROGRAM, "-f"])
            .arg(world.file())
            .arg(word);
        let refused = command.output().unwrap();
        let said = text(&refused.stderr);
        assert_eq!(refused.status.code(), Some(1), "{word}: {said}");
        let expected = format!("cannot ask the daemon at {shown}: it has not answered within 10 s");
        assert!(said.contains(&expected), "{word}: {said}");
    }
    let log = fs::File::create(world.path("log")).unwrap();
    let mut command = world.command(&["-D", "start"]);
    let _running = Running(command.stdout(log).spawn().unwrap());
    let line =
        format!("no socket for -s and -k at {shown}: another process listens, and takes nobody");
    let is_said = || {
        fs::read_to_string(world.path("log"))
            .unwrap()
            .contains(&line)
    };
    assert!(within(PATIENCE, is_said));
    assert!(world.ask(&good("1")).starts_with("action="));
}

/// As by a terminal, with Ctrl-Z and `fg`.
#[test]
fn a_question_that_is_stopped_for_a_while_waits_on_for_its_answer() {
    let world = World::new("");
    fs::create_dir(world.path("lock")).unwrap();
    let listener = UnixListener::bind(world.path("lock/polw.sock")).unwrap();
    for name in ["lock", "lock/polw.sock"] {
        world.give(name);
    }
    let mut command = world.command(&["-s"]);
    let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let asking = command.spawn().unwrap();
    let (mut connection, _) = listener.accept().unwrap();
    let mut question = [0; 8];
    connection.read_exact(&mut question).unwrap();
    assert_eq!(&question, b"5 stats\n");
    let is = |state: &str| {
        let stat = fs::read_to_string(format!("/proc/{}/stat", asking.id())).unwrap();
        stat.rsplit_once(") ").unwrap().1.starts_with(state)
    };
    // It waits for the answer.
    assert!(within(PATIENCE, || is("S")));
    assert!(signal("-STOP", asking.id()));
    assert!(within(PATIENCE, || is("T")));
    assert!(signal("-CONT", asking.id()));
    assert!(within(PATIENCE, || is("S")));
    connection
        .write_all(b"pass: 192.0.2.1 1 2 x\nEOF\n")
        .unwrap();
    drop(connection);
    let output = asking.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let printed = text(&output.stdout);
    assert!(printed.contains("\npass: 192.0.2.1 1 2 x\n"), "{printed}");
}
