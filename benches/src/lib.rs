//! What the benchmarks share: sample requests, our decoder at work, and its peers.
//!
//! `cargo bench` (criterion) is for work on one function; `--bin table` compares with the peers side
//! by side, for the record.

pub mod ours;
pub mod peers;
pub mod samples;
