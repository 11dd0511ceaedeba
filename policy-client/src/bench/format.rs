//! Numbers and times as people read them.

/// With a comma between thousands.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// So many requests.
pub(crate) fn requests(number: u64) -> String {
    match number {
        1 => "1 request".to_owned(),
        number => format!("{} requests", count(number)),
    }
}

/// Three digits and a unit.
pub(crate) fn nanoseconds(time: u64) -> String {
    microseconds(time as f64 / 1e3)
}

/// Three digits and a unit.
pub(crate) fn microseconds(time: f64) -> String {
    // Where rounding makes four digits of three, the next unit has them.
    match time {
        ..999.5 => format!("{} us", digits(time)),
        ..999_500.0 => format!("{} ms", digits(time / 1e3)),
        _ => format!("{} s", digits(time / 1e6)),
    }
}

/// Three digits that count.
fn digits(value: f64) -> String {
    match value {
        ..9.995 => format!("{value:.2}"),
        ..99.95 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_commas_and_times_a_unit() {
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (1000, "1,000"),
            (1_234_567, "1,234,567"),
        ] {
            assert_eq!(count(number), text);
        }
        for (time, text) in [
            (0, "0.00 us"),
            (1_234, "1.23 us"),
            (12_345, "12.3 us"),
            (310_000, "310 us"),
            (999_400, "999 us"),
            (999_600, "1.00 ms"),
            (1_240_000, "1.24 ms"),
            (999_600_000, "1.00 s"),
            (61_000_000_000, "61.0 s"),
        ] {
            assert_eq!(nanoseconds(time), text);
        }
    }
}
