//! The report of a measurement, as text for people and as an object for programs.

use std::fmt::Write;

use hdrhistogram::Histogram;
use policy_daemon::log::printable;
use serde_json::{Map, Value, json};

use super::{
    chart::{nines, percentiles},
    format::{count, microseconds, requests},
    tally::{Counts, Loss},
};
use crate::status::Status;

/// The result of a measurement.
#[derive(Clone, Debug, Default)]
pub(crate) struct Report {
    pub(crate) endpoint: String,
    /// Requests a second of an open loop.
    pub(crate) rate: Option<f64>,
    pub(crate) connections: usize,
    /// `kept`, or what each new connection is for: `message` or `request`.
    pub(crate) life: &'static str,
    /// Where the requests come from.
    pub(crate) source: String,
    /// In seconds.
    pub(crate) warm_up: f64,
    pub(crate) elapsed: f64,
    pub(crate) counts: Counts,
    pub(crate) under_way: u64,
    pub(crate) was_interrupted: bool,
    /// Whether it was said what a default action is.
    pub(crate) knows_default: bool,
    pub(crate) actions: Vec<(String, u64)>,
    /// In microseconds.
    pub(crate) latency: Latency,
}

/// Latencies in microseconds.
#[derive(Clone, Debug, Default)]
pub(crate) struct Latency {
    pub(crate) mean: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
    /// In the order of [`QUANTILES`].
    pub(crate) quantiles: Vec<f64>,
    pub(crate) curve: Vec<(f64, f64)>,
}

impl Latency {
    /// Of latencies in nanoseconds.
    pub(crate) fn of(histogram: &Histogram<u64>) -> Self {
        let us = |nanos: u64| nanos as f64 / 1e3;
        let quantile = |(part, _): &(f64, &str)| us(histogram.value_at_quantile(*part));
        if histogram.is_empty() {
            return Self {
                quantiles: vec![0.0; QUANTILES.len()],
                ..Self::default()
            };
        }
        Self {
            mean: histogram.mean() / 1e3,
            min: us(histogram.min()),
            max: us(histogram.max()),
            quantiles: QUANTILES.iter().map(quantile).collect(),
            curve: curve(histogram),
        }
    }
}

impl Report {
    pub(crate) fn per_second(&self) -> f64 {
        if self.elapsed > 0.0 {
            self.counts.answers as f64 / self.elapsed
        } else {
            0.0
        }
    }

    pub(crate) fn status(&self) -> Status {
        let has_measured_nothing = self.was_interrupted && self.counts.answers == 0;
        if has_measured_nothing || self.counts.all_missing() > 0 {
            Status::Unavailable
        } else if self.counts.wrong > 0 {
            Status::Unexpected
        } else {
            Status::Success
        }
    }

    /// The stable shape that docs/policy-client.md describes.
    pub(crate) fn json(&self) -> Value {
        let counts = &self.counts;
        let mut missing: Map<String, Value> = Loss::ALL
            .iter()
            .map(|loss| {
                (
                    loss.name().to_owned(),
                    counts.missing[*loss as usize].into(),
                )
            })
            .collect();
        missing.insert("total".to_owned(), counts.all_missing().into());
        let mut latency = Map::new();
        let keys = QUANTILES.iter().map(|(_, name)| name.replace('.', "_"));
        latency.insert("mean".to_owned(), tenth(self.latency.mean));
        latency.insert("min".to_owned(), tenth(self.latency.min));
        for (key, value) in keys.zip(&self.latency.quantiles) {
            latency.insert(key, tenth(*value));
        }
        latency.insert("max".to_owned(), tenth(self.latency.max));
        let curve = self.latency.curve.iter();
        let curve = curve.map(|(part, latency)| json!([round(*part, 1e7), round(*latency, 10.0)]));
        json!({
            "format": FORMAT,
            "endpoint": self.endpoint,
            "loop": if self.rate.is_some() { "open" } else { "closed" },
            "rate": self.rate,
            "connections": self.connections,
            "new_connection_for": (self.life != "kept").then_some(self.life),
            "requests_from": self.source,
            "warm_up": { "elapsed_s": round(self.warm_up, 1e3), "requests": counts.warm_up },
            "elapsed_s": round(self.elapsed, 1e3),
            "interrupted": self.was_interrupted,
            "requests": counts.requests,
            "answers": counts.answers,
            "answers_per_second": round(self.per_second(), 10.0),
            "under_way": self.under_way,
            "wrong": counts.wrong,
            "default": self.knows_default.then_some(counts.by_default),
            "missing": missing,
            "repeated": counts.repeated,
            "excess": counts.excess,
            "unusual": counts.unusual,
            "connections_opened": counts.connections,
            "late": self.rate.map(|_| json!({
                "requests": counts.late,
                "max_us": round(counts.latest.as_nanos() as f64 / 1e3, 10.0),
            })),
            "actions": self.actions.iter().cloned().map(|(action, count)| (action, count.into())).collect::<Map<_, _>>(),
            "latency_us": latency,
            "curve_us": curve.collect::<Vec<_>>(),
        })
    }

    /// Several lines, with a plot that wide.
    pub(crate) fn text(&self, width: usize, is_utf8: bool) -> String {
        let counts = &self.counts;
        let mut text = String::new();
        _ = writeln!(text, "{}", printable(self.title()));
        _ = write!(text, "{:.1} s", self.elapsed);
        if self.warm_up > 0.0 {
            let (time, requests) = (self.warm_up, requests(counts.warm_up));
            _ = write!(text, " after {time:.1} s of warm-up with {requests}");
        }
        if self.was_interrupted {
            let under_way = requests(self.under_way);
            _ = write!(text, ", interrupted with {under_way} under way");
        }
        _ = writeln!(text);
        _ = writeln!(text);
        let mut row =
            |name: &str, value: &str| _ = writeln!(text, "{name:<12}{}", value.trim_end());
        row("requests", &count(counts.requests));
        let rate = count(self.per_second().round() as u64);
        row("answers", &format!("{}   {rate}/s", count(counts.answers)));
        let actions = self.actions.iter();
        let actions = actions.map(|(action, number)| format!("{action} {}", count(*number)));
        row("actions", &actions.collect::<Vec<_>>().join("   "));
        row("wrong", &count(counts.wrong));
        let losses = Loss::ALL
            .iter()
            .map(|loss| (loss.name(), counts.missing[*loss as usize]));
        let losses = losses.filter(|(_, number)| *number > 0);
        let losses =
            losses.map(|(name, number)| format!("   {} {}", name.replace('_', " "), count(number)));
        row(
            "missing",
            &format!(
                "{}{}",
                count(counts.all_missing()),
                losses.collect::<String>()
            ),
        );
        if self.knows_default {
            row("default", &count(counts.by_default));
        }
        for (name, number) in [
            ("repeated", counts.repeated),
            ("excess", counts.excess),
            ("unusual", counts.unusual),
        ] {
            if number > 0 {
                row(name, &count(number));
            }
        }
        if counts.late > 0 && self.rate.is_some() {
            let latest = microseconds(counts.latest.as_nanos() as f64 / 1e3);
            row(
                "late",
                &format!("{}   at most {latest}", count(counts.late)),
            );
        }
        if counts.answers > 0 {
            let Latency { mean, min, max, .. } = self.latency;
            let ends = [("mean", mean), ("min", min), ("max", max)];
            let show = |(name, value): (&str, f64)| format!("{name} {}", microseconds(value));
            row("latency", &ends.map(show).join("   "));
            let names = QUANTILES.iter().map(|(_, name)| *name);
            let quantiles = names.zip(self.latency.quantiles.iter().copied());
            row("", &quantiles.map(show).collect::<Vec<_>>().join("   "));
            _ = writeln!(text);
            for line in percentiles(&self.latency.curve, width, 14, is_utf8) {
                _ = writeln!(text, "{line}");
            }
        }
        text
    }

    /// What was measured, in one line.
    pub(crate) fn title(&self) -> String {
        let way = match self.rate {
            Some(rate) => format!("open loop, {rate} requests/s from planned times"),
            None => "closed loop".to_owned(),
        };
        let connections = match (self.connections, self.life) {
            (1, "kept") => "1 connection kept".to_owned(),
            (several, "kept") => format!("{several} connections kept"),
            (number, life) => format!("{number} at once, a new connection for each {life}"),
        };
        format!(
            "{}: {way}, {connections}, requests from {}",
            self.endpoint, self.source
        )
    }
}

/// Points of (quantile, microseconds): twenty for each nine, as far as there are latencies enough to know.
pub(crate) fn curve(histogram: &Histogram<u64>) -> Vec<(f64, f64)> {
    if histogram.is_empty() {
        return Vec::new();
    }
    let last = 1.0 - 1.0 / histogram.len() as f64;
    let steps = (0..).map(|step| 1.0 - 10f64.powf(-f64::from(step) / 20.0));
    let steps = steps.take_while(|part| *part < last && nines(*part) < MOST_NINES);
    let point = |part| (part, histogram.value_at_quantile(part) as f64 / 1e3);
    let mut curve: Vec<_> = steps.map(point).collect();
    curve.push((last, histogram.max() as f64 / 1e3));
    curve
}

fn tenth(value: f64) -> Value {
    round(value, 10.0).into()
}

/// Without digits that mean nothing.
fn round(value: f64, scale: f64) -> f64 {
    (value * scale).round() / scale
}

/// The percentiles of every report.
pub(crate) const QUANTILES: &[(f64, &str)] = &[
    (0.5, "p50"),
    (0.75, "p75"),
    (0.9, "p90"),
    (0.99, "p99"),
    (0.999, "p99.9"),
    (0.9999, "p99.99"),
];
/// The first field of the object.
pub(crate) const FORMAT: &str = "policy-client bench 1";
/// As far as a curve is drawn.
const MOST_NINES: f64 = 6.0;

#[cfg(test)]
mod tests;
