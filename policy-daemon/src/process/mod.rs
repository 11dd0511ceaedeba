//! The parts of a process that the system gives or takes: descriptors, signals, user, privileges, manager.

pub(crate) mod fd;
pub mod fd_passing;
pub(crate) mod other;
pub(crate) mod owner;
pub(crate) mod privileges;
pub(crate) mod received;
pub(crate) mod signals;
pub(crate) mod stdio;
pub(crate) mod systemd;
pub(crate) mod user;
pub(crate) mod watchdog;
