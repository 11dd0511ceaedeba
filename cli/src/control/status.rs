//! `status`: the daemon and its services, as a table for people and as JSON for programs.

use std::{fmt::Write, time::Duration, time::Instant};

use policy_daemon::{control::DaemonStatus, metrics::Histogram};
use serde_json::{Map, Value, json};

use crate::{
    journal::State,
    metrics::ServiceTotals,
    mirror::{Compared, Mirror},
    proxy::Proxy,
};

/// The status as a table.
pub(super) fn table(proxy: &Proxy, daemon: &DaemonStatus) -> String {
    let mut text = format!(
        "hapolicy {VERSION}, running for {}, workers: {}, clients: {} of {}\n\
         requests: {}, default actions: {}, log lines lost: {}\n\n",
        shown(daemon.uptime),
        daemon.workers,
        daemon.clients,
        daemon.max_clients,
        proxy.requests(),
        proxy.journal.unanswered_count(),
        daemon.log_lines_lost,
    );
    let mut rows = vec![HEAD.map(str::to_owned).to_vec()];
    rows.extend(
        services(proxy, daemon)
            .iter()
            .map(|service| service.row().to_vec()),
    );
    if !proxy.has_groups() {
        // All are in it.
        for row in &mut rows {
            row.remove(GROUP);
        }
    }
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..HEAD.len()).map(width).collect();
    let head = rows.first().cloned().unwrap_or_default();
    for row in rows {
        let mut line = String::new();
        for ((cell, width), title) in row.iter().zip(&widths).zip(&head) {
            let (width, is_number) = (*width, NUMBERS.contains(&title.as_str()));
            _ = if is_number {
                write!(line, "{cell:>width$}  ")
            } else {
                write!(line, "{cell:<width$}  ")
            };
        }
        text += line.trim_end();
        text.push('\n');
    }
    for mirror in &proxy.mirrors {
        _ = writeln!(
            text,
            "\nmirror {}: {}",
            mirror.options.name,
            outcomes(mirror)
        );
    }
    text
}

/// What came of requests to a mirror.
fn outcomes(mirror: &Mirror) -> String {
    let compared = Compared::ALL.map(|compared| {
        let count = mirror.counts.get(compared);
        format!("{} {count}, ", compared.name())
    });
    format!("{}dropped {}", compared.concat(), mirror.counts.dropped())
}

/// The status as JSON in one line.
pub(super) fn json(proxy: &Proxy, daemon: &DaemonStatus) -> String {
    let services: Vec<Value> = services(proxy, daemon)
        .iter()
        .map(ServiceStatus::json)
        .collect();
    let mirrors: Vec<Value> = proxy
        .mirrors
        .iter()
        .map(|mirror| mirror_json(mirror))
        .collect();
    let status = json!({
        "name": "hapolicy",
        "version": VERSION,
        "uptime_seconds": seconds(daemon.uptime),
        "workers": daemon.workers,
        "clients": daemon.clients,
        "max_clients": daemon.max_clients,
        "requests": proxy.requests(),
        "default_actions": proxy.journal.unanswered_count(),
        "log_lines_lost": daemon.log_lines_lost,
        "services": services,
        "mirrors": mirrors,
    });
    format!("{status}\n")
}

fn mirror_json(mirror: &Mirror) -> Value {
    let counts = &mirror.counts;
    let compared = Compared::ALL.map(|compared| {
        let count = counts.get(compared);
        (compared.name().to_owned(), Value::from(count))
    });
    let mut all: Map<String, Value> = compared.into_iter().collect();
    all.insert("name".to_owned(), mirror.options.name.as_str().into());
    all.insert(
        "endpoint".to_owned(),
        mirror.options.endpoint.to_string().into(),
    );
    all.insert("dropped".to_owned(), counts.dropped().into());
    all.into()
}

/// A service as it is shown.
struct ServiceStatus {
    name: String,
    group: String,
    endpoint: String,
    state: State,
    is_up: bool,
    /// How long it has been up, or down.
    since: Duration,
    /// Why it is down.
    why: String,
    totals: ServiceTotals,
}

fn services(proxy: &Proxy, daemon: &DaemonStatus) -> Vec<ServiceStatus> {
    let now = Instant::now();
    let one = |(index, state): (usize, State)| {
        let service = proxy.journal.service(index)?;
        let down = state.down_for(now);
        let up = proxy.journal.up_since(index);
        let up = up.map_or(daemon.uptime, |since| now.saturating_duration_since(since));
        Some(ServiceStatus {
            name: proxy.journal.names().nth(index)?.to_owned(),
            group: proxy.group_name(index).to_owned(),
            endpoint: service.endpoint.to_string(),
            is_up: down.is_none(),
            since: down.unwrap_or(up),
            why: down
                .map(|_| proxy.journal.reason(index))
                .unwrap_or_default(),
            totals: ServiceTotals::of(proxy, index),
            state,
        })
    };
    proxy
        .states()
        .into_iter()
        .enumerate()
        .filter_map(one)
        .collect()
}

impl ServiceStatus {
    fn row(&self) -> [String; HEAD.len()] {
        let time = |part| {
            self.totals
                .took
                .quantile(part)
                .map_or_else(|| "-".to_owned(), bound)
        };
        [
            self.name.clone(),
            self.group.clone(),
            if self.is_up { "up" } else { "down" }.to_owned(),
            shown(self.since),
            self.state.mode().to_owned(),
            self.state.weight.to_string(),
            self.totals.answered.to_string(),
            self.totals.failed.to_string(),
            self.state.connections.to_string(),
            time(0.5),
            time(0.99),
            self.why.clone(),
        ]
    }

    fn json(&self) -> Value {
        json!({
            "name": self.name,
            "group": self.group,
            "endpoint": self.endpoint,
            "state": if self.is_up { "up" } else { "down" },
            "since_seconds": seconds(self.since),
            "why": self.why,
            "mode": self.state.mode(),
            "weight": self.state.weight,
            "answered": self.totals.answered,
            "failed": self.totals.failed,
            "connections": self.state.connections,
            "latency": latency(&self.totals.took),
        })
    }
}

/// The sum of all attempts' times, and how many there were up to each bound.
fn latency(times: &Histogram) -> Value {
    let buckets = times.buckets.iter();
    let buckets: Vec<Value> = buckets
        .map(|(bound, count)| json!({ "le_seconds": bound, "count": count }))
        .collect();
    json!({ "seconds": times.sum, "count": times.count(), "buckets": buckets })
}

/// A bound of a latency.
fn bound(seconds: f64) -> String {
    match seconds {
        f64::INFINITY => ">100s".to_owned(),
        1.0.. => format!("<{seconds}s"),
        _ => format!("<{}ms", seconds * 1000.0),
    }
}

/// A time in its two largest units.
fn shown(time: Duration) -> String {
    let seconds = time.as_secs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match () {
        () if days > 0 => format!("{days}d{}h", hours % 24),
        () if hours > 0 => format!("{hours}h{}m", minutes % 60),
        () if minutes > 0 => format!("{minutes}m{}s", seconds % 60),
        () => format!("{seconds}s"),
    }
}

fn seconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1000.0).round() / 1000.0
}

const HEAD: [&str; 12] = [
    "SERVICE", "GROUP", "STATE", "FOR", "MODE", "WEIGHT", "ANSWERED", "FAILED", "OPEN", "P50",
    "P99", "WHY",
];
/// The column that is there where there are several groups.
const GROUP: usize = 1;
/// The columns that hold numbers.
const NUMBERS: [&str; 6] = ["WEIGHT", "ANSWERED", "FAILED", "OPEN", "P50", "P99"];
const VERSION: &str = env!("CARGO_PKG_VERSION");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_shown_in_its_two_largest_units() {
        for (seconds, text) in [
            (0, "0s"),
            (59, "59s"),
            (60, "1m0s"),
            (3_599, "59m59s"),
            (3_660, "1h1m"),
            (86_399, "23h59m"),
            (90_000, "1d1h"),
        ] {
            assert_eq!(shown(Duration::from_secs(seconds)), text);
        }
    }

    #[test]
    fn a_bound_has_a_unit() {
        for (seconds, text) in [
            (0.0001, "<0.1ms"),
            (0.0025, "<2.5ms"),
            (0.25, "<250ms"),
            (1.0, "<1s"),
            (f64::INFINITY, ">100s"),
        ] {
            assert_eq!(bound(seconds), text);
        }
    }
}
