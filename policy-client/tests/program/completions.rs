//! `policy-client completions`: what shells complete.

use policy_testing::process::{Process, policy_client, run};
use std::{fs, process::Command};
use tempfile::TempDir;

#[test]
fn each_shell_reads_what_is_printed_for_it_and_completes_subcommands_and_options() {
    let dir = TempDir::new().unwrap();
    for (shell, script) in [
        (
            "bash",
            ". FILE; COMP_WORDS=(policy-client query --pre); COMP_CWORD=2; _policy-client policy-client --pre query; echo ${COMPREPLY[@]}",
        ),
        (
            "zsh",
            "autoload -Uz compinit; compinit -u -d DUMP; . FILE; whence -w _policy-client",
        ),
        (
            "fish",
            "source FILE; complete --do-complete='policy-client query --pre'",
        ),
    ] {
        let ended = run(policy_client(), &["completions", shell]);
        assert_eq!((ended.code, &*ended.err), (Some(0), ""));
        let file = dir.path().join(shell);
        fs::write(&file, ended.out).unwrap();
        let script = script
            .replace("FILE", file.to_str().unwrap())
            .replace("DUMP", dir.path().join("dump").to_str().unwrap());
        let mut command = Command::new(shell);
        command.args(["-c", &script]).env("HOME", dir.path());
        // Shells other than bash are not on every machine; what is printed for them is written by the same library.
        if shell != "bash" && command.output().is_err() {
            println!("{shell} is not there");
            continue;
        }
        let ended = Process::of(&mut command).end();
        assert_eq!(ended.code, Some(0), "{shell}: {ended:?}");
        let expected = if shell == "zsh" {
            "function"
        } else {
            "--preset"
        };
        assert!(ended.out.contains(expected), "{shell}: {ended:?}");
    }
}

#[test]
fn completions_are_not_in_the_help() {
    let ended = run(policy_client(), &["--help"]);
    assert!(!ended.out.contains("completions"), "{ended:?}");
}
