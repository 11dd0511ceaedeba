//! The form of a line: the level's name or prefix before a printable text.

use super::{level::Level, printable::printable};

/// A daemon's text: printable, with the prefix of its level.
pub(super) fn prefixed(level: Level, text: &[u8]) -> String {
    match level.prefix() {
        "" => printable(text),
        prefix => printable([prefix.as_bytes(), text].concat()),
    }
}

/// A line on standard output.
pub(super) fn tagged(level: Level, text: &str) -> String {
    // Not by `format!`: as a daemon's request costs a line, that would be a tenth of it.
    ["[LOG ", level.as_str(), "]: ", text, "\n"].concat()
}

/// The text in place of lost lines.
pub(super) fn lost(count: u64) -> String {
    format!("{count} log lines were lost")
}

/// The bytes of lines that may wait for standard output: some thousand lines, for a reader that is slow for a moment.
pub(super) const MAX_WAITING: usize = 1 << 20;
