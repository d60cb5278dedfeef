//! What is said about metrics elsewhere: the page, the dashboard, the alerts.
//! They name what there is, by names and labels that are right.

use std::{collections::BTreeSet, fmt::Write as _, fs, path::Path};

use dovegate::{
    store::SyncOutcome,
    telemetry::metrics::{Kind, Metric, TABLE},
};
use serde_json::Value;

/// Labels that Prometheus adds.
const ADDED: [&str; 2] = ["instance", "job"];

fn contrib(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("contrib").join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn the_page_has_every_metric() {
    let mut table = String::new();
    for Metric { name, kind, labels, help } in TABLE {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
            Kind::Info => "info",
        };
        let labels: Vec<String> = labels.iter().map(|label| format!("`{label}`")).collect();
        let _ = writeln!(table, "| `{name}` | {kind} | {} | {help} |", labels.join(", "));
    }
    let page = contrib("prometheus/README.md");
    let rows: Vec<&str> = page.lines().filter(|line| line.starts_with("| `")).collect();
    assert!(
        rows == table.lines().collect::<Vec<_>>(),
        "contrib/prometheus/README.md should have these rows:\n{table}"
    );
}

#[test]
fn the_dashboard_names_what_there_is() {
    let dashboard: Value = serde_json::from_str(&contrib("grafana/dovegate.json")).unwrap();
    let mut queries = Vec::new();
    let mut used = BTreeSet::new();
    gather(&dashboard, &mut queries);
    assert!(queries.len() > 50, "{}", queries.len());
    for (query, legend) in &queries {
        let named = check(query, legend).unwrap_or_else(|why| panic!("{query}: {why}"));
        used.extend(named.iter().map(|metric| metric.name));
    }
    for metric in TABLE {
        assert!(used.contains(metric.name), "{} is on no panel", metric.name);
    }
    let variables = dashboard["templating"]["list"].as_array().unwrap();
    let variables: Vec<&str> = variables.iter().filter_map(|one| one["name"].as_str()).collect();
    assert_eq!(variables, ["datasource", "instance", "provider"]);
    let text = dashboard.to_string();
    assert_eq!(
        text.matches("\"type\":\"prometheus\"").count(),
        text.matches("\"uid\":\"${").count()
    );
}

#[test]
fn the_alerts_name_what_there_is() {
    let alerts = contrib("prometheus/alerts.yml");
    let mut number = 0;
    let mut expression = None;
    for line in alerts.lines().map(str::trim) {
        if let Some(expr) = line.strip_prefix("expr: ") {
            expression = Some(expr.to_owned());
            number += 1;
        } else if let Some(summary) = line.strip_prefix("summary: ") {
            let expr = expression.take().expect("an alert has its expression first");
            let labels = summary.replace("$labels.", "");
            check(&expr, &labels).unwrap_or_else(|why| panic!("{expr}: {why}"));
        }
    }
    assert_eq!(alerts.matches("- alert: ").count(), number);
    assert!(number >= 10);
}

/// A checker that finds nothing would pass, too.
#[test]
fn checker_notices_what_is_wrong() {
    for (query, legend, why) in [
        ("sum(dovegate_login_total)", "", "dovegate_login_total"),
        ("dovegate_ready{state=\"x\"}", "", "no label state"),
        ("rate(dovegate_logins_total{verdict=\"ok\"}[5m])", "", "is no verdict"),
        ("sum by (colour) (dovegate_ready)", "", "no label colour"),
        ("sum by (le) (dovegate_ready)", "", "no label le"),
        ("rate(dovegate_logins_total[5m])", "{{ reason }} {{size}}", "no label size"),
        ("dovegate_login_seconds", "", "has _bucket"),
        ("rate(dovegate_held_back[5m])", "", "is no counter"),
        ("sum(dovegate_logins_total)", "", "is a counter"),
        ("vector(1)", "", "names no metric"),
    ] {
        let found = check(query, legend).map(|_| ()).unwrap_err();
        assert!(found.contains(why), "{query}: {found}");
    }
}

/// Every query of the dashboard, with what its legend says.
fn gather(value: &Value, queries: &mut Vec<(String, String)>) {
    match value {
        Value::Object(fields) => {
            if let Some(query) = fields.get("expr").or(fields.get("definition")) {
                let legend = fields.get("legendFormat").and_then(Value::as_str).unwrap_or_default();
                queries.push((query.as_str().unwrap().to_owned(), legend.to_owned()));
            }
            fields.values().for_each(|inner| gather(inner, queries));
        }
        Value::Array(all) => all.iter().for_each(|inner| gather(inner, queries)),
        _ => {}
    }
}

/// The metrics of a query, if it and the labels of its legend are right.
fn check(query: &str, legend: &str) -> Result<Vec<&'static Metric>, String> {
    let mut named = Vec::new();
    let mut labels: BTreeSet<&str> = ADDED.into();
    for (at, word) in words(query) {
        if word == "up" {
            // Prometheus' own.
            continue;
        }
        if !word.starts_with("dovegate_") && !word.starts_with("process_") {
            continue;
        }
        let (metric, is_bucket) = find(word)?;
        named.push(metric);
        labels.extend(metric.labels);
        if is_bucket {
            labels.insert("le");
        }
        let (before, after) = (&query[..at], &query[at + word.len()..]);
        let counts = ["rate(", "increase("].iter().any(|of| before.ends_with(of));
        let is_counter = matches!(metric.kind, Kind::Counter | Kind::Histogram);
        if counts != is_counter {
            return Err(format!(
                "{word} is {}a counter",
                if is_counter { "" } else { "no counter, not " }
            ));
        }
        matchers(metric, after)?;
    }
    if named.is_empty() && !query.starts_with("up{") {
        return Err("it names no metric".to_owned());
    }
    let grouped = query.split("by (").skip(1).filter_map(|rest| rest.split(')').next());
    let shown = legend.split("{{").skip(1).filter_map(|rest| rest.split("}}").next());
    for label in grouped.flat_map(|all| all.split(',')).chain(shown).map(str::trim) {
        if !labels.contains(label) {
            return Err(format!("there is no label {label}"));
        }
    }
    Ok(named)
}

/// The metric of that name, and whether it is its buckets.
fn find(word: &str) -> Result<(&'static Metric, bool), String> {
    let histogram = ["_bucket", "_sum", "_count"].iter().find_map(|end| word.strip_suffix(end));
    for metric in TABLE {
        match metric.kind {
            Kind::Histogram if Some(metric.name) == histogram => {
                return Ok((metric, word.ends_with("_bucket")));
            }
            Kind::Histogram if metric.name == word => {
                return Err(format!("{word} has _bucket, _sum and _count"));
            }
            _ if metric.name == word => return Ok((metric, false)),
            _ => {}
        }
    }
    Err(format!("there is no metric {word}"))
}

/// Checks `{…}`, if `after` begins with it.
fn matchers(metric: &Metric, after: &str) -> Result<(), String> {
    let Some(inside) = after.strip_prefix('{').and_then(|rest| rest.split('}').next()) else {
        return Ok(());
    };
    for matcher in inside.split(',') {
        let end = matcher.find(['=', '!']).ok_or("a matcher without a sign")?;
        let (label, rest) = matcher.split_at(end);
        if !metric.labels.contains(&label) && !ADDED.contains(&label) {
            return Err(format!("{} has no label {label}", metric.name));
        }
        let value = rest.split('"').nth(1).unwrap_or_default();
        let known: &[&str] = match label {
            "verdict" => &["verified", "rejected", "unavailable"],
            "state" => &["closed", "failing", "forbidden", "not_recorded"],
            "outcome" if metric.name.starts_with("dovegate_sync") => &SyncOutcome::ENDS,
            "outcome" => &["answered", "failed", "dropped"],
            _ => continue,
        };
        if let Some(unknown) = value.split('|').find(|one| !known.contains(one)) {
            return Err(format!("\"{unknown}\" is no {label}"));
        }
    }
    Ok(())
}

/// Words of a query, with their places; what stands in quotes has none.
fn words(query: &str) -> Vec<(usize, &str)> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut found = Vec::new();
    let mut place = 0;
    for (number, part) in query.split('"').enumerate() {
        if number % 2 == 0 {
            let mut rest = part;
            while let Some(start) = rest.find(is_word) {
                let from = place + (part.len() - rest.len()) + start;
                let word = &rest[start..];
                let word = &word[..word.find(|c| !is_word(c)).unwrap_or(word.len())];
                found.push((from, word));
                rest = &rest[start + word.len()..];
            }
        }
        place += part.len() + 1;
    }
    found
}
