//! The one table of metrics: name, kind, labels, meaning. What is not in it is
//! not exposed, and `contrib/prometheus/README.md` explains each: a test holds them together.
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
    READY = Gauge "dovegate_ready" []
        "Whether logins are taken: 0 from the moment a stop begins.";
    LOGINS = Counter "dovegate_logins_total" ["verdict", "reason", "service", "mechanism"]
        "Logins as the log has them; a series is there from its first login on.";
    LOGINS_VERIFIED = Counter "dovegate_logins_verified_total" ["verifier", "answer"]
        "Logins that were let in, by what convinced us: a new, a cached or a stale answer.";
    LOGIN_SECONDS = Histogram "dovegate_login_seconds" ["verdict"]
        "Time to decide about a login, without the delay of a refusal.";
    HELD_BACK = Gauge "dovegate_held_back" ["kind"]
        "Accounts and networks that are held back after guesses.";
    CONNECTIONS = Gauge "dovegate_connections" ["type"]
        "Open connections by type of their listener.";
    CONNECTIONS_LIMIT = Gauge "dovegate_connections_limit" []
        "Connections of mail servers that are served in full; those above hear temporary failures.";
    CACHE_HITS = Counter "dovegate_cache_hits_total" ["cache"]
        "How often a cache answered.";
    CACHE_MISSES = Counter "dovegate_cache_misses_total" ["cache"]
        "How often what a cache might have answered had to be had elsewhere.";
    CACHE_STALE = Counter "dovegate_cache_stale_total" ["cache"]
        "How often an answer let in that was not fresh any more, as its provider could not be asked.";
    CACHE_ENTRIES = Gauge "dovegate_cache_entries" ["cache"]
        "What a cache holds.";
    CACHE_ENTRIES_LIMIT = Gauge "dovegate_cache_entries_limit" ["cache"]
        "What a cache may hold.";
    CACHE_BYTES = Gauge "dovegate_cache_bytes" ["cache"]
        "What the entries of a cache take; an estimate.";
    CACHE_LIMIT_BYTES = Gauge "dovegate_cache_limit_bytes" ["cache"]
        "What the entries of a cache may take.";
    HASH_THREADS = Gauge "dovegate_hash_threads" []
        "Slow hashes that may run at a time.";
    HASH_RUNNING = Gauge "dovegate_hash_running" []
        "Slow hashes that run.";
    HASH_QUEUED = Gauge "dovegate_hash_queued" []
        "Checks that wait for a thread to run their slow hash.";
    HASH_QUEUE_LIMIT = Gauge "dovegate_hash_queue_limit" []
        "Checks that may wait for a thread.";
    HASH_REFUSED = Counter "dovegate_hash_refused_total" []
        "Checks that found no place among those that wait, or had no turn in time.";
    PROVIDER_UP = Gauge "dovegate_provider_up" ["provider"]
        "0 if the last request to a provider came to no usable answer, or its settings are wrong.";
    PROVIDER_BREAKER = Gauge "dovegate_provider_breaker" ["provider", "state"]
        "1 for the state of a provider's breaker: closed, open, or half_open while one asks.";
    PROVIDER_HELD_SECONDS = Gauge "dovegate_provider_held_seconds" ["provider"]
        "How much longer a provider wants to be left alone (429, Retry-After).";
    PROVIDER_REQUESTS = Counter "dovegate_provider_requests_total" ["provider", "endpoint", "outcome"]
        "Requests to a provider by what was asked and how they ended.";
    PROVIDER_REQUEST_SECONDS = Histogram "dovegate_provider_request_seconds" ["provider", "endpoint"]
        "Time from a request to a provider until its end, whatever that was.";
    PROVIDER_UNSENT = Counter "dovegate_provider_requests_unsent_total" ["provider"]
        "Requests that were not sent: no place in time, or the provider is left alone.";
    PROVIDER_IN_FLIGHT = Gauge "dovegate_provider_in_flight" ["provider"]
        "Requests to a provider that are under way.";
    PROVIDER_WAITING = Gauge "dovegate_provider_waiting" ["provider"]
        "Requests that wait for others to a provider to end.";
    PROVIDER_EVENTS = Gauge "dovegate_provider_events" ["provider", "state"]
        "1 for how it goes with a provider's events: watching, failing, forbidden or another word.";
    PROVIDER_EVENTS_AGE_SECONDS = Gauge "dovegate_provider_events_age_seconds" ["provider"]
        "How long ago all events of a provider were read; none if never.";
    DIRECTORY_UP = Gauge "dovegate_directory_up" ["directory"]
        "0 if a directory cannot be read or asked; its last good state may still be in force.";
    DIRECTORY_PEOPLE = Gauge "dovegate_directory_people" ["directory"]
        "People in a directory, where that is known.";
    DIRECTORY_AGE_SECONDS = Gauge "dovegate_directory_read_age_seconds" ["directory"]
        "How long ago a directory was read, or answered, last.";
    LOGOUT_TOKENS = Counter "dovegate_provider_logout_tokens_total" ["provider", "outcome"]
        "Back-channel logout: what became of logout tokens; none before the first one.";
    SYNCS = Counter "dovegate_syncs_total" ["provider", "outcome"]
        "Syncs that have ended, by hand or by themselves; none before the first one.";
    SYNC_MAILBOXES = Counter "dovegate_sync_mailboxes_total" ["provider", "action"]
        "Mailboxes that syncs made, changed, renamed, withdrew or restored.";
    SYNC_LAST = Gauge "dovegate_sync_last" ["provider", "outcome"]
        "1 for how a provider's last sync ended; braked if it would have withdrawn too many mailboxes.";
    SYNC_LAST_SECONDS = Gauge "dovegate_sync_last_duration_seconds" ["provider"]
        "How long a provider's last sync took, whatever it came to.";
    SYNC_COMPLETE_AGE_SECONDS = Gauge "dovegate_sync_complete_age_seconds" ["provider"]
        "How long ago a provider's last complete sync ended; none if there was none.";
    SYNC_INTERVAL_SECONDS = Gauge "dovegate_sync_interval_seconds" ["provider"]
        "How often a provider's people are synced; none where that does not happen by itself.";
    WITHDRAWALS = Counter "dovegate_withdrawals_total" []
        "Mailboxes that nobody may use any more, as a person was disabled or an administrator said so.";
    WITHDRAWAL_COMMANDS = Counter "dovegate_withdrawal_commands_total" ["outcome"]
        "What became of on_withdrawal: done, failed, or dropped as too many were waiting.";
    WITHDRAWALS_WAITING = Gauge "dovegate_withdrawals_waiting" []
        "Withdrawn mailboxes for which on_withdrawal is still to be run.";
    STORE_BYTES = Gauge "dovegate_store_bytes" []
        "Size of the store's folder.";
    STORE_FAILING = Gauge "dovegate_store_failing" []
        "1 while counters and history cannot be written to the store.";
    CPU_SECONDS = Counter "process_cpu_seconds_total" []
        "Time that the process has computed.";
    RESIDENT_BYTES = Gauge "process_resident_memory_bytes" []
        "Memory of the process.";
    OPEN_FILES = Gauge "process_open_fds" []
        "Open files of the process.";
    OPEN_FILES_LIMIT = Gauge "process_max_fds" []
        "Files that the process may open.";
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
            // The second kind is what client libraries call these everywhere.
            let ours = name.starts_with("dovegate_") || name.starts_with("process_");
            assert!(ours && name.chars().all(plain), "{name}");
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
            assert!(help.ends_with('.') && help.chars().count() < 110, "{name}: {help}");
        }
    }
}
