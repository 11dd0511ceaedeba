//! A daemon that root starts, and its starter's terminal, directory and groups.

use std::{
    fs::{self, Permissions},
    os::unix::fs::{PermissionsExt, chown, symlink},
    process::{Command, Stdio},
};

use policy_testing::{
    World,
    process::{Daemon, Output, Process, hapolicy, is_root},
    stub::{Script, Stub},
};

use crate::attacker::{ATTACKER, Ground};

/// A process that has the terminal can type into the shell of its user (TIOCSTI).
#[test]
fn a_daemon_that_gives_up_root_leaves_the_terminal_and_the_directory_of_its_starter() {
    if !is_root() {
        return;
    }
    let world = World::new();
    let service = format!("a={}", world.stub.address());
    // As from an interactive shell, which makes each command the leader of a process group.
    let words = format!(
        "set -m; {} -L --listen inet:127.0.0.1:0 -s {service} --user nobody & wait",
        hapolicy()
    );
    let mut command = Command::new("script");
    command.args([
        "-q",
        "-e",
        "-c",
        &format!("/bin/sh -c '{words}'"),
        "/dev/null",
    ]);
    command.stdin(Stdio::null());
    let terminal = Process::of(&mut command);
    assert!(
        terminal.out.wait_lines(1, "listening on "),
        "{}",
        terminal.out.text()
    );
    let daemon = daemon_of(&terminal.out, &service);
    let stat = fs::read_to_string(format!("/proc/{daemon}/stat")).unwrap();
    let (_, rest) = stat.rsplit_once(") ").unwrap();
    let words: Vec<&str> = rest.split(' ').collect();
    let (session, terminal_number) = (words[3], words[4]);
    assert_eq!(
        (session, terminal_number),
        (daemon.to_string().as_str(), "0"),
        "{stat}"
    );
    let link = |name: &str| fs::read_link(format!("/proc/{daemon}/{name}")).unwrap();
    assert_eq!(link("cwd"), std::path::Path::new("/"));
    assert_eq!(link("fd/0"), std::path::Path::new("/dev/null"));
    for fd in ["1", "2"] {
        let info = fs::read_to_string(format!("/proc/{daemon}/fdinfo/{fd}")).unwrap();
        let flags = info.lines().find_map(|line| line.strip_prefix("flags:"));
        let flags = u32::from_str_radix(flags.unwrap().trim(), 8).unwrap();
        assert_eq!(flags & 3, 1, "the terminal is for writing only: {info}");
    }
    rustix::process::kill_process(
        rustix::process::Pid::from_raw(daemon).unwrap(),
        rustix::process::Signal::TERM,
    )
    .unwrap();
    assert_eq!(terminal.end().code, Some(0));
}

#[test]
fn a_starter_that_keeps_signals_out_does_not_keep_the_daemon_from_ending() {
    let stub = Stub::tcp(Script::default());
    let service = format!("a={}", stub.address());
    let script = "sigprocmask(SIG_BLOCK, POSIX::SigSet->new(SIGTERM, SIGINT)); exec @ARGV";
    let mut command = Command::new("perl");
    command.args(["-MPOSIX", "-e", script, hapolicy(), "-L", "-s", &service]);
    command.args(["--listen", "inet:127.0.0.1:0"]);
    Daemon::of(&mut command, 1).stop();
}

/// By its command line; it is no child of this process.
fn daemon_of(out: &Output, service: &str) -> i32 {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let mut numbers = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let is_it = |number: &i32| {
        let words = fs::read(format!("/proc/{number}/cmdline")).unwrap_or_default();
        let words: Vec<&[u8]> = words.split(|byte| *byte == 0).collect();
        words[0] == hapolicy().as_bytes() && words.contains(&service.as_bytes())
    };
    numbers
        .find(is_it)
        .unwrap_or_else(|| panic!("no daemon: {}", out.text()))
}

/// The directory belongs to its owner and to group root, as Postfix's `private/` does.
#[test]
fn a_socket_is_bound_with_neither_the_groups_nor_the_capabilities_of_root() {
    if !is_root() {
        return;
    }
    let stub = Stub::tcp(Script::default());
    let service = format!("a={}", stub.address());
    for (start, mode) in [
        // Root's group may write there.
        ("exec", 0o770),
        // The system does not take any capability away by itself.
        ("exec setpriv --securebits=+no_setuid_fixup --", 0o700),
    ] {
        let ground = Ground::new();
        chown(&ground.theirs, Some(ATTACKER), Some(0)).unwrap();
        let inner = ground.roots.join("inner");
        fs::create_dir(&inner).unwrap();
        fs::set_permissions(&inner, Permissions::from_mode(mode)).unwrap();
        symlink(&inner, ground.theirs.join("link")).unwrap();
        chown(&inner, Some(0), Some(0)).unwrap();
        std::os::unix::fs::lchown(ground.theirs.join("link"), Some(ATTACKER), None).unwrap();
        let listen = format!("unix:{}/link/x.sock", ground.theirs.display());
        let script = format!("{start} \"$@\"");
        let words = [
            "-c",
            &script,
            "sh",
            hapolicy(),
            "--listen",
            &listen,
            "-s",
            &service,
        ];
        let ended = Process::of(Command::new("/bin/sh").args(words).stdin(Stdio::null())).end();
        assert_ne!(ended.code, Some(0), "{start}: {ended:?}");
        assert!(!inner.join("x.sock").exists(), "{start}: {ended:?}");
    }
}
