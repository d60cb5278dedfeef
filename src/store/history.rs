//! The login history: uses are gathered in bounded memory, equal ones in one
//! row, and written in one batch a second.
//!
//! **What is kept.** Rows for [`KEPT`], and beyond that the newest success of
//! each protocol, so that "last login" never goes blank (as in mailcow). At
//! most [`MAX_ROWS`] for each mailbox, of which [`MAX_REFUSED_ROWS`] refusals:
//! guesses from many networks must not push out the owner's own logins.

use std::{
    collections::{HashMap, HashSet, hash_map::Entry},
    mem,
    ops::ControlFlow,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::{
    Error, UseKey, UseRow,
    engine::{self, Draft, Engine, end_of},
    keys::{self, Counted},
};
use crate::{
    clock::Timestamp,
    mailbox::{Address, MailboxId},
};

/// How long rows are kept (mailcow's 31 days).
pub(super) const KEPT: Duration = Duration::from_secs(31 * 24 * 60 * 60);
/// Most rows of one mailbox.
pub(super) const MAX_ROWS: usize = 200;
/// Most rows of one mailbox that are no success.
pub(super) const MAX_REFUSED_ROWS: usize = 100;
/// The outcome of a success.
const OK: &str = "ok";
/// Most rows gathered between two flushes, about 10 MB.
const MAX_GATHERED: usize = 50_000;
/// Longest protocol name that is kept, in bytes; it comes from outside.
const MAX_PROTOCOL_BYTES: usize = 64;

/// How often, and for how many rows at a time, the history is searched for
/// what is too old: a few percent of a million mailboxes in an hour.
const SWEEP_EVERY: Duration = Duration::from_secs(60);
const SWEEP_ROWS: usize = 5_000;

/// Uses that are not written yet.
#[derive(Debug, Default)]
pub(super) struct History {
    gathered: Mutex<Gathered>,
}

#[derive(Debug, Default)]
struct Gathered {
    rows: HashMap<UseKey, Counted>,
    lost: u64,
    latest: Timestamp,
}

/// What was gathered, to be written.
#[derive(Debug)]
pub(super) struct Taken {
    /// The rows.
    pub(super) by_mailbox: Vec<(MailboxId, Vec<UseRow>)>,
    /// Uses that found no room.
    pub(super) lost: u64,
    /// The latest moment that was ever recorded: the clock of what falls away.
    pub(super) latest: Timestamp,
}

impl History {
    /// Counts a use, or drops it where there is no room for another row.
    pub(super) fn record(&self, mut key: UseKey, now: Timestamp) {
        if key.protocol.len() > MAX_PROTOCOL_BYTES {
            key.protocol = key.protocol.chars().take(MAX_PROTOCOL_BYTES / 4).collect();
        }
        let mut gathered = self.gathered();
        gathered.latest = gathered.latest.max(now);
        gathered.add(key, Counted { count: 1, first: now, last: now });
    }

    /// Takes what was gathered.
    pub(super) fn take(&self) -> Taken {
        let mut gathered = self.gathered();
        let rows = mem::take(&mut gathered.rows);
        let lost = mem::take(&mut gathered.lost);
        let latest = gathered.latest;
        drop(gathered);
        let mut mailboxes: HashMap<_, Vec<_>> = HashMap::new();
        for (key, counted) in rows {
            mailboxes.entry(key.mailbox).or_default().push(row(key, counted));
        }
        Taken { by_mailbox: mailboxes.into_iter().collect(), lost, latest }
    }

    /// Puts back what could not be written.
    pub(super) fn put_back(&self, unwritten: impl Iterator<Item = (MailboxId, Vec<UseRow>)>) {
        let mut gathered = self.gathered();
        for row in unwritten.flat_map(|(_, rows)| rows) {
            gathered.add(key_of(&row), counted(&row));
        }
    }

    /// Forgets a mailbox that was removed.
    pub(super) fn forget(&self, mailbox: MailboxId) {
        self.gathered().rows.retain(|key, _| key.mailbox != mailbox);
    }

    /// Rows that are not written yet, of one mailbox or of all.
    pub(super) fn rows(&self, mailbox: Option<MailboxId>) -> Vec<UseRow> {
        self.gathered()
            .rows
            .iter()
            .filter(|(key, _)| mailbox.is_none_or(|mailbox| key.mailbox == mailbox))
            .map(|(key, counted)| row(key.clone(), *counted))
            .collect()
    }

    fn gathered(&self) -> MutexGuard<'_, Gathered> {
        self.gathered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Gathered {
    fn add(&mut self, key: UseKey, counted: Counted) {
        if let Some(present) = self.rows.get_mut(&key) {
            *present = together(*present, counted);
        } else if self.rows.len() < MAX_GATHERED {
            self.rows.insert(key, counted);
        } else {
            self.lost = self.lost.saturating_add(counted.count);
        }
    }
}

/// Writes new rows of one mailbox, unless it is gone.
pub(super) fn write(
    draft: &mut Draft<impl Engine>,
    mailbox: MailboxId,
    new: &[UseRow],
    now: Timestamp,
) -> Result<(), Error> {
    if draft.get::<Address>(&keys::owner(mailbox))?.is_none() {
        return Ok(());
    }
    let stored = stored(draft.engine(), mailbox)?;
    let mut rows = stored.clone();
    merge(&mut rows, new);
    let (stays, falls) = trim(rows, now);
    for row in stays.iter().filter(|row| !stored.contains(row)) {
        draft.put(keys::use_row(&key_of(row))?, &counted(row))?;
    }
    remove(draft, &falls)
}

fn stored(engine: &impl Engine, mailbox: MailboxId) -> Result<Vec<UseRow>, Error> {
    let prefix = keys::uses(mailbox);
    let mut rows = Vec::new();
    engine.scan(&prefix, &end_of(&prefix), &mut |key, value| {
        rows.push(keys::read_use(key, value)?);
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(rows)
}

fn remove(draft: &mut Draft<impl Engine>, rows: &[UseRow]) -> Result<(), Error> {
    for row in rows {
        draft.remove(keys::use_row(&key_of(row))?);
    }
    Ok(())
}

/// The search for rows that are too old, a piece at a time: mailboxes that
/// nobody uses any more get no new row that would trim them.
#[derive(Debug, Default)]
pub(super) struct Sweep {
    /// Where the next piece begins; empty is at the start.
    from: Vec<u8>,
    next: Timestamp,
}

impl Sweep {
    /// Searches one piece, if it is time.
    pub(super) fn go_on(
        &mut self,
        draft: &mut Draft<impl Engine>,
        now: Timestamp,
    ) -> Result<(), Error> {
        if now < self.next {
            return Ok(());
        }
        self.next = now.after(SWEEP_EVERY);
        for mailbox in self.search(draft.engine(), now)? {
            let (_, falls) = trim(stored(draft.engine(), mailbox)?, now);
            remove(draft, &falls)?;
        }
        Ok(())
    }

    /// Mailboxes with rows older than [`KEPT`] in the next piece.
    fn search(
        &mut self,
        engine: &impl Engine,
        now: Timestamp,
    ) -> Result<HashSet<MailboxId>, Error> {
        let from = mem::take(&mut self.from).max(vec![keys::USE]);
        let (mut found, mut seen) = (HashSet::new(), 0);
        engine.scan(&from, &[keys::USE + 1], &mut |key, value| {
            if seen == SWEEP_ROWS {
                self.from = key.to_vec();
                return Ok(ControlFlow::Break(()));
            }
            seen += 1;
            if now.since(engine::decode::<Counted>(value)?.last) > KEPT {
                found.extend(keys::mailbox_of(key));
            }
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(found)
    }
}

fn row(key: UseKey, counted: Counted) -> UseRow {
    UseRow {
        mailbox: key.mailbox,
        protocol: key.protocol,
        rip: key.rip,
        app_password: key.app_password,
        outcome: key.outcome,
        count: counted.count,
        first: counted.first,
        last: counted.last,
    }
}

fn together(one: Counted, other: Counted) -> Counted {
    Counted {
        count: one.count.saturating_add(other.count),
        first: one.first.min(other.first),
        last: one.last.max(other.last),
    }
}

/// What a row counts.
pub(super) fn key_of(row: &UseRow) -> UseKey {
    UseKey {
        mailbox: row.mailbox,
        protocol: row.protocol.clone(),
        rip: row.rip,
        app_password: row.app_password,
        outcome: row.outcome.clone(),
    }
}

/// The value of a row.
pub(super) fn counted(row: &UseRow) -> Counted {
    Counted { count: row.count, first: row.first, last: row.last }
}

/// Adds `further` to `rows`, equal ones together.
pub(super) fn merge(rows: &mut Vec<UseRow>, further: &[UseRow]) {
    let mut places: HashMap<UseKey, usize> =
        rows.iter().enumerate().map(|(place, row)| (key_of(row), place)).collect();
    for new in further {
        match places.entry(key_of(new)) {
            Entry::Occupied(place) => {
                let present = &mut rows[*place.get()];
                let Counted { count, first, last } = together(counted(present), counted(new));
                (present.count, present.first, present.last) = (count, first, last);
            }
            Entry::Vacant(place) => {
                place.insert(rows.len());
                rows.push(new.clone());
            }
        }
    }
}

/// Splits the history of one mailbox into what stays, latest first, and what
/// falls away.
pub(super) fn trim(mut rows: Vec<UseRow>, now: Timestamp) -> (Vec<UseRow>, Vec<UseRow>) {
    rows.sort_by_key(|row| std::cmp::Reverse(row.last));
    let mut seen = HashSet::new();
    let (mut stays, mut refused) = (0, 0);
    rows.into_iter().partition(|row| {
        let newest_success = row.outcome == OK && seen.insert(row.protocol.clone());
        let fresh = now.since(row.last) <= KEPT;
        let room = stays < MAX_ROWS && (row.outcome == OK || refused < MAX_REFUSED_ROWS);
        let kept = newest_success || (fresh && room);
        stays += usize::from(kept);
        refused += usize::from(kept && row.outcome != OK);
        kept
    })
}
