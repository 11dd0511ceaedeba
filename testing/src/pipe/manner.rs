//! The manner of a policy server made of pipes, good or bad.

use std::time::Duration;

/// How a server behaves. A connection looks at it for each request.
#[derive(Clone, Copy, Debug)]
pub enum Manner {
    /// Nobody listens.
    Refuses,
    /// This side has no descriptor left.
    OutOfDescriptors,
    /// Connecting never ends.
    BlackHole,
    /// Connecting takes this long.
    ConnectsAfter(Duration),
    /// `action=` and the request's mark, at once.
    Answers,
    /// The same after this time.
    AnswersAfter(Duration),
    /// The same after as many times this time as the mark, modulo 8, says.
    AnswersAfterMark(Duration),
    /// The same, and closes.
    AnswersAndCloses,
    /// The same, with these bytes in place of the blank line.
    AnswersWith(&'static str),
    /// The same, with these bytes after this time in place of the blank line.
    EndsAfter(Duration, &'static str),
    /// Each request is met with these bytes.
    Says(&'static [u8]),
    /// The same, one byte each this time.
    Drips(&'static [u8], Duration),
    /// These bytes, over and over.
    Endless(&'static [u8]),
    /// These bytes come before any request, then it answers.
    Greets(&'static [u8]),
    /// Reads the request and closes.
    ClosesUnanswered,
    /// The same after this time.
    ClosesUnansweredAfter(Duration),
    /// Takes the connection and closes it, before anything can be written.
    ClosesAtOnce,
    /// The same, with these bytes before.
    SaysAtOnce(&'static [u8]),
    /// Reads nothing, and has room for so many bytes.
    ReadsNothing(usize),
    /// Sends these bytes and closes.
    SaysAndCloses(&'static [u8]),
    /// Reads, and never answers.
    Hangs,
}
