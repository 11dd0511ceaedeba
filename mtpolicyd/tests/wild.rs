//! Configurations as they are in use: the check names their dead lists and the keys that mean nothing, and they start.
//!
//! The files of `tests/data/wild` have the keys and the lists of seven public configurations.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    process::{Command, Stdio},
};

use policy_testing::{
    port::Port,
    process::{Ended, Process, Signal, is_root},
};

const PROCESSES: &[&str] = &[
    "`min_servers` means nothing",
    "`min_spare_servers` means nothing",
    "`max_spare_servers` means nothing",
    "`max_servers` means nothing",
    "`max_requests` means nothing",
];
const OPEN: &[&str] = &["other machines can connect here: `allow`"];
const OLD: &[&str] = &[
    "db_dsn, db_user, db_password are of mtpolicyd 1.x",
    "`dsn` names no database",
    "memcached_servers, memcached_namespace are of mtpolicyd 1.x",
    "session_lock_wait, session_lock_max_retry, session_lock_timeout are of mtpolicyd 1.x",
];
const DEAD: &[&str] = &[
    "the list dnsbl.sorbs.net is dead since 2024-06",
    "the list ix.dnsbl.manitu.net is dead since 2025-01",
    "the list drone.abuse.ch is dead",
    "the list db.wpbl.info is dead",
];

/// Parts of texts.
type Parts = &'static [&'static str];

/// The file, its warnings and its errors.
const FILES: &[(&str, &[Parts], Parts)] = &[
    ("shipped", &[PROCESSES], DEAD),
    ("docker", &[OPEN, PROCESSES], DEAD),
    ("openshift", &[OPEN, PROCESSES], DEAD),
    (
        "ldap",
        &[OPEN, PROCESSES, &["`timeout` means nothing here"]],
        &[],
    ),
    ("minimal", &[], &[]),
    ("lists_of_1x", &[OLD], &[]),
    ("context_of_1x", &[OLD], &[]),
];

/// A user that each system has.
const USER: &[(&str, &str)] = &[
    ("user=mtpolicyd", "user=nobody"),
    ("group=mtpolicyd", "group=nogroup"),
];

/// An address that another machine has, and one that each has.
const NO_ADDRESS_HERE: (&str, &str) = ("10.10.10.10", "0.0.0.0");

/// Runs the program with a file, in which some words are others.
fn run(name: &str, words: &[&str], replaced: &[(&str, &str)]) -> Process {
    let path = format!("{}/tests/data/wild/{name}.conf", env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(path).unwrap();
    let text = replaced
        .iter()
        .fold(text, |text, (from, to)| text.replace(from, to));
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("wild.conf");
    fs::write(&path, text).unwrap();
    // Some have passwords.
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_mtpolicyd"));
    command
        .args(words)
        .arg("-c")
        .arg(&path)
        .stdin(Stdio::null());
    let process = Process::of(&mut command);
    // The file is there until the program has read it.
    if words == ["-f"] {
        let is_ready = process.err.wait_lines(1, "listening on ");
        assert!(is_ready, "{name}: {}", process.err.text());
    } else {
        _ = process.out.wait(|said| said.ended);
    }
    process
}

#[test]
fn the_check_names_each_dead_list_and_each_ignored_key_and_nothing_else() {
    for (name, warnings, errors) in FILES {
        let replaced = [USER, &[NO_ADDRESS_HERE]].concat();
        let Ended { code, err, .. } = run(name, &["--check-config"], &replaced).end();
        assert_eq!(
            code,
            Some(if errors.is_empty() { 0 } else { 78 }),
            "{name}: {err}"
        );
        for (severity, parts) in [("warning", warnings.concat()), ("error", errors.to_vec())] {
            let marked = format!(": {severity}: ");
            let found: Vec<_> = err.lines().filter(|line| line.contains(&marked)).collect();
            assert_eq!(found.len(), parts.len(), "{name}: {err}");
            for part in parts {
                assert!(
                    found.iter().any(|line| line.contains(part)),
                    "{name}: {part}: {err}"
                );
            }
        }
    }
}

#[test]
fn the_daemon_starts_with_each_and_warns_of_the_same_keys() {
    for (name, warnings, errors) in FILES {
        let ports = [Port::any(), Port::any()];
        let [port, other] = ports.each_ref().map(|port| port.number().to_string());
        let mut replaced = vec![("12345", port.as_str()), ("12346", &other), NO_ADDRESS_HERE];
        if is_root() {
            replaced.extend(USER);
        }
        let has_port = !matches!(*name, "minimal" | "lists_of_1x" | "context_of_1x");
        let listen = format!("keepalive_timeout=0\nport={port}\n");
        if !has_port {
            replaced.push(("keepalive_timeout=0\n", &listen));
        }
        let process = run(name, &["-f"], &replaced);
        let said = process.err.text();
        for part in warnings.concat().iter().chain(*errors) {
            assert!(said.contains(part), "{name}: {part}: {said}");
        }
        process.signal(Signal::TERM);
        assert_eq!(process.end().code, Some(0), "{name}");
    }
}
