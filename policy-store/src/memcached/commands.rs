//! Commands in memcached's text protocol, as the bytes that are sent.

use std::{ops::Range, time::Duration};

use super::replies::Expect;

/// How much of a command is neither key nor value: a verb, numbers, blanks and line ends.
const MAX_NUMBERS: usize = 64;

/// Whether a server takes a key as it is: not empty, no blank, no control character.
pub(super) fn is_plain_key(key: &[u8]) -> bool {
    !key.is_empty() && key.iter().all(|byte| *byte > b' ' && *byte != 0x7f)
}

/// What one call asks: commands that are sent in one piece, and the kind of reply that each has.
#[derive(Debug, Default)]
pub(super) struct Commands {
    bytes: Vec<u8>,
    /// Where in the bytes the key of a value is, or nothing where a line is expected.
    expected: Vec<Option<Range<usize>>>,
}

impl Commands {
    /// A command with a key that a server takes, and no more words.
    pub(super) fn of(verb: &str, key: &[u8]) -> Self {
        Self::default().word(verb, key, "")
    }

    /// What is sent.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The kind of reply that this command has, if there are so many.
    pub(super) fn expected(&self, number: usize) -> Option<Expect<'_>> {
        let key = self.expected.get(number)?;
        let key = key.clone().and_then(|key| self.bytes.get(key));
        Some(key.map_or(Expect::Line, Expect::Value))
    }

    /// And a command with a key and a word.
    #[must_use]
    pub(super) fn word(mut self, verb: &str, key: &[u8], word: &str) -> Self {
        let blank = if word.is_empty() { "" } else { " " };
        self.add(&[
            verb.as_bytes(),
            b" ",
            key,
            blank.as_bytes(),
            word.as_bytes(),
            b"\r\n",
        ]);
        self.expected.push(None);
        self
    }

    /// And one that asks for the value of a key.
    #[must_use]
    pub(super) fn gets(mut self, key: &[u8]) -> Self {
        const VERB: &[u8] = b"gets ";
        let begin = self.bytes.len() + VERB.len();
        self.add(&[VERB, key, b"\r\n"]);
        self.expected.push(Some(begin..begin + key.len()));
        self
    }

    /// And one that writes a value. `exptime` is memcached's; `unique` is for `cas`.
    #[must_use]
    pub(super) fn storage(
        mut self,
        verb: &str,
        key: &[u8],
        value: &[u8],
        exptime: i64,
        unique: Option<u64>,
    ) -> Self {
        // Not by `format!`: each session costs three of these.
        self.bytes.reserve(MAX_NUMBERS + key.len() + value.len());
        self.add(&[verb.as_bytes(), b" ", key, b" 0 "]);
        self.add(&[
            exptime.to_string().as_bytes(),
            b" ",
            value.len().to_string().as_bytes(),
        ]);
        if let Some(unique) = unique {
            self.add(&[b" ", unique.to_string().as_bytes()]);
        }
        self.add(&[b"\r\n", value, b"\r\n"]);
        self.expected.push(None);
        self
    }

    fn add(&mut self, parts: &[&[u8]]) {
        for part in parts {
            self.bytes.extend_from_slice(part);
        }
    }
}

/// When an entry ends, in memcached's terms: seconds from now, or of 1970 beyond 30 days. Its clock has seconds, and
/// an entry of one second may be gone at once; so one second more.
pub(super) fn exptime(ttl: Option<Duration>, now_ms: u64) -> i64 {
    const MONTH: u64 = 30 * 86_400;
    let Some(ttl) = ttl else {
        return 0;
    };
    let seconds = ttl
        .as_secs()
        .saturating_add(u64::from(ttl.subsec_nanos() > 0))
        .saturating_add(1);
    let exptime = if seconds < MONTH {
        seconds
    } else {
        seconds.saturating_add(now_ms / 1000)
    };
    // A server may keep it in 32 bits.
    i64::from(i32::try_from(exptime).unwrap_or(i32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_never_ends_before_its_time() {
        let seconds = Duration::from_secs;
        for (ttl, expected) in [
            (None, 0),
            (Some(Duration::ZERO), 1),
            (Some(Duration::from_millis(1)), 2),
            (Some(seconds(1)), 2),
            (Some(Duration::from_millis(1001)), 3),
            (Some(seconds(30 * 86_400)), 1_764_000_000 + 30 * 86_400 + 1),
            (Some(Duration::MAX), i64::from(i32::MAX)),
        ] {
            assert_eq!(exptime(ttl, 1_764_000_000_999), expected, "{ttl:?}");
        }
    }

    #[test]
    fn a_key_that_would_end_a_command_is_not_plain() {
        for key in [&b""[..], b"a b", b"a\r\n", b"a\0", b"\x7f"] {
            assert!(!is_plain_key(key));
        }
        assert!(is_plain_key(b"a,b@c:\xff"));
    }
}
