//! Durations and sizes in the form in which they can be given.

use std::time::Duration;

/// A duration as it can be given.
#[must_use]
pub fn shown_duration(duration: Duration) -> String {
    match (duration.as_secs(), duration.subsec_nanos()) {
        (seconds, 0) => format!("{seconds}s"),
        (0, nanos) if nanos % 1_000_000 == 0 => format!("{}ms", nanos / 1_000_000),
        (seconds, nanos) => {
            let text = format!("{seconds}.{nanos:09}");
            format!("{}s", text.trim_end_matches('0'))
        }
    }
}

/// A size in bytes: `4096`, `128K`, `256M`, `4G`.
///
/// # Errors
///
/// A text that is none.
pub fn parse_size(text: &str) -> Result<usize, String> {
    let suffix = |(name, unit)| Some((text.strip_suffix(name)?, unit));
    let (number, unit) = UNITS.into_iter().find_map(suffix).unwrap_or((text, 1));
    let number: usize = number.parse().map_err(|_| "not a size")?;
    Ok(number.saturating_mul(unit))
}

/// A size as it can be given, in the largest unit that fits.
#[must_use]
pub fn shown_size(bytes: usize) -> String {
    let units = UNITS.iter().rev();
    let mut fitting = units.filter(|(_, unit)| bytes > 0 && bytes.is_multiple_of(*unit));
    match fitting.next() {
        Some((name, unit)) => format!("{}{name}", bytes / unit),
        None => bytes.to_string(),
    }
}

/// Powers of 1024, the smallest first.
const UNITS: [(char, usize); 3] = [('K', 1 << 10), ('M', 1 << 20), ('G', 1 << 30)];

#[cfg(test)]
mod tests {
    use policy_daemon::command_line::parse_duration;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_duration_is_read_as_it_is_shown(millis in 0_u64..86_400_000, nanos in 0_u32..1_000_000) {
            for time in [
                Duration::from_millis(millis),
                Duration::from_millis(millis) + Duration::from_nanos(nanos.into()),
                Duration::from_secs(millis / 1000),
            ] {
                prop_assert_eq!(parse_duration(&shown_duration(time)), Ok(time));
            }
        }
    }

    #[test]
    fn sizes_are_bytes_or_have_a_unit() {
        for (text, bytes) in [
            ("0", 0),
            ("4096", 4096),
            ("128K", 131_072),
            ("256M", 268_435_456),
            ("3G", 3_221_225_472),
            ("18446744073709551615K", usize::MAX),
        ] {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
        for text in [
            "",
            "K",
            "-1",
            "1k",
            "1KB",
            "1 K",
            "1.5M",
            "99999999999999999999",
        ] {
            assert!(parse_size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_size_is_shown_as_it_is_written() {
        for text in ["0", "4097", "5K", "1M", "256M", "1025M", "4G"] {
            assert_eq!(shown_size(parse_size(text).unwrap()), text);
        }
        assert_eq!(shown_size(1 << 20), "1M");
    }
}
