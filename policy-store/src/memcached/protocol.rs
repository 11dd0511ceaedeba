//! memcached's text protocol: commands as bytes, and replies out of them.

use std::time::Duration;

use memchr::memchr;

use crate::{MAX_VALUE_LEN, StoreError, store::MAX_NUMBER};

/// How long a line of a reply may be: a key of 250 bytes, and numbers.
const MAX_LINE: usize = 512;

/// How much of a command is neither key nor value: a verb, numbers, blanks and line ends.
const MAX_NUMBERS: usize = 64;

/// The kind of reply that a command asks for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Expect<'a> {
    /// The value of this key.
    Value(&'a [u8]),
    /// One line.
    Line,
}

/// The reply of a server.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Reply {
    /// A value, and the number of its writing.
    Value {
        /// The value.
        data: Vec<u8>,
        /// The number for `cas`.
        unique: u64,
    },
    /// No value.
    End,
    /// `STORED`
    Stored,
    /// `NOT_STORED`: there is a value already.
    NotStored,
    /// `EXISTS`: it was written again.
    Exists,
    /// `NOT_FOUND`
    NotFound,
    /// `DELETED`
    Deleted,
    /// A sum.
    Number(u64),
}

impl Reply {
    /// Its kind, without what it holds.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Value { .. } => "VALUE",
            Self::End => "END",
            Self::Stored => "STORED",
            Self::NotStored => "NOT_STORED",
            Self::Exists => "EXISTS",
            Self::NotFound => "NOT_FOUND",
            Self::Deleted => "DELETED",
            Self::Number(_) => "a number",
        }
    }
}

/// Whether a server takes a key as it is: not empty, no blank, no control character.
pub fn is_plain_key(key: &[u8]) -> bool {
    !key.is_empty() && key.iter().all(|byte| *byte > b' ' && *byte != 0x7f)
}

/// A command with a key that a server takes, and more words.
pub fn command(verb: &str, key: &[u8], words: &str) -> Vec<u8> {
    let blank = if words.is_empty() { "" } else { " " };
    [
        verb.as_bytes(),
        b" ",
        key,
        blank.as_bytes(),
        words.as_bytes(),
        b"\r\n",
    ]
    .concat()
}

/// A command that writes a value. `exptime` is memcached's; `unique` is for `cas`.
pub fn storage(verb: &str, key: &[u8], value: &[u8], exptime: i64, unique: Option<u64>) -> Vec<u8> {
    // Not by `format!`: each session costs three of these.
    let mut all = Vec::with_capacity(MAX_NUMBERS + key.len() + value.len());
    let mut add = |part: &[u8]| all.extend_from_slice(part);
    add(verb.as_bytes());
    add(b" ");
    add(key);
    add(b" 0 ");
    add(exptime.to_string().as_bytes());
    add(b" ");
    add(value.len().to_string().as_bytes());
    if let Some(unique) = unique {
        add(b" ");
        add(unique.to_string().as_bytes());
    }
    add(b"\r\n");
    add(value);
    add(b"\r\n");
    all
}

/// When an entry ends, in memcached's terms: seconds from now, or of 1970 beyond 30 days. Its clock has seconds, and
/// an entry of one second may be gone at once; so one second more.
pub fn exptime(ttl: Option<Duration>, now_ms: u64) -> i64 {
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

/// Reads a reply at the beginning of what has come: it and its length, or nothing if more has to come.
///
/// # Errors
///
/// A reply that is no answer to this command, and a refusal of the server.
pub fn parse(bytes: &[u8], expect: Expect<'_>) -> Result<Option<(Reply, usize)>, StoreError> {
    let Some(end) = memchr(b'\n', bytes.get(..MAX_LINE).unwrap_or(bytes)) else {
        if bytes.len() >= MAX_LINE {
            return Err(unexpected(bytes));
        }
        return Ok(None);
    };
    let line = bytes.get(..end).and_then(|line| line.strip_suffix(b"\r"));
    let line = line.ok_or_else(|| unexpected(bytes))?;
    match expect {
        Expect::Value(key) => parse_value(bytes, line, end + 1, key),
        Expect::Line => parse_line(line).map(|reply| Some((reply, end + 1))),
    }
}

/// `VALUE KEY FLAGS BYTES UNIQUE`, the value, `END`; or `END` alone.
fn parse_value(
    bytes: &[u8],
    line: &[u8],
    begin: usize,
    key: &[u8],
) -> Result<Option<(Reply, usize)>, StoreError> {
    if line == b"END" {
        return Ok(Some((Reply::End, begin)));
    }
    let Some(rest) = line.strip_prefix(b"VALUE ") else {
        return Err(refusal(line));
    };
    // Another key's answer is that of another question.
    let rest = rest
        .strip_prefix(key)
        .and_then(|rest| rest.strip_prefix(b" "));
    let words = rest.ok_or_else(|| unexpected(line))?;
    let mut words = words.split(|byte| *byte == b' ').map(digits);
    let (Some(Some(_flags)), Some(Some(length)), Some(Some(unique)), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(unexpected(line));
    };
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    if length > MAX_VALUE_LEN {
        return Err(StoreError::TooLarge {
            size: length,
            limit: MAX_VALUE_LEN,
            unit: "bytes of a value",
        });
    }
    const END: &[u8] = b"\r\nEND\r\n";
    let Some(data) = bytes.get(begin..begin + length) else {
        return Ok(None);
    };
    let after = bytes.get(begin + length..).unwrap_or_default();
    let after = after.get(..END.len()).unwrap_or(after);
    if !END.starts_with(after) {
        return Err(unexpected(after));
    }
    let is_whole = after.len() == END.len();
    Ok(is_whole.then(|| {
        (
            Reply::Value {
                data: data.to_vec(),
                unique,
            },
            begin + length + END.len(),
        )
    }))
}

fn parse_line(line: &[u8]) -> Result<Reply, StoreError> {
    Ok(match line {
        b"STORED" => Reply::Stored,
        b"NOT_STORED" => Reply::NotStored,
        b"EXISTS" => Reply::Exists,
        b"NOT_FOUND" => Reply::NotFound,
        b"DELETED" => Reply::Deleted,
        _ => {
            // A sum that has become shorter is filled with blanks.
            let mut number = line;
            while let [rest @ .., b' '] = number {
                number = rest;
            }
            Reply::Number(digits(number).ok_or_else(|| refusal(line))?)
        }
    })
}

/// The number that is written in digits alone.
fn digits(text: &[u8]) -> Option<u64> {
    let add = |number: u64, byte: &u8| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        number.checked_mul(10)?.checked_add(digit)
    };
    let number = text.iter().try_fold(0, add);
    number.filter(|_| !text.is_empty())
}

/// The error of a server that does not do what it is told.
fn refusal(line: &[u8]) -> StoreError {
    const NOT_A_NUMBER: &[u8] = b"CLIENT_ERROR cannot increment or decrement non-numeric value";
    let text = || String::from_utf8_lossy(line).into_owned();
    if line.starts_with(NOT_A_NUMBER) {
        StoreError::NotANumber
    } else if line.starts_with(b"SERVER_ERROR object too large") {
        StoreError::Refused(text())
    } else if line.starts_with(b"SERVER_ERROR") {
        StoreError::NotServing(text())
    } else if line.starts_with(b"CLIENT_ERROR") {
        StoreError::Refused(text())
    } else {
        unexpected(line)
    }
}

/// The error of an answer that is none. Only a word of the protocol is shown: anything else may be a part of a value.
fn unexpected(bytes: &[u8]) -> StoreError {
    const WORDS: [&str; 9] = [
        "VALUE",
        "END",
        "STORED",
        "NOT_STORED",
        "EXISTS",
        "NOT_FOUND",
        "DELETED",
        "OK",
        "ERROR",
    ];
    let word = bytes.split(|byte| byte.is_ascii_whitespace()).next();
    let known = WORDS
        .into_iter()
        .find(|known| word == Some(known.as_bytes()));
    StoreError::Protocol(known.unwrap_or("none of memcached's").into())
}

/// Whether a sum is one that all stores can have.
pub(super) fn is_in_range(sum: u64) -> bool {
    sum <= MAX_NUMBER
}

#[cfg(test)]
mod tests;
