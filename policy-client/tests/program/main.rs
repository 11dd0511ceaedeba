//! `policy-client`: what it asks, what it answers, and what it prints.

mod batch;
mod bench;
mod bench_output;
mod check;
mod closed_loop;
mod command_line;
mod completions;
mod conform;
mod conversation;
mod daemons;
mod expect;
mod explain;
mod help;
mod peer;
mod policyd_client;
mod preset;
mod query;
mod replay;
mod screen;
mod script;
mod serve;
mod standard_input;
mod tap;
mod terminal;

use std::process::Command;

use policy_testing::process::{Ended, Process, policy_client, run};

fn query(args: &[&str]) -> Ended {
    run(policy_client(), &[&["query"], args].concat())
}

fn assert_answered(ended: &Ended, out: &str) {
    let got = (ended.code, ended.out.as_str(), ended.err.as_str());
    assert_eq!(got, (Some(0), out, ""));
}

/// Starts the program with a standard output that takes nothing.
fn onto_a_full_disk(args: &[&str]) -> Process {
    let script = r#"exec "$0" "$@" >/dev/full"#;
    let mut command = Command::new("sh");
    Process::of(command.args(["-c", script, policy_client()]).args(args))
}

/// What it says there.
const FULL: &str = "standard output: No space left on device (os error 28)";
