//! What the benchmarks share: sample requests, our decoder and our balancer at work, peers, and plots.
//!
//! Three programs measure with it. `cargo bench` (criterion) is for work on one function; `--bin
//! table` compares with the peers side by side, for the record; `--bin instructions` counts
//! instructions, which do not drift, for CI.

pub mod arriving;
pub mod endpoint;
pub mod machine;
pub mod ours;
pub mod peers;
pub mod plot;
pub mod process;
pub mod samples;
pub mod select;
