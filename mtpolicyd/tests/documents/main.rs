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
    let mut command = Command::new(env!("CARGO_BIN_EXE_mtpolicyd"));
    command
        .args(["--check-config", "--strict", "-c"])
        .arg(docs("mtpolicyd.conf"));
    let ended = Process::of(command.stdin(Stdio::null())).end();
    assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""));
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
