//! Families of metrics as they are written: each has a name, a help text and rows, of which labels tell one from another.

use std::fmt;

use prometheus_client::{
    encoding::{DescriptorEncoder, EncodeLabelSet, NoLabelSet},
    metrics::MetricType,
    registry::Unit,
};

use super::Histogram;

/// Families of metrics on their way to a client. The help texts are without a full stop, which is added.
///
/// Labels are written as pairs: `[("service", "a"), ("outcome", "answered")]`. Two rows of a family never have the same
/// labels: scrapers refuse such a page.
pub struct Families<'a> {
    encoder: DescriptorEncoder<'a>,
}

impl<'a> Families<'a> {
    pub(crate) fn new(encoder: DescriptorEncoder<'a>) -> Self {
        Self { encoder }
    }

    /// A counter without labels. Its name gets `_total` behind it.
    ///
    /// # Errors
    ///
    /// The page cannot be written.
    pub fn counter(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        self.encoder
            .encode_descriptor(name, &sentence(help), None, MetricType::Counter)?
            .encode_counter::<NoLabelSet, _, u64>(&value, None)
    }

    /// A counter with labels.
    ///
    /// # Errors
    ///
    /// The page cannot be written.
    pub fn counters<L: EncodeLabelSet>(
        &mut self,
        name: &str,
        help: &str,
        values: impl IntoIterator<Item = (L, u64)>,
    ) -> fmt::Result {
        let mut metric =
            self.encoder
                .encode_descriptor(name, &sentence(help), None, MetricType::Counter)?;
        for (labels, value) in values {
            metric
                .encode_family(&labels)?
                .encode_counter::<NoLabelSet, _, u64>(&value, None)?;
        }
        Ok(())
    }

    /// A gauge without labels: a whole number.
    ///
    /// # Errors
    ///
    /// The page cannot be written.
    pub fn gauge(&mut self, name: &str, help: &str, value: usize) -> fmt::Result {
        let value = i64::try_from(value).unwrap_or(i64::MAX);
        self.encoder
            .encode_descriptor(name, &sentence(help), None, MetricType::Gauge)?
            .encode_gauge(&value)
    }

    /// A gauge with labels.
    ///
    /// # Errors
    ///
    /// The page cannot be written.
    pub fn gauges<L: EncodeLabelSet>(
        &mut self,
        name: &str,
        help: &str,
        unit: Option<&Unit>,
        values: impl IntoIterator<Item = (L, f64)>,
    ) -> fmt::Result {
        let mut metric =
            self.encoder
                .encode_descriptor(name, &sentence(help), unit, MetricType::Gauge)?;
        for (labels, value) in values {
            metric.encode_family(&labels)?.encode_gauge(&value)?;
        }
        Ok(())
    }

    /// Histograms with labels, or one with none: `[("", ""); 0]`.
    ///
    /// # Errors
    ///
    /// The page cannot be written.
    pub fn histograms<L: EncodeLabelSet>(
        &mut self,
        name: &str,
        help: &str,
        unit: Option<&Unit>,
        values: impl IntoIterator<Item = (L, Histogram)>,
    ) -> fmt::Result {
        let mut metric =
            self.encoder
                .encode_descriptor(name, &sentence(help), unit, MetricType::Histogram)?;
        for (labels, histogram) in values {
            let (sum, count) = (histogram.sum, histogram.count());
            let mut buckets = histogram.buckets;
            // OpenMetrics has no other word of those above, and without it a scraper knows no quantile.
            buckets.push((f64::INFINITY, histogram.above));
            metric
                .encode_family(&labels)?
                .encode_histogram::<NoLabelSet>(sum, count, &buckets, None)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Families<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Families").finish_non_exhaustive()
    }
}

/// A help text as the registry writes its own.
fn sentence(help: &str) -> String {
    format!("{help}.")
}
