//! Durations, as they are read from a command line.

use std::time::Duration;

/// A duration on a command line: `200ms`, `10s`, `2m`, `1h`; fractions are allowed.
///
/// # Errors
///
/// A text for the person at the command line: no number, no unit, or more than a day.
///
/// ```
/// use policy_daemon::command_line::parse_duration;
/// use std::time::Duration;
///
/// assert_eq!(parse_duration("200ms"), Ok(Duration::from_millis(200)));
/// assert_eq!(parse_duration("1.5s"), Ok(Duration::from_millis(1500)));
/// assert_eq!(parse_duration("2m"), Ok(Duration::from_secs(120)));
/// assert_eq!(parse_duration("1h"), Ok(Duration::from_secs(3600)));
/// assert!(parse_duration("10").is_err(), "a unit is needed");
/// ```
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    parse_duration_to(text, DAY, "a day")
}

/// The same where another length is the longest.
pub(crate) fn parse_duration_to(
    text: &str,
    longest: Duration,
    called: &str,
) -> Result<Duration, String> {
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    let number = &text[..text.len() - unit.len()];
    let scale = match unit {
        "ms" => 0.001,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return Err("a duration needs a unit: 200ms, 10s, 2m, 1h".to_owned()),
    };
    match number.parse::<f64>() {
        Ok(number) if number * scale <= longest.as_secs_f64() => {
            Ok(Duration::from_secs_f64(number * scale))
        }
        Ok(_) => Err(format!("more than {called}")),
        Err(_) => Err("not a number".to_owned()),
    }
}

const DAY: Duration = Duration::from_secs(86_400);
