//! `policy-client`: what it asks, what it answers, and what it prints.

#[path = "../process/mod.rs"]
mod process;
#[path = "../support/mod.rs"]
mod support;

mod command_line;
mod expect;
mod preset;
mod query;
mod serve;

use process::{Ended, POLICY_CLIENT, run};

fn query(args: &[&str]) -> Ended {
    run(POLICY_CLIENT, &[&["query"], args].concat())
}

fn assert_answered(ended: &Ended, out: &str) {
    let got = (ended.code, ended.out.as_str(), ended.err.as_str());
    assert_eq!(got, (Some(0), out, ""));
}
