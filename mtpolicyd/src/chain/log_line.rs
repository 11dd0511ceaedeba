//! The log line of a request.

use std::time::Duration;

use policy_proto::Request;

use super::{Verdict, attribute};

/// The line in the original's form. The time is in milliseconds; with `compat` it is in hundredths of a second, although
/// the line says `ms`, as it is in the original.
#[must_use]
pub fn log_line(
    vhost: &str,
    request: &Request,
    verdict: Option<&Verdict>,
    elapsed: Duration,
    compat: bool,
) -> String {
    let text = |name| String::from_utf8_lossy(attribute(request, name).unwrap_or_default());
    let time = if compat {
        elapsed.as_secs_f64() * 100.0 + 0.5
    } else {
        elapsed.as_secs_f64() * 1000.0 + 0.5
    };
    let (plugin, result) = verdict.map_or(("", ""), |verdict| (&*verdict.plugin, &*verdict.action));
    format!(
        "{vhost}: instance={}, type={}, t={}ms, plugin={plugin}, result={result}",
        text("instance"),
        text("request"),
        time as u64,
    )
}
