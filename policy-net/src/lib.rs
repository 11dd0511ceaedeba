//! policy-net
