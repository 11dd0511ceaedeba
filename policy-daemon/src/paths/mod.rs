//! Paths that other users may change: who decides where one leads, and what root does along it.

mod directories;
pub(crate) use directories::{Directories, Exposed};

mod file_place;
pub use file_place::FilePlace;

mod file_rights;
pub(crate) use file_rights::with_rights_of;
