//! What was done to mailboxes by a provider's word outside of a sync: at logins
//! and by events. Listed beside the syncs, as their run number 0.
//!
//! A ring of entries, so that one more costs two small writes however many there
//! are.

use std::{cmp::Reverse, ops::ControlFlow, time::Duration};

use serde::{Deserialize, Serialize};

use super::{
    Error, SyncLine,
    engine::{self, Draft, Engine, end_of},
    keys,
};
use crate::{clock::Timestamp, mailbox::ProviderName};

/// Lines outside of syncs that are kept of one provider.
pub const MAX_SYNC_NOTES: usize = 1_000;
/// A refusal is not noted again within this time: a phone tries again all day.
const AGAIN_AFTER: Duration = Duration::from_secs(3_600);

/// A line outside of a sync.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct SyncNote {
    /// When it was written.
    pub at: Timestamp,
    /// What it says.
    pub line: SyncLine,
}

/// As stored: counted, so that the ring can be put in order.
#[derive(Deserialize, Serialize)]
struct Numbered {
    number: u64,
    note: SyncNote,
}

/// Writes a line down, over the oldest if there is no room.
pub(super) fn note(
    draft: &mut Draft<impl Engine>,
    provider: &ProviderName,
    line: SyncLine,
    now: Timestamp,
) -> Result<(), Error> {
    let head = keys::sync_notes_head(provider);
    let number: u64 = draft.get(&head)?.unwrap_or_default();
    let note = SyncNote { at: now, line };
    let place = number % MAX_SYNC_NOTES as u64;
    draft.put(keys::sync_note(provider, place), &Numbered { number, note })?;
    draft.put(head, &(number + 1))
}

/// Whether the line has a cause, and the same was said of the same person within the
/// hour.
pub(super) fn was_said(
    engine: &impl Engine,
    provider: &ProviderName,
    line: &SyncLine,
    now: Timestamp,
) -> Result<bool, Error> {
    if line.cause.is_none() {
        return Ok(false);
    }
    let of_it = |before: &SyncLine| {
        (&before.subject, &before.cause, &before.address)
            == (&line.subject, &line.cause, &line.address)
    };
    let mut said = false;
    each(engine, provider, |Numbered { note, .. }| {
        // A clock that was ahead silences nobody.
        let lately = note.at <= now && now.since(note.at) < AGAIN_AFTER;
        said |= lately && of_it(&note.line);
        said
    })?;
    Ok(said)
}

/// The lines, latest first.
pub(super) fn notes(engine: &impl Engine, provider: &ProviderName) -> Result<Vec<SyncNote>, Error> {
    let mut found = Vec::new();
    each(engine, provider, |numbered| {
        found.push(numbered);
        false
    })?;
    found.sort_by_key(|one| Reverse(one.number));
    Ok(found.into_iter().map(|one| one.note).collect())
}

/// Forgets the lines of a provider that goes.
pub(super) fn forget<E: Engine>(
    draft: &mut Draft<E>,
    provider: &ProviderName,
) -> Result<(), Error> {
    draft.remove(keys::sync_notes_head(provider));
    draft.remove_all(&keys::sync_notes(provider))
}

/// Shows the lines in the order of the ring, until `is_enough`.
fn each(
    engine: &impl Engine,
    provider: &ProviderName,
    mut is_enough: impl FnMut(Numbered) -> bool,
) -> Result<(), Error> {
    let all = keys::sync_notes(provider);
    engine.scan(&all, &end_of(&all), &mut |_, value| {
        Ok(if is_enough(engine::decode(value)?) {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        })
    })
}
