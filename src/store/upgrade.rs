//! What an older Dovegate wrote, brought to the layout of this one when the
//! store is opened. A step that was broken off begins anew at the next start:
//! only its last write says that it was done.

use std::{mem, ops::ControlFlow};

use super::{
    Error, SyncBy, SyncRun, SyncScope,
    engine::{self, Draft, Engine},
    keys, list, write,
};
use crate::mailbox::{ImportedAppPassword, Mailbox, MailboxId, Owner, Policy};

/// Entries that are read and written at a time.
const AT_A_TIME: usize = 1_000;

/// From the layout `found` to `wanted`, the newest.
pub(super) fn from(found: u32, wanted: u32, engine: &impl Engine) -> Result<(), Error> {
    if found >= wanted {
        return Ok(());
    }
    tracing::info!(found, wanted, "the store is brought to its new layout");
    // What mailboxes are comes before what is made of them.
    if found < 4 {
        complete_mailboxes(engine)?;
    }
    if found < 2 {
        list_what_is_bound(engine)?;
    }
    if found < 4 {
        say_who_began_syncs(engine)?;
    }
    engine.flush()?;
    let mut draft = Draft::new(engine);
    draft.put(keys::SCHEMA_KEY.to_vec(), &wanted)?;
    engine.commit(draft.into_changes())?;
    engine.flush()
}

/// Version 3 says of each mailbox what an administrator has set, at its end, and
/// version 4 behind it whether it has brought app passwords along. Nothing of the
/// first was written down before. One that has all of it already is of an upgrade
/// that was broken off.
fn complete_mailboxes(engine: &impl Engine) -> Result<(), Error> {
    let (policy, flag) = (engine::encode(&Policy::default())?, engine::encode(&false)?);
    let ends = [Vec::new(), flag.clone(), [policy, flag].concat()];
    in_pieces(engine, keys::MAILBOX, |draft, key, value| {
        let whole = ends.iter().map(|end| engine::decode([value, end].concat().as_slice()));
        let mut mailbox: Mailbox =
            whole.reduce(Result::or).expect("there are three ends to try")?;
        let brought = engine::get::<Vec<ImportedAppPassword>>(engine, &keys::imported(mailbox.id))?;
        mailbox.has_imported_app_passwords = brought.is_some();
        draft.put(key.to_vec(), &mailbox)
    })
}

/// Version 4 says of each sync who began it and what it may do, at its end: until
/// then administrators began them all, and each might do everything.
fn say_who_began_syncs(engine: &impl Engine) -> Result<(), Error> {
    let began = engine::encode(&(SyncBy::Hand, SyncScope::All))?;
    in_pieces(engine, keys::SYNC_RUN, |draft, key, value| {
        if engine::decode::<SyncRun>(value).is_err() {
            draft.put_bytes(key.to_vec(), [value, began.as_slice()].concat());
        }
        Ok(())
    })
}

/// Version 2 lists the mailboxes of each person. What lies there is of an
/// upgrade that was broken off, and may have become wrong since.
fn list_what_is_bound(engine: &impl Engine) -> Result<(), Error> {
    in_pieces(engine, keys::BOUND, |draft, key, _| {
        draft.remove(key.to_vec());
        Ok(())
    })?;
    in_pieces(engine, keys::MAILBOX, |draft, _, value| {
        let mailbox: Mailbox = engine::decode(value)?;
        write::rebind(draft, mailbox.id, None, mailbox.bound.as_ref())
    })
}

/// What was said of an owner. Before layout 4 it did not end with since when he is
/// off; what is written all day is brought to it as it is read, since it may open
/// after the rest.
pub(super) fn owner(engine: &impl Engine, mailbox: MailboxId) -> Result<Option<Owner>, Error> {
    let Some(value) = engine.get(&keys::owner(mailbox))? else { return Ok(None) };
    let older = || engine::decode([value.as_ref(), &[0]].concat().as_slice());
    engine::decode(value.as_ref()).or_else(|_| older()).map(Some)
}

/// Shows `work` everything with this tag, and commits what it drafts.
fn in_pieces<E: Engine>(
    engine: &E,
    tag: u8,
    mut work: impl FnMut(&mut Draft<E>, &[u8], &[u8]) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut from = vec![tag];
    while !from.is_empty() {
        let mut draft = Draft::new(engine);
        let mut last = mem::take(&mut from);
        let mut seen = 0;
        engine.scan(&last.clone(), &[tag + 1], &mut |key, value| {
            if seen == AT_A_TIME {
                from = list::behind(mem::take(&mut last));
                return Ok(ControlFlow::Break(()));
            }
            seen += 1;
            last = key.to_vec();
            work(&mut draft, key, value)?;
            Ok(ControlFlow::Continue(()))
        })?;
        engine.commit(draft.into_changes())?;
    }
    Ok(())
}
