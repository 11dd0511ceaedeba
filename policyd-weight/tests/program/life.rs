//! Start, stop, restart and reload, as an administrator sees them.

use std::{
    fs,
    io::{BufRead, BufReader},
    net::TcpListener,
    os::unix::fs::PermissionsExt,
    process::{ChildStdout, Command, Stdio},
};

use super::world::{GOOD, Running, World, good, signal, text};

#[test]
fn it_is_started_restarted_reloaded_and_stopped() {
    let world = World::new("");
    let output = world.run(&["start"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(world.ask(&good("1")), GOOD);
    let pid = world.pid();

    let again = world.run(&["start"]);
    assert_eq!(
        (again.status.code(), text(&again.stderr).as_str()),
        (Some(255), "Process already running\n")
    );

    world.configure("$POSCACHEMSG = 'known client';");
    assert!(world.run(&["reload"]).status.success());
    world.wait_until_known();

    let restarted = world.run(&["restart"]);
    assert!(restarted.status.success(), "{}", text(&restarted.stderr));
    assert_ne!(pid, world.pid());
    // The cache has outlived it.
    assert_eq!(
        world.ask(&good("3")),
        "action=PREPEND X-policyd-weight: known client; rate: -4.6"
    );

    let stopped = world.run(&["stop"]);
    assert!(
        stopped.status.success() && text(&stopped.stdout).contains("terminating"),
        "{}",
        text(&stopped.stderr)
    );
    assert!(!world.is_listening());
    let none = world.run(&["stop"]);
    assert_eq!(none.status.code(), Some(1));
    assert!(
        text(&none.stderr).starts_with("No pidfile, expected it at "),
        "{}",
        text(&none.stderr)
    );
}

/// With `-d` its log is on standard output, and its port is the one behind that of the file.
fn start_with_its_log(world: &World) -> (Running, BufReader<ChildStdout>) {
    world.configure(&format!("$TCP_PORT = {};", world.port() - 1));
    let mut child = world
        .command(&["-d", "start"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let output = child.stdout.take().unwrap();
    (Running(child), BufReader::new(output))
}

/// Reads the log up to a line with a text.
fn wait_for_line(log: &mut BufReader<ChildStdout>, text: &str) {
    let mut lines = String::new();
    while !lines.lines().last().unwrap_or_default().contains(text) {
        let length = log.read_line(&mut lines).unwrap();
        assert!(length > 0, "no line '{text}': {lines}");
    }
}

#[test]
fn a_start_waits_for_the_daemon_before_that_is_ending() {
    let world = World::new("");
    let (mut before, mut log) = start_with_its_log(&world);
    wait_for_line(&mut log, "master: listening");
    // The next one finds it at work, and then gone.
    let (_next, mut log) = start_with_its_log(&world);
    wait_for_line(&mut log, "waiting for the daemon before to end");
    before.kill();
    wait_for_line(&mut log, "master: listening");
}

#[test]
fn a_start_waits_until_its_port_is_free() {
    let world = World::new("");
    let other = TcpListener::bind(("127.0.0.1", world.port())).unwrap();
    let (_next, mut log) = start_with_its_log(&world);
    wait_for_line(&mut log, "waiting for another process to leave inet:");
    drop(other);
    wait_for_line(&mut log, "master: listening");

    // One that stays has the start fail.
    let world = World::new("");
    let _other = TcpListener::bind(("127.0.0.1", world.port())).unwrap();
    let output = world.run(&["-D", "start"]);
    assert_eq!(output.status.code(), Some(71));
    assert!(
        text(&output.stderr).contains("Address already in use"),
        "{}",
        text(&output.stderr)
    );
}

#[test]
fn a_fault_in_the_file_keeps_the_settings_of_before() {
    let world = World::new("");
    let _running = world.start();
    assert_eq!(world.ask(&good("1")), GOOD);
    world.configure("$REJECTLEVEL = ;");
    assert!(
        world.run(&["-k"]).status.code() == Some(78),
        "the command line reads the file as well"
    );
    assert!(signal("-HUP", world.pid()));
    assert!(
        world
            .ask(&good("2"))
            .ends_with("using cached result; rate: -4.6")
    );
    world.configure("$POSCACHEMSG = 'known client';");
    world.wait_until_known();
}

#[test]
fn unsafe_paths_are_refused() {
    for (make, message) in [
        ("ln -s /tmp lock", "lock is a symbolic link"),
        ("mkdir lock && chmod 777 lock", "lock is world writeable"),
        ("mkdir lock && chown daemon lock", "lock is owned by UID "),
        (": > pid && chmod 666 pid", "pid is world writeable"),
    ] {
        let world = World::new("");
        let made = Command::new("sh")
            .args(["-c", make])
            .current_dir(world.directory.path())
            .status()
            .unwrap();
        assert!(made.success());
        let output = world.run(&["start"]);
        assert_eq!(output.status.code(), Some(255), "{make}");
        assert!(
            text(&output.stderr).contains(message),
            "{make}: {}",
            text(&output.stderr)
        );
    }
}

#[test]
fn a_file_that_everybody_can_write_to_is_refused() {
    let world = World::new("");
    fs::set_permissions(world.file(), fs::Permissions::from_mode(0o666)).unwrap();
    let output = world.run(&["start"]);
    assert_eq!(output.status.code(), Some(78));
    assert!(text(&output.stderr).contains("every user can write to the file"));
}

#[test]
fn the_daemon_has_given_up_its_privileges() {
    let world = World::new("");
    let running = world.start();
    world.ask(&good("1"));
    let status = fs::read_to_string(format!("/proc/{}/status", running.0.id())).unwrap();
    let nobody = Command::new("id").args(["-u", "nobody"]).output().unwrap();
    let uid = text(&nobody.stdout).trim().to_owned();
    assert!(
        status.contains(&format!("Uid:\t{uid}\t{uid}\t{uid}\t{uid}")),
        "{status}"
    );
    assert!(world.path("lock/cache.sqlite").exists());
}
