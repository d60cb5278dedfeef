//! When a source's next sync is due, by the record of those that were: so it
//! survives a restart, and what was missed meanwhile is caught up with.
//!
//! An interval after the end of the last one. One that failed, or was broken off
//! by the end of the process, is tried again after a minute, then after two, four
//! and so on, up to the interval. One that an administrator broke off, or that
//! would have switched off too many, has its time: to do the same again at once
//! would help nobody. The first one of all waits for some minutes: whoever has
//! just set a provider up may want to see a plan before anything is made.

use std::time::Duration;

use crate::{
    clock::Timestamp,
    mailbox::Provisioning,
    store::{SyncOutcome, SyncRun, SyncScope},
};

/// Longest wait of the first one.
const FIRST: Duration = Duration::from_secs(300);
/// First wait after a failure.
const RETRY: Duration = Duration::from_secs(60);
/// One part in so many of a wait is left to chance.
const JITTER: u32 = 10;
/// Longest wait of what was missed.
const SPREAD: Duration = Duration::from_secs(60);

/// When the next is due, by the runs that were, oldest first; `None` where none
/// runs by itself. `since` is when this process began to look after it: what was
/// missed before waits a moment longer, so that not everything comes at once.
pub fn next(rules: &Provisioning, runs: &[SyncRun], since: Timestamp) -> Option<Timestamp> {
    if !rules.is_scheduled() {
        return None;
    }
    let interval = rules.sync_interval;
    let Some(last) = runs.last() else { return Some(since.after(FIRST.min(interval))) };
    let failures = runs.iter().rev().take_while(|run| has_failed(run)).count();
    let wait = match u32::try_from(failures).unwrap_or(u32::MAX) {
        0 => interval,
        failures => retry_after(failures).min(interval),
    };
    let due = last.ended.after(wait + chance(last, wait / JITTER));
    let spread = since.after(chance(last, SPREAD.min(interval / JITTER)));
    Some(if due < since { spread } else { due })
}

/// What one that runs by itself may do.
pub fn scope(rules: &Provisioning) -> SyncScope {
    if rules.periodic_full_sync { SyncScope::All } else { SyncScope::OnlyNew }
}

/// Whether one is due by now. A clock that was ahead when the last one ended puts
/// nothing off.
pub fn is_due(next: Timestamp, rules: &Provisioning, now: Timestamp) -> bool {
    next <= now || next > now.after(rules.sync_interval * 2)
}

fn has_failed(run: &SyncRun) -> bool {
    match run.outcome {
        // Nobody is at it any more, whoever asks.
        SyncOutcome::Failed(_) | SyncOutcome::Interrupted | SyncOutcome::Running => true,
        SyncOutcome::Complete | SyncOutcome::Cancelled | SyncOutcome::Braked(_) => false,
    }
}

fn retry_after(failures: u32) -> Duration {
    RETRY.saturating_mul(1_u32.checked_shl(failures - 1).unwrap_or(u32::MAX))
}

/// Up to `most`, the same each time it is asked for after the same run.
fn chance(last: &SyncRun, most: Duration) -> Duration {
    let SyncRun { provider, number, ended, .. } = last;
    let digest = blake3::hash(format!("{provider} {number} {}", ended.0).as_bytes());
    let [first, second, ..] = *digest.as_bytes();
    most.mul_f64(f64::from(u16::from_be_bytes([first, second])) / f64::from(u16::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{SyncBy, SyncCounts};

    const MINUTE: u64 = 60_000;
    const START: u64 = 1_700_000_000_000;

    fn rules(minutes: u64) -> Provisioning {
        Provisioning {
            import_users: true,
            login_provisioning: true,
            periodic_full_sync: true,
            sync_interval: Duration::from_secs(minutes * 60),
            template_attribute: String::new(),
            mapping: Vec::new(),
            default_template: None,
            default_template_updates: false,
            renames: crate::mailbox::provider::Renames::Report,
            withdraw_limit: 10,
            template_needed: true,
        }
    }

    fn failed() -> SyncOutcome {
        SyncOutcome::Failed("no answer".to_owned())
    }

    /// Runs of these outcomes, the last of which ended this many minutes after the
    /// start.
    fn runs(outcomes: &[SyncOutcome], minutes: u64) -> Vec<SyncRun> {
        let ended = Timestamp(START + minutes * MINUTE);
        let run = |(number, outcome): (u64, &SyncOutcome)| SyncRun {
            provider: "corp".parse().unwrap(),
            number,
            started: ended,
            ended,
            outcome: outcome.clone(),
            counts: SyncCounts::default(),
            lines: 0,
            by: SyncBy::Schedule,
            scope: SyncScope::All,
        };
        (1..).zip(outcomes).map(run).collect()
    }

    #[test]
    fn when_the_next_is_due() {
        use SyncOutcome::{Braked, Cancelled, Complete, Interrupted, Running};
        for (outcomes, minutes) in [
            (vec![Complete], 60),
            (vec![failed(), Cancelled], 60),
            (vec![Braked(String::new())], 60),
            (vec![Complete, failed()], 1),
            (vec![failed(), failed()], 2),
            (vec![Complete, failed(), Interrupted], 2),
            (vec![Complete, failed(), failed(), Running], 4),
            (vec![failed(); 6], 32),
            (vec![failed(); 7], 60),
            (vec![failed(); 40], 60),
            (vec![failed(), Complete, failed()], 1),
        ] {
            let runs = runs(&outcomes, 10);
            let next = next(&rules(60), &runs, Timestamp(START)).unwrap();
            let least = START + (10 + minutes) * MINUTE;
            let within = least..=least + minutes * MINUTE / 10;
            assert!(within.contains(&next.0), "{outcomes:?}: {} min", (next.0 - START) / MINUTE);
        }
    }

    #[test]
    fn chance_parts_them_and_stays_the_same() {
        let wait = |number: u64| {
            let mut run = runs(&[SyncOutcome::Complete], 0).remove(0);
            run.number = number;
            next(&rules(60), &[run], Timestamp(START)).unwrap()
        };
        let mut all: Vec<_> = (0..20).map(wait).collect();
        assert_eq!(all, (0..20).map(wait).collect::<Vec<_>>());
        all.sort();
        assert!(all[19].since(all[0]) > Duration::from_secs(180));
    }

    #[test]
    fn what_was_missed_is_caught_up_with_soon() {
        let since = Timestamp(START + 1_000 * MINUTE);
        let complete = runs(&[SyncOutcome::Complete], 0);
        let at = next(&rules(60), &complete, since).unwrap();
        assert!(at >= since && at.since(since) <= SPREAD);
        let at = next(&rules(1), &complete, since).unwrap();
        assert!(at >= since && at.since(since) <= Duration::from_secs(6));
        for (interval, minutes) in [(60, 5), (2, 2)] {
            let first = next(&rules(interval), &[], since).unwrap();
            assert_eq!(first, Timestamp(since.0 + minutes * MINUTE));
        }
        let nobody = Provisioning { import_users: false, periodic_full_sync: false, ..rules(60) };
        assert_eq!(next(&nobody, &complete, since), None);
    }

    #[test]
    fn a_clock_that_was_ahead_puts_nothing_off() {
        let rules = rules(60);
        for (minutes, expected) in [(0, true), (1, false), (66, false), (120, false), (500, true)] {
            let next = Timestamp(START + minutes * MINUTE);
            assert_eq!(is_due(next, &rules, Timestamp(START)), expected, "{minutes}");
        }
    }

    #[test]
    fn import_users_alone_only_makes_new_ones() {
        for (import, full, expected) in [
            (true, false, SyncScope::OnlyNew),
            (true, true, SyncScope::All),
            (false, true, SyncScope::All),
        ] {
            let rules = Provisioning { import_users: import, periodic_full_sync: full, ..rules(1) };
            assert_eq!(scope(&rules), expected);
        }
    }
}
