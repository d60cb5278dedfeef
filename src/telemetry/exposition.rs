//! Metrics as text: `OpenMetrics` 1.0 for those who ask for it, else the older
//! text format 0.0.4 of Prometheus, which every collector reads.
//!
//! Written by hand: all numbers are gathered at a scrape, so there is nothing to
//! register, and the libraries at hand write one of the two formats each.

use std::fmt::Write as _;

use super::metrics::{Kind, Metric};

/// How the text is written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Format {
    /// `OpenMetrics` 1.0.0.
    OpenMetrics,
    /// Prometheus' text format 0.0.4.
    Text,
}

impl Format {
    /// What a scraper's `Accept` asks for.
    pub fn accepted(accept: &str) -> Self {
        let wants = |range: &str| {
            let mut parts = range.split(';').map(str::trim);
            let is_it = parts
                .next()
                .is_some_and(|name| name.eq_ignore_ascii_case("application/openmetrics-text"));
            let refused = |part: &str| {
                let weight = part.strip_prefix("q=").and_then(|weight| weight.parse::<f32>().ok());
                weight.is_some_and(|weight| weight <= 0.0)
            };
            is_it && !parts.any(refused)
        };
        if accept.split(',').map(str::trim).any(wants) { Self::OpenMetrics } else { Self::Text }
    }

    /// Its media type.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
        }
    }
}

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

impl std::fmt::Display for Number {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Whole(number) => number.fmt(f),
            Self::Real(number) => number.fmt(f),
        }
    }
}

/// What a scraper gets.
#[derive(Debug)]
pub struct Exposition {
    format: Format,
    text: String,
}

impl Exposition {
    /// Nothing yet.
    pub fn new(format: Format) -> Self {
        Self { format, text: String::with_capacity(16 << 10) }
    }

    /// Begins a metric; its samples follow, all in one go.
    pub fn family(&mut self, metric: &'static Metric) -> Family<'_> {
        let Metric { name, kind, help, .. } = *metric;
        let is_new = self.format == Format::OpenMetrics;
        let (family, word) = match kind {
            Kind::Counter if is_new => (name.trim_end_matches("_total"), "counter"),
            Kind::Counter => (name, "counter"),
            Kind::Histogram => (name, "histogram"),
            Kind::Info if is_new => (name.trim_end_matches("_info"), "info"),
            Kind::Gauge | Kind::Info => (name, "gauge"),
        };
        let _ = writeln!(self.text, "# HELP {family} {help}\n# TYPE {family} {word}");
        let units = ["seconds", "bytes"];
        let unit = units.iter().find(|unit| family.ends_with(**unit));
        if let Some(unit) = unit.filter(|_| is_new) {
            let _ = writeln!(self.text, "# UNIT {family} {unit}");
        }
        Family { metric, text: &mut self.text }
    }

    /// The whole text.
    pub fn finish(mut self) -> String {
        if self.format == Format::OpenMetrics {
            self.text.push_str("# EOF\n");
        }
        self.text
    }
}

/// One metric, whose samples are being written.
#[derive(Debug)]
pub struct Family<'a> {
    metric: &'static Metric,
    text: &'a mut String,
}

impl Family<'_> {
    /// One number, with the values of the metric's labels.
    pub fn sample(&mut self, labels: &[&str], number: impl Into<Number>) {
        self.line("", labels, None, number.into());
    }

    /// Buckets with these upper bounds in seconds; `counts` has one more, for
    /// what is above all of them. `sum` is in seconds.
    pub fn histogram(&mut self, labels: &[&str], bounds: &[f64], counts: &[u64], sum: f64) {
        let mut so_far = 0;
        let ends = bounds.iter().map(|bound| format!("{bound:?}"));
        for (end, count) in ends.chain(["+Inf".to_owned()]).zip(counts) {
            so_far += count;
            self.line("_bucket", labels, Some(&end), so_far.into());
        }
        self.line("_sum", labels, None, sum.into());
        self.line("_count", labels, None, so_far.into());
    }

    fn line(&mut self, ending: &str, values: &[&str], le: Option<&str>, number: Number) {
        let Metric { name, labels, .. } = self.metric;
        debug_assert_eq!(labels.len(), values.len(), "{name}");
        self.text.push_str(name);
        self.text.push_str(ending);
        let pairs = labels.iter().zip(values).chain(le.as_ref().map(|le| (&"le", le)));
        let mut before = '{';
        for (label, value) in pairs {
            let _ = write!(self.text, "{before}{label}=\"");
            escape_into(self.text, value);
            self.text.push('"');
            before = ',';
        }
        let end = if before == ',' { "}" } else { "" };
        let _ = writeln!(self.text, "{end} {number}");
    }
}

fn escape_into(text: &mut String, value: &str) {
    for character in value.chars() {
        match character {
            '\\' => text.push_str("\\\\"),
            '"' => text.push_str("\\\""),
            '\n' => text.push_str("\\n"),
            plain => text.push(plain),
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

    fn written(format: Format) -> String {
        let mut exposition = Exposition::new(format);
        exposition.family(&COUNTER).sample(&["x\"\\\ny", ""], 1.5);
        exposition.family(&GAUGE).sample(&[], true);
        exposition.family(&HISTOGRAM).histogram(&["x"], &[0.005, 1.0], &[2, 0, 3], 7.25);
        exposition.family(&INFO).sample(&["x"], 1_u64);
        exposition.finish()
    }

    #[test]
    fn open_metrics() {
        let expected = concat!(
            "# HELP a_seconds Help.\n# TYPE a_seconds counter\n# UNIT a_seconds seconds\n",
            "a_seconds_total{b=\"x\\\"\\\\\\ny\",c=\"\"} 1.5\n",
            "# HELP d Help.\n# TYPE d gauge\nd 1\n",
            "# HELP e_seconds Help.\n# TYPE e_seconds histogram\n# UNIT e_seconds seconds\n",
            "e_seconds_bucket{b=\"x\",le=\"0.005\"} 2\n",
            "e_seconds_bucket{b=\"x\",le=\"1.0\"} 2\n",
            "e_seconds_bucket{b=\"x\",le=\"+Inf\"} 5\n",
            "e_seconds_sum{b=\"x\"} 7.25\ne_seconds_count{b=\"x\"} 5\n",
            "# HELP f Help.\n# TYPE f info\nf_info{b=\"x\"} 1\n# EOF\n",
        );
        assert_eq!(written(Format::OpenMetrics), expected);
    }

    #[test]
    fn older_text() {
        let text = written(Format::Text);
        assert!(text.starts_with("# HELP a_seconds_total Help.\n# TYPE a_seconds_total counter\n"));
        assert!(text.contains("# TYPE f_info gauge\nf_info{b=\"x\"} 1\n"), "{text}");
        assert!(!text.contains("# UNIT") && !text.contains("# EOF"), "{text}");
    }

    #[test]
    fn scrapers_say_what_they_read() {
        let prometheus = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,\
                          text/plain;version=0.0.4;q=0.3,*/*;q=0.1";
        for (accept, format) in [
            (prometheus, Format::OpenMetrics),
            ("text/plain, Application/OpenMetrics-Text; version=0.0.1", Format::OpenMetrics),
            ("application/openmetrics-text;q=0, */*", Format::Text),
            ("application/openmetrics-texts", Format::Text),
            ("*/*", Format::Text),
            ("", Format::Text),
        ] {
            assert_eq!(Format::accepted(accept), format, "{accept}");
        }
    }
}
