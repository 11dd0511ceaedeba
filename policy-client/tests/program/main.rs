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
mod policyd_client;
mod preset;
mod query;
mod replay;
mod screen;
mod script;
mod serve;
mod tap;

use policy_testing::process::{Ended, policy_client, run};

fn query(args: &[&str]) -> Ended {
    run(policy_client(), &[&["query"], args].concat())
}

fn assert_answered(ended: &Ended, out: &str) {
    let got = (ended.code, ended.out.as_str(), ended.err.as_str());
    assert_eq!(got, (Some(0), out, ""));
}
