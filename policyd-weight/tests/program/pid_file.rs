//! The pid file: one that was left behind, what is no file in its place, and who else writes it.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    process::{Command, Stdio},
};

use policy_testing::{process::copy_program, within};

use super::{
    PATIENCE,
    world::{GOOD, PROGRAM, Running, World, good, signal, text},
};

#[test]
fn a_pid_file_that_was_left_behind_stops_nobody() {
    let world = World::new("");
    // This test's own process is no policyd-weight.
    fs::write(world.path("pid"), std::process::id().to_string()).unwrap();
    let reloaded = world.run(&["reload"]);
    assert_eq!(reloaded.status.code(), Some(255));
    assert!(
        text(&reloaded.stderr).contains(", is no policyd-weight, but '"),
        "{reloaded:?}"
    );
    assert!(world.run(&["stop"]).status.success());
    assert!(!world.path("pid").exists());

    fs::write(world.path("pid"), std::process::id().to_string()).unwrap();
    assert!(world.run(&["start"]).status.success());
    assert_eq!(world.ask(&good("1")), GOOD);
    assert_ne!(world.pid(), std::process::id().to_string());
    assert!(world.run(&["-k", "stop"]).status.success());
    assert_eq!(world.cached(&[]), [""; 0], "-k has emptied it before");
}

/// In a container processes have the same numbers after each of its starts, and its files stay.
#[test]
fn a_number_of_the_start_itself_is_that_of_no_daemon() {
    let world = World::new("");
    // The name of a process is that of its file.
    let script = world.path("policyd-weight");
    fs::write(&script, "#!/bin/sh\necho $$ > $1\nshift\n\"$@\"\n").unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let by_shell = r#"echo $$ > "$1"; shift; exec "$@""#;
    let in_script = r#""$0" "$@"; exit $?"#;
    for (shell, zero) in [(by_shell, "sh"), (in_script, script.to_str().unwrap())] {
        let run = |words: &[&str]| {
            let mut command = Command::new("sh");
            command.args(["-c", shell, zero]).arg(world.path("pid"));
            command.arg(PROGRAM).arg("-f").arg(world.file()).args(words);
            command.stdin(Stdio::null()).current_dir("/");
            command
        };
        let stopped = run(&["stop"]).output().unwrap();
        let said = text(&stopped.stdout) + &text(&stopped.stderr);
        assert_eq!(stopped.status.code(), Some(0), "{shell}: {said}");
        assert!(
            said.ends_with(", is this command or has started it\n"),
            "{shell}: {said}"
        );
        let started = run(&["start"]).output().unwrap();
        assert!(started.status.success(), "{shell}: {started:?}");
        assert!(world.ask(&good("1")).starts_with("action="));
        assert!(world.run(&["stop"]).status.success());

        let mut running = Running(run(&["-D", "start"]).spawn().unwrap());
        assert!(world.ask(&good("2")).starts_with("action="));
        assert!(world.run(&["stop"]).status.success());
        running.0.wait().unwrap();
    }
}

/// In a container the first process may be one that waits for none that is left to it.
#[test]
fn a_process_that_has_ended_and_is_not_waited_for_is_no_daemon() {
    let world = World::new("");
    let mut ended = Command::new(PROGRAM)
        .arg("-v")
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let status = format!("/proc/{}/status", ended.id());
    let is_left = || fs::read_to_string(&status).unwrap().contains("State:\tZ");
    assert!(within(PATIENCE, is_left));
    fs::write(world.path("pid"), ended.id().to_string()).unwrap();
    let stopped = world.run(&["stop"]);
    let said = format!(
        "not running: process {}, which {} names, has ended\n",
        ended.id(),
        world.path("pid").display()
    );
    assert_eq!(text(&stopped.stdout), said);
    fs::write(world.path("pid"), ended.id().to_string()).unwrap();
    let _running = world.start();
    assert_eq!(world.ask(&good("1")), GOOD);
    let stopped = world.run(&["stop"]);
    assert!(stopped.status.success(), "{stopped:?}");
    assert!(!text(&stopped.stdout).contains("killed"), "{stopped:?}");
    ended.wait().unwrap();
}

/// Such as by who clears a directory of files that nobody has open.
#[test]
fn a_daemon_that_its_pid_file_does_not_name_is_known_by_its_socket() {
    let world = World::new("");
    assert!(world.run(&["start"]).status.success());
    assert_eq!(world.ask(&good("1")), GOOD);
    let pid = world.pid();
    let mut ended = Command::new("true").spawn().unwrap();
    ended.wait().unwrap();
    let (file, old) = (world.path("pid"), ended.id());
    let shown = file.display();
    for (action, names, why) in [
        ("stop", None, format!("there is no {shown}")),
        ("restart", None, format!("there is no {shown}")),
        (
            "stop",
            Some(old),
            format!("process {old}, which {shown} names, has ended"),
        ),
    ] {
        fs::remove_file(&file).unwrap();
        if let Some(names) = names {
            fs::write(&file, names.to_string()).unwrap();
        }
        let output = world.run(&[action]);
        let said = text(&output.stdout) + &text(&output.stderr);
        let socket = world.path("lock/polw.sock");
        let listens = format!(
            "{why}, but process {pid} listens at {}: see whether that is the daemon, and end it by its number\n",
            socket.display()
        );
        assert_eq!((output.status.code(), said), (Some(1), listens));
        assert!(world.is_listening());
        fs::write(&file, &pid).unwrap();
    }
    fs::remove_file(&file).unwrap();
    assert!(signal("-TERM", pid));
    assert!(within(PATIENCE, || !world.is_listening()));
    let stopped = world.run(&["stop"]);
    assert!(
        stopped.status.success() && text(&stopped.stdout).starts_with("not running: there is no "),
        "{stopped:?}"
    );
}

/// What is no file is left where it is, by who starts and by who stops.
#[test]
fn what_is_no_file_is_no_pid_file() {
    for make in ["mkfifo -m 600 pid", "mkdir pid", "mknod -m 600 pid c 1 3"] {
        let world = World::new("");
        let mut command = Command::new("sh");
        command.args(["-c", make]).current_dir(&world.directory);
        assert!(command.status().unwrap().success());
        let kind = || fs::metadata(world.path("pid")).unwrap().file_type();
        let before = kind();
        for (action, status) in [("start", 255), ("stop", 1)] {
            let output = world.run(&[action]);
            let said = text(&output.stderr);
            assert_eq!(output.status.code(), Some(status), "{make}: {said}");
            assert!(said.contains("no regular file"), "{make}: {said}");
        }
        assert_eq!(kind(), before);
        assert!(!world.is_listening());
    }
}

/// Root writes and removes nothing where a link of the daemon's user leads.
#[test]
fn no_link_on_the_way_to_the_pid_file_is_followed() {
    let world = World::new("");
    let way = "mkdir own theirs && ln -s ../own theirs/sub && chown -h nobody theirs theirs/sub";
    let mut command = Command::new("sh");
    command.args(["-c", way]).current_dir(&world.directory);
    assert!(command.status().unwrap().success());
    let path = world.path("theirs/sub/pid");
    world.configure(&format!("$PIDFILE = '{}';", path.display()));
    let output = world.run(&["start"]);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(255), "{said}");
    assert!(said.contains("cannot write the pid file "), "{said}");
    assert_eq!(fs::read_dir(world.path("own")).unwrap().count(), 0);
    assert!(!world.is_listening());
}

/// Whichever of them comes first.
#[test]
fn of_two_restarts_at_once_one_daemon_is_left_which_the_file_names() {
    let world = World::new("");
    assert!(world.run(&["start"]).status.success());
    for _ in 0..2 {
        let restarts = [(); 2].map(|()| {
            let mut command = world.command(&["restart"]);
            let command = command.stdout(Stdio::null()).stderr(Stdio::piped());
            command.spawn().unwrap()
        });
        let ended = restarts.map(|restart| restart.wait_with_output().unwrap());
        let failed: Vec<_> = ended
            .iter()
            .filter(|output| !output.status.success())
            .map(|output| text(&output.stderr))
            .collect();
        assert!(failed.len() < 2, "{failed:?}");
        for said in ended.iter().map(|output| text(&output.stderr)) {
            assert!(!said.contains("cannot remove"), "{said}");
            assert!(!said.contains("No such process"), "{said}");
        }
        for said in failed {
            let whys = [
                ": another start or restart came first\n",
                "Address already in use",
                "the daemon has ended before it served: ",
            ];
            assert!(whys.iter().any(|why| said.contains(why)), "{said}");
        }
        assert!(world.is_listening());
        assert!(signal("-0", world.pid()));
    }
    assert!(world.run(&["stop"]).status.success());
    assert!(!world.is_listening());
}

/// A restart that ended the daemon could not start the next one.
#[test]
fn what_keeps_the_pid_file_from_being_replaced_ends_no_daemon() {
    let world = World::new("");
    fs::create_dir(world.path("run")).unwrap();
    fs::set_permissions(world.path("run"), fs::Permissions::from_mode(0o1777)).unwrap();
    let pid_file = world.path("run/pid");
    let shown = pid_file.display().to_string();
    world.configure(&format!("$PIDFILE = '{shown}';"));
    // Where the daemon's user can reach it.
    let program = world.path("weight");
    copy_program(PROGRAM, &program);
    assert!(world.run(&["start"]).status.success());
    assert_eq!(world.ask(&good("1")), GOOD);
    let pid = fs::read_to_string(&pid_file).unwrap();
    for (way, why) in [
        (
            r#"chattr +i "$1" || exit 99; "$2" -f "$3" restart; status=$?; chattr -i "$1"; exit $status"#,
            "it is immutable (chattr +i)",
        ),
        (
            r#"chattr +a "$1" || exit 99; "$2" -f "$3" restart; status=$?; chattr -a "$1"; exit $status"#,
            "it is append-only (chattr +a)",
        ),
        (
            r#"mount --bind "$1" "$1" || exit 99; "$2" -f "$3" restart"#,
            "it is a mount point",
        ),
        // The content has no room, which an empty file does not show.
        (
            r#"directory=$(dirname "$1"); pid=$(cat "$1")
            mount -t tmpfs -o size=4k,mode=755 none "$directory" || exit 99
            printf %s "$pid" > "$1"; "$2" -f "$3" restart"#,
            "No space left on device (os error 28)",
        ),
        (
            r#"setpriv --reuid=nobody --regid=nogroup --clear-groups "$2" -f "$3" restart"#,
            "it is another user's, and its directory has the sticky bit",
        ),
    ] {
        let output = Command::new("unshare")
            .args(["--mount", "sh", "-c", way, "sh"])
            .args([&pid_file, &program, &world.file()])
            .stdin(Stdio::null())
            .current_dir("/")
            .output()
            .unwrap();
        if output.status.code() == Some(99) {
            println!("SKIPPED: {way}: {output:?}");
            continue;
        }
        let said = format!("process {pid} goes on: cannot write the pid file {shown}: {why}\n");
        assert_eq!(text(&output.stderr), said, "{way}: {output:?}");
        assert_eq!(output.status.code(), Some(255), "{way}");
        assert_eq!(fs::read_to_string(&pid_file).unwrap(), pid, "{way}");
        assert_eq!(fs::read_dir(world.path("run")).unwrap().count(), 1, "{way}");
        assert!(world.ask(&good("2")).starts_with("action="), "{way}");
    }
    assert!(world.run(&["restart"]).status.success());
    assert!(world.run(&["stop"]).status.success());
}
