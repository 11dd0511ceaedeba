//! policy-ha
