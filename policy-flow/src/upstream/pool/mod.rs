//! Which connection a request gets, of those that a backend may have.

pub(crate) mod idle;
pub(crate) mod permit;
pub(crate) mod shared;
pub(crate) mod sharing;
