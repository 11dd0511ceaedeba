//! Numbers as Perl reads and prints them.

/// The number at the beginning of a text; 0 where there is none. Source: perlnumber(1).
///
/// ```
/// use mtpolicyd::chain::number::parse;
///
/// assert_eq!([" 12abc", "abc", "-1.5e1x", ".5", "1e", "+3"].map(parse), [12.0, 0.0, -15.0, 0.5, 1.0, 3.0]);
/// ```
#[must_use]
pub fn parse(text: &str) -> f64 {
    if let Some(whole) = whole(text) {
        return whole;
    }
    let text = text.trim_start_matches([' ', '\t', '\n', '\r', '\x0c', '\x0b']);
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    for (word, value) in [("inf", f64::INFINITY), ("nan", f64::NAN)] {
        if unsigned
            .get(..3)
            .is_some_and(|start| start.eq_ignore_ascii_case(word))
        {
            return if text.starts_with('-') { -value } else { value };
        }
    }
    text.get(..length(text))
        .and_then(|text| text.parse().ok())
        .unwrap_or(0.0)
}

/// Whether the whole text is a number, as Moose's type `Num` wants it: `[-+]?digits[.digits][exponent]`.
#[must_use]
pub fn is_number(text: &str) -> bool {
    !text.is_empty() && length(text) == text.len() && !text.ends_with('.')
}

/// Whether the whole text is a whole number, as Moose's type `Int` wants it.
#[must_use]
pub fn is_integer(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// The number as Perl prints it: with at most 15 significant digits.
///
/// ```
/// use mtpolicyd::chain::number::print;
///
/// assert_eq!(print(0.1 + 0.2), "0.3");
/// assert_eq!(print(1_000_000.0 + 0.000_001), "1000000.000001");
/// assert_eq!([-10.0, 1e15, 1e16, 1e-5, 0.0001].map(print), ["-10", "1e+15", "1e+16", "1e-05", "0.0001"]);
/// ```
#[must_use]
pub fn print(number: f64) -> String {
    // As scores are, as a rule.
    if number.fract() == 0.0 && number.abs() < MAX_WHOLE {
        return (number as i64).to_string();
    }
    if !number.is_finite() {
        let name = if number.is_nan() { "NaN" } else { "Inf" };
        return format!("{}{name}", if number < 0.0 { "-" } else { "" });
    }
    // A number of at most 15 digits is its shortest text, which is found sooner.
    let shortest = number.to_string();
    if (1e-4..MAX_WHOLE).contains(&number.abs()) && digits(&shortest) <= DIGITS {
        return shortest;
    }
    let scientific = format!("{number:.*e}", DIGITS - 1);
    let Some((mantissa, exponent)) = scientific.split_once('e') else {
        return scientific;
    };
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..15).contains(&exponent) {
        let decimals = usize::try_from(14 - exponent).unwrap_or(0);
        return without_zeros(&format!("{number:.decimals$}")).to_owned();
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!(
        "{}e{sign}{:02}",
        without_zeros(mantissa),
        exponent.unsigned_abs()
    )
}

/// A text of some digits and nothing else, as most are.
fn whole(text: &str) -> Option<f64> {
    if text.is_empty() || text.len() >= DIGITS {
        return None;
    }
    let mut number = 0_u64;
    for byte in text.bytes() {
        if !byte.is_ascii_digit() {
            return None;
        }
        number = number * 10 + u64::from(byte - b'0');
    }
    Some(number as f64)
}

/// How many digits there are, without zeros at the beginning.
fn digits(decimal: &str) -> usize {
    let begin = decimal.trim_start_matches(['-', '0', '.']);
    begin.bytes().filter(u8::is_ascii_digit).count()
}

fn without_zeros(text: &str) -> &str {
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.')
    } else {
        text
    }
}

/// How many bytes at the beginning are a decimal number.
fn length(text: &str) -> usize {
    let bytes = text.as_bytes();
    let digits = |from: usize| {
        let rest = bytes.get(from..).unwrap_or_default();
        rest.iter().take_while(|byte| byte.is_ascii_digit()).count()
    };
    let sign = usize::from(text.starts_with(['+', '-']));
    let whole = digits(sign);
    let mut end = sign + whole;
    if bytes.get(end) == Some(&b'.') {
        let decimals = digits(end + 1);
        if whole + decimals == 0 {
            return 0;
        }
        end += 1 + decimals;
    } else if whole == 0 {
        return 0;
    }
    if matches!(bytes.get(end), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
        let exponent = digits(end + 1 + sign);
        if exponent > 0 {
            end += 1 + sign + exponent;
        }
    }
    end
}

/// `%.15g`.
const DIGITS: usize = 15;
/// The least number of 16 digits.
const MAX_WHOLE: f64 = 1e15;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_read_as_far_as_it_goes() {
        for (text, expected) in [
            ("", 0.0),
            ("0", 0.0),
            ("007", 7.0),
            ("12345678901234", 12_345_678_901_234.0),
            ("123456789012345678", 123_456_789_012_345_680.0),
            (".", 0.0),
            ("-.", 0.0),
            ("1.", 1.0),
            ("\t\n 2", 2.0),
            ("1e2", 100.0),
            ("1e", 1.0),
            ("1e+", 1.0),
            ("1E-2x", 0.01),
            ("-infinite", f64::NEG_INFINITY),
            ("+Inf", f64::INFINITY),
        ] {
            assert_eq!(parse(text), expected, "{text}");
        }
        assert!(parse("nano").is_nan());
    }

    #[test]
    fn a_whole_text_is_a_number_or_none() {
        for (text, number, integer) in [
            ("", false, false),
            ("1", true, true),
            ("-1", true, true),
            ("+1", true, false),
            ("1.5", true, false),
            (".5", true, false),
            ("1.", false, false),
            ("1e3", true, false),
            ("1e", false, false),
            (".e5", false, false),
            (" 1", false, false),
            ("x", false, false),
        ] {
            assert_eq!(
                (is_number(text), is_integer(text)),
                (number, integer),
                "{text}"
            );
        }
    }

    #[test]
    fn a_number_is_printed_in_15_digits() {
        for (number, expected) in [
            (0.0, "0"),
            (-0.0, "0"),
            (-1.5, "-1.5"),
            (1.0 / 3.0, "0.333333333333333"),
            (123_456_789_012_345.0, "123456789012345"),
            (999_999_999_999_999.9, "1e+15"),
            (1.5e20, "1.5e+20"),
            (0.000_123, "0.000123"),
            (0.000_1, "0.0001"),
            (0.1 + 0.2, "0.3"),
            (2.5, "2.5"),
            (-0.05, "-0.05"),
            (0.123_456_789_012_345, "0.123456789012345"),
            (0.123_456_789_012_345_67, "0.123456789012346"),
            (-999_999_999_999_999.0, "-999999999999999"),
            (12_345_678.25, "12345678.25"),
            (0.000_012_3, "1.23e-05"),
            (f64::INFINITY, "Inf"),
            (f64::NEG_INFINITY, "-Inf"),
            (f64::NAN, "NaN"),
        ] {
            assert_eq!(print(number), expected);
        }
    }
}
