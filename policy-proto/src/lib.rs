//! policy-proto
