//! The path of the socket for `-s` and `-k`: what else may be there, and one that does not answer.

use std::{fs, os::unix::net::UnixListener};

use super::world::{World, good, text};

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
    let running = super::world::Running(command.stdout(log).spawn().unwrap());
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
