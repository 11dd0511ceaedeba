//! The plugins in front of real servers: MariaDB, PostgreSQL, Redis, slapd, and files that `postmap` has written.

mod databases;
mod directory;
mod maps;
mod redis;
mod support;
#[allow(dead_code, reason = "the tests without servers use all of it")]
#[path = "../stores/world.rs"]
mod world;
