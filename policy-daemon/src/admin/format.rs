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

/// Whether a client that accepts this wants OpenMetrics.
fn wants_open_metrics(accept: &str) -> bool {
    let mut kinds = accept.split(',');
    kinds.any(|kind| kind.trim().starts_with("application/openmetrics-text"))
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
    fn open_metrics_is_for_those_who_ask_for_it() {
        let scraper = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
        assert!(wants_open_metrics(scraper));
        assert!(!wants_open_metrics("text/plain"));
        assert!(!wants_open_metrics("*/*"));
        assert!(!wants_open_metrics(""));
    }
}
