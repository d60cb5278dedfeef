//! Numbers that were gathered at a scrape, as `OpenMetrics` text.

use std::fmt;

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet, text},
    metrics::MetricType,
    registry::{Registry, Unit},
};

use super::metrics::{Kind, Metric};

/// Media type of the text.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// A number of a sample.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Number {
    /// Things that are counted.
    Whole(u64),
    /// Whatever is measured.
    Real(f64),
}

impl From<u64> for Number {
    fn from(number: u64) -> Self {
        Self::Whole(number)
    }
}

impl From<usize> for Number {
    fn from(number: usize) -> Self {
        Self::Whole(number as u64)
    }
}

impl From<bool> for Number {
    fn from(holds: bool) -> Self {
        Self::Whole(holds.into())
    }
}

impl From<f64> for Number {
    fn from(number: f64) -> Self {
        Self::Real(number)
    }
}

/// What a scraper gets.
#[derive(Debug, Default)]
pub struct Exposition(Vec<Family>);

impl Exposition {
    /// Begins a metric; its samples follow, all in one go.
    pub fn family(&mut self, metric: &'static Metric) -> &mut Family {
        self.0.push(Family { metric, samples: Vec::new() });
        self.0.last_mut().expect("one was pushed just now")
    }

    /// The whole text.
    pub fn finish(self) -> String {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(self));
        let mut out = String::with_capacity(16 << 10);
        text::encode(&mut out, &registry).expect("a text takes whatever is written to it");
        out
    }
}

impl Collector for Exposition {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|family| family.encode(&mut encoder))
    }
}

/// One metric and its samples.
#[derive(Debug)]
pub struct Family {
    metric: &'static Metric,
    samples: Vec<(Vec<String>, Value)>,
}

#[derive(Debug)]
enum Value {
    Number(Number),
    Histogram { buckets: Vec<(f64, u64)>, sum: f64 },
}

impl Family {
    /// One number, with the values of the metric's labels.
    pub fn sample(&mut self, labels: &[&str], number: impl Into<Number>) {
        self.push(labels, Value::Number(number.into()));
    }

    /// Buckets with these upper bounds in seconds; `counts` has one more, for
    /// what is above all of them. `sum` is in seconds.
    pub fn histogram(&mut self, labels: &[&str], bounds: &[f64], counts: &[u64], sum: f64) {
        let ends = bounds.iter().copied().chain([f64::INFINITY]);
        let buckets = ends.zip(counts.iter().copied()).collect();
        self.push(labels, Value::Histogram { buckets, sum });
    }

    fn push(&mut self, labels: &[&str], value: Value) {
        debug_assert_eq!(labels.len(), self.metric.labels.len(), "{}", self.metric.name);
        self.samples.push((labels.iter().map(|&label| label.to_owned()).collect(), value));
    }

    /// The library puts the endings of kinds and units to the names itself.
    fn encode(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let Metric { name, kind, help, labels } = *self.metric;
        let (name, kind) = match kind {
            Kind::Counter => (name.trim_end_matches("_total"), MetricType::Counter),
            Kind::Histogram => (name, MetricType::Histogram),
            Kind::Info => (name.trim_end_matches("_info"), MetricType::Info),
            Kind::Gauge => (name, MetricType::Gauge),
        };
        let units = [Unit::Seconds, Unit::Bytes];
        let unit = units.iter().find(|unit| name.ends_with(&format!("_{}", unit.as_str())));
        let stem = unit.map_or(name, |unit| &name[..name.len() - unit.as_str().len() - 1]);
        let mut metric = encoder.encode_descriptor(stem, help, unit, kind)?;
        for (values, value) in &self.samples {
            let labels: Vec<_> =
                labels.iter().copied().zip(values.iter().map(String::as_str)).collect();
            match kind {
                MetricType::Info => metric.encode_info(&labels)?,
                _ if labels.is_empty() => write(&mut metric, kind, value)?,
                _ => write(&mut metric.encode_family(&labels)?, kind, value)?,
            }
        }
        Ok(())
    }
}

fn write(sample: &mut MetricEncoder<'_>, kind: MetricType, value: &Value) -> fmt::Result {
    match (kind, value) {
        (MetricType::Counter, Value::Number(Number::Whole(number))) => {
            sample.encode_counter::<NoLabelSet, _, u64>(number, None)
        }
        (MetricType::Counter, Value::Number(Number::Real(number))) => {
            sample.encode_counter::<NoLabelSet, _, u64>(number, None)
        }
        (_, Value::Number(Number::Whole(number))) => sample.encode_gauge(number),
        (_, Value::Number(Number::Real(number))) => sample.encode_gauge(number),
        (_, Value::Histogram { buckets, sum }) => {
            let count = buckets.iter().map(|(_, count)| count).sum();
            sample.encode_histogram::<NoLabelSet>(*sum, count, buckets, None)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn metric(name: &'static str, kind: Kind, labels: &'static [&'static str]) -> Metric {
        Metric { name, kind, labels, help: "Help." }
    }
    const COUNTER: Metric = metric("a_seconds_total", Kind::Counter, &["b", "c"]);
    const GAUGE: Metric = metric("d", Kind::Gauge, &[]);
    const HISTOGRAM: Metric = metric("e_seconds", Kind::Histogram, &["b"]);
    const INFO: Metric = metric("f_info", Kind::Info, &["b"]);

    #[test]
    fn open_metrics() {
        let mut exposition = Exposition::default();
        exposition.family(&COUNTER).sample(&["x\"\\\ny", ""], 1.5);
        exposition.family(&GAUGE).sample(&[], true);
        exposition.family(&HISTOGRAM).histogram(&["x"], &[0.005, 1.0], &[2, 0, 3], 7.25);
        exposition.family(&INFO).sample(&["x"], 1_u64);
        let expected = concat!(
            "# HELP a_seconds Help.\n# TYPE a_seconds counter\n# UNIT a_seconds seconds\n",
            "a_seconds_total{b=\"x\\\"\\\\\\ny\",c=\"\"} 1.5\n",
            "# HELP d Help.\n# TYPE d gauge\nd 1\n",
            "# HELP e_seconds Help.\n# TYPE e_seconds histogram\n# UNIT e_seconds seconds\n",
            "e_seconds_sum{b=\"x\"} 7.25\ne_seconds_count{b=\"x\"} 5\n",
            "e_seconds_bucket{le=\"0.005\",b=\"x\"} 2\n",
            "e_seconds_bucket{le=\"1.0\",b=\"x\"} 2\n",
            "e_seconds_bucket{le=\"+Inf\",b=\"x\"} 5\n",
            "# HELP f Help.\n# TYPE f info\nf_info{b=\"x\"} 1\n# EOF\n",
        );
        assert_eq!(exposition.finish(), expected);
    }
}
