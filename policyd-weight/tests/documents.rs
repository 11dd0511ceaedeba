//! Each block of the manual is run.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use policyd_weight::{config::DefaultSet, perl::evaluate};

fn manual() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/policyd-weight.md");
    fs::read_to_string(path).expect("the manual")
}

/// The kinds and the texts of the manual's blocks.
fn blocks(text: &str) -> Vec<(String, String)> {
    let mut blocks = vec![];
    let mut open: Option<(String, String)> = None;
    for line in text.lines() {
        match (line.strip_prefix("```"), &mut open) {
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (Some(kind), None) => open = Some((kind.to_owned(), String::new())),
            (None, Some((_, block))) => {
                block.push_str(line);
                block.push('\n');
            }
            (None, None) => {}
        }
    }
    blocks
}

/// Runs each line after `$ `, and compares what it prints with the lines after it.
fn console(block: &str, directory: &Path) {
    let program = PathBuf::from(env!("CARGO_BIN_EXE_policyd-weight"));
    let path = format!(
        "{}:{}",
        program.parent().unwrap().display(),
        env::var("PATH").unwrap()
    );
    for command in block.split("$ ").filter(|command| !command.is_empty()) {
        let (line, expected) = command.split_once('\n').unwrap();
        let output = Command::new("sh")
            .args(["-c", line])
            .env("PATH", &path)
            .current_dir(directory)
            .output()
            .unwrap();
        let printed = String::from_utf8_lossy(&output.stdout);
        assert_eq!(
            printed,
            expected,
            "{line}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        assert!(output.status.success(), "{line}");
    }
}

/// Postfix takes a file, and says nothing against it.
fn postfix(name: &str, block: &str, words: &[&str]) {
    let directory = tempfile::tempdir().unwrap();
    for file in ["main.cf", "master.cf"] {
        fs::write(
            directory.path().join(file),
            if file == name { block } else { "" },
        )
        .unwrap();
    }
    let output = Command::new("/usr/sbin/postconf")
        .arg("-c")
        .arg(directory.path())
        .args(words)
        .output();
    let output = output.expect("the Debian package postfix");
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && printed.contains("policyd-weight") | printed.contains("12525"),
        "{output:?}"
    );
    assert!(output.stderr.is_empty(), "{output:?}");
}

#[test]
fn each_block_of_the_manual_is_right() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(
        directory.path().join("old.conf"),
        "@dnsbl_score = ('bl.spamcop.net', 3.75, -1.5, 'SPAMCOP');\n",
    )
    .unwrap();
    let mut kinds = vec![];
    for (kind, block) in blocks(&manual()) {
        match kind.as_str() {
            "console" => console(&block, directory.path()),
            "perl" => {
                let defaults = DefaultSet::Debian.options(false).unwrap();
                assert_eq!(evaluate(block.as_bytes(), &defaults).unwrap().warnings, []);
            }
            "main.cf" => postfix("main.cf", &block, &["-n"]),
            "master.cf" => postfix("master.cf", &block, &["-M"]),
            _ => panic!("a block of no kind: {kind}"),
        }
        kinds.push(kind);
    }
    kinds.sort();
    kinds.dedup();
    assert_eq!(kinds, ["console", "main.cf", "master.cf", "perl"]);
}

/// The texts of all lines of the log that the sources have are in the manual's table.
#[test]
fn each_line_of_the_log_has_its_row() {
    let manual = manual();
    for text in [
        "started and daemonized. conf:",
        "listening on ",
        " reloaded",
        "cache: purged ",
        "cache killed",
        " is asked again",
        " is skipped: ",
        "the cache is in memory only: ",
        "the cache's file cannot be written: ",
        "no socket for -s and -k at ",
        "conf-err: ",
        "ignoring garbage: ",
        "unrecognized request type: '",
        "no more requests: ",
        "Got SIGTERM. Daemon terminated.",
        "the configuration stays as it was: ",
        "no cache's file and no tests of lists: ",
    ] {
        let rows = manual
            .lines()
            .filter(|line| line.starts_with("| ") && line.contains('`'));
        assert!(rows.clone().any(|row| row.contains(text)), "{text}");
    }
}

/// What a log analyser looks for.
#[test]
fn manual_pages_can_be_read() {
    for page in ["policyd-weight.8", "policyd-weight.conf.5"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../docs")
            .join(page);
        let output = Command::new("man")
            .args(["--warnings", "-l"])
            .arg(&path)
            .env("MANWIDTH", "80")
            .output();
        let output = output.expect("the Debian package man-db");
        assert!(
            output.status.success() && output.stderr.is_empty(),
            "{page}: {output:?}"
        );
        assert!(output.stdout.len() > 500, "{page}");
    }
}
