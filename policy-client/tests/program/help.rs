//! The help of the program and its subcommands, beside files that hold it: `WRITE_SNAPSHOTS=1 cargo test` writes them
//! again.

use std::{
    collections::BTreeSet,
    env, fs,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::Command,
};

use policy_testing::process::{Process, policy_client, run};

#[test]
fn the_help_of_each_subcommand_is_as_it_was_read() {
    let help = run(policy_client(), &["--help"]).out;
    let (_, commands) = help.split_once("Commands:\n").unwrap();
    let commands = commands.lines().take_while(|line| !line.is_empty());
    let names = commands.filter_map(|line| line.split_whitespace().next());
    let names = names.filter(|name| *name != "help");
    let mut compared = BTreeSet::new();
    // One of them is not shown.
    for name in names.chain(["", "completions"]) {
        for (option, suffix) in [("--help", ""), ("-h", ".short")] {
            let mut words = vec![name, option];
            words.retain(|word| !word.is_empty());
            let ended = run(policy_client(), &words);
            assert_eq!((ended.code, &*ended.err), (Some(0), ""), "{words:?}");
            let program = if name.is_empty() {
                "policy-client"
            } else {
                name
            };
            compared.insert(compare(&format!("{program}{suffix}.txt"), &ended.out));
        }
    }
    let mut command = Command::new(policy_client());
    let ended = Process::of(command.arg0("policyd-client").arg("--help")).end();
    compared.insert(compare("policyd-client.txt", &ended.out));
    let files = fs::read_dir(directory()).unwrap();
    let files = files.map(|file| file.unwrap().path()).collect();
    assert_eq!(compared, files, "no other file is there");
}

/// Compares a text with a file, whose path it returns.
fn compare(file: &str, text: &str) -> PathBuf {
    let path = directory().join(file);
    if env::var_os("WRITE_SNAPSHOTS").is_some() {
        fs::write(&path, text).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(text, expected, "{file}; WRITE_SNAPSHOTS=1 writes it again");
    path
}

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/program/help")
}
