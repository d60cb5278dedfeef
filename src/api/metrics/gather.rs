//! From the figures of the rooms to the text.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use super::{Figures, LoginTimes, Sources, process};
use crate::{
    api::health::Health,
    clock::Timestamp,
    directory::Status,
    idp::{BUCKETS_MILLIS, BreakerState, EventsState, Times},
    mailbox::ProviderName,
    provision::{Source, SyncFigures},
    store::{SyncOutcome, SyncRun},
    telemetry::{exposition::Exposition, metrics as table},
    verify::{DirectoryReport, Pipeline, ProviderReport, SignOutCounts, WithdrawalFigures},
};

/// Most providers whose numbers are shown, by name: an administrator with more
/// has other worries than a text without end.
pub(super) const MOST_PROVIDERS: usize = 500;

/// Names of the states of a breaker.
const BREAKER: [(BreakerState, &str); 3] = [
    (BreakerState::Closed, "closed"),
    (BreakerState::Open, "open"),
    (BreakerState::HalfOpen, "half_open"),
];
/// Names of [`EventsState`].
const EVENTS: [&str; 5] = ["not_asked", "watching", "not_recorded", "forbidden", "failing"];

pub(super) fn text(sources: &Sources, store_bytes: Option<u64>, synced: &[Synced]) -> String {
    let mut out = Exposition::default();
    let figures = (sources.server)();
    let pipeline = &sources.pipeline;
    out.family(&table::BUILD).sample(&[env!("CARGO_PKG_VERSION")], true);
    out.family(&table::START_TIME).sample(&[], figures.started.seconds());
    out.family(&table::READY).sample(&[], figures.health == Health::Ready);
    logins(&mut out, &figures);
    held_back(&mut out, pipeline);
    connections(&mut out, &figures);
    caches(&mut out, pipeline);
    hashes(&mut out, pipeline);
    let mut reports = pipeline.providers();
    reports.truncate(MOST_PROVIDERS);
    providers(&mut out, &reports);
    requests(&mut out, &reports);
    events(&mut out, &reports);
    directories(&mut out, &pipeline.directories());
    logout_tokens(&mut out, &pipeline.sign_outs());
    syncs(&mut out, &sources.syncs.counts(), synced);
    withdrawals(&mut out, pipeline);
    let store = out.family(&table::STORE_BYTES);
    if let Some(bytes) = store_bytes {
        store.sample(&[], bytes);
    }
    out.family(&table::STORE_FAILING).sample(&[], figures.store_fails);
    process::write(&mut out);
    out.finish()
}

fn logins(out: &mut Exposition, figures: &Figures) {
    let family = out.family(&table::LOGINS);
    for one in &figures.logins {
        family.sample(&[one.verdict, one.reason, one.service, one.mechanism], one.count);
    }
    let family = out.family(&table::LOGINS_VERIFIED);
    for one in &figures.verified {
        family.sample(&[one.verifier, one.answer], one.count);
    }
    let family = out.family(&table::LOGIN_SECONDS);
    for LoginTimes { verdict, bounds, counts, sum } in &figures.login_times {
        family.histogram(&[verdict], bounds, counts, sum.as_secs_f64());
    }
}

fn held_back(out: &mut Exposition, pipeline: &Pipeline) {
    let held = pipeline.held_counts();
    let family = out.family(&table::HELD_BACK);
    family.sample(&["account"], held.accounts);
    family.sample(&["network"], held.networks);
}

fn connections(out: &mut Exposition, figures: &Figures) {
    let mut open = BTreeMap::<&str, u64>::new();
    for listener in &figures.listeners {
        *open.entry(&listener.kind).or_default() += listener.connections;
    }
    let family = out.family(&table::CONNECTIONS);
    for (kind, connections) in open {
        family.sample(&[kind], connections);
    }
    out.family(&table::CONNECTIONS_LIMIT).sample(&[], figures.connections_limit);
}

fn caches(out: &mut Exposition, pipeline: &Pipeline) {
    let caches = pipeline.cache_status();
    for (metric, number) in [
        (&table::CACHE_HITS, (|cache| cache.hits) as fn(&crate::verify::CacheStatus) -> u64),
        (&table::CACHE_MISSES, |cache| cache.misses),
        (&table::CACHE_STALE, |cache| cache.stale),
        (&table::CACHE_ENTRIES, |cache| cache.entries),
        (&table::CACHE_ENTRIES_LIMIT, |cache| cache.max_entries),
        (&table::CACHE_BYTES, |cache| cache.bytes),
        (&table::CACHE_LIMIT_BYTES, |cache| cache.max_bytes),
    ] {
        let family = out.family(metric);
        for cache in &caches {
            family.sample(&[cache.name], number(cache));
        }
    }
}

fn hashes(out: &mut Exposition, pipeline: &Pipeline) {
    let pool = pipeline.pool_status();
    out.family(&table::HASH_THREADS).sample(&[], pool.threads);
    out.family(&table::HASH_RUNNING).sample(&[], pool.running);
    out.family(&table::HASH_QUEUED).sample(&[], pool.queued);
    out.family(&table::HASH_QUEUE_LIMIT).sample(&[], pool.queue);
    out.family(&table::HASH_REFUSED).sample(&[], pool.refused);
}

fn providers(out: &mut Exposition, reports: &[ProviderReport]) {
    let family = out.family(&table::PROVIDER_UP);
    for ProviderReport { name, settings, status, .. } in reports {
        family.sample(&[name.as_str()], settings.is_ok() && status.down.is_none());
    }
    let family = out.family(&table::PROVIDER_BREAKER);
    for ProviderReport { name, status, .. } in reports {
        for (state, word) in BREAKER {
            family.sample(&[name.as_str(), word], status.breaker == state);
        }
    }
    let family = out.family(&table::PROVIDER_HELD_SECONDS);
    for ProviderReport { name, status, .. } in reports {
        family.sample(&[name.as_str()], status.held.unwrap_or_default().as_secs_f64());
    }
    let family = out.family(&table::PROVIDER_IN_FLIGHT);
    for ProviderReport { name, status, .. } in reports {
        family.sample(&[name.as_str()], status.in_flight);
    }
    let family = out.family(&table::PROVIDER_WAITING);
    for ProviderReport { name, status, .. } in reports {
        family.sample(&[name.as_str()], status.waiting);
    }
}

fn directories(out: &mut Exposition, reports: &[DirectoryReport]) {
    let status = |report: &DirectoryReport| {
        report.directory.as_ref().map(|directory| directory.status()).ok()
    };
    let all: Vec<(&str, Option<Status>)> =
        reports.iter().map(|report| (report.name.as_str(), status(report))).collect();
    let family = out.family(&table::DIRECTORY_UP);
    for (name, status) in &all {
        let up = status.as_ref().is_some_and(|status| status.failure.is_none());
        family.sample(&[name], up);
    }
    let family = out.family(&table::DIRECTORY_PEOPLE);
    for (name, status) in &all {
        if let Some(entries) = status.as_ref().and_then(|status| status.entries) {
            family.sample(&[name], entries);
        }
    }
    let (family, now) = (out.family(&table::DIRECTORY_AGE_SECONDS), Timestamp::now());
    for (name, status) in &all {
        if let Some(read) = status.as_ref().and_then(|status| status.read) {
            family.sample(&[name], now.since(read).as_secs_f64());
        }
    }
}

fn requests(out: &mut Exposition, reports: &[ProviderReport]) {
    let family = out.family(&table::PROVIDER_REQUESTS);
    for ProviderReport { name, status, .. } in reports {
        for (endpoint, outcomes) in &status.requests {
            for (outcome, times) in outcomes {
                family.sample(&[name.as_str(), endpoint, outcome], times.count);
            }
        }
    }
    let bounds: Vec<f64> =
        BUCKETS_MILLIS.iter().map(|millis| Duration::from_millis(*millis).as_secs_f64()).collect();
    let family = out.family(&table::PROVIDER_REQUEST_SECONDS);
    for ProviderReport { name, status, .. } in reports {
        for (endpoint, outcomes) in status.requests.iter().filter(|(_, all)| !all.is_empty()) {
            let (counts, sum) = together(outcomes.values());
            family.histogram(&[name.as_str(), endpoint], &bounds, &counts, sum.as_secs_f64());
        }
    }
    let family = out.family(&table::PROVIDER_UNSENT);
    for ProviderReport { name, status, .. } in reports {
        family.sample(&[name.as_str()], status.unsent);
    }
}

/// The buckets of all outcomes, those beyond the last bound as well.
fn together<'a>(
    all: impl Iterator<Item = &'a Times>,
) -> ([u64; BUCKETS_MILLIS.len() + 1], Duration) {
    let mut counts = [0; BUCKETS_MILLIS.len() + 1];
    let mut sum = Duration::ZERO;
    for times in all {
        let within: u64 = times.buckets.iter().sum();
        let beyond = times.count.saturating_sub(within);
        let each = times.buckets.iter().chain([&beyond]);
        for (count, more) in counts.iter_mut().zip(each) {
            *count += more;
        }
        sum = sum.saturating_add(times.sum);
    }
    (counts, sum)
}

fn events(out: &mut Exposition, reports: &[ProviderReport]) {
    let family = out.family(&table::PROVIDER_EVENTS);
    for ProviderReport { name, status, .. } in reports {
        for state in EVENTS {
            family.sample(&[name.as_str(), state], EventsState::name(status.events) == state);
        }
    }
    let family = out.family(&table::PROVIDER_EVENTS_AGE_SECONDS);
    for ProviderReport { name, status, .. } in reports {
        if let Some(age) = status.events_age {
            family.sample(&[name.as_str()], age.as_secs_f64());
        }
    }
}

fn logout_tokens(out: &mut Exposition, counts: &BTreeMap<ProviderName, SignOutCounts>) {
    let family = out.family(&table::LOGOUT_TOKENS);
    for (name, SignOutCounts { accepted, refused, unavailable }) in counts {
        let outcomes = [("accepted", accepted), ("refused", refused), ("unavailable", unavailable)];
        for (outcome, count) in outcomes {
            family.sample(&[name.as_str(), outcome], *count);
        }
    }
}

/// What is kept of a source's syncs.
pub(super) struct Synced {
    pub(super) source: Arc<Source>,
    /// Those that have ended, oldest first.
    pub(super) runs: Vec<SyncRun>,
}

fn syncs(out: &mut Exposition, counts: &BTreeMap<ProviderName, SyncFigures>, synced: &[Synced]) {
    let family = out.family(&table::SYNCS);
    for (name, figures) in counts {
        for (outcome, count) in &figures.outcomes {
            family.sample(&[name.as_str(), outcome], *count);
        }
    }
    let family = out.family(&table::SYNC_MAILBOXES);
    for (name, figures) in counts {
        for (action, count) in &figures.mailboxes {
            family.sample(&[name.as_str(), action.name()], *count);
        }
    }
    let name = |one: &Synced| one.source.name.clone();
    let last: Vec<(ProviderName, &SyncRun)> =
        synced.iter().filter_map(|one| Some((name(one), one.runs.last()?))).collect();
    let family = out.family(&table::SYNC_LAST);
    for (name, run) in &last {
        for outcome in SyncOutcome::ENDS {
            family.sample(&[name.as_str(), outcome], run.outcome.name() == outcome);
        }
    }
    let family = out.family(&table::SYNC_LAST_SECONDS);
    for (name, run) in &last {
        family.sample(&[name.as_str()], run.ended.since(run.started).as_secs_f64());
    }
    let (family, now) = (out.family(&table::SYNC_COMPLETE_AGE_SECONDS), Timestamp::now());
    for one in synced {
        let complete = one.runs.iter().rfind(|run| run.outcome == SyncOutcome::Complete);
        if let Some(run) = complete {
            family.sample(&[one.source.name.as_str()], now.since(run.ended).as_secs_f64());
        }
    }
    let family = out.family(&table::SYNC_INTERVAL_SECONDS);
    for Synced { source, .. } in synced.iter().filter(|one| one.source.provisioning.is_scheduled())
    {
        let interval = source.provisioning.sync_interval;
        family.sample(&[source.name.as_str()], interval.as_secs_f64());
    }
}

fn withdrawals(out: &mut Exposition, pipeline: &Pipeline) {
    let WithdrawalFigures { withdrawn, waiting, done, failed, dropped } =
        pipeline.withdrawals().figures();
    out.family(&table::WITHDRAWALS).sample(&[], withdrawn);
    let family = out.family(&table::WITHDRAWAL_COMMANDS);
    for (outcome, count) in [("done", done), ("failed", failed), ("dropped", dropped)] {
        family.sample(&[outcome], count);
    }
    out.family(&table::WITHDRAWALS_WAITING).sample(&[], waiting);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_of_all_outcomes_lie_in_one() {
        let mut quick = Times { count: 3, sum: Duration::from_millis(9), ..Times::default() };
        quick.buckets[0] = 2;
        let mut slow = Times { count: 1, sum: Duration::from_secs(20), ..Times::default() };
        let (counts, sum) = together([&quick, &slow].into_iter());
        assert_eq!((counts[0], counts[BUCKETS_MILLIS.len()]), (2, 2));
        assert_eq!(sum, Duration::from_millis(20_009));
        slow.buckets[10] = 1;
        assert_eq!(together([&slow].into_iter()).0[10], 1);
    }
}
