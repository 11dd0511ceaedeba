//! The user, the groups, the root and the files of the process: the check says what a start would fail at.

use std::{
    fs,
    net::TcpListener,
    os::unix::{fs::PermissionsExt, net::UnixListener, process::CommandExt as _},
    process::{Command, Stdio},
};

use policy_testing::{
    port::Port,
    process::{Process, Signal, is_root},
};
use rustix::process::Pid;

use super::world::{PROGRAM, World, host};

const ACTION: &str = "<Plugin a>\nmodule=Action\naction=ok\n</Plugin>\n";

#[test]
fn what_a_start_would_fail_at_is_an_error() {
    let severity = if is_root() { "error" } else { "warning" };
    for (line, severity, expected) in [
        (
            "user = no-such-user",
            severity,
            "`user` is `no-such-user`, but this system knows no such user",
        ),
        (
            "user = nobody\ngroup = nogroup no-such-group",
            severity,
            "`group` is `no-such-group`, but this system knows no such group",
        ),
        (
            "chroot = @TMP@/none",
            "error",
            "`chroot` is `@TMP@/none`: No such file or directory (os error 2)",
        ),
        (
            "chroot = @TMP@/mt.conf",
            "error",
            "`chroot` is `@TMP@/mt.conf`: not a directory",
        ),
        (
            "pid_file = @TMP@/none/mt.pid",
            "error",
            "`pid_file` is `@TMP@/none/mt.pid`: the directory @TMP@/none: No such file or directory (os error 2)",
        ),
        (
            "pid_file = /run/no-such-directory/mt.pid",
            "warning",
            "`pid_file` is `/run/no-such-directory/mt.pid`: the directory /run/no-such-directory: No such file or \
             directory (os error 2): it has to be made before each start, as RuntimeDirectory= of a unit does",
        ),
        (
            "log_file = @TMP@",
            "error",
            "`log_file` is `@TMP@`: is a directory",
        ),
        (
            "log_file = @TMP@/mt.conf/log",
            "error",
            "`log_file` is `@TMP@/mt.conf/log`: Not a directory (os error 20)",
        ),
        (
            "log_file = @TMP@/none/log",
            "error",
            "`log_file` is `@TMP@/none/log`: the directory @TMP@/none: No such file or directory (os error 2)",
        ),
        (
            "control = unix:@TMP@/none/control",
            "error",
            "`control` is `@TMP@/none/control`: the directory @TMP@/none: No such file or directory (os error 2)",
        ),
        (
            "admin = unix:@TMP@/none/admin,mode=0600",
            "error",
            "`admin` is `@TMP@/none/admin`: the directory @TMP@/none: No such file or directory (os error 2)",
        ),
    ] {
        let world = World::new(&format!("{line}\n{}", host(ACTION)));
        let directory = world.directory.path().display().to_string();
        let expected = format!("{severity}: {expected}\n").replace("@TMP@", &directory);
        let ended = world.run(&["--check-config"]);
        let status = if severity == "error" { 78 } else { 0 };
        assert_eq!(ended.code, Some(status), "{line}: {ended:?}");
        let said = ended.err.replace("//", "/").replace("/`:", "`:");
        assert!(said.ends_with(&expected), "{line}: {said}\n{expected}");
        assert_eq!(said.lines().count(), 1, "{said}");
        let strict = world.run(&["--check-config", "--strict"]);
        assert_eq!(strict.code, Some(78), "{line}");
        // What only looks at the configuration needs none of it.
        assert_eq!(world.run(&["-d"]).code, Some(0), "{line}");
    }
}

#[test]
fn what_is_there_and_can_be_made_is_fine() {
    // Who is not root is told what only root can do.
    let roots = "user = nobody\ngroup = \"nogroup, mail\"\nchroot = @TMP@\n";
    let roots = if is_root() { roots } else { "" };
    let world = World::new(&format!(
        "{roots}pid_file = @TMP@/mt.pid\nlog_file = @TMP@/mt.log\n{}",
        host(ACTION)
    ));
    for log in [None, Some(0o600)] {
        if let Some(mode) = log {
            fs::write(world.path("mt.log"), "a line\n").unwrap();
            fs::set_permissions(world.path("mt.log"), fs::Permissions::from_mode(mode)).unwrap();
        }
        let ended = world.run(&["--check-config", "--strict"]);
        assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""));
    }
    // It has looked, and made nothing.
    assert!(!world.path("mt.pid").exists());
    assert_eq!(
        fs::read_to_string(world.path("mt.log")).unwrap(),
        "a line\n"
    );
}

#[test]
fn an_address_that_another_program_has_is_said_and_not_one_of_the_daemon_that_runs() {
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = other.local_addr().unwrap();
    let world = World::new(&format!("admin = inet:{address}\n{}", host(ACTION)));
    let checked = world.run(&["--check-config"]);
    let said = format!("warning: `admin`: another program listens at `inet:{address}`: ");
    assert_eq!(checked.code, Some(0), "{checked:?}");
    assert!(checked.err.contains(&said), "{checked:?}");
    let process = format!(" (process {})\n", std::process::id());
    assert!(checked.err.ends_with(&process), "{checked:?}");
    drop(other);
    let _running = world.serve(&[]);
    assert_eq!(world.run(&["--check-config"]).err, "");
}

#[test]
fn a_unix_socket_that_another_program_has_is_said_and_not_one_of_the_daemon_that_runs() {
    let hosts = format!(
        "<VirtualHost PORT>\nname=a\n{ACTION}</VirtualHost>\n<VirtualHost @TMP@requests>\nname=b\n{ACTION}</VirtualHost>\n"
    );
    let config = |place: &str| {
        format!("control = unix:{place}\nport = \"PORT, @TMP@requests|unix\"\n{hosts}")
    };
    let world = World::new(&config("@TMP@control"));
    let bind = |name: &str| UnixListener::bind(world.path(name)).unwrap();
    let others = ["control", "requests"].map(bind);
    // A link leads to the same place.
    std::os::unix::fs::symlink(world.path(""), world.path("link")).unwrap();
    for place in ["@TMP@control", "@TMP@link/control"] {
        world.configure(&config(place));
        let checked = world.run(&["--check-config"]);
        assert_eq!(checked.code, Some(0), "{checked:?}");
        for (key, name) in [("control", place), ("port", "@TMP@requests")] {
            let path = name.replace("@TMP@", &world.path("").display().to_string());
            let said = format!("warning: `{key}`: another program listens at `unix:{path}");
            let process = format!(" (process {})", std::process::id());
            let mut lines = checked.err.lines();
            let is_said = lines.any(|line| line.contains(&said) && line.ends_with(&process));
            assert!(is_said, "{said}: {checked:?}");
        }
    }
    drop(others);
    world.configure(&config("@TMP@control"));
    assert_eq!(world.run(&["--check-config"]).err, "");
    let _running = world.serve(&[]);
    assert_eq!(world.run(&["--check-config"]).err, "");
}

#[test]
fn an_address_beside_which_another_program_listens_is_said_where_a_start_would_fail() {
    for (there, wanted, is_refused) in [
        ("0.0.0.0", "[::1]", false),
        ("127.0.0.1", "[::ffff:127.0.0.1]", true),
        ("0.0.0.0", "127.0.0.2", true),
        ("[::1]", "[::]", true),
        // That socket may be for IPv6 alone, which does not show.
        ("[::]", "127.0.0.1", false),
    ] {
        let port = Port::any().number();
        let _other = TcpListener::bind(format!("{there}:{port}")).unwrap();
        let address = format!("inet:{wanted}:{port}");
        let world = World::new(&format!(
            "admin = {address}\nallow = 127.0.0.1\n{}",
            host(ACTION)
        ));
        let checked = world.run(&["--check-config"]);
        let said = format!("`admin`: another program listens at `{address}`: ");
        assert_eq!(
            checked.err.contains(&said),
            is_refused,
            "{there} {checked:?}"
        );
    }
}

#[test]
fn a_path_of_control_may_have_commas() {
    let config = |name| format!("control = unix:@TMP@{name}\n{}", host(ACTION));
    let world = World::new(&config("a,b.sock"));
    let checked = world.run(&["--check-config", "--strict"]);
    assert_eq!((checked.code, &*checked.err), (Some(0), ""));
    world.configure(&config("none,a/b,c"));
    let checked = world.run(&["--check-config"]);
    let said = format!(
        "`control` is `{}`: the directory ",
        world.path("none,a/b,c").display()
    );
    assert!(checked.err.contains(&said), "{said}: {checked:?}");
}

/// It is known by its name, and so is it by a start.
#[test]
fn a_daemon_in_the_background_is_no_other_program() {
    let world = World::new(&format!(
        "pid_file = @TMP@/mt.pid\nlog_file = @TMP@/mt.log\n{}",
        host(ACTION)
    ));
    let started = world.run(&[]);
    assert_eq!(started.code, Some(0), "{started:?}");
    let number = fs::read_to_string(world.path("mt.pid")).unwrap();
    let checked = world.run(&["--check-config", "--strict"]);
    let other_port = Port::any().number().to_string();
    world.configure(&format!(
        "pid_file = @TMP@/mt.pid\n{}",
        host(ACTION).replace("PORT", &other_port)
    ));
    let second = world.run(&["-f"]);
    let process = Pid::from_raw(number.trim().parse().unwrap()).unwrap();
    rustix::process::kill_process(process, Signal::TERM).unwrap();
    assert_eq!((checked.code, &*checked.err), (Some(0), ""));
    let said = format!("process {} runs already", number.trim());
    assert_eq!(second.code, Some(71), "{second:?}");
    // The log, which a thread writes, may come after it.
    let mut lines = second.err.lines();
    assert!(lines.any(|line| line.ends_with(&said)), "{second:?}");
}

#[test]
fn an_output_that_a_daemon_in_the_background_has_not_got_is_said() {
    for target in ["stdout", "json"] {
        let world = World::new(&format!("log_to = {target}\n{}", host(ACTION)));
        let checked = world.run(&["--check-config"]);
        let said = format!(
            "warning: `log_to` is `{target}`, which needs `-f`, or `log_file`: a daemon in the background has no standard output\n"
        );
        assert_eq!(checked.code, Some(0), "{checked:?}");
        assert!(checked.err.ends_with(&said), "{checked:?}");
        let foreground = world.run(&["--check-config", "-f"]);
        assert_eq!((foreground.code, &*foreground.err), (Some(0), ""));
        let file = format!(
            "log_to = {target}\nlog_file = @TMP@/mt.log\n{}",
            host(ACTION)
        );
        world.configure(&file);
        let with_file = world.run(&["--check-config"]);
        assert_eq!((with_file.code, &*with_file.err), (Some(0), ""));
    }
}

#[test]
fn a_group_without_a_user_is_said() {
    let world = World::new(&format!("group = nogroup\n{}", host(ACTION)));
    let checked = world.run(&["--check-config"]);
    let expected = ":1:1: warning: `group` stands without `user`: started by root, the daemon stays root, with that group\n";
    assert!(checked.err.ends_with(expected), "{checked:?}");
    assert_eq!(world.run(&["--check-config", "--strict"]).code, Some(78));
}

#[cfg_attr(not(feature = "interop"), ignore = "needs root")]
#[test]
fn a_start_as_root_has_the_group_and_says_what_to_give() {
    let world = World::new(&format!("group = \"nogroup, mail\"\n{}", host(ACTION)));
    let process = world.serve(&[]);
    let said = process.err.text();
    let expected = "running as root: give user, so that a fault in this program is no way to root";
    assert!(
        said.contains(expected) && !said.contains("--user"),
        "{said}"
    );
    assert!(said.contains("`group` stands without `user`"), "{said}");
    let status = fs::read_to_string(format!("/proc/{}/status", process.id())).unwrap();
    for line in [
        "Uid:\t0\t0\t0\t0",
        "Gid:\t65534\t65534\t65534\t65534",
        "Groups:\t8 65534 ",
    ] {
        assert!(
            status.lines().any(|found| found == line),
            "{line}: {status}"
        );
    }
}

#[cfg_attr(not(feature = "interop"), ignore = "needs root")]
#[test]
fn a_user_that_there_is_none_of_is_named_as_the_file_has_it() {
    let world = World::new(&format!("user = no-such-user\n{}", host(ACTION)));
    let ended = world.run(&["-f"]);
    let expected = "mtpolicyd: user no-such-user: unknown user or group\n";
    assert_eq!((ended.code, ended.err.as_str()), (Some(78), expected));
}

#[cfg_attr(not(feature = "interop"), ignore = "needs root")]
#[test]
fn what_only_root_can_change_is_said_where_another_user_starts_it() {
    const NOBODY: u32 = 65534;
    let world = World::new(&format!("user = daemon\n{}", host(ACTION)));
    let program = world.path("program");
    fs::copy(PROGRAM, &program).unwrap();
    fs::set_permissions(world.path(""), fs::Permissions::from_mode(0o755)).unwrap();
    let start = |words: &[&str]| {
        let mut command = Command::new(&program);
        command.args(words).arg("-c").arg(world.path("mt.conf"));
        Process::of(command.uid(NOBODY).gid(NOBODY).stdin(Stdio::null()))
    };
    let user = "`user` is `daemon`: only root can change to it, and the daemon stays the user that starts it";
    let checked = start(&["--check-config", "-f"]).end();
    assert_eq!(checked.code, Some(0), "{checked:?}");
    assert!(
        checked.err.ends_with(&format!(":1:1: warning: {user}\n")),
        "{checked:?}"
    );
    let process = start(&["-f"]);
    let is_said = process.err.wait_lines(1, &format!("warning: {user}"));
    assert!(is_said, "{}", process.err.text());
    drop(process);
    // Its own user is no other one.
    world.configure(&format!("user = nobody\n{}", host(ACTION)));
    let checked = start(&["--check-config", "-f"]).end();
    assert_eq!((checked.code, &*checked.err), (Some(0), ""));

    world.configure(&format!("chroot = @TMP@\n{}", host(ACTION)));
    let checked = start(&["--check-config", "-f"]).end();
    let root = world.path("").display().to_string();
    let said =
        format!(":1:1: warning: `chroot` is `{root}`: a start by another user than root fails\n");
    assert!(checked.err.ends_with(&said), "{said}{checked:?}");
    assert_eq!(start(&["-f"]).end().code, Some(71));
}
