//! Private servers, as the tests of policy-store have them.

pub(crate) use policy_testing::servers::{
    Server, databases, directory, memcached, redis, run, text,
};
