//! What the benchmarks share: sample requests, our decoder at work, and its peers.

pub mod ours;
pub mod peers;
pub mod samples;
