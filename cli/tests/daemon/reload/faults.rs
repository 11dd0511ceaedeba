//! A file with faults changes nothing.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, chown},
    process::{Command, Stdio},
};

use policy_testing::{
    process::{Daemon, Signal, as_user, hapolicy, is_root},
    stub::{Script, Stub},
};
use tempfile::TempDir;

use super::{BAD, Configured, GOOD, service, with_listener};

#[test]
fn a_bad_file_changes_nothing_and_the_log_names_each_line() {
    let stub = Stub::tcp(Script::answer("a"));
    let good = service("a", &stub, "");
    let configured = Configured::start(&good);
    for (settings, faults) in [
        (
            format!("deadlin = \"9s\"\nidle = 5\n{good}"),
            &[
                ":2:1: error: unknown key `deadlin`: no key here (did you mean `deadline`?)",
                ":3:8: error: invalid value for `idle`: a duration needs a unit",
            ][..],
        ),
        (String::new(), &["no service"]),
        (
            "\n\n\n\n[service.a".to_owned(),
            &["hapolicy.toml:6:11: error: unclosed table"],
        ),
        (
            format!("health-check = \"5s\"\nprobe = \"/nonexistent\"\n{good}"),
            &["--probe /nonexistent: No such file"],
        ),
    ] {
        configured.reload(&settings, BAD);
        for fault in faults {
            let is_error = |line: &&str| line.starts_with("[LOG error]: ") && line.contains(fault);
            let log = configured.log();
            assert_eq!(log.lines().filter(is_error).count(), 1, "{fault}: {log}");
        }
        assert_eq!(configured.ask(), "a");
    }
    configured.reload(&good, GOOD);
    configured.daemon.stop();
}

#[test]
fn a_pipe_among_the_included_files_is_a_fault_and_not_waited_for() {
    let stub = Stub::tcp(Script::answer("a"));
    let dir = TempDir::new().unwrap();
    let included = format!(
        "include = \"{}\"\n{}",
        dir.path().display(),
        service("a", &stub, "")
    );
    let configured = Configured::start(&included);
    let pipe = dir.path().join("z.toml");
    let made = Command::new("mkfifo").arg(&pipe).status();
    assert!(made.unwrap().success());
    configured.reload(&included, BAD);
    assert!(
        configured.log().contains("z.toml is no regular file"),
        "{}",
        configured.log()
    );
    assert_eq!(configured.ask(), "a");
    configured.daemon.stop();
}

#[test]
fn what_a_check_would_warn_of_is_logged() {
    let stub = Stub::tcp(Script::answer("a"));
    let good = service("a", &stub, "");
    let configured = Configured::start(&good);
    let text = format!(
        "deadline = \"101s\"\n{good}{}[group.b]\nservices = \"b\"\n",
        service("b", &stub, "")
    );
    configured.reload(&text, GOOD);
    let log = configured.daemon.stop().out;
    for said in [
        "[LOG warning]: warning: reload: ",
        "hapolicy.toml:2:12: group 'b': --deadline 101s is above the 100s after which Postfix gives up",
        ":8: group `b` gets no request: no route and no listener names it",
    ] {
        assert!(log.contains(said), "{said}: {log}");
    }
}

#[test]
fn a_reload_after_which_no_start_succeeds_is_refused_and_what_stays_at_fault_is_not() {
    let stub = Stub::tcp(Script::answer("a"));
    let of_a = service("a", &stub, "");
    let dir = TempDir::new().unwrap();
    let at = |name: &str| format!("unix:{}", dir.path().join(name).display());
    fs::write(dir.path().join("file"), "").unwrap();
    let long = at(&"x".repeat(120));
    let configured = Configured::start(&of_a);
    let path = configured.path.display().to_string();
    for (setting, fault) in [
        (
            "user = \"nosuch\"".to_owned(),
            "--user nosuch: unknown user or group".to_owned(),
        ),
        (
            format!("control = \"{}\"", at("file")),
            format!(
                "--control {}: the file that is there is no socket",
                at("file")
            ),
        ),
        (
            format!("control = \"{}\"", at("none/c")),
            format!("--control {}: No such file", at("none/c")),
        ),
        (
            format!("admin = \"{}\"", at("file")),
            format!(
                "--admin {}: the file that is there is no socket",
                at("file")
            ),
        ),
        (
            format!("admin = \"{long}\""),
            format!("--admin {long}: the UNIX path has"),
        ),
        (
            "admin = \"inet:0.0.0.0:0\"".to_owned(),
            "--admin inet:0.0.0.0:0 is not on loopback".to_owned(),
        ),
        (
            format!("handover = \"{}\"", at("file")),
            format!(
                "--handover {}: the file that is there is no socket",
                at("file")
            ),
        ),
    ] {
        configured.reload(&format!("{setting}\n{of_a}"), BAD);
        let log = configured.log();
        let said = format!("[LOG error]: error: {path}:2:");
        let is_said = log
            .lines()
            .any(|line| line.starts_with(&said) && line.contains(&fault));
        assert!(is_said, "{setting}: {log}");
        assert_eq!(configured.ask(), "a");
    }
    let admin = format!("admin = \"{}\"\n", at("admin"));
    configured.reload(&(admin + &of_a), GOOD);
    configured.daemon.stop();

    // The file of its own socket has become another one while it runs.
    let control = format!("control = \"{}\"\n{of_a}", at("control"));
    let configured = Configured::start(&control);
    let socket = dir.path().join("control");
    fs::remove_file(&socket).unwrap();
    fs::write(&socket, "").unwrap();
    configured.reload(&control, GOOD);
    configured.daemon.stop();
}

/// A path is the same with it, but no socket can be bound there.
#[test]
fn a_slash_at_the_end_of_a_socket_that_the_daemon_has_is_a_fault() {
    let stub = Stub::tcp(Script::answer("a"));
    let dir = TempDir::new().unwrap();
    let at = |name: &str| format!("unix:{}", dir.path().join(name).display());
    let keys = ["admin", "control", "handover", "listen"];
    let text = |slashed: &str| {
        let setting = |key: &str| {
            let end = if key == slashed { "/" } else { "" };
            format!("{key} = \"{}{end}\"\n", at(key))
        };
        keys.map(setting).concat() + &service("a", &stub, "")
    };
    let configured = Configured::in_directory(TempDir::new().unwrap(), &text(""), 1);
    for key in keys {
        configured.reload_file(&text(key), BAD);
        let log = configured.log();
        let fault = format!("{}/: the path does not end in the name of a file", at(key));
        assert!(log.contains(&fault), "{key}: {log}");
    }
    configured.reload_file(&text(""), GOOD);
    configured.daemon.stop();
}

/// A daemon that has given up root's rights knows that its next start has them.
#[test]
fn a_place_that_root_refuses_is_refused_by_a_daemon_that_root_has_started() {
    if !is_root() {
        return;
    }
    let stub = Stub::tcp(Script::answer("a"));
    let of_a = format!("user = \"nobody\"\n{}", service("a", &stub, ""));
    let dir = TempDir::new().unwrap();
    fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o755)).unwrap();
    for (name, owner, mode) in [
        ("open", 0, 0o777),
        ("theirs", NOBODY, 0o755),
        ("own", 0, 0o755),
    ] {
        let path = dir.path().join(name);
        fs::create_dir(&path).unwrap();
        chown(&path, Some(owner), None).unwrap();
        fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
    }
    let at = |name: &str| format!("unix:{}/socket", dir.path().join(name).display());
    let settings = TempDir::new().unwrap();
    fs::set_permissions(settings.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let configured = Configured::in_directory(settings, &with_listener(&of_a), 1);
    for (key, name, fault) in [
        ("control", "open", "open can be written by others"),
        ("handover", "open", "open can be written by others"),
        ("handover", "theirs", "theirs belongs to user 65534"),
    ] {
        configured.reload(&format!("{key} = \"{}\"\n{of_a}", at(name)), BAD);
        let log = configured.log();
        assert!(log.contains(fault), "{key} {name}: {log}");
    }
    for (key, name) in [
        ("control", "theirs"),
        ("control", "own"),
        ("handover", "own"),
    ] {
        configured.reload(&format!("{key} = \"{}\"\n{of_a}", at(name)), GOOD);
    }
    let log = configured.daemon.stop().out;
    assert!(!log.contains("denied"), "root may: {log}");
}

/// Who starts it has the same rights as it has.
#[test]
fn a_place_that_a_daemon_without_user_may_not_bind_is_warned_of_at_a_reload() {
    if !is_root() {
        return;
    }
    let stub = Stub::tcp(Script::answer("a"));
    let of_a = service("a", &stub, "");
    let (settings, roots) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    chown(settings.path(), Some(NOBODY), None).unwrap();
    fs::set_permissions(roots.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let below = roots.path().join("socket");
    let text = with_listener(&of_a);
    let configured = as_user(NOBODY, || Configured::in_directory(settings, &text, 1));
    let control = format!("control = \"unix:{}\"\n{of_a}", below.display());
    configured.reload(&control, GOOD);
    let log = configured.daemon.stop().out;
    let said = format!(
        ":2:11: --control unix:{}: Permission denied",
        below.display()
    );
    assert!(log.contains(&said), "{log}");
}

#[test]
fn more_workers_than_descriptors_are_left_for_are_refused() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("hapolicy.toml");
    let write = |workers: u32| {
        let settings = format!("workers = {workers}\n[service.a]\naddress = \"127.0.0.1:1\"\n");
        fs::write(&path, with_listener(&settings)).unwrap();
    };
    write(1);
    let mut command = Command::new("prlimit");
    command.args(["--nofile=128", hapolicy(), "-L", "--config"]);
    let daemon = Daemon::of(command.arg(&path).stdin(Stdio::null()), 1);
    write(64);
    daemon.process.signal(Signal::HUP);
    let log = &daemon.process.out;
    assert!(log.wait_lines(1, BAD), "{}", log.text());
    assert!(log.text().contains("cannot start: Too many open files"));
    write(1);
    daemon.process.signal(Signal::HUP);
    assert!(log.wait_lines(1, GOOD), "{}", log.text());
    daemon.stop();
}

const NOBODY: u32 = 65534;
