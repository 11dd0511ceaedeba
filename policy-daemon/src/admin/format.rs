//! The two text formats of metrics: Prometheus', which every tool reads, and OpenMetrics.

use std::fmt;

use prometheus_client::{
    encoding::{prometheus_text, text},
    registry::Registry,
};

/// The content type of OpenMetrics.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// The content type of Prometheus' text format.
const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Whether a client that accepts this wants OpenMetrics: it names it, and no less gladly than plain text (RFC 9110, 12.5.1).
fn wants_open_metrics(accept: &str) -> bool {
    let open_metrics = weight(accept, "application/openmetrics-text");
    open_metrics.is_some_and(|weight_of_it| {
        weight_of_it > 0.0 && weight_of_it >= weight(accept, "text/plain").unwrap_or(0.0)
    })
}

/// How gladly a client takes a type that it names, from 0 to 1: 1 if it does not say.
fn weight(accept: &str, wanted: &str) -> Option<f32> {
    let weights = accept.split(',').filter_map(|kind| {
        let mut parts = kind.split(';').map(str::trim);
        let is_wanted = parts.next()?.eq_ignore_ascii_case(wanted);
        let weight = parts.find_map(|part| {
            part.strip_prefix("q=")
                .or_else(|| part.strip_prefix("Q="))?
                .parse()
                .ok()
        });
        is_wanted.then(|| weight.unwrap_or(1.0))
    });
    weights.reduce(f32::max)
}

/// The metrics, in the format that a client accepts, and the content type of that.
pub(super) fn write(
    registry: &Registry,
    accept: &str,
) -> Result<(&'static str, String), fmt::Error> {
    let mut text = String::new();
    if wants_open_metrics(accept) {
        text::encode(&mut text, registry)?;
        Ok((OPEN_METRICS, text))
    } else {
        prometheus_text::encode(&mut text, registry)?;
        Ok((PROMETHEUS, text))
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::{
        collector::Collector, encoding::DescriptorEncoder, metrics::counter::Counter,
    };

    use super::*;
    use crate::metrics::{Families, Histogram};

    #[test]
    fn a_client_has_the_format_that_it_asks_for() {
        let mut registry = Registry::with_prefix("a");
        let counter: Counter = Counter::default();
        counter.inc_by(3);
        registry.register("requests", "Requests", counter);
        for (accept, kind, text) in [
            (
                "text/plain",
                PROMETHEUS,
                "# HELP a_requests_total Requests.\n# TYPE a_requests_total counter\na_requests_total 3\n",
            ),
            (
                "application/openmetrics-text; version=1.0.0",
                OPEN_METRICS,
                "# HELP a_requests Requests.\n# TYPE a_requests counter\na_requests_total 3\n# EOF\n",
            ),
        ] {
            let written = write(&registry, accept).unwrap();
            assert_eq!(written, (kind, text.to_owned()), "{accept}");
        }
    }

    /// A histogram with a number in its bucket, and one above.
    #[derive(Debug)]
    struct One;

    impl Collector for One {
        fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
            let histogram = Histogram {
                sum: 3.5,
                buckets: vec![(1.0, 1)],
                above: 1,
            };
            let of_one = [([("of", "a")], histogram)];
            Families::new(encoder).histograms("time", "Time", None, of_one)
        }
    }

    #[test]
    fn a_histogram_has_a_last_bucket_for_all_in_both_formats() {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(One));
        for accept in ["text/plain", "application/openmetrics-text"] {
            let (_, text) = write(&registry, accept).unwrap();
            let buckets = text.lines().filter(|line| line.starts_with("time_bucket"));
            let buckets: Vec<&str> = buckets.collect();
            let [first, last] = buckets[..] else {
                panic!("{text}")
            };
            assert!(first.ends_with(" 1"), "{text}");
            assert!(
                last.ends_with(" 2") && last.contains("le=\"+Inf\""),
                "{text}"
            );
        }
    }

    #[test]
    fn open_metrics_is_for_those_who_like_it_no_less_than_text() {
        for (accept, wants) in [
            (
                "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
                true,
            ),
            ("application/openmetrics-text", true),
            ("Application/OpenMetrics-Text; Q=0.1", true),
            ("text/plain, application/openmetrics-text", true),
            (
                "application/openmetrics-text;q=0.3, text/plain;q=0.7",
                false,
            ),
            ("application/openmetrics-text;q=0", false),
            ("application/openmetrics-texts", false),
            ("text/plain", false),
            ("*/*", false),
            ("", false),
        ] {
            assert_eq!(wants_open_metrics(accept), wants, "{accept}");
        }
    }
}
