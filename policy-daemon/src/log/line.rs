//! The form of a line: the level's name or prefix before a printable text.

use std::borrow::Cow;

use super::{
    MessageId,
    entry::Record,
    json::Json,
    level::Level,
    printable::{printable, shown},
};

/// The form of lines on standard output.
#[derive(Debug)]
pub(super) enum LineForm {
    /// A daemon's text after its level.
    Plain,
    /// An object.
    Json(Json),
}

impl LineForm {
    /// Has the parts of a line taken.
    pub(super) fn line(&self, record: &Record<'_>, take: impl FnOnce(&[&str])) {
        match self {
            Self::Plain => take(&tagged(record.level, &prefixed(record.level, record.text))),
            Self::Json(json) => take(&[&json.line(record)]),
        }
    }

    /// The same of the line in place of lost ones.
    pub(super) fn lost(&self, count: u64, take: impl FnOnce(&[&str])) {
        let text = lost(count);
        let record = Record {
            id: Some(MessageId::LINES_LOST),
            ..Record::plain(Level::Warning, text.as_bytes())
        };
        self.line(&record, take);
    }
}

/// A daemon's text: printable, with the prefix of its level.
pub(super) fn prefixed(level: Level, text: &[u8]) -> Cow<'_, str> {
    match level.prefix() {
        "" => shown(text),
        prefix => Cow::Owned(printable([prefix.as_bytes(), text].concat())),
    }
}

/// The parts of a line on standard output.
pub(super) const fn tagged(level: Level, text: &str) -> [&str; 5] {
    ["[LOG ", level.as_str(), "]: ", text, "\n"]
}

/// The text in place of lost lines.
pub(super) fn lost(count: u64) -> String {
    format!("{count} log lines were lost")
}

/// The bytes of lines that may wait for standard output: some thousand lines, for a reader that is slow for a moment.
pub(super) const MAX_WAITING: usize = 1 << 20;
