//! The time at the beginning of a log line, in either form: `Nov 29 12:00:01` and `2026-11-29T12:00:01.5+01:00`.

use std::time::Duration;

/// Reads times, of which the older form does not say the year.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Clock {
    year: u64,
    month: u64,
}

impl Clock {
    /// The time and the rest of the line; `None` where it begins with none.
    pub(super) fn read<'a>(&mut self, line: &'a [u8]) -> Option<(Duration, &'a [u8])> {
        if line.first()?.is_ascii_digit() {
            iso(line)
        } else {
            self.classic(line)
        }
    }

    fn classic<'a>(&mut self, line: &'a [u8]) -> Option<(Duration, &'a [u8])> {
        let (head, rest) = line.split_at_checked("Nov 29 12:00:01".len())?;
        let head = str::from_utf8(head).ok()?;
        let (name, after) = head.split_at_checked(3)?;
        let month = MONTHS.iter().position(|known| *known == name)? as u64 + 1;
        let mut words = after.split_whitespace();
        let day: u64 = words.next()?.parse().ok()?;
        let time = clock_time(words.next()?)?;
        if self.year == 0 {
            // A leap year, so that it has each day. The difference alone counts.
            self.year = 2000;
        } else if month + 6 < self.month {
            self.year += 1;
        }
        self.month = month;
        let days = Duration::from_secs(days(self.year, month, day)? * DAY);
        Some((days + time, rest))
    }
}

/// RFC 3339, to the second or finer.
fn iso(line: &[u8]) -> Option<(Duration, &[u8])> {
    let end = line.iter().position(|byte| *byte == b' ')?;
    let (head, rest) = line.split_at(end);
    let (date, time) = str::from_utf8(head).ok()?.split_once('T')?;
    let mut parts = date.split('-').map(|part| part.parse::<u64>().ok());
    let days = days(parts.next()??, parts.next()??, parts.next()??)?;
    let zone = time.find(['Z', '+', '-'])?;
    let (time, zone) = time.split_at_checked(zone)?;
    let local = Duration::from_secs(days * DAY) + clock_time(time)?;
    let time = match zone.split_at_checked(1)? {
        ("Z", "") => local,
        (sign, offset) => {
            // journalctl has no colon: `+0100`.
            let colon = offset.split_once(':');
            let (hours, minutes) = colon.or_else(|| offset.split_at_checked(2))?;
            let minutes = hours.parse::<u64>().ok()? * 60 + minutes.parse::<u64>().ok()?;
            let offset = Duration::from_secs(minutes.checked_mul(60)?);
            if sign == "+" {
                local.checked_sub(offset)?
            } else {
                local.checked_add(offset)?
            }
        }
    };
    Some((time, rest))
}

/// `12:00:01` or `12:00:01.5`.
fn clock_time(text: &str) -> Option<Duration> {
    let mut parts = text.split(':');
    let hours: u64 = parts.next()?.parse().ok()?;
    let minutes: u64 = parts.next()?.parse().ok()?;
    let seconds = Duration::try_from_secs_f64(parts.next()?.parse().ok()?).ok()?;
    let is_time = parts.next().is_none() && hours < 24 && minutes < 60 && seconds.as_secs() < 61;
    is_time.then(|| Duration::from_secs(hours * 3600 + minutes * 60) + seconds)
}

/// Days since 1970-01-01 in the Gregorian calendar.
fn days(year: u64, month: u64, day: u64) -> Option<u64> {
    let is_date =
        (1970..10_000).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day);
    if !is_date {
        return None;
    }
    // Years begin in March, so that the day that leap years add is their last.
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let of_years = year * 365 + year / 4 - year / 100 + year / 400;
    let of_months = (month * 153 + 2) / 5;
    Some(of_years + of_months + day - 1 - 719_468)
}

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];
/// Seconds of a day.
const DAY: u64 = 86_400;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_both_forms() {
        let mut clock = Clock::default();
        for (line, seconds) in [
            ("2026-11-29T12:00:01+00:00 mail", 1_795_953_601.0),
            ("2026-11-29T12:00:01.5+01:00 mail", 1_795_950_001.5),
            ("2026-11-29T12:00:01-0130 mail", 1_795_959_001.0),
            ("2024-02-29T00:00:00Z mail", 1_709_164_800.0),
            ("1970-01-01T00:00:00Z mail", 0.0),
        ] {
            let (time, rest) = clock.read(line.as_bytes()).unwrap();
            assert_eq!(
                (time.as_secs_f64(), rest),
                (seconds, &b" mail"[..]),
                "{line}"
            );
        }
        let read = |clock: &mut Clock, line: &str| clock.read(line.as_bytes()).unwrap().0;
        let december = read(&mut clock, "Dec 31 23:59:59 mail");
        let january = read(&mut clock, "Jan  1 00:00:01 mail");
        assert_eq!(january - december, Duration::from_secs(2));
        for line in [
            "",
            "request=x",
            "Nov",
            "Foo 29 12:00:01 x",
            "Nov 29 25:00:01 x",
            "2026-13-01T00:00:00Z x",
            "2026-11-29T12:00:01+ x",
            "2026-11-29T12:00:01+01 x",
        ] {
            assert!(Clock::default().read(line.as_bytes()).is_none(), "{line}");
        }
    }
}
