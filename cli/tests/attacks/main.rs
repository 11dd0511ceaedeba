//! Attacks of local users, the daemon's own user, and a hostile predecessor on a daemon that root starts.
//!
//! Each attacker is another user, in namespaces of its own. All of it needs root.

mod attacker;
mod handover_path;
mod predecessor;
mod rights;
mod socket_file;
mod starter;
mod store;
mod successor;
