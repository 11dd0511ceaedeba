//! `hapolicy ctl top`: the services each second, with what has happened since the second before.

use std::{
    io::{IsTerminal, Write, stdout},
    path::Path,
    thread,
    time::{Duration, Instant},
};

use policy_daemon::{
    control::{AskError, aligned, ask},
    log::printable,
};
use serde_json::Value;

/// Shows the services again and again: so often, or until the process is ended.
pub(super) fn run(socket: &Path, count: Option<u64>) -> Result<(), AskError> {
    let mut last: Option<(Instant, Value)> = None;
    let mut left = count;
    while left != Some(0) {
        let text = ask(socket, &["status", "--json"].map(str::to_owned))?;
        let now: Value = serde_json::from_str(&text)
            .map_err(|error| AskError::Refused(format!("an answer that is no JSON: {error}")))?;
        let taken = Instant::now();
        if let Some((before, old)) = &last {
            let screen = screen(old, &now, taken.duration_since(*before));
            // On a terminal the screen is written over.
            let clear = if stdout().is_terminal() {
                "\x1b[H\x1b[2J"
            } else {
                ""
            };
            if stdout()
                .write_all(format!("{clear}{screen}").as_bytes())
                .is_err()
            {
                return Ok(());
            }
            left = left.map(|left| left - 1);
        }
        last = Some((taken, now));
        if left != Some(0) {
            thread::sleep(PERIOD);
        }
    }
    Ok(())
}

/// One screen: what has happened in this time.
fn screen(old: &Value, new: &Value, time: Duration) -> String {
    let rate = |old: &Value, new: &Value, of: &str| {
        let count = number(&new[of]) - number(&old[of]);
        count.max(0.0) / time.as_secs_f64().max(0.001)
    };
    let text = format!(
        "requests/s {:.1}  default actions/s {:.1}  clients {} of {}\n\n",
        rate(old, new, "requests"),
        rate(old, new, "default_actions"),
        new["clients"],
        new["max_clients"],
    );
    let head = [
        "SERVICE",
        "STATE",
        "MODE",
        "ANSWERS/S",
        "FAILS/S",
        "OPEN",
        "MEAN",
    ];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    let services = |value: &Value| value["services"].as_array().cloned().unwrap_or_default();
    let before = services(old);
    for service in services(new) {
        let known = before.iter().find(|known| known["name"] == service["name"]);
        let known = known.cloned().unwrap_or_default();
        let times = |of: &str| number(&service["latency"][of]) - number(&known["latency"][of]);
        let mean = match times("count") {
            count if count > 0.0 => format!("{:.2}ms", times("seconds") / count * 1000.0),
            _ => "-".to_owned(),
        };
        let word = |of: &str| printable(service[of].as_str().unwrap_or_default());
        rows.push(vec![
            word("name"),
            word("state"),
            word("mode"),
            format!("{:.1}", rate(&known, &service, "answered")),
            format!("{:.1}", rate(&known, &service, "failed")),
            service["connections"].to_string(),
            mean,
        ]);
    }
    // The first three are words.
    text + &aligned(&rows, |column| column > 2)
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or(0.0)
}

const PERIOD: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_screen_shows_what_has_happened_since_the_one_before() {
        let status = |requests, answered, seconds, count| {
            json!({
                "requests": requests, "default_actions": 0, "clients": 3, "max_clients": 10,
                "services": [{
                    "name": "a\u{1b}[2J", "state": "up", "mode": "enabled", "answered": answered, "failed": 0,
                    "connections": 2, "latency": { "seconds": seconds, "count": count },
                }],
            })
        };
        let (old, new) = (status(100, 50, 1.0, 50), status(140, 90, 1.2, 90));
        let screen = screen(&old, &new, Duration::from_secs(2));
        assert!(screen.starts_with("requests/s 20.0  default actions/s 0.0  clients 3 of 10\n"));
        let row: Vec<&str> = screen.lines().last().unwrap().split_whitespace().collect();
        assert_eq!(
            row,
            ["a?[2J", "up", "enabled", "20.0", "0.0", "2", "5.00ms"]
        );
    }

    #[test]
    fn a_long_name_moves_no_column() {
        let service = |name: &str| json!({ "name": name, "state": "down", "mode": "drain" });
        let status = json!({ "services": [service("x"), service(&"y".repeat(40))] });
        let screen = screen(&status, &status, Duration::from_secs(1));
        let at = |line: &str| line.find("down").or_else(|| line.find("STATE")).unwrap();
        let lines: Vec<&str> = screen.lines().skip(2).collect();
        assert_eq!(lines.len(), 3, "{screen}");
        assert!(lines.iter().all(|line| at(line) == 42), "{screen}");
    }
}
