//! The socket for `-s` and `-k`: what else may be in its place, one that does not answer, and one that has gone.

use std::{
    fs,
    io::{Read, Write},
    net::Shutdown,
    os::unix::net::{UnixListener, UnixStream},
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use policy_testing::within;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketType};

use super::{
    PATIENCE,
    world::{GOOD, PROGRAM, Running, World, good, signal, text},
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

/// What a daemon does not answer is no empty cache.
#[test]
fn a_daemon_that_does_not_answer_is_no_empty_cache() {
    let world = World::new("");
    fs::create_dir_all(world.path("lock")).unwrap();
    let socket = UnixListener::bind(world.path("lock/polw.sock")).unwrap();
    for name in ["lock", "lock/polw.sock"] {
        world.give(name);
    }
    // As many clients as there are runs: each is closed without an answer.
    thread::spawn(move || {
        for client in socket.incoming().take(2) {
            let _ = client.map(|client| client.shutdown(Shutdown::Both));
        }
    });
    for word in ["-s", "-k"] {
        let refused = world.run(&[word]);
        assert_eq!(refused.status.code(), Some(1), "{word}");
        let said = text(&refused.stderr);
        assert!(
            said.starts_with("cannot ask the daemon at ") && !said.contains("denied"),
            "{word}: {said}"
        );
    }
    assert!(world.path("lock/polw.sock").exists());
}

/// What somebody has removed is no daemon that has ended: its cache is in its memory.
#[test]
fn a_daemon_without_its_socket_is_not_taken_for_none() {
    let world = World::new("");
    let running = world.start();
    assert_eq!(world.ask(&good("1")), GOOD);
    // The socket comes after the port.
    assert_eq!(world.cached(&[]).len(), 1);
    let socket = world.path("lock/polw.sock");
    fs::remove_file(&socket).unwrap();
    for word in ["-s", "-k"] {
        let refused = world.run(&[word]);
        let why = format!(
            "process {} runs, and does not listen at {}: its cache is not reached; restart it\n",
            world.pid(),
            socket.display()
        );
        assert_eq!(
            (refused.status.code(), text(&refused.stderr)),
            (Some(1), why),
            "{word}"
        );
    }
    assert!(world.ask(&good("2")).contains("using cached result"));
    drop(running);
    assert_eq!(world.cached(&[]).len(), 1);
}

#[test]
fn what_a_cache_of_before_has_left_is_removed() {
    let world = World::new("");
    fs::create_dir_all(world.path("lock/cache_lock")).unwrap();
    drop(UnixListener::bind(world.path("lock/polw.sock")).unwrap());
    for name in ["lock", "lock/cache_lock", "lock/polw.sock"] {
        world.give(name);
    }
    let emptied = world.run(&["-k"]);
    assert!(emptied.status.success(), "{emptied:?}");
    let said = text(&emptied.stderr);
    assert!(
        said.contains("warning: -k action but ")
            && said.contains("polw.sock still exists, deleting it\n"),
        "{said}"
    );
    assert!(
        said.contains("warning: removing stale ") && said.contains("/cache_lock\n"),
        "{said}"
    );
    assert_eq!(fs::read_dir(world.path("lock")).unwrap().count(), 0);
    let again = world.run(&["-k"]);
    let said = format!(
        "*** 0 forgotten of the file {}, which is not there: no daemon listens at {}\n",
        world.path("lock/cache.sqlite").display(),
        world.path("lock/polw.sock").display()
    );
    assert_eq!(
        (text(&again.stdout), text(&again.stderr)),
        (said, String::new())
    );
}

/// Who listens at the socket is whom the daemon's user has started, and holds root up for a time and no longer.
#[test]
fn an_answer_without_an_end_is_given_up() {
    let world = World::new("");
    fs::create_dir(world.path("lock")).unwrap();
    let socket = UnixListener::bind(world.path("lock/polw.sock")).unwrap();
    for name in ["lock", "lock/polw.sock"] {
        world.give(name);
    }
    let listener = thread::spawn(move || {
        let (mut client, _) = socket.accept().unwrap();
        // Until the client has gone.
        while client.write_all(b"stats \n").is_ok() {
            thread::sleep(Duration::from_millis(100));
        }
    });
    let refused = world.run(&["-s"]);
    let said = text(&refused.stderr);
    assert_eq!(refused.status.code(), Some(1), "{said}");
    assert!(said.contains("cannot ask the daemon at "), "{said}");
    listener.join().unwrap();
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
