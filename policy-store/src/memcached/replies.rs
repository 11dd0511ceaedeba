//! Replies in memcached's text protocol, out of the bytes that have come.

use memchr::memchr;

use crate::{MAX_VALUE_LEN, StoreError, store::MAX_NUMBER};

/// How long a line of a reply may be: a key of 250 bytes, and numbers.
const MAX_LINE: usize = 512;

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

/// A reply that has come, or will have come: the head of a value that is too large is enough.
#[derive(Debug)]
pub struct Parsed {
    /// What the server says, or its error, after which it goes on with the next command.
    pub reply: Result<Reply, StoreError>,
    /// How long it is, in bytes.
    pub length: u64,
}

/// Reads a reply at the beginning of what has come, or nothing if more has to come.
///
/// # Errors
///
/// A reply that is no answer to this command, and a refusal after which nobody knows how the server reads what follows.
pub fn parse(bytes: &[u8], expect: Expect<'_>) -> Result<Option<Parsed>, StoreError> {
    let Some(end) = memchr(b'\n', bytes.get(..MAX_LINE).unwrap_or(bytes)) else {
        if bytes.len() >= MAX_LINE {
            return Err(unexpected(bytes));
        }
        return Ok(None);
    };
    let line = bytes.get(..end).and_then(|line| line.strip_suffix(b"\r"));
    let line = line.ok_or_else(|| unexpected(bytes))?;
    let begin = end + 1;
    let head = match expect {
        Expect::Value(key) => parse_head(line, key),
        Expect::Line => parse_line(line).map(Head::Whole),
    };
    let (reply, length) = match head {
        Ok(Head::Whole(reply)) => (Ok(reply), begin as u64),
        Ok(Head::Value { size, unique }) if size <= MAX_VALUE_LEN as u64 => {
            let Some((data, length)) = parse_data(bytes, begin, size)? else {
                return Ok(None);
            };
            (Ok(Reply::Value { data, unique }), length)
        }
        Ok(Head::Value { size, .. }) => {
            let length = (begin as u64).saturating_add(size);
            (
                Err(too_large(size)),
                length.saturating_add(END.len() as u64),
            )
        }
        Err(error) if goes_on(&error, line) => (Err(error), begin as u64),
        Err(error) => return Err(error),
    };
    Ok(Some(Parsed { reply, length }))
}

/// The first line of a reply.
enum Head {
    Whole(Reply),
    Value { size: u64, unique: u64 },
}

/// What comes after a value.
const END: &[u8] = b"\r\nEND\r\n";

/// `VALUE KEY FLAGS BYTES UNIQUE`, or `END` alone.
fn parse_head(line: &[u8], key: &[u8]) -> Result<Head, StoreError> {
    if line == b"END" {
        return Ok(Head::Whole(Reply::End));
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
    match (words.next(), words.next(), words.next(), words.next()) {
        (Some(Some(_flags)), Some(Some(size)), Some(Some(unique)), None) => {
            Ok(Head::Value { size, unique })
        }
        _ => Err(unexpected(line)),
    }
}

/// The value that begins here, and where what comes after it ends.
fn parse_data(bytes: &[u8], begin: usize, size: u64) -> Result<Option<(Vec<u8>, u64)>, StoreError> {
    let rest = bytes.get(begin..).unwrap_or_default();
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    let Some((data, after)) = rest.split_at_checked(size) else {
        return Ok(None);
    };
    let after = after.get(..END.len()).unwrap_or(after);
    if !END.starts_with(after) {
        return Err(unexpected(after));
    }
    let length = (begin + size + END.len()) as u64;
    let is_whole = after.len() == END.len();
    Ok(is_whole.then(|| (data.to_vec(), length)))
}

fn too_large(size: u64) -> StoreError {
    StoreError::TooLarge {
        size: usize::try_from(size).unwrap_or(usize::MAX),
        limit: MAX_VALUE_LEN,
        unit: "bytes of a value",
    }
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

/// Whether the server has read the whole command that it refuses. Of another `CLIENT_ERROR` it may have read the line alone, and
/// takes the value for the next command.
fn goes_on(error: &StoreError, line: &[u8]) -> bool {
    matches!(error, StoreError::NotANumber) || line.starts_with(b"SERVER_ERROR")
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
