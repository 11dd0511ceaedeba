//! Lines that are lost: how many may wait, and the line in their place.

use super::{MessageId, entry::Record, level::Level};

/// Has the line in place of lost ones taken.
pub(super) fn report<T>(count: u64, take: impl FnOnce(&Record<'_>) -> T) -> T {
    let text = lost(count);
    take(&Record {
        id: Some(MessageId::LINES_LOST),
        ..Record::plain(Level::Warning, text.as_bytes())
    })
}

/// The text in place of lost lines.
pub(super) fn lost(count: u64) -> String {
    format!("{count} log lines were lost")
}

/// The bytes of lines that may wait for standard output: some thousand lines, for a reader that is slow for a moment.
pub(super) const MAX_WAITING: usize = 1 << 20;
