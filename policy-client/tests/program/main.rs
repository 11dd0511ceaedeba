//! `policy-client`: what it asks, what it answers, and what it prints.

mod batch;
mod check;
mod command_line;
mod conform;
mod daemons;
mod expect;
mod preset;
mod query;
mod serve;

use policy_testing::process::{Ended, policy_client, run};

fn query(args: &[&str]) -> Ended {
    run(policy_client(), &[&["query"], args].concat())
}

fn assert_answered(ended: &Ended, out: &str) {
    let got = (ended.code, ended.out.as_str(), ended.err.as_str());
    assert_eq!(got, (Some(0), out, ""));
}
