//! The login history: uses are gathered in bounded memory, equal ones in one
//! row, and written together once a second. What is written of a mailbox is one
//! value, its [`Diary`].
//!
//! **What is kept.** Rows for [`KEPT`], and beyond that the newest success of
//! each protocol, so that "last login" never goes blank (as in mailcow). At
//! most [`MAX_ROWS`] for each mailbox, of which [`MAX_REFUSED_ROWS`] refusals:
//! guesses from many networks must not push out the owner's own logins. What a
//! protocol is called comes from outside, so of these there are at most
//! [`MAX_PROTOCOLS`].

use std::{
    cmp::Reverse,
    collections::{HashMap, HashSet},
    mem,
    net::IpAddr,
    ops::ControlFlow,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde::{Deserialize, Serialize};

use super::{
    Error, UseFilter, UseKey, UseRow,
    engine::{self, Draft, Engine},
    keys,
    write::Holdings,
};
use crate::{
    clock::Timestamp,
    mailbox::{AppPasswordId, MailboxId, Service},
};

/// How long rows are kept (mailcow's 31 days).
const KEPT: Duration = Duration::from_secs(31 * 24 * 60 * 60);
/// Most rows of one mailbox.
const MAX_ROWS: usize = 200;
/// Most rows of one mailbox that are no success.
const MAX_REFUSED_ROWS: usize = 100;
/// Most protocols whose newest success is kept for good: more than there are.
const MAX_PROTOCOLS: usize = 32;
/// The outcome of a success.
const OK: &str = "ok";
/// Most rows gathered between two flushes, about 10 MB.
const MAX_GATHERED: usize = 50_000;
/// Most of them for one mailbox, so that nobody takes the room of all.
const MAX_GATHERED_OF_ONE: usize = 2 * MAX_ROWS;
/// Longest protocol name that is kept, in bytes; it comes from outside.
const MAX_PROTOCOL_BYTES: usize = 64;
/// How often, and in how many diaries at a time, what is too old is searched
/// for: a million mailboxes in about three hours.
const SWEEP_EVERY: Duration = Duration::from_secs(60);
const SWEEP_DIARIES: usize = 5_000;

/// The history of a mailbox.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(transparent)]
pub(super) struct Diary {
    /// Rows that differ in what they count.
    pub(super) uses: Vec<Use>,
}

/// A row of a diary.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(super) struct Use {
    what: What,
    counted: Counted,
}

/// What a row counts: a [`UseKey`] without the mailbox.
#[derive(Clone, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub(super) struct What {
    protocol: String,
    rip: Option<IpAddr>,
    app_password: Option<AppPasswordId>,
    outcome: String,
}

/// How often and when.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(super) struct Counted {
    count: u64,
    first: Timestamp,
    last: Timestamp,
}

/// Rows of one mailbox.
pub(super) type Rows = HashMap<What, Counted>;

impl Counted {
    fn absorb(&mut self, other: Self) {
        self.count = self.count.saturating_add(other.count);
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
    }
}

impl Diary {
    /// Counts further uses.
    pub(super) fn add(&mut self, further: Rows) {
        let mut rows: Rows = self.uses.drain(..).map(|row| (row.what, row.counted)).collect();
        for (what, counted) in further {
            rows.entry(what).and_modify(|present| present.absorb(counted)).or_insert(counted);
        }
        self.uses.extend(rows.into_iter().map(|(what, counted)| Use { what, counted }));
    }

    /// Takes a row over in the place of what was counted.
    pub(super) fn replace(&mut self, new: Use) {
        self.uses.retain(|present| present.what != new.what);
        self.uses.push(new);
    }

    /// Drops what need not be kept.
    fn trim(&mut self, now: Timestamp) {
        self.uses.sort_by_key(|row| Reverse(row.last()));
        let mut seen = HashSet::new();
        let (mut kept, mut refused) = (0, 0);
        self.uses.retain(|row| {
            let success = row.what.outcome == OK;
            let newest_success =
                success && seen.len() < MAX_PROTOCOLS && seen.insert(row.what.protocol.clone());
            let fresh = now.since(row.last()) <= KEPT;
            let room = kept < MAX_ROWS && (success || refused < MAX_REFUSED_ROWS);
            let keep = newest_success || (fresh && room);
            kept += usize::from(keep);
            refused += usize::from(keep && !success);
            keep
        });
    }
}

impl Use {
    /// When it was counted last.
    pub(super) fn last(&self) -> Timestamp {
        self.counted.last
    }

    /// Whether it is asked for; the mailbox has been looked at.
    pub(super) fn meets(&self, filter: &UseFilter) -> bool {
        let What { protocol, rip, app_password, outcome } = &self.what;
        let Counted { first, last, .. } = self.counted;
        let service = Service::from_protocol(protocol);
        filter.since.is_none_or(|since| last >= since)
            && filter.until.is_none_or(|until| first < until)
            && filter.outcome.as_ref().is_none_or(|wanted| outcome == wanted)
            && !(filter.failed && outcome == OK)
            && filter.app_password.is_none_or(|wanted| *app_password == Some(wanted))
            && filter.network.is_none_or(|network| rip.is_some_and(|rip| network.contains(&rip)))
            && filter.protocol.as_ref().is_none_or(|wanted| {
                protocol == wanted
                    || (service.is_some() && service == Service::from_protocol(wanted))
            })
    }

    /// The row of a mailbox.
    pub(super) fn into_row(self, mailbox: MailboxId) -> UseRow {
        let What { protocol, rip, app_password, outcome } = self.what;
        let Counted { count, first, last } = self.counted;
        UseRow { mailbox, protocol, rip, app_password, outcome, count, first, last }
    }

    /// A row without its mailbox.
    pub(super) fn from_row(row: UseRow) -> Self {
        let UseRow { mailbox: _, protocol, rip, app_password, outcome, count, first, last } = row;
        Self {
            what: What { protocol, rip, app_password, outcome },
            counted: Counted { count, first, last },
        }
    }
}

/// Uses that are not written yet.
#[derive(Debug, Default)]
pub(super) struct History {
    gathered: Mutex<Gathered>,
}

#[derive(Debug, Default)]
struct Gathered {
    mailboxes: HashMap<MailboxId, Rows>,
    rows: usize,
    lost: u64,
    latest: Timestamp,
}

/// What was gathered, to be written.
#[derive(Debug)]
pub(super) struct Taken {
    /// The rows by mailbox.
    pub(super) mailboxes: Vec<(MailboxId, Rows)>,
    /// Uses that found no room.
    pub(super) lost: u64,
    /// The moment that was recorded last: the clock of what falls away. Not the
    /// latest of all: a clock that was once ahead would empty every history.
    pub(super) latest: Timestamp,
}

impl History {
    /// Counts a use, or drops it where there is no room for another row.
    pub(super) fn record(&self, key: UseKey, now: Timestamp) {
        let UseKey { mailbox, mut protocol, rip, app_password, outcome } = key;
        if protocol.len() > MAX_PROTOCOL_BYTES {
            protocol = protocol.chars().take(MAX_PROTOCOL_BYTES / 4).collect();
        }
        let what = What { protocol, rip, app_password, outcome };
        let mut gathered = self.gathered();
        gathered.latest = now;
        gathered.add(mailbox, what, Counted { count: 1, first: now, last: now });
    }

    /// Takes what was gathered.
    pub(super) fn take(&self) -> Taken {
        let mut gathered = self.gathered();
        gathered.rows = 0;
        let mailboxes = mem::take(&mut gathered.mailboxes).into_iter().collect();
        Taken { mailboxes, lost: mem::take(&mut gathered.lost), latest: gathered.latest }
    }

    /// Puts back what could not be written.
    pub(super) fn put_back(&self, unwritten: impl Iterator<Item = (MailboxId, Rows)>) {
        let mut gathered = self.gathered();
        for (mailbox, rows) in unwritten {
            for (what, counted) in rows {
                gathered.add(mailbox, what, counted);
            }
        }
    }

    /// Forgets a mailbox that was removed.
    pub(super) fn forget(&self, mailbox: MailboxId) {
        let mut gathered = self.gathered();
        gathered.rows -= gathered.mailboxes.remove(&mailbox).map_or(0, |rows| rows.len());
    }

    /// What is not written yet, of one mailbox or of all.
    pub(super) fn unwritten(&self, mailbox: Option<MailboxId>) -> HashMap<MailboxId, Rows> {
        let gathered = self.gathered();
        match mailbox {
            None => gathered.mailboxes.clone(),
            Some(id) => {
                gathered.mailboxes.get(&id).map(|rows| (id, rows.clone())).into_iter().collect()
            }
        }
    }

    fn gathered(&self) -> MutexGuard<'_, Gathered> {
        self.gathered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Gathered {
    fn add(&mut self, mailbox: MailboxId, what: What, counted: Counted) {
        let rows = self.mailboxes.get_mut(&mailbox);
        let has_room = rows.as_ref().is_none_or(|rows| rows.len() < MAX_GATHERED_OF_ONE);
        if let Some(present) = rows.and_then(|rows| rows.get_mut(&what)) {
            present.absorb(counted);
        } else if has_room && self.rows < MAX_GATHERED {
            self.mailboxes.entry(mailbox).or_default().insert(what, counted);
            self.rows += 1;
        } else {
            self.lost = self.lost.saturating_add(counted.count);
        }
    }
}

/// Writes further uses of one mailbox, unless it is gone.
pub(super) fn write(
    draft: &mut Draft<impl Engine>,
    mailbox: MailboxId,
    further: &Rows,
    now: Timestamp,
) -> Result<(), Error> {
    if draft.get::<Holdings>(&keys::holdings(mailbox))?.is_none() {
        return Ok(());
    }
    let key = keys::diary(mailbox);
    let mut diary: Diary = draft.get(&key)?.unwrap_or_default();
    diary.add(further.clone());
    diary.trim(now);
    draft.put(key, &diary)
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
    pub(super) fn go_on<E: Engine>(
        &mut self,
        engine: &E,
        draft: &mut Draft<E>,
        now: Timestamp,
    ) -> Result<(), Error> {
        if now < self.next {
            return Ok(());
        }
        self.next = now.after(SWEEP_EVERY);
        let from = mem::take(&mut self.from).max(vec![keys::DIARY]);
        let mut searched = 0;
        engine.scan(&from, &[keys::DIARY + 1], &mut |key, value| {
            if searched == SWEEP_DIARIES {
                self.from = key.to_vec();
                return Ok(ControlFlow::Break(()));
            }
            searched += 1;
            let mut diary: Diary = engine::decode(value)?;
            let before = diary.uses.len();
            diary.trim(now);
            if diary.uses.len() < before {
                draft.put(key.to_vec(), &diary)?;
            }
            Ok(ControlFlow::Continue(()))
        })
    }
}
