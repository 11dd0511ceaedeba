//! The commands of the manual and of the front page.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use policy_testing::{
    port::Port,
    process::{Client, Process, Signal, is_root},
};

use super::docs;

/// The command lines of a document's blocks of kind `text`, with the heading before them.
fn commands(document: &str) -> Vec<String> {
    let text = fs::read_to_string(document).unwrap();
    let mut lines = Vec::new();
    let mut is_open = false;
    for line in text.lines() {
        if let Some(kind) = line.strip_prefix("```") {
            is_open = !is_open && kind == "text";
        } else if is_open {
            lines.push(line.to_owned());
        }
    }
    lines
}

/// Runs the program as a line says, with a configuration of the repository in the place of the installed one.
fn run_as_said(words: &str) {
    let directory = tempfile::tempdir().unwrap();
    let port = Port::any();
    let shipped = fs::read_to_string(docs("mtpolicyd.conf")).unwrap();
    let shipped = shipped.replace("12345", &port.number().to_string());
    let user = if is_root() { "nobody" } else { "" };
    let shipped = shipped.replace("user = mtpolicyd", &format!("user = {user}"));
    let shipped = shipped.replace("group = mtpolicyd", "group = nogroup");
    let path = directory.path().join("mtpolicyd.conf");
    fs::write(&path, shipped).unwrap();
    let words = words.replace("/etc/mtpolicyd/mtpolicyd.conf", &path.display().to_string());
    if let Some(words) = words.strip_prefix("ctl ") {
        return command_as_said(words, &path);
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_mtpolicyd"));
    command
        .args(words.split_whitespace())
        .current_dir(directory.path());
    let process = Process::of(command.stdin(Stdio::null()));
    if words.contains("-f") {
        assert!(
            process.err.wait_lines(1, "listening on "),
            "{}",
            process.err.text()
        );
        process.signal(Signal::TERM);
    }
    assert_eq!(process.end().code, Some(0), "{words}");
}

/// Sends a command to a daemon with this configuration.
fn command_as_said(words: &str, config: &Path) {
    let directory = config.parent().unwrap();
    // The daemon's user reads it again.
    for (path, mode) in [(directory, 0o755), (config, 0o644)] {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }
    let control = directory.join("control").display().to_string();
    let start = |words: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mtpolicyd"));
        Process::of(command.args(words).stdin(Stdio::null()))
    };
    let address = format!("unix:{control}");
    let config = config.display().to_string();
    let daemon = start(&["-f", "-c", &config, "--control", &address]);
    assert!(
        daemon.err.wait_lines(1, "commands at "),
        "{}",
        daemon.err.text()
    );
    let words: Vec<_> = words.split_whitespace().collect();
    let ended = start(&[&["ctl", "--socket", &control], &words[..]].concat()).end();
    assert_eq!(ended.code, Some(0), "{words:?}: {ended:?}");
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.end().code, Some(0));
}

#[test]
fn the_commands_of_the_manual_and_of_the_front_page_are_those_that_work() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut run = 0;
    for document in ["docs/mtpolicyd.md", "README.md"] {
        let lines = commands(&root.join(document).display().to_string());
        let mut made_user = false;
        for line in lines {
            let words = line.split_once("mtpolicyd -- ").map(|(_, words)| words);
            let words = words.or_else(|| line.strip_prefix("mtpolicyd "));
            if let Some(words) = words {
                run_as_said(words);
                run += 1;
            }
            made_user |= line.starts_with("adduser ") && line.ends_with(" mtpolicyd");
            if line.starts_with("install ") && line.contains("mtpolicyd") {
                let words: Vec<&str> = line.split_whitespace().collect();
                let source = words[words.len() - 2];
                let is_there = source == "target/release/mtpolicyd" || root.join(source).is_file();
                assert!(is_there, "{document}: {source}");
                assert!(
                    made_user || !line.contains("-g mtpolicyd"),
                    "{document}: the user is made before"
                );
                run += 1;
            }
        }
    }
    assert!(run >= 6, "{run}");
    // The unit and the block of installation name the same places.
    let unit = fs::read_to_string(docs("../contrib/systemd/mtpolicyd.service")).unwrap();
    let manual = fs::read_to_string(docs("mtpolicyd.md")).unwrap();
    for place in ["/usr/local/sbin/mtpolicyd", "/etc/mtpolicyd/mtpolicyd.conf"] {
        assert!(unit.contains(place) && manual.contains(place), "{place}");
    }
}

#[cfg_attr(not(feature = "interop"), ignore = "needs sqlite3")]
#[test]
fn a_backup_by_the_command_of_the_manual_is_whole() {
    let lines = commands(&docs("mtpolicyd.md").display().to_string());
    let line = lines.iter().find(|line| line.starts_with("sqlite3 "));
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).display().to_string();
    let port = Port::any();
    let config = format!(
        "port={0}\n<Connection db>\nmodule=Sql\ndsn=dbi:SQLite:dbname={1}\n</Connection>\n<VirtualHost {0}>\nname=t\n\
         <Plugin count>\nmodule=Accounting\nfields=sender\n</Plugin>\n</VirtualHost>\n",
        port.number(),
        path("db.sqlite")
    );
    fs::write(path("mt.conf"), config).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_mtpolicyd"));
    command.args(["-f", "-c", &path("mt.conf")]);
    let daemon = Process::of(command.stdin(Stdio::null()));
    assert!(daemon.err.wait_lines(1, "listening on "));
    let mut client = Client::connect(&format!("127.0.0.1:{}", port.number()));
    client.send(b"request=smtpd_access_policy\nsender=a@x\ninstance=1\nsize=1\n\n");
    assert!(client.reply().is_some());
    let line = line.unwrap().replace("/var/lib/mtpolicyd", &path(""));
    let line = line.replace("/var/backups", &path(""));
    let run = |line: &str| {
        let ran = Command::new("sh").args(["-c", line]).output().unwrap();
        assert!(ran.status.success(), "{line}: {ran:?}");
        String::from_utf8(ran.stdout).unwrap()
    };
    run(&line);
    let find = format!(
        "sqlite3 {} 'SELECT key, count FROM acct_sender'",
        path("mtpolicyd.sqlite")
    );
    assert_eq!(run(&find), "a@x|1\n");
}
