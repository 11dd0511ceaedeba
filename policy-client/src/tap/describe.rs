//! A request and its answer, in one line or one object.

use std::{fmt::Write, time::Duration};

use policy_daemon::log::escaped;
use serde_json::{Map, Value, json};

use super::observer::Seen;
use crate::output::summary::{MAX_VALUE, summary};

/// A line; if all attributes are to be seen, a line for each one after it.
pub(super) fn describe(seen: &Seen, since: Duration, all: bool) -> String {
    let facts = &seen.facts;
    let number = facts.connection.unwrap_or_default();
    let mut text = format!("+{:.3}s #{number}", since.as_secs_f64());
    if !all {
        text.push(' ');
        text += &summary(&seen.request);
    }
    let elapsed = facts.elapsed.unwrap_or_default().as_secs_f64() * 1000.0;
    let outcome = match (&facts.action, &facts.error) {
        (Some(action), _) => escaped(action, MAX_VALUE, |_| false),
        (None, Some(error)) => format!("({error})"),
        (None, None) => String::new(),
    };
    // A string takes all.
    _ = write!(text, " -> {outcome} ({elapsed:.1} ms)");
    if all {
        for (name, value) in seen.request.attributes() {
            let [name, value] = [name, value].map(|part| escaped(part, MAX_VALUE, |_| false));
            _ = write!(text, "\n    {name}={value}");
        }
    }
    text
}

pub(super) fn object(seen: &Seen) -> Value {
    let lossy = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let mut request = Map::new();
    for (name, value) in seen.request.attributes() {
        // The first one counts.
        request
            .entry(lossy(name))
            .or_insert_with(|| lossy(value).into());
    }
    let facts = &seen.facts;
    json!({
        "action": facts.action.as_deref().map(lossy),
        "connection": facts.connection,
        "elapsed_ms": facts.elapsed.map(|time| time.as_micros() as f64 / 1000.0),
        "error": facts.error,
        "request": request,
        "time": facts.time.map(|time| time.as_secs_f64()),
    })
}
