//! The syncs under way: one of a provider at a time, each a task of its own that
//! ends with the server.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::{sync::watch, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use super::{
    Source, schedule,
    sync::{self, Order, Phase, Progress, Sync},
};
use crate::{
    clock::Timestamp,
    mailbox::ProviderName,
    store::{self, SyncAction, SyncRun},
};

/// All syncs of this process.
#[derive(Default)]
pub struct Syncs {
    runs: Mutex<HashMap<ProviderName, Running>>,
    /// Whose syncs run by themselves, and since when that is seen to.
    scheduled: Mutex<HashMap<ProviderName, Timestamp>>,
    /// Held while one begins, so that no two of a provider do.
    beginning: tokio::sync::Mutex<()>,
    ending: CancellationToken,
    /// What is counted since the start: it goes on when a provider goes.
    counts: Arc<Mutex<BTreeMap<ProviderName, SyncFigures>>>,
}

/// What a provider's syncs came to since the start.
#[derive(Clone, Debug, Default)]
pub struct SyncFigures {
    /// Those that have ended, by outcome.
    pub outcomes: BTreeMap<&'static str, u64>,
    /// Mailboxes by what was done.
    pub mailboxes: BTreeMap<SyncAction, u64>,
}

impl SyncFigures {
    fn count(&mut self, run: &SyncRun) {
        *self.outcomes.entry(run.outcome.name()).or_default() += 1;
        for (action, number) in &run.counts.done {
            // Being missing changes nothing of a mailbox yet.
            if *action != SyncAction::Missing {
                *self.mailboxes.entry(*action).or_default() += number;
            }
        }
    }
}

/// One that goes on, or the last that did.
struct Running {
    progress: watch::Receiver<Progress>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Running {
    /// One that panicked never says that it has ended.
    fn has_ended(&self) -> bool {
        self.task.is_finished() || self.progress.borrow().phase == Phase::Ended
    }
}

/// Why a sync cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum AlreadyRunning {
    /// One of this provider is under way.
    #[error("a sync of provider {0} is under way already")]
    Running(ProviderName),
    /// The process ends.
    #[error("the server is stopping")]
    Ending,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] store::Error),
}

impl Syncs {
    /// Begins a sync; its record is in the store when this returns.
    ///
    /// # Errors
    /// One is under way, or the store failed.
    pub async fn start(&self, mut work: Sync, order: Order) -> Result<Progress, AlreadyRunning> {
        let name = work.source.name.clone();
        let _only_us = self.beginning.lock().await;
        if self.is_under_way(&name) {
            return Err(AlreadyRunning::Running(name));
        }
        if self.ending.is_cancelled() {
            return Err(AlreadyRunning::Ending);
        }
        let begun = sync::begin(&work, order).await?;
        let first = begun.progress();
        let (sender, progress) = watch::channel(first.clone());
        let (stop, ending) = (self.ending.child_token(), self.ending.clone());
        let stopped = stop.clone();
        let counts = Arc::clone(&self.counts);
        let task = tokio::spawn(async move {
            begun.run(&mut work, &sender, &stopped, &ending).await;
            let ended = sender.borrow();
            if !ended.dry_run {
                let mut counts = lock(&counts);
                counts.entry(ended.run.provider.clone()).or_default().count(&ended.run);
            }
        });
        self.runs().insert(name, Running { progress, stop, task });
        Ok(first)
    }

    /// How far the sync of this provider is, or how the last one of this process
    /// ended.
    pub fn progress(&self, provider: &ProviderName) -> Option<Progress> {
        let runs = self.runs();
        let run = runs.get(provider)?;
        let mut progress = run.progress.borrow().clone();
        if run.has_ended() {
            progress.phase = Phase::Ended;
        }
        Some(progress)
    }

    /// Breaks a sync off; false if none is under way. It ends a moment later.
    pub fn stop(&self, provider: &ProviderName) -> bool {
        let runs = self.runs();
        let Some(run) = runs.get(provider).filter(|run| !run.has_ended()) else { return false };
        run.stop.cancel();
        true
    }

    /// What is counted of them, by provider.
    pub fn counts(&self) -> BTreeMap<ProviderName, SyncFigures> {
        lock(&self.counts).clone()
    }

    /// Whether one of this provider is under way.
    pub fn is_under_way(&self, provider: &ProviderName) -> bool {
        self.runs().get(provider).is_some_and(|run| !run.has_ended())
    }

    /// Those under way.
    pub fn under_way(&self) -> Vec<ProviderName> {
        let runs = self.runs();
        let going = runs.iter().filter(|(_, run)| !run.has_ended());
        going.map(|(name, _)| name.clone()).collect()
    }

    /// Breaks all syncs off, and returns when they have ended and said so.
    pub async fn end(&self) {
        self.ending.cancel();
        let _none_begins = self.beginning.lock().await;
        let runs: Vec<Running> = self.runs().drain().map(|(_, run)| run).collect();
        for run in runs {
            // One that panicked has ended as well.
            let _ = run.task.await;
        }
    }

    /// From now on, those of these sources that are to are synced by themselves, and
    /// no others.
    pub fn schedule(&self, sources: &[Arc<Source>], now: Timestamp) {
        let mut scheduled = lock(&self.scheduled);
        let before = std::mem::take(&mut *scheduled);
        for source in sources.iter().filter(|source| source.provisioning.is_scheduled()) {
            let since = before.get(&source.name).copied().unwrap_or(now);
            scheduled.insert(source.name.clone(), since);
        }
    }

    /// When the next sync of this source begins by itself, by those that were,
    /// oldest first.
    pub fn next(&self, source: &Source, runs: &[SyncRun]) -> Option<Timestamp> {
        let since = *lock(&self.scheduled).get(&source.name)?;
        schedule::next(&source.provisioning, runs, since)
    }

    fn runs(&self) -> MutexGuard<'_, HashMap<ProviderName, Running>> {
        lock(&self.runs)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
