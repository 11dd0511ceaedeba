//! Servers that lie, for tests and benchmarks.
