//! The log line of a request.

use std::time::Duration;

use super::{Attributes, Verdict};

/// The line in the original's form. The time is in milliseconds; with `compat` it is in hundredths of a second, although
/// the line says `ms`, as it is in the original.
#[must_use]
pub fn log_line(
    vhost: &str,
    attributes: &Attributes<'_>,
    verdict: Option<&Verdict>,
    elapsed: Duration,
    compat: bool,
) -> String {
    let text = |name| attributes.text(name).unwrap_or_default();
    let time = if compat {
        elapsed.as_secs_f64() * 100.0 + 0.5
    } else {
        elapsed.as_secs_f64() * 1000.0 + 0.5
    };
    let (plugin, result) = verdict.map_or(("", ""), |verdict| (&*verdict.plugin, &*verdict.action));
    let (instance, kind, time) = (text("instance"), text("request"), (time as u64).to_string());
    // Not by `format!`: each request costs a line.
    let length = vhost.len() + instance.len() + kind.len() + plugin.len() + result.len();
    let mut line = String::with_capacity(length + WORDS);
    line += vhost;
    line += ": instance=";
    line += &instance;
    line += ", type=";
    line += &kind;
    line += ", t=";
    line += &time;
    line += "ms, plugin=";
    line += plugin;
    line += ", result=";
    line += result;
    line
}

/// Room for the words between the values, and for the time.
const WORDS: usize = 64;

#[cfg(test)]
mod tests {
    use policy_proto::Request;

    use super::*;

    #[test]
    fn the_time_is_rounded_and_in_the_unit_that_is_wanted() {
        let request = Request::from_attributes([("request", "x"), ("instance", "i")]).unwrap();
        for (micros, compat, expected) in [
            (12_499, false, 12),
            (12_500, false, 13),
            (14_999, true, 1),
            (15_000, true, 2),
        ] {
            let elapsed = Duration::from_micros(micros);
            let line = log_line("v", &Attributes::of(&request), None, elapsed, compat);
            let expected = format!("v: instance=i, type=x, t={expected}ms, plugin=, result=");
            assert_eq!(line, expected, "{micros} {compat}");
        }
    }
}
