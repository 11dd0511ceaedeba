//! The install section from a fresh clone of what is committed: the very line that it has a reader build with.

use std::{path::Path, process::Command};

use policy_testing::process::hapolicy;
use tempfile::TempDir;

use crate::{
    block::{Kind, of_markdown, root},
    follow::Reader,
    machine::Machine,
    uninstall::install_and_uninstall,
};

#[test]
#[ignore = "builds all once more, optimized: .ci/run"]
fn a_fresh_clone_is_built_as_the_readme_says_and_what_is_built_can_be_installed_and_uninstalled() {
    let directory = TempDir::new().unwrap();
    let clone = directory.path().join("hapolicy");
    run(Command::new("git")
        .args(["clone", "--quiet"])
        .arg(root())
        .arg(&clone));
    let readme = std::fs::read_to_string(clone.join("README.md")).unwrap();
    let blocks = of_markdown("README.md", &readme);
    let build = blocks
        .iter()
        .find(|block| block.kind == Ok(Kind::Shell) && block.text.starts_with("cargo build"));
    let build = &build.expect("the README says how to build").text;
    // What it needs from elsewhere has been fetched for these tests. A directory for all runs, so that not all is built again.
    let target = Path::new(hapolicy())
        .ancestors()
        .nth(2)
        .expect("a target directory");
    run(Command::new("sh")
        .args(["-e", "-c", build])
        .current_dir(&clone)
        .env("CARGO_TARGET_DIR", target)
        .env("CARGO_NET_OFFLINE", "true"));

    let built = |name: &str| target.join("release").join(name);
    let machine = Machine::boot_with(&clone, &built("hapolicy"), &built("policy-client"));
    let reader = Reader::at(machine);
    let version = reader.machine.must("/usr/src/test/hapolicy --version");
    assert_eq!(version, format!("hapolicy {}\n", env!("CARGO_PKG_VERSION")));
    install_and_uninstall(reader);
}

fn run(command: &mut Command) {
    let status = command.status().expect("it is installed");
    assert!(status.success(), "{command:?}: {status}");
}
