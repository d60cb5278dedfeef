//! Syncs that run by themselves: begins each when it is due by the record of the
//! ones before ([`Syncs::next`]) or a directory has changed, and breaks off those
//! whose source is gone.
//!
//! What is due is worked out anew at each look, so that settings count as soon as
//! they are changed, and nothing has to be remembered.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::{Error, hub::Core};
use crate::{
    clock::Timestamp,
    mailbox::ProviderName,
    provision::{AlreadyRunning, Order, Source, Syncs, schedule},
    store::{self, SyncBy},
};

/// How often it is looked whether one is due.
const LOOK: Duration = Duration::from_secs(1);

/// Goes on until `stop`.
pub(super) async fn attend(
    core: Arc<Core>,
    syncs: Arc<Syncs>,
    stop: CancellationToken,
) -> Result<(), Error> {
    let mut ticks = interval(LOOK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // One line for a store that fails, and not one each second.
    let mut fails = false;
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = stop.cancelled() => return Ok(()),
        }
        match look(&core, &syncs).await {
            Ok(()) => fails = false,
            Err(error) => {
                if !fails {
                    tracing::error!(%error, "no sync begins by itself");
                }
                fails = true;
            }
        }
    }
}

async fn look(core: &Core, syncs: &Syncs) -> Result<(), store::Error> {
    let sources = core.pipeline.sources();
    syncs.schedule(&sources, Timestamp::now());
    let names: BTreeSet<&ProviderName> = sources.iter().map(|source| &source.name).collect();
    for name in syncs.under_way() {
        if !names.contains(&name) && syncs.stop(&name) {
            tracing::warn!(provider = %name, "a sync is broken off: its provider is gone");
        }
    }
    let scheduled = sources.iter().filter(|source| source.provisioning.is_scheduled());
    for source in scheduled.filter(|source| !syncs.is_under_way(&source.name)) {
        let runs = core.store.sync_runs(&source.name).await?;
        let next = syncs.next(source, &runs);
        let is_due = |next| schedule::is_due(next, &source.provisioning, Timestamp::now());
        let has_changed = core.pipeline.take_changed(&source.name);
        if has_changed || next.is_some_and(is_due) {
            let begun = begin(core, syncs, source).await;
            if has_changed && begun.is_err() {
                core.pipeline.still_changed(&source.name);
            }
            begun?;
        }
    }
    Ok(())
}

async fn begin(core: &Core, syncs: &Syncs, source: &Source) -> Result<(), store::Error> {
    // Gone since it was listed.
    let Some(work) = core.pipeline.sync(&source.name) else { return Ok(()) };
    let scope = schedule::scope(&source.provisioning);
    let order = Order { by: SyncBy::Schedule, scope, ..Order::default() };
    match syncs.start(work, order).await {
        // An administrator was quicker, or we are stopping.
        Ok(_) | Err(AlreadyRunning::Running(_) | AlreadyRunning::Ending) => Ok(()),
        Err(AlreadyRunning::Store(error)) => Err(error),
    }
}
