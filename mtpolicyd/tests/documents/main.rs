//! The manual, the shipped configuration and the front page say what the program does.

mod blocks;
mod commands;
mod log;

use std::{
    fs,
    path::PathBuf,
    process::{Command, Stdio},
};

use policy_testing::process::Process;

fn docs(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "../docs", name]
        .iter()
        .collect()
}

#[test]
fn the_shipped_configuration_has_nothing_to_be_said_about() {
    let shipped = fs::read_to_string(docs("mtpolicyd.conf")).unwrap();
    // A user that each system has, not that of the package alone.
    let shipped = shipped.replace("user = mtpolicyd", "user = nobody");
    let shipped = shipped.replace("group = mtpolicyd", "group = nogroup");
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("mtpolicyd.conf");
    fs::write(&path, shipped).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_mtpolicyd"));
    command.args(["--check-config", "--strict", "-c"]).arg(path);
    let ended = Process::of(command.stdin(Stdio::null())).end();
    assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""));
}

#[test]
fn each_block_of_the_shipped_configuration_is_explained_and_its_sessions_are_in_memory() {
    let text = fs::read_to_string(docs("mtpolicyd.conf")).unwrap();
    let lines: Vec<_> = text.lines().collect();
    let mut blocks = 0;
    for (index, line) in lines.iter().enumerate() {
        // What is in a plugin's block is explained with it.
        let is_block = ["<", "  <Plugin "]
            .iter()
            .any(|begin| line.starts_with(begin));
        if is_block && !line.starts_with("</") {
            assert!(lines[index - 1].trim_start().starts_with("# "), "{line}");
            blocks += 1;
        }
    }
    assert!(blocks > 10, "{blocks}");
    let cache = lines.iter().position(|line| *line == "<SessionCache>");
    assert_eq!(lines[cache.unwrap() + 1], "  module = Memory");
}

#[cfg_attr(not(feature = "interop"), ignore = "needs man-db")]
#[test]
fn manual_pages_can_be_read() {
    for (page, words) in [
        (
            "mtpolicyd.8",
            &[
                "--check-config",
                "--explain",
                "--dry-run",
                "--compat",
                "--cron",
            ][..],
        ),
        (
            "mtpolicyd.conf.5",
            &["VirtualHost", "SessionCache", "Connection", "Plugin"],
        ),
    ] {
        let mut command = Command::new("man");
        command.args(["--warnings", "-l"]).arg(docs(page));
        let output = command.env("MANWIDTH", "80").output().unwrap();
        let is_read = output.status.success() && output.stderr.is_empty();
        assert!(is_read, "{page}: {output:?}");
        let text = String::from_utf8(output.stdout).unwrap();
        for word in words {
            assert!(text.contains(word), "{page}: {word}");
        }
    }
}

/// Each module has a section of the manual, and each section's module is there.
#[test]
fn each_plugin_has_its_section() {
    let manual = fs::read_to_string(docs("mtpolicyd.md")).unwrap();
    let table =
        fs::read_to_string(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/plugins/mod.rs"))
            .unwrap();
    let modules = table
        .lines()
        .filter_map(|line| line.trim().strip_prefix("(\"")?.split('"').next());
    let headings: Vec<_> = manual
        .lines()
        .filter_map(|line| line.strip_prefix("### "))
        .collect();
    let documented: Vec<_> = headings
        .iter()
        .flat_map(|heading| heading.split(", "))
        .collect();
    let modules: Vec<_> = modules.collect();
    let missing: Vec<_> = modules
        .iter()
        .filter(|module| !documented.contains(module))
        .collect();
    let unknown: Vec<_> = documented
        .iter()
        .filter(|name| !modules.contains(name))
        .collect();
    assert_eq!((missing, unknown), (Vec::new(), Vec::new()));
    assert!(modules.len() > 10);
}
