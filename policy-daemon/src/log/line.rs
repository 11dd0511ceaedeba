//! The form of a line: the level's name or prefix before a printable text.

use std::borrow::Cow;

use super::{
    level::Level,
    printable::{printable, shown},
};

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
