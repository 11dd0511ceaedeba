//! The example programs run, and what they print is what they say.

#[path = "../examples/scored_chain.rs"]
mod scored_chain;

#[test]
fn the_scored_chain_answers_as_it_says_without_a_network() {
    scored_chain::main().unwrap();
}
