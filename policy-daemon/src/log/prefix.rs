//! The level of a line before its text: a tag on standard output, and Postfix's word in the text of a daemon.

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
