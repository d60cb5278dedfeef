//! Syncs: what a run over a provider's people writes, and its record.
//!
//! A page of a run is one transaction: what it changes of mailboxes, a line for
//! each, and the counts. So the record says no more and no less than what was
//! done, wherever a run ends.

use std::{collections::BTreeMap, ops::ControlFlow, sync::Arc};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Account, Error, NewMailbox, Written,
    apply::{self, Tally},
    engine::{self, Draft, Engine, end_of},
    keys,
    write::{self, Holdings},
};
use crate::{
    clock::Timestamp,
    mailbox::{Address, Mailbox, MailboxId, ProviderName},
};

/// Runs of one provider that are kept of those that changed something, and of the
/// others: syncs that run by themselves mostly find nothing to do. The last
/// complete one is kept besides.
pub const MAX_SYNC_RUNS: usize = 20;
/// Lines of one run that are kept.
pub const MAX_SYNC_LINES: u64 = 10_000;

/// One run.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct SyncRun {
    /// Whose people.
    pub provider: ProviderName,
    /// Counts the provider's runs, from 1.
    pub number: u64,
    /// When it began.
    pub started: Timestamp,
    /// When it ended, or when this was written last.
    pub ended: Timestamp,
    /// What it came to.
    pub outcome: SyncOutcome,
    /// What it found and did.
    pub counts: SyncCounts,
    /// Lines that it wrote, with those that are not kept.
    pub lines: u64,
    /// Who began it.
    pub by: SyncBy,
    /// What it may do.
    pub scope: SyncScope,
}

/// Who begins a run.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub enum SyncBy {
    /// An administrator.
    #[default]
    Hand,
    /// The schedule.
    Schedule,
}

impl SyncBy {
    /// The stable word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Hand => "hand",
            Self::Schedule => "schedule",
        }
    }
}

/// What a run may do.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub enum SyncScope {
    /// Whatever is to be done.
    #[default]
    All,
    /// Make mailboxes, and nothing else.
    OnlyNew,
}

impl SyncScope {
    /// The stable word.
    pub fn name(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::OnlyNew => "only_new",
        }
    }
}

/// What a run came to.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SyncOutcome {
    /// It goes on.
    Running,
    /// Everything was read and done.
    Complete,
    /// Somebody broke it off. What it did stands.
    Cancelled,
    /// It would have withdrawn too many mailboxes, and withdrew none.
    Braked(String),
    /// It could not go on.
    Failed(String),
    /// The process stopped, or ended, in the middle of it.
    Interrupted,
}

impl SyncOutcome {
    /// Words of those that have ended.
    pub const ENDS: [&str; 5] = ["complete", "cancelled", "braked", "failed", "interrupted"];

    /// The stable word. Whoever asks knows that a run is not under way, if it is
    /// not.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Complete => "complete",
            Self::Cancelled => "cancelled",
            Self::Braked(_) => "braked",
            Self::Failed(_) => "failed",
            Self::Interrupted => "interrupted",
        }
    }
}

/// What a run found and did, in numbers of people or mailboxes.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct SyncCounts {
    /// People that the provider listed.
    pub people: u64,
    /// Mailboxes that were as they should be.
    pub unchanged: u64,
    /// By what was done; none that is zero.
    pub done: BTreeMap<SyncAction, u64>,
    /// People and changes that were left out, by cause.
    pub skipped: BTreeMap<String, u64>,
}

/// What a line says was done.
#[derive(
    Clone, Copy, Debug, Deserialize, Eq, Hash, JsonSchema, Ord, PartialEq, PartialOrd, Serialize,
)]
#[serde(rename_all = "snake_case")]
pub enum SyncAction {
    /// Made.
    Created,
    /// Changed.
    Updated,
    /// Given another address.
    Renamed,
    /// Switched off: the person is missing or disabled.
    Withdrawn,
    /// Switched on again.
    Restored,
    /// The person was missing in a complete listing.
    Missing,
    /// Nothing, or not all: the line's cause says why.
    Skipped,
}

impl SyncAction {
    /// The stable word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Updated => "updated",
            Self::Renamed => "renamed",
            Self::Withdrawn => "withdrawn",
            Self::Restored => "restored",
            Self::Missing => "missing",
            Self::Skipped => "skipped",
        }
    }
}

/// One line of a run's record.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct SyncLine {
    /// What was done.
    pub action: SyncAction,
    /// Why not, in a stable word.
    pub cause: Option<String>,
    /// The mailbox.
    pub address: Option<Address>,
    /// The provider's id of the person.
    pub subject: String,
    /// In words.
    pub detail: String,
}

/// One thing that a run does or says.
#[derive(Clone, Debug)]
pub struct SyncStep {
    /// What to write.
    pub write: Option<MailboxWrite>,
    /// Its line, if all of it is written.
    pub line: SyncLine,
}

/// One write to a mailbox.
#[derive(Clone, Debug)]
pub enum MailboxWrite {
    /// Makes it, within its domain's limits.
    Create(Box<NewMailbox>),
    /// Puts `new` in the place of `old`, if it is still that. Another address is
    /// a rename within the domain. A quota that does not fit stays as it was.
    Replace {
        /// As it was read.
        old: Arc<Mailbox>,
        /// As it shall be.
        new: Box<Mailbox>,
    },
}

/// Begins a run: gives it its number, and drops the oldest.
pub(super) fn begin<E: Engine>(
    draft: &mut Draft<E>,
    provider: ProviderName,
    by: SyncBy,
    scope: SyncScope,
    now: Timestamp,
) -> Result<SyncRun, Error> {
    let kept = runs(draft.engine(), &provider)?;
    // Whoever begins a run knows that no other is under way.
    for left in kept.iter().filter(|run| run.outcome == SyncOutcome::Running) {
        let left = SyncRun { outcome: SyncOutcome::Interrupted, ..left.clone() };
        draft.put(keys::sync_run(&provider, left.number), &left)?;
    }
    for old in spent(&kept) {
        forget(draft, old)?;
    }
    let run = SyncRun {
        number: kept.last().map_or(1, |run| run.number + 1),
        provider,
        started: now,
        ended: now,
        outcome: SyncOutcome::Running,
        counts: SyncCounts::default(),
        lines: 0,
        by,
        scope,
    };
    draft.put(keys::sync_run(&run.provider, run.number), &run)?;
    Ok(run)
}

/// Those of which the record is kept no longer.
fn spent(kept: &[SyncRun]) -> impl Iterator<Item = &SyncRun> {
    let did = |run: &&SyncRun| !run.counts.done.is_empty();
    let oldest = |runs: Vec<_>| runs.into_iter().rev().skip(MAX_SYNC_RUNS - 1);
    let (some, none) = kept.iter().partition(did);
    let last_complete = kept.iter().rev().find(|run| run.outcome == SyncOutcome::Complete);
    let last_complete = last_complete.map(|run| run.number);
    oldest(some).chain(oldest(none)).filter(move |run| Some(run.number) != last_complete)
}

/// Forgets all runs of a provider that goes.
pub(super) fn forget_all<E: Engine>(
    draft: &mut Draft<E>,
    provider: &ProviderName,
) -> Result<(), Error> {
    for run in runs(draft.engine(), provider)? {
        forget(draft, &run)?;
    }
    Ok(())
}

fn forget<E: Engine>(draft: &mut Draft<E>, run: &SyncRun) -> Result<(), Error> {
    draft.remove(keys::sync_run(&run.provider, run.number));
    draft.remove_all(&keys::sync_lines(&run.provider, run.number))
}

/// Carries out a page. Returns the run with what was counted, and the lines as
/// they came to be.
pub(super) fn page(
    draft: &mut Draft<impl Engine>,
    mut run: SyncRun,
    steps: Vec<SyncStep>,
    ids: &mut impl FnMut() -> Result<MailboxId, Error>,
    now: Timestamp,
) -> Result<(SyncRun, Vec<SyncLine>), Error> {
    let key = keys::sync_run(&run.provider, run.number);
    if draft.get::<SyncRun>(&key)?.is_none() {
        let text = format!("provider {} was removed, and its syncs' record with it", run.provider);
        return Err(Error::Conflict(text));
    }
    let mut lines = Vec::with_capacity(steps.len());
    for SyncStep { write, line } in steps {
        match write {
            None => lines.push(line),
            Some(write) => {
                let subject = line.subject.clone();
                let address = line.address.clone();
                let (changed, refused) = match carry_out(draft, write, ids, now) {
                    Ok(Written { changed, refused, .. }) => (changed, refused),
                    Err(refused) if refused.is_refusal() => (false, Some(refused)),
                    Err(failure) => return Err(failure),
                };
                lines.extend(changed.then_some(line));
                lines.extend(refused.map(|error| SyncLine::refused(&error, address, subject)));
            }
        }
    }
    for line in &lines {
        run.counts.add(line);
    }
    let first = run.lines;
    run.lines += lines.len() as u64;
    if !lines.is_empty() && first < MAX_SYNC_LINES {
        draft.put(keys::sync_lines_from(&run.provider, run.number, first), &lines)?;
    }
    run.ended = now;
    draft.put(key, &run)?;
    Ok((run, lines))
}

impl SyncCounts {
    /// Counts what a line says.
    pub fn add(&mut self, line: &SyncLine) {
        match &line.cause {
            Some(cause) => *self.skipped.entry(cause.clone()).or_default() += 1,
            None => *self.done.entry(line.action).or_default() += 1,
        }
    }

    /// How often this was done.
    pub fn of(&self, action: SyncAction) -> u64 {
        self.done.get(&action).copied().unwrap_or_default()
    }
}

impl SyncLine {
    /// That something could not be done.
    pub fn refused(error: &Error, address: Option<Address>, subject: String) -> Self {
        let cause = match error {
            Error::Limit(_) => "limit",
            Error::NotFound { what: "template", .. } => "template_missing",
            _ => "changed_meanwhile",
        };
        Self {
            action: SyncAction::Skipped,
            cause: Some(cause.to_owned()),
            address,
            subject,
            detail: error.to_string(),
        }
    }
}

/// A write that fails has drafted nothing.
pub(super) fn carry_out(
    draft: &mut Draft<impl Engine>,
    write: MailboxWrite,
    ids: &mut impl FnMut() -> Result<MailboxId, Error>,
    now: Timestamp,
) -> Result<Written, Error> {
    match write {
        MailboxWrite::Create(new) => create(draft, *new, ids, now),
        MailboxWrite::Replace { old, new } => replace(draft, &old, *new, now),
    }
}

/// Two logins of one person may be under way by two names of his.
fn create(
    draft: &mut Draft<impl Engine>,
    new: NewMailbox,
    ids: &mut impl FnMut() -> Result<MailboxId, Error>,
    now: Timestamp,
) -> Result<Written, Error> {
    if let Some(person) = &new.bound {
        let has: Option<Vec<MailboxId>> = draft.get(&keys::bound(person))?;
        if has.is_some_and(|has| !has.is_empty()) {
            return Err(Error::Conflict("the person has a mailbox already".to_owned()));
        }
    }
    let account = write::create_mailbox(draft, ids()?, new, now)?;
    Ok(Written { account, changed: true, refused: None })
}

fn replace(
    draft: &mut Draft<impl Engine>,
    old: &Mailbox,
    mut new: Mailbox,
    now: Timestamp,
) -> Result<Written, Error> {
    if draft.get::<Mailbox>(&keys::mailbox(&old.address))?.as_ref() != Some(old) {
        return Err(Error::Conflict(format!("mailbox {} was changed meanwhile", old.address)));
    }
    let domain = write::domain(draft, &old.address.domain())?;
    let mut refused = None;
    if new.quota != old.quota {
        let tally: Tally = draft.get(&keys::tally(&domain.name))?.unwrap_or_default();
        if let Err(limit) = apply::check_quota_change(&domain, &tally, old.quota, new.quota) {
            new.quota = old.quota;
            refused = Some(limit.into());
        }
    }
    let changed = new != *old;
    if changed {
        new.generation = old.generation + u64::from(apply::outdates_verified(old, &new));
        new.modified = now;
        if new.address == old.address {
            write::replace_mailbox(draft, old, &new)?;
        } else {
            rename(draft, old, &new)?;
        }
    }
    let account = Account { mailbox: Arc::new(new), domain: Arc::new(domain) };
    Ok(Written { account, changed, refused })
}

/// Everything else lies under the id, and stays.
fn rename(draft: &mut Draft<impl Engine>, old: &Mailbox, new: &Mailbox) -> Result<(), Error> {
    if new.address.domain() != old.address.domain() {
        let text = format!("{} cannot become {}: another domain", old.address, new.address);
        return Err(Error::Conflict(text));
    }
    if draft.get::<Mailbox>(&keys::mailbox(&new.address))?.is_some() {
        return Err(Error::taken("mailbox", &new.address));
    }
    let key = keys::holdings(old.id);
    let holdings: Holdings =
        draft.get(&key)?.ok_or_else(|| Error::engine("a mailbox lacks what lies under its id"))?;
    draft.put(key, &Holdings { address: new.address.clone(), ..holdings })?;
    draft.remove(keys::mailbox(&old.address));
    write::keep_home(draft, new)?;
    write::replace_mailbox(draft, old, new)
}

/// The runs of a provider, oldest first.
pub(super) fn runs(engine: &impl Engine, provider: &ProviderName) -> Result<Vec<SyncRun>, Error> {
    let prefix = keys::sync_runs(provider);
    let mut runs = Vec::new();
    engine.scan(&prefix, &end_of(&prefix), &mut |_, value| {
        runs.push(engine::decode(value)?);
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(runs)
}

/// Lines of a run from `first` on, `limit` at most.
pub(super) fn lines(
    engine: &impl Engine,
    provider: &ProviderName,
    run: u64,
    first: u64,
    limit: usize,
) -> Result<Vec<SyncLine>, Error> {
    let all = keys::sync_lines(provider, run);
    let mut found: Vec<SyncLine> = Vec::new();
    engine.scan(&all, &end_of(&all), &mut |key, value| {
        if found.len() >= limit {
            return Ok(ControlFlow::Break(()));
        }
        let begins = keys::line_of(key)?;
        let page: Vec<SyncLine> = engine::decode(value)?;
        if begins + page.len() as u64 > first {
            let skip = usize::try_from(first.saturating_sub(begins)).unwrap_or(usize::MAX);
            found.extend(page.into_iter().skip(skip));
        }
        Ok(ControlFlow::Continue(()))
    })?;
    found.truncate(limit);
    Ok(found)
}
