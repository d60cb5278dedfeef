//! The one table of metrics: name, kind, labels, meaning. What is not in it is
//! not exposed.
//!
//! Names follow Prometheus: base units, which the name ends with, and `_total`
//! for counters. A label's values are few and ours: never an address, a user,
//! or anything else that a client chooses.

/// One metric.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Metric {
    /// Its name, as the samples have it.
    pub name: &'static str,
    /// What its numbers mean.
    pub kind: Kind,
    /// Names of its labels, in the order in which samples give their values.
    pub labels: &'static [&'static str],
    /// What it counts, in one sentence.
    pub help: &'static str,
}

/// Kinds of metrics.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// Only grows while the process lives. Its name ends with `_total`.
    Counter,
    /// Goes up and down.
    Gauge,
    /// A counter for each of some bounds, with `_sum` and `_count`.
    Histogram,
    /// Always 1: its labels say it. Its name ends with `_info`.
    Info,
}

macro_rules! table {
    ($( $ident:ident = $kind:ident $name:literal [$($label:literal),*] $help:literal; )*) => {
        $(
            #[doc = concat!("`", $name, "`: ", $help)]
            pub const $ident: Metric = Metric {
                name: $name,
                kind: Kind::$kind,
                labels: &[$($label),*],
                help: $help,
            };
        )*

        /// All of them, in the order in which they are shown.
        pub const TABLE: &[&Metric] = &[$(&$ident),*];
    };
}

table! {
    BUILD = Info "dovegate_build_info" ["version"]
        "The program that runs.";
    START_TIME = Gauge "dovegate_start_time_seconds" []
        "When the process started, in seconds since 1970.";
    LOGINS = Counter "dovegate_logins_total" ["verdict", "reason", "service", "mechanism"]
        "Logins as the log has them; a series is there from its first login on.";
    LOGINS_VERIFIED = Counter "dovegate_logins_verified_total" ["verifier", "answer"]
        "Logins that were let in, by what convinced us: a new, a cached or a stale answer.";
    LOGIN_SECONDS = Histogram "dovegate_login_seconds" ["verdict"]
        "Time to decide about a login, without the delay of a refusal.";
    CONNECTIONS = Gauge "dovegate_connections" ["type"]
        "Open connections by type of their listener.";
    CONNECTIONS_LIMIT = Gauge "dovegate_connections_limit" []
        "Connections of mail servers that are served in full; those above hear temporary failures.";
    STORE_BYTES = Gauge "dovegate_store_bytes" []
        "Size of the store's folder.";
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_say_what_they_are() {
        let mut names = BTreeSet::new();
        for metric in TABLE {
            let Metric { name, kind, labels, help } = metric;
            assert!(names.insert(name), "{name} is there twice");
            let plain = |c: char| c.is_ascii_lowercase() || c == '_';
            assert!(name.starts_with("dovegate_") && name.chars().all(plain), "{name}");
            assert_eq!(name.ends_with("_total"), *kind == Kind::Counter, "{name}");
            assert_eq!(name.ends_with("_info"), *kind == Kind::Info, "{name}");
            for ending in ["_count", "_sum", "_bucket", "_created", "_milliseconds", "_ms"] {
                assert!(!name.ends_with(ending), "{name}");
            }
            let mut seen = BTreeSet::new();
            for label in *labels {
                assert!(seen.insert(label) && label.chars().all(plain), "{name}: {label}");
                assert!(!["le", "job", "instance"].contains(label), "{name}: {label}");
            }
            assert!(help.ends_with('.') && help.len() < 120, "{name}: {help}");
        }
    }
}
