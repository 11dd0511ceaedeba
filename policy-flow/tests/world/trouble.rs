//! In which ways a server goes wrong.

use std::time::Duration;

use super::plan::millis;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Trouble {
    Refuses,
    /// There is no way to it, and the system says so at once.
    Unreachable,
    /// Drops SYNs.
    Swallows,
    /// Connections that are open when it begins are dead: what is sent over them is lost. New ones work.
    Forgets,
    Hangs,
    /// Answers after so long.
    Slow(Duration),
    /// Byte by byte, with this between them.
    Drips(Duration),
    Garbage,
    /// Speaks before it is asked.
    Greets,
    /// A second answer after the first.
    TwoAnswers(Duration),
    /// Closes instead of an answer.
    Closes,
    /// The same by a reset.
    Resets,
    /// In the middle of the answer.
    ClosesHalfWay,
    /// All connections end, and no new one is accepted.
    Away,
    /// The blank line after the answer comes so much later.
    LateBlank(Duration),
    /// One more newline, so much later.
    ExtraNewline(Duration),
    /// Does not read: requests fill the system's buffer.
    ReadsNot,
}

impl Trouble {
    /// A server that does this answers all the same, and soon: see [`HARMLESS`].
    pub(crate) fn is_harmless(self) -> bool {
        matches!(self, Self::ExtraNewline(gap) if gap <= HARMLESS)
    }

    /// How long what it has begun goes on.
    pub(crate) fn lingers(self) -> Duration {
        match self {
            Self::Slow(time) => time,
            Self::Drips(gap) => gap * 40,
            Self::TwoAnswers(gap) | Self::LateBlank(gap) | Self::ExtraNewline(gap) => gap,
            _ => Duration::ZERO,
        }
    }

    /// Nobody who does this has read a request.
    pub(crate) const fn reads_nothing(self) -> bool {
        matches!(self, Self::Refuses | Self::Unreachable | Self::Swallows)
    }
}

/// What a trouble that does no harm adds to the time of an answer.
pub(crate) const HARMLESS: Duration = millis(30);
