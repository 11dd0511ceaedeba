//! What the process has from the system: descriptors, signals, users, privileges.

pub(crate) mod apart;
pub(crate) mod fd;
pub(crate) mod owner;
pub(crate) mod privileges;
pub(crate) mod signals;
pub(crate) mod stdio;
pub(crate) mod systemd;
pub(crate) mod user;
