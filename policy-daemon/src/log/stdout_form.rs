//! The form of a daemon's lines on standard output: a text after its level, or an object in JSON.

use super::{
    entry::Record,
    json::Json,
    lost,
    prefix::{prefixed, tagged},
};

/// The form of lines on standard output.
#[derive(Debug)]
pub(super) enum StdoutForm {
    /// A daemon's text after its level.
    Plain,
    /// An object.
    Json(Json),
}

impl StdoutForm {
    /// Has the parts of a line taken.
    pub(super) fn line(&self, record: &Record<'_>, take: impl FnOnce(&[&str])) {
        match self {
            Self::Plain => take(&tagged(record.level, &prefixed(record.level, record.text))),
            Self::Json(json) => take(&[&json.line(record)]),
        }
    }

    /// The same of the line in place of lost ones.
    pub(super) fn lost(&self, count: u64, take: impl FnOnce(&[&str])) {
        lost::report(count, |record| self.line(record, take));
    }
}
