//! The share of request lines that is logged: all lines of a message, or none.

use std::{fmt, str::FromStr};

use thiserror::Error;

/// A share of all messages.
///
/// A message is chosen by a hash of its `instance`, which is the same in each process: so all requests of it are logged
/// or none, and by each daemon that Postfix asks.
///
/// ```
/// use policy_daemon::log::Sample;
///
/// let sample: Sample = "25%".parse().unwrap();
/// let taken = (0..1000_u32).filter(|n| sample.takes(&n.to_be_bytes())).count();
/// assert!((200..300).contains(&taken), "{taken}");
/// assert!(Sample::ALL.takes(b"any"));
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Sample {
    /// In millionths.
    share: u64,
}

impl Sample {
    /// All messages: the default.
    pub const ALL: Self = Self { share: WHOLE };

    /// Whether all messages are taken.
    #[must_use]
    pub const fn is_all(self) -> bool {
        self.share == WHOLE
    }

    /// Whether the message of this `instance` is taken.
    #[must_use]
    pub fn takes(self, instance: &[u8]) -> bool {
        self.is_all() || hash(instance) % WHOLE < self.share
    }
}

impl Default for Sample {
    fn default() -> Self {
        Self::ALL
    }
}

impl fmt::Display for Sample {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, fraction) = (self.share / PERCENT, self.share % PERCENT);
        if fraction == 0 {
            return write!(formatter, "{whole}%");
        }
        let fraction = format!("{fraction:04}");
        write!(formatter, "{whole}.{}%", fraction.trim_end_matches('0'))
    }
}

impl FromStr for Sample {
    type Err = InvalidSample;

    /// A percentage with up to four decimals: `100%`, `1%`, `0.01%`, `0%`.
    fn from_str(text: &str) -> Result<Self, InvalidSample> {
        let number = text.strip_suffix('%').ok_or(InvalidSample)?;
        let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
        let is_digits = |digits: &str| {
            (1..=4).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit())
        };
        if !is_digits(whole) || !is_digits(fraction) {
            return Err(InvalidSample);
        }
        let parse = |digits: &str| digits.parse::<u64>().map_err(|_| InvalidSample);
        let share = parse(whole)? * PERCENT + parse(&format!("{fraction:0<4}"))?;
        if share > WHOLE {
            return Err(InvalidSample);
        }
        Ok(Self { share })
    }
}

/// A text that is no share.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[error("not a percentage from 0% to 100%, such as 1%")]
pub struct InvalidSample;

/// A hash with a fixed seed: FNV-1a, and the last step of MurmurHash3, since near texts have near values of the first.
fn hash(bytes: &[u8]) -> u64 {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    let mut hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325, step);
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ (hash >> 33)
}

/// A percent, in millionths.
const PERCENT: u64 = 10_000;
/// All, in millionths.
const WHOLE: u64 = 100 * PERCENT;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_read_as_it_is_shown() {
        for text in ["0%", "0.0001%", "0.01%", "1%", "1.5%", "33.3333%", "100%"] {
            let sample: Sample = text.parse().expect(text);
            assert_eq!(sample.to_string(), text);
        }
        for text in [
            "",
            "%",
            "1",
            "-1%",
            "+1%",
            "1 %",
            "101%",
            "100.0001%",
            "1.%",
            ".5%",
            "0.00001%",
            "1e1%",
            "99999%",
        ] {
            assert_eq!(text.parse::<Sample>(), Err(InvalidSample), "{text}");
        }
    }

    #[test]
    fn a_share_of_the_messages_of_postfix_is_taken() {
        // Its instance: a process, the time, and a count.
        let instances = || {
            (0..100_000_u32).map(|n| {
                format!(
                    "{:x}.{:x}.{:x}.0",
                    700 + n % 97,
                    0x65a0_0000 + n / 50,
                    n % 50
                )
            })
        };
        for (text, expected) in [
            ("0%", 0..=0),
            ("1%", 900..=1100),
            ("50%", 49_500..=50_500),
            ("100%", 100_000..=100_000),
        ] {
            let sample: Sample = text.parse().unwrap();
            let taken = instances()
                .filter(|name| sample.takes(name.as_bytes()))
                .count();
            assert!(expected.contains(&taken), "{taken} for {text}");
        }
    }

    #[test]
    fn another_process_takes_the_same_messages() {
        let sample: Sample = "50%".parse().unwrap();
        let taken: String = (b'a'..=b'p')
            .filter(|name| sample.takes(&[*name]))
            .map(char::from)
            .collect();
        assert_eq!(taken, FIXED, "the hash is not to change");
    }

    const FIXED: &str = "ceijlm";
}
