//! The syncs under way: one of a provider at a time, each a task of its own that
//! ends with the server.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::{sync::watch, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use super::sync::{self, Order, Phase, Progress, Sync};
use crate::{mailbox::ProviderName, store};

/// All syncs of this process.
#[derive(Default)]
pub struct Syncs {
    runs: Mutex<HashMap<ProviderName, Running>>,
    /// Held while one begins, so that no two of a provider do.
    beginning: tokio::sync::Mutex<()>,
    ending: CancellationToken,
}

/// One that goes on, or the last that did.
struct Running {
    progress: watch::Receiver<Progress>,
    stop: CancellationToken,
    task: JoinHandle<()>,
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
        if self.progress(&name).is_some_and(|progress| progress.phase != Phase::Ended) {
            return Err(AlreadyRunning::Running(name));
        }
        if self.ending.is_cancelled() {
            return Err(AlreadyRunning::Ending);
        }
        let begun = sync::begin(&work, order).await?;
        let first = begun.progress();
        let (sender, progress) = watch::channel(first.clone());
        let stop = self.ending.child_token();
        let stopped = stop.clone();
        let task = tokio::spawn(async move { begun.run(&mut work, &sender, &stopped).await });
        self.runs().insert(name, Running { progress, stop, task });
        Ok(first)
    }

    /// How far the sync of this provider is, or how the last one of this process
    /// ended.
    pub fn progress(&self, provider: &ProviderName) -> Option<Progress> {
        let runs = self.runs();
        let run = runs.get(provider)?;
        let mut progress = run.progress.borrow().clone();
        // One that panicked never says that it has ended.
        if run.task.is_finished() {
            progress.phase = Phase::Ended;
        }
        Some(progress)
    }

    /// Breaks a sync off; false if none is under way. It ends a moment later.
    pub fn stop(&self, provider: &ProviderName) -> bool {
        let under_way =
            self.progress(provider).is_some_and(|progress| progress.phase != Phase::Ended);
        if let Some(run) = self.runs().get(provider) {
            run.stop.cancel();
        }
        under_way
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

    fn runs(&self) -> MutexGuard<'_, HashMap<ProviderName, Running>> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
