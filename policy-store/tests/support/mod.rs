//! What tests of stores share beside the servers, which the crate `testing` has.
#![allow(
    dead_code,
    unreachable_pub,
    unused_imports,
    reason = "each test that includes this module uses a part of it"
)]

pub mod faults;

pub use policy_testing::servers::{
    Server, databases, directory, free_port, memcached, redis, run, text,
};
