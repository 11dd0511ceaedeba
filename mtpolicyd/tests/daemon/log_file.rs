//! `log_file`: opened again when it has been moved away, and at SIGHUP and SIGUSR1.

use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt},
};

use policy_testing::{
    eventually,
    process::{Process, Signal},
};

use super::world::{World, host};

const REJECT: &str = "<Plugin a>\nmodule=Action\naction=reject x\n</Plugin>\n";

struct Logged {
    world: World,
    process: Process,
}

impl Logged {
    fn start(globals: &str) -> Self {
        Self::of(World::new(&format!(
            "{globals}log_file = @TMP@/log/mt.log\n{}",
            host(REJECT)
        )))
    }

    fn of(world: World) -> Self {
        fs::create_dir(world.path("log")).unwrap();
        let process = world.start(&["-f"]);
        let logged = Self { world, process };
        logged.wait("mt.log", "listening on ");
        logged
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.world.path("log").join(name)).unwrap_or_default()
    }

    fn wait(&self, name: &str, part: &str) {
        let is_there = eventually(|| self.text(name).contains(part));
        assert!(
            is_there,
            "{part}: {}{}",
            self.text(name),
            self.process.err.text()
        );
    }

    fn rename(&self, from: &str, to: &str) {
        let log = self.world.path("log");
        fs::rename(log.join(from), log.join(to)).unwrap();
    }

    /// The line of a request is in the file, and in no other.
    fn ask(&self, instance: &str, name: &str) {
        assert!(self.world.ask(&format!("instance={instance}")).is_some());
        self.wait(name, &format!("test: instance={instance}, "));
    }
}

#[test]
fn a_file_that_is_moved_or_removed_is_made_anew() {
    let logged = Logged::start("");
    logged.ask("one", "mt.log");
    logged.rename("mt.log", "mt.log.1");
    logged.wait("mt.log", "mt.log is opened again");
    logged.ask("two", "mt.log");
    assert!(!logged.text("mt.log.1").contains("instance=two"));
    fs::remove_file(logged.world.path("log/mt.log")).unwrap();
    logged.wait("mt.log", "mt.log is opened again");
    logged.ask("three", "mt.log");
    // Another file that somebody has made there, as logrotate(8) does with `create`.
    logged.rename("mt.log", "mt.log.2");
    fs::write(logged.world.path("log/mt.log"), "begin\n").unwrap();
    logged.wait("mt.log", "mt.log is opened again");
    logged.ask("four", "mt.log");
    assert!(logged.text("mt.log").starts_with("begin\n"));
    // One that is cut is the same one.
    fs::write(logged.world.path("log/mt.log"), "").unwrap();
    logged.ask("five", "mt.log");
    assert!(!logged.text("mt.log").contains("opened again"));
}

#[test]
fn signals_have_it_opened_again() {
    let logged = Logged::start("");
    for (count, signal) in [(1, Signal::USR1), (2, Signal::HUP)] {
        logged.process.signal(signal);
        let count_of = || {
            logged
                .text("mt.log")
                .matches("mt.log is opened again")
                .count()
        };
        assert!(
            eventually(|| count_of() == count),
            "{}",
            logged.text("mt.log")
        );
    }
    logged.ask("one", "mt.log");
    assert!(
        logged
            .text("mt.log")
            .contains("the configuration is reloaded")
    );
    logged.process.signal(Signal::TERM);
    assert_eq!(logged.process.end().code, Some(0));
}

#[cfg_attr(not(feature = "interop"), ignore = "needs root")]
#[test]
fn a_file_that_root_has_made_belongs_to_the_user_and_one_that_cannot_be_made_is_said_once() {
    let logged = Logged::start("user = nobody\ngroup = nogroup\n");
    let owner = fs::metadata(logged.world.path("log/mt.log")).unwrap();
    assert_eq!((owner.uid(), owner.gid()), (65_534, 65_534));
    for directory in ["", "log"] {
        let everybody = fs::Permissions::from_mode(0o755);
        fs::set_permissions(logged.world.path(directory), everybody).unwrap();
    }
    logged.rename("mt.log", "mt.log.1");
    let said = "mt.log cannot be opened again: Permission denied (os error 13): lines go to the file of before";
    logged.wait("mt.log.1", said);
    logged.ask("one", "mt.log.1");
    // As logrotate(8) does with `create`.
    let made = logged.world.path("log/made");
    fs::write(&made, "").unwrap();
    std::os::unix::fs::chown(&made, Some(65_534), Some(65_534)).unwrap();
    logged.rename("made", "mt.log");
    logged.wait("mt.log", "mt.log is opened again");
    logged.ask("two", "mt.log");
    assert_eq!(
        logged
            .text("mt.log.1")
            .matches("cannot be opened again")
            .count(),
        1
    );
}

#[cfg_attr(not(feature = "interop"), ignore = "needs root")]
#[test]
fn below_another_root_it_is_looked_for_there() {
    let logged = Logged::start("user = nobody\nchroot = @TMP@\n");
    for (directory, mode) in [("", 0o755), ("log", 0o777)] {
        let everybody = fs::Permissions::from_mode(mode);
        fs::set_permissions(logged.world.path(directory), everybody).unwrap();
    }
    logged.ask("one", "mt.log");
    logged.rename("mt.log", "mt.log.1");
    logged.wait("mt.log", "mt.log is opened again");
    logged.ask("two", "mt.log");
}

#[cfg_attr(not(feature = "interop"), ignore = "needs root")]
#[test]
fn a_link_that_the_user_has_put_there_leads_root_to_no_other_file() {
    for option in ["log_file", "pid_file"] {
        let world = World::new(&format!(
            "user = nobody\n{option} = @TMP@/theirs/file\n{}",
            host(REJECT)
        ));
        let (theirs, own) = (world.path("theirs"), world.path("own"));
        for directory in [&theirs, &own] {
            fs::create_dir(directory).unwrap();
        }
        std::os::unix::fs::chown(&theirs, Some(65_534), None).unwrap();
        std::os::unix::fs::symlink(own.join("new"), theirs.join("file")).unwrap();
        let ended = world.run(&["-f"]);
        assert_eq!(ended.code, Some(71), "{option}: {ended:?}");
        let said = "file is a link in a directory that is not root's alone, and is not followed\n";
        assert!(
            ended.err.contains(option) && ended.err.ends_with(said),
            "{ended:?}"
        );
        assert!(!own.join("new").exists(), "{option}");
        let checked = world.run(&["--check-config"]);
        assert_eq!(checked.code, Some(78), "{checked:?}");
        assert!(checked.err.ends_with(said), "{checked:?}");
        // Nor does a directory of the user's that is a link.
        fs::remove_file(theirs.join("file")).unwrap();
        std::os::unix::fs::symlink(&own, theirs.join("link")).unwrap();
        let below = format!(
            "user = nobody\n{option} = @TMP@/theirs/link/new\n{}",
            host(REJECT)
        );
        world.configure(&below);
        assert_eq!(world.run(&["-f"]).code, Some(71), "{option}");
        assert!(!own.join("new").exists(), "{option}");
    }
}

/// What it leads to is known to the process that is started.
#[test]
fn an_output_of_the_daemons_own_and_a_device_are_no_finding() {
    for path in [
        "/dev/stdout",
        "/dev/stderr",
        "/dev/fd/1",
        "/proc/self/fd/2",
        "/dev/null",
    ] {
        let world = World::new(&format!("log_file = {path}\n{}", host(REJECT)));
        let checked = world.run(&["--check-config", "--strict"]);
        assert_eq!((checked.code, &*checked.err), (Some(0), ""), "{path}");
    }
    let world = World::new(&format!("log_file = /dev/stdout\n{}", host(REJECT)));
    let (socket, _other) = std::os::unix::net::UnixStream::pair().unwrap();
    let status = std::process::Command::new(policy_testing::process::mtpolicyd())
        .args(["--check-config", "--strict", "-c"])
        .arg(world.path("mt.conf"))
        .stdout(std::os::fd::OwnedFd::from(socket))
        .status();
    assert_eq!(status.unwrap().code(), Some(0));
}

fn make_pipe(path: &std::path::Path) {
    let made = std::process::Command::new("mkfifo").arg(path).status();
    assert!(made.unwrap().success());
}

#[test]
fn a_pipe_that_nobody_reads_is_not_waited_for() {
    for (option, said) in [
        ("log_file", "No such device or address (os error 6)"),
        ("pid_file", "no regular file"),
    ] {
        let world = World::new(&format!("{option} = @TMP@/pipe\n{}", host(REJECT)));
        make_pipe(&world.path("pipe"));
        for words in [&["-f"][..], &[]] {
            let ended = world.run(words);
            assert_eq!(ended.code, Some(71), "{ended:?}");
            let begin = format!("mtpolicyd: {option} ");
            let mut lines = ended.err.lines();
            let is_said = lines.any(|line| line.starts_with(&begin) && line.ends_with(said));
            assert!(is_said, "{ended:?}");
        }
        let checked = world.run(&["--check-config"]);
        let said = match option {
            "log_file" => "/pipe`, which is a pipe: lines are lost where nobody reads it\n",
            _ => "/pipe`: no regular file\n",
        };
        assert!(checked.err.ends_with(said), "{checked:?}");
        let status = if option == "log_file" { 0 } else { 78 };
        assert_eq!(checked.code, Some(status), "{checked:?}");
    }
}

#[test]
fn a_pipe_that_comes_in_the_place_of_the_file_stops_nothing() {
    let logged = Logged::start("");
    // At one moment: the daemon would make a file that is missing.
    let log = logged.world.path("log");
    fs::hard_link(log.join("mt.log"), log.join("mt.log.1")).unwrap();
    make_pipe(&log.join("pipe"));
    logged.rename("pipe", "mt.log");
    logged.wait(
        "mt.log.1",
        "mt.log cannot be opened again: No such device or address",
    );
    logged.ask("one", "mt.log.1");
    fs::remove_file(logged.world.path("log/mt.log")).unwrap();
    logged.wait("mt.log", "mt.log is opened again");
}
