//! `policy-client`: what it asks, what it answers, and what it prints.

mod bench;
mod bench_output;
mod command_line;
mod expect;
mod help;
mod preset;
mod query;
mod screen;
mod script;
mod serve;

use policy_testing::process::{Ended, policy_client, run};

fn query(args: &[&str]) -> Ended {
    run(policy_client(), &[&["query"], args].concat())
}

fn assert_answered(ended: &Ended, out: &str) {
    let got = (ended.code, ended.out.as_str(), ended.err.as_str());
    assert_eq!(got, (Some(0), out, ""));
}
