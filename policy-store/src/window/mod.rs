//! Sliding windows: how many events a key had in the last minute, hour, day.
//!
//! A window of length `L` is cut into [`SLOTS`] slots, and only slots in which something was counted are kept. An event
//! counts for at least `L`, and at most for `L` and one slot: never are more than the limit let through within any `L`,
//! and the memory of a key is bounded whatever comes.

mod amounts;
mod distinct;
mod state;
mod wire;

use std::{fmt, str::FromStr, time::Duration};

pub use self::state::WindowState;
#[cfg(feature = "redis")]
pub(crate) use self::state::counted;
pub(crate) use self::state::{check_event, fingerprint};
use crate::wall_clock::millis;

/// Into how many slots a window is cut.
pub(crate) const SLOTS: u64 = 60;

/// How many windows one key may have.
const MAX_WINDOWS: usize = 8;

/// How many distinct values a key remembers. Limits on distinct values cannot be higher.
pub const MAX_DISTINCT: usize = 10_000;

/// At most so many within such a time.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Window {
    /// How many events, bytes or distinct values.
    pub limit: u64,
    /// Within which time: from 1 s to 366 d.
    pub length: Duration,
}

impl Window {
    pub(crate) fn length_ms(&self) -> u64 {
        millis(self.length)
    }
}

/// Several windows that count the same events.
///
/// # Text
///
/// From 1 to 8 windows with commas between them, with or without spaces around these: `60/1m, 500/1h`. Each is a limit,
/// `/`, and a length from 1 s to 366 d: a number and one of `s`, `m`, `h` and `d`, without a space in between. A number
/// that is missing is 1, and a letter that is missing is `s`. A limit of 0 lets nothing through.
///
/// ```
/// use policy_store::Windows;
///
/// let windows: Windows = "60/1m, 500/1h, 2000/1d".parse()?;
/// assert_eq!(windows.to_string(), "60/1m, 500/1h, 2000/1d");
///
/// let windows: Windows = "3/90,5/m,0/24h".parse()?;
/// assert_eq!(windows.to_string(), "3/90s, 5/1m, 0/1d");
///
/// for text in ["3 / 1m", "3/1 m", "3/1M", "3/1w", "3/1m, 4/60s", ""] {
///     assert!(text.parse::<Windows>().is_err());
/// }
/// # Ok::<(), policy_store::InvalidWindows>(())
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Windows {
    windows: Vec<Window>,
    counts_all: bool,
}

impl Windows {
    /// The windows in this order.
    ///
    /// # Errors
    ///
    /// None of them, more than 8, two of one length, or a length that is not within its bounds.
    pub fn new(windows: impl IntoIterator<Item = Window>) -> Result<Self, InvalidWindows> {
        let windows: Vec<_> = windows.into_iter().collect();
        if !(1..=MAX_WINDOWS).contains(&windows.len()) {
            return Err(InvalidWindows::Number(windows.len()));
        }
        for (index, window) in windows.iter().enumerate() {
            if !(1000..=366 * DAY_MS).contains(&window.length_ms())
                || window.length.subsec_nanos() != 0
            {
                return Err(InvalidWindows::Length(window.length));
            }
            if windows
                .iter()
                .take(index)
                .any(|other| other.length == window.length)
            {
                return Err(InvalidWindows::Twice(window.length));
            }
        }
        Ok(Self {
            windows,
            counts_all: false,
        })
    }

    /// Counts also what is not allowed: for limits that only add to a score. Otherwise what was denied does not count.
    pub fn counting_all(mut self) -> Self {
        self.counts_all = true;
        self
    }

    /// Whether what is not allowed counts.
    pub fn counts_all(&self) -> bool {
        self.counts_all
    }

    /// The windows in their order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Window> {
        self.windows.iter()
    }

    /// After how long nothing of what is counted now matters, in milliseconds.
    pub(crate) fn span_ms(&self) -> u64 {
        let longest = self.iter().map(Window::length_ms).max().unwrap_or_default();
        longest + slot_ms(longest)
    }
}

impl FromStr for Windows {
    type Err = InvalidWindows;

    fn from_str(text: &str) -> Result<Self, InvalidWindows> {
        let windows: Result<Vec<_>, _> = text
            .split(',')
            .map(|item| parse_window(item.trim()))
            .collect();
        Self::new(windows?)
    }
}

impl fmt::Display for Windows {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, window) in self.windows.iter().enumerate() {
            let separator = if index == 0 { "" } else { ", " };
            let seconds = window.length.as_secs();
            let (unit, letter) = UNITS
                .into_iter()
                .rfind(|(unit, _)| seconds % unit == 0)
                .unwrap_or((1, 's'));
            write!(
                formatter,
                "{separator}{}/{}{letter}",
                window.limit,
                seconds / unit
            )?;
        }
        Ok(())
    }
}

fn parse_window(item: &str) -> Result<Window, InvalidWindows> {
    let invalid = || InvalidWindows::Syntax(item.chars().take(40).collect());
    let (limit, length) = item.split_once('/').ok_or_else(invalid)?;
    let (number, letter) = match length.char_indices().next_back() {
        Some((at, letter)) if letter.is_ascii_alphabetic() => {
            (length.get(..at).unwrap_or_default(), letter)
        }
        _ => (length, 's'),
    };
    let (unit, _) = UNITS
        .into_iter()
        .find(|(_, name)| *name == letter)
        .ok_or_else(invalid)?;
    let number = if number.is_empty() {
        1
    } else {
        digits(number).ok_or_else(invalid)?
    };
    let seconds = number.checked_mul(unit).ok_or_else(invalid)?;
    Ok(Window {
        limit: digits(limit).ok_or_else(invalid)?,
        length: Duration::from_secs(seconds),
    })
}

/// Digits only: no sign.
fn digits(text: &str) -> Option<u64> {
    text.bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| text.parse().ok())?
}

const UNITS: [(u64, char); 4] = [(1, 's'), (60, 'm'), (3600, 'h'), (86_400, 'd')];

const DAY_MS: u64 = 86_400_000;

/// How long a slot of a window is.
pub(crate) fn slot_ms(length_ms: u64) -> u64 {
    length_ms.div_ceil(SLOTS).max(1)
}

/// An event that is counted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Event<'a> {
    /// So many: 1 message, its recipients, its bytes.
    Amount(u64),
    /// One of several values, each of which counts once within a window: a recipient, a country. What is remembered of
    /// it are 64 bits of its SHA-256.
    Distinct(&'a [u8]),
}

/// The counts in the windows of a key.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Usage {
    /// Whether the event is within all limits.
    pub allowed: bool,
    /// Each window, in the order of [`Windows`].
    pub windows: Vec<WindowUsage>,
}

impl Usage {
    pub(crate) fn new(
        allowed: bool,
        windows: &Windows,
        used: impl IntoIterator<Item = u64>,
    ) -> Self {
        let windows = windows.iter().zip(used);
        Self {
            allowed,
            windows: windows
                .map(|(window, used)| WindowUsage {
                    window: *window,
                    used,
                })
                .collect(),
        }
    }
}

/// The count in one window.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct WindowUsage {
    /// Its limit and length.
    pub window: Window,
    /// How much is counted, the event included if it was counted.
    pub used: u64,
}

/// Why windows were refused.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidWindows {
    /// Not `LIMIT/TIME`.
    #[error("`{0}` is no limit such as 60/1m or 2000/1d (s, m, h, d)")]
    Syntax(String),
    /// Too long, too short, or not of whole seconds.
    #[error("a window of {0:?} is not within 1s and 366d, in whole seconds")]
    Length(Duration),
    /// Two of one length.
    #[error("two windows of {0:?}")]
    Twice(Duration),
    /// None, or too many.
    #[error("{0} windows, but from 1 to 8 are allowed")]
    Number(usize),
}

#[cfg(test)]
mod tests;
