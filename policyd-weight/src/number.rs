//! Numbers as Perl prints and reads them: what a score's texts depend on.

/// Prints a number as C's `%.{digits}g`: with so many significant digits, rounded on the exact binary value.
///
/// ```
/// use policyd_weight::number::printf_g;
///
/// assert_eq!(printf_g(1.8125, 4), "1.812");
/// assert_eq!(printf_g(1.9375, 4), "1.938");
/// assert_eq!(printf_g(0.00001, 15), "1e-05");
/// ```
#[must_use]
pub fn printf_g(number: f64, digits: usize) -> String {
    if number.is_nan() {
        return "NaN".into();
    }
    if number.is_infinite() {
        return if number > 0.0 { "Inf" } else { "-Inf" }.into();
    }
    let digits = digits.max(1);
    let scientific = format!("{:.*e}", digits - 1, number);
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let precision = i32::try_from(digits).unwrap_or(i32::MAX);
    if exponent < -4 || exponent >= precision {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{}e{sign}{:02}", without_zeros(mantissa), exponent.abs());
    }
    let decimals = usize::try_from(precision - 1 - exponent).unwrap_or(0);
    without_zeros(&format!("{number:.decimals$}")).to_owned()
}

fn without_zeros(text: &str) -> &str {
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.')
    } else {
        text
    }
}

/// Prints a number as Perl does: 15 significant digits, and no negative zero.
#[must_use]
pub fn print(number: f64) -> String {
    if number == 0.0 {
        return "0".into();
    }
    // A number of at most 15 digits is its shortest text, which is found sooner.
    let shortest = number.to_string();
    if (1e-4..1e15).contains(&number.abs()) && digits(&shortest) <= 15 {
        return shortest;
    }
    printf_g(number, 15)
}

/// How many digits there are, without zeros at the beginning.
fn digits(decimal: &str) -> usize {
    let begin = decimal.trim_start_matches(['-', '0', '.']);
    begin.bytes().filter(u8::is_ascii_digit).count()
}

/// Rounds as policyd-weight rounds sums: three digits after the point, more or less. The number of significant
/// digits is that of the characters before the point, without a minus sign, and three.
///
/// ```
/// use policyd_weight::number::round;
///
/// assert_eq!(round(12.4375), 12.438);
/// assert_eq!(round(-0.1 - 0.2), -0.3);
/// assert_eq!(round(7.0), 7.0);
/// ```
#[must_use]
pub fn round(number: f64) -> f64 {
    let text = print(number);
    let Some(point) = text.find('.').filter(|&point| point > 0) else {
        return read(&text);
    };
    let digits = if text.contains('-') { point - 1 } else { point };
    // Of so few digits the text has all, where it has no more of them after the point.
    if text.len() - point <= 4 && digits + 3 <= 15 {
        return read(&text);
    }
    read(&printf_g(number, digits + 3))
}

/// The number that a text begins with, as Perl reads texts as numbers: 0 if there is none.
///
/// ```
/// use policyd_weight::number::read;
///
/// assert_eq!(read(" 3.25x"), 3.25);
/// assert_eq!(read("6h"), 6.0);
/// assert_eq!(read("0x1f"), 0.0);
/// assert_eq!(read("on"), 0.0);
/// ```
#[must_use]
pub fn read(text: &str) -> f64 {
    let text = text.trim_start_matches([' ', '\t', '\n', '\r', '\x0b', '\x0c']);
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let sign = text.len() - unsigned.len();
    let word = unsigned.get(..3).unwrap_or_default();
    if word.eq_ignore_ascii_case("inf") {
        return if text.starts_with('-') {
            f64::NEG_INFINITY
        } else {
            f64::INFINITY
        };
    }
    if word.eq_ignore_ascii_case("nan") {
        return f64::NAN;
    }
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let whole = digits(unsigned);
    let mut length = whole;
    if let Some(fraction) = unsigned
        .get(whole..)
        .and_then(|rest| rest.strip_prefix('.'))
    {
        let fraction = digits(fraction);
        if whole + fraction == 0 {
            return 0.0;
        }
        length += 1 + fraction;
    }
    if length == 0 {
        return 0.0;
    }
    let rest = unsigned.get(length..).unwrap_or_default();
    if let Some(exponent) = rest.strip_prefix(['e', 'E']) {
        let unsigned = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
        let count = digits(unsigned);
        if count > 0 {
            length += 1 + exponent.len() - unsigned.len() + count;
        }
    }
    let number = text.get(..sign + length).unwrap_or_default();
    number.parse().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_printed_as_by_c() {
        for (number, digits, text) in [
            (0.0, 15, "0"),
            (3.25, 15, "3.25"),
            (-6.1, 15, "-6.1"),
            (0.1 + 0.2, 15, "0.3"),
            (1e15, 15, "1e+15"),
            (123_456_789_012_345.0, 15, "123456789012345"),
            (0.0001, 15, "0.0001"),
            (0.000_012_5, 15, "1.25e-05"),
            (1e100, 15, "1e+100"),
            (29.475, 5, "29.475"),
            (1.8125, 4, "1.812"),
            (1.9375, 4, "1.938"),
            (4.0875, 4, "4.088"),
            (100.0, 2, "1e+02"),
            (9.9996, 4, "10"),
            (f64::NAN, 15, "NaN"),
            (f64::NEG_INFINITY, 15, "-Inf"),
        ] {
            assert_eq!(printf_g(number, digits), text);
        }
    }

    #[test]
    fn numbers_have_fifteen_digits_and_zero_no_sign() {
        assert_eq!(print(0.123_456_789_012_345), "0.123456789012345");
        assert_eq!(print(-0.0), "0");
        assert_eq!(
            (print(0.000_5), print(0.000_05)),
            ("0.0005".into(), "5e-05".into())
        );
    }

    #[test]
    fn texts_are_read_as_numbers_up_to_the_first_other_character() {
        for (text, number) in [
            ("", 0.0),
            ("4", 4.0),
            ("4.35", 4.35),
            (".5", 0.5),
            ("5.", 5.0),
            ("-1.5", -1.5),
            ("+2", 2.0),
            ("- 2", 0.0),
            ("1e3", 1000.0),
            ("1e", 1.0),
            ("1e+", 1.0),
            ("1.5e-1x", 0.15),
            (".", 0.0),
            ("1_000", 1.0),
            ("\t\n7", 7.0),
            ("-inf", f64::NEG_INFINITY),
            ("Infinity", f64::INFINITY),
        ] {
            assert_eq!(read(text), number, "{text}");
        }
        assert!(read("nanny").is_nan());
    }

    /// Where the text of a sum has few digits it is read, and not printed once more.
    #[test]
    fn sums_of_few_digits_are_rounded_as_those_of_many() {
        let rounded = |number: f64| {
            let text = print(number);
            let digits = text.trim_start_matches('-').find('.');
            let text = digits.map_or(text, |digits| printf_g(number, digits + 3));
            read(&text)
        };
        // Where the text itself has been cut.
        let long = 1_234_567_890_123.123;
        assert_eq!(
            (round(long), print(long)),
            (long, "1234567890123.12".into())
        );
        for thousands in -30_000..30_000 {
            let number = f64::from(thousands) / 1000.0;
            let sum = (0..3).map(|_| number / 3.0).sum();
            for number in [
                number,
                number + 0.000_5,
                number * 1e9,
                number * 1e-4,
                sum,
                number.next_up(),
            ] {
                assert_eq!(round(number), rounded(number), "{number}");
            }
        }
    }

    #[test]
    fn sums_are_rounded_to_about_three_digits() {
        for (number, text) in [
            (-4.6 + 4.3, "-0.3"),
            (1.0 + 3.75 / 4.0, "1.938"),
            (31.6125, "31.613"),
            (10.625, "10.625"),
            (-6.1, "-6.1"),
            (1e20, "1e+20"),
            (0.000_123_456, "0.0001235"),
            // The sign is no digit.
            (-12.345_67, "-12.346"),
        ] {
            assert_eq!(print(round(number)), text);
        }
    }
}
