//! Parts that the benchmarks share: sample requests, operations, peers, processes, one stub, and one report.
//!
//! Criterion (`cargo bench`) times functions, beside the peers for the codec; `--bin instructions` counts
//! instructions, which do not depend on how busy a machine is. The other programs measure whole processes.

pub mod endpoint;
pub mod machine;
pub mod operations;
pub mod ours;
pub mod peers;
pub mod plot;
pub mod process;
pub mod report;
pub mod samples;
pub mod stub;
