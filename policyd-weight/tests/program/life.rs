//! Start, stop, restart and reload, as an administrator sees them.

use std::{fs, os::unix::fs::PermissionsExt, process::Command};

use super::world::{GOOD, World, good, signal, text};

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
