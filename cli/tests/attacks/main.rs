//! What local users, the daemon's own user, and a hostile daemon before it try against a daemon that root starts.
//!
//! Each attacker is another user, in namespaces of its own. All of it needs root.

#[path = "../handover_talk/mod.rs"]
mod handover_talk;
#[path = "../process/mod.rs"]
mod process;
#[path = "../support/mod.rs"]
mod support;
#[path = "../world/mod.rs"]
mod world;

mod attacker;
mod handover_path;
mod predecessor;
mod rights;
mod socket_file;
mod starter;
mod store;
mod successor;
