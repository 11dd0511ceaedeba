//! The plugins in front of real servers: MariaDB, PostgreSQL, Redis, memcached, slapd, and files that `postmap` has written.

mod daemon;
mod databases;
mod directory;
mod end_of_message;
mod explain;
mod explain_lists;
mod faults;
mod greylist;
#[path = "../stores/hosts.rs"]
mod hosts;
mod locked_file;
mod maps;
mod metrics;
mod postfix;
mod redis;
mod reload;
mod sessions;
mod silent_dns;
mod support;
mod webhook;
#[allow(dead_code, reason = "the tests without servers use all of it")]
#[path = "../stores/world.rs"]
mod world;
