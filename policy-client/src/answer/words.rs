//! The words about an answer: the reason why Postfix takes it for none, or what is unusual about one that it takes.

use std::fmt;

use bytes::Bytes;
use thiserror::Error;

/// An answer that Postfix does not use.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[error("{flaw}: '{}'", shown(.line))]
pub struct Fault {
    /// What is wrong with it.
    pub flaw: Flaw,
    /// The line that is at fault, or the last one.
    pub line: Bytes,
}

/// What is wrong with an answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Flaw {
    /// The empty line has come before an action.
    NoAction,
    /// A line is `action` alone.
    NoValue,
    /// The action is blank, which is as OK to Postfix.
    Blank,
    /// Of a carriage return or a NUL the action is one that Postfix does not know.
    Unknown,
    /// The action is not UTF-8.
    NotUtf8,
}

/// What Postfix takes, and others may not.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Unusual {
    /// What it is.
    pub oddity: Oddity,
    /// The line that it is about.
    pub line: Bytes,
}

/// What is unusual about an answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Oddity {
    /// There is a line besides the action's.
    Skipped,
    /// The action has a carriage return.
    Return,
    /// The action goes on after a NUL byte.
    Nul,
    /// The answer has so many bytes.
    Long(usize),
}

impl Flaw {
    pub(super) fn of(self, line: &[u8]) -> Fault {
        Fault {
            flaw: self,
            line: Bytes::copy_from_slice(line),
        }
    }
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoAction => "no 'action=' before the empty line",
            Self::NoValue => "no '=' after 'action'",
            Self::Blank => "blank action",
            Self::Unknown => "an action that Postfix does not know",
            Self::NotUtf8 => "an action that is not UTF-8",
        })
    }
}

impl Oddity {
    pub(super) fn of(self, line: &[u8]) -> Unusual {
        Unusual {
            oddity: self,
            line: Bytes::copy_from_slice(line),
        }
    }
}

impl fmt::Display for Oddity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Skipped => f.write_str("a line besides its action, which Postfix skips"),
            Self::Return => {
                f.write_str("a carriage return, which is a part of the text to Postfix")
            }
            Self::Nul => f.write_str("a NUL byte, after which Postfix reads nothing"),
            Self::Long(bytes) => write!(
                f,
                "{bytes} bytes, which Postfix takes, however many they are"
            ),
        }
    }
}

impl fmt::Display for Unusual {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: '{}'", self.oddity, shown(&self.line))
    }
}

/// A line of the server's, or its beginning.
pub(crate) fn shown(line: &[u8]) -> String {
    match line.get(..MAX_SHOWN) {
        Some(begin) if line.len() > MAX_SHOWN => format!("{}...", begin.escape_ascii()),
        _ => line.escape_ascii().to_string(),
    }
}

/// As many bytes of a line are shown.
const MAX_SHOWN: usize = 100;
