//! `status`: the daemon and its services, as a table for people and as JSON for programs.

use std::{
    fmt::Write,
    time::{Duration, Instant},
};

use policy_daemon::{
    control::{DaemonStatus, aligned, seconds, shown},
    metrics::Histogram,
};
use serde_json::{Map, Value, json};

use crate::{
    journal::State,
    metrics::ServiceTotals,
    mirror::{Compared, Mirror},
    proxy::Proxy,
};

/// The status as a table.
pub(super) fn table(proxy: &Proxy, daemon: &DaemonStatus) -> String {
    let mut text = daemon.head("hapolicy", VERSION);
    text += &format!(
        "requests: {}, default actions: {}, log lines lost: {}\n\n",
        proxy.requests(),
        proxy.journal.unanswered_count(),
        daemon.log_lines_lost,
    );
    let mut rows = vec![HEAD.map(str::to_owned).to_vec()];
    let services = services(proxy, daemon);
    rows.extend(services.iter().map(|service| service.row().to_vec()));
    let mut numbers = NUMBERS;
    if !proxy.has_groups() {
        // All are in it.
        for row in &mut rows {
            row.remove(GROUP);
        }
        numbers = NUMBERS.map(|column| column - 1);
    }
    text += &aligned(&rows, |column| numbers.contains(&column));
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
    let mirrors = proxy.mirrors.iter();
    let mirrors: Vec<Value> = mirrors.map(|mirror| mirror_json(mirror)).collect();
    let mut status = daemon.json("hapolicy", VERSION);
    for (key, value) in [
        ("requests", json!(proxy.requests())),
        ("default_actions", json!(proxy.journal.unanswered_count())),
        ("services", json!(services)),
        ("mirrors", json!(mirrors)),
    ] {
        status.insert(key.to_owned(), value);
    }
    format!("{}\n", Value::Object(status))
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
            totals: proxy.totals_of(index),
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

const HEAD: [&str; 12] = [
    "SERVICE", "GROUP", "STATE", "FOR", "MODE", "WEIGHT", "ANSWERED", "FAILED", "OPEN", "P50",
    "P99", "WHY",
];
/// The column that is there where there are several groups.
const GROUP: usize = 1;
/// The columns that hold numbers.
const NUMBERS: [usize; 6] = [5, 6, 7, 8, 9, 10];
const VERSION: &str = env!("CARGO_PKG_VERSION");

#[cfg(test)]
mod tests {
    use super::*;

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
