//! One daemon after the other, without a client that notices: `--handover`.

#[path = "../process/mod.rs"]
mod process;
#[path = "../support/mod.rs"]
mod support;
#[path = "../world/mod.rs"]
mod world;

mod hindrance;
mod permission;
mod successor;
mod under_load;
