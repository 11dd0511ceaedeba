//! The page at `/`: who is up, since when and why not, what came of the last quarter of an hour, and the last changes.
//!
//! It is one page without a script. It loads nothing, and the browser asks for it again every ten seconds.

mod changes;
mod history;
mod html;
mod page;
mod plot;
mod units;

pub use changes::Changes;

pub(super) use history::{History, INTERVAL};
pub(super) use page::{POLICY, Page};
