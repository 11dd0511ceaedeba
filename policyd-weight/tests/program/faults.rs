//! A file with a fault, which somebody has broken while a daemon runs: that can be stopped, and no other one is.

use std::{fs, os::unix::fs::PermissionsExt};

use super::world::{World, text};

#[test]
fn a_daemon_whose_file_has_a_fault_can_be_stopped() {
    let world = World::new("");
    for (fault, said) in [
        ("if (1) {", ":4:1: error: "),
        ("$NS = 'nowhere';", ":4:1: error: $NS"),
    ] {
        world.configure("");
        let started = world.run(&["start"]);
        assert!(started.status.success(), "{}", text(&started.stderr));
        world.configure(fault);
        // The next one would not start.
        let restarted = world.run(&["restart"]);
        assert_eq!(restarted.status.code(), Some(78));
        assert!(world.is_listening());
        let stopped = world.run(&["stop"]);
        let (out, err) = (text(&stopped.stdout), text(&stopped.stderr));
        assert!(stopped.status.success(), "{out} {err}");
        assert!(err.contains(said), "{err}");
        let goes_on = format!(
            "stopping the daemon of {} all the same\n",
            world.path("pid").display()
        );
        assert!(err.ends_with(&goes_on), "{err}");
        assert!(!world.is_listening());
        // Another pid file may be meant.
        let again = world.run(&["-k", "stop"]);
        assert_eq!(again.status.code(), Some(78));
        assert!(text(&again.stderr).contains("the cache is not emptied"));
    }
}

/// It may be that of another daemon.
#[test]
fn a_fault_that_may_hide_the_pid_file_stops_no_daemon() {
    let world = World::new("");
    let _running = world.start();
    let whole = fs::read_to_string(world.file()).unwrap();
    let other = format!("$PIDFILE = '{}';", world.path("other").display());
    let set = format!("$PIDFILE = '{}';", world.path("pid").display());
    let faulty = whole.replace(&set, &format!("{set} ;;\n$PIDFILE = x;"));
    for (file, mode, words, code, said) in [
        (&faulty, 0o644, &["stop"][..], 78, "nothing is stopped: "),
        (&whole, 0o666, &["stop"], 78, "nothing is stopped: "),
        // The cache is asked for, and no end.
        (&format!("{whole}if"), 0o644, &["-s", "stop"], 78, "error: "),
        // Another user's daemon may be meant, or one with another pid file.
        (
            &whole.replace("$PIDFILE =", "$PIDFLE ="),
            0o644,
            &["stop"],
            78,
            "nothing is stopped: ",
        ),
        (
            &format!("{whole}$USER = ;"),
            0o644,
            &["stop"],
            78,
            "nothing is stopped: the fault may concern $PIDFILE, $LOCKPATH, $USER or $GROUP\n",
        ),
        (
            &format!("{whole}$PIDFILE = '';"),
            0o644,
            &["stop"],
            78,
            "nothing is stopped: the fault may concern $PIDFILE, $LOCKPATH, $USER or $GROUP\n",
        ),
        (
            &format!("if (0) {{\n{whole}"),
            0o644,
            &["stop"],
            78,
            "nothing is stopped: ",
        ),
        // Behind the fault another one is named.
        (
            &format!("if\n{whole}{other}"),
            0o644,
            &["stop"],
            78,
            "other all the same",
        ),
    ] {
        fs::write(world.file(), file).unwrap();
        fs::set_permissions(world.file(), fs::Permissions::from_mode(mode)).unwrap();
        let output = world.run(words);
        let err = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{file}: {err}");
        assert!(err.contains(said), "{file}: {err}");
        assert!(world.is_listening(), "{file}");
    }
}
