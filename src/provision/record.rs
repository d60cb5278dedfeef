//! Where a run writes what it does: into the store, or, to be planned only, into
//! memory.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    clock::Timestamp,
    mailbox::{Address, Domain, DomainName, Mailbox, ProviderName, Quota, domain::LimitError},
    store::{
        self, MAX_SYNC_LINES, MailboxWrite, Store, SyncAction, SyncBy, SyncCounts, SyncLine,
        SyncOutcome, SyncRun, SyncScope, SyncStep,
    },
};

/// The record of a run.
pub(super) struct Record {
    store: Arc<dyn Store>,
    /// The run as it stands.
    pub(super) run: SyncRun,
    /// What a run would do that is only planned.
    plan: Option<Plan>,
}

/// What was planned so far. Every limit is kept as if it had been done.
#[derive(Default)]
struct Plan {
    written: Vec<SyncLine>,
    /// Mailboxes and bytes that come to each domain's.
    taken: BTreeMap<DomainName, (u64, i128)>,
}

impl Record {
    /// Of a run that does what it finds.
    pub(super) async fn begin(
        store: Arc<dyn Store>,
        provider: ProviderName,
        by: SyncBy,
        scope: SyncScope,
        now: Timestamp,
    ) -> Result<Self, store::Error> {
        let run = store.begin_sync(provider, by, scope, now).await?;
        Ok(Self { store, run, plan: None })
    }

    /// Of a run that does nothing.
    pub(super) fn planned(
        store: Arc<dyn Store>,
        provider: ProviderName,
        scope: SyncScope,
        now: Timestamp,
    ) -> Self {
        let run = SyncRun {
            provider,
            number: 0,
            started: now,
            ended: now,
            outcome: SyncOutcome::Running,
            counts: SyncCounts::default(),
            lines: 0,
            by: SyncBy::Hand,
            scope,
        };
        Self { store, run, plan: Some(Plan::default()) }
    }

    /// Whether nothing is changed.
    pub(super) fn is_planned(&self) -> bool {
        self.plan.is_some()
    }

    /// Carries out one page, all of it or nothing. Returns its lines as they came to
    /// be.
    pub(super) async fn page(
        &mut self,
        steps: Vec<SyncStep>,
    ) -> Result<Vec<SyncLine>, store::Error> {
        if steps.is_empty() {
            return Ok(Vec::new());
        }
        let now = Timestamp::now();
        let lines = if let Some(plan) = &mut self.plan {
            let mut lines = Vec::with_capacity(steps.len());
            for step in steps {
                lines.extend(plan.lines(self.store.as_ref(), step).await?);
            }
            for line in &lines {
                self.run.counts.add(line);
            }
            self.run.lines += lines.len() as u64;
            self.run.ended = now;
            lines
        } else {
            let (run, lines) = self.store.sync_page(self.run.clone(), steps, now).await?;
            self.run = run;
            lines
        };
        for line in &lines {
            self.log(line);
        }
        if let Some(plan) = &mut self.plan {
            let room = MAX_SYNC_LINES.saturating_sub(plan.written.len() as u64);
            let kept = lines.iter().take(usize::try_from(room).unwrap_or_default());
            plan.written.extend(kept.cloned());
        }
        Ok(lines)
    }

    /// Writes down how the run ended; returns it with the lines of a plan.
    pub(super) async fn end(
        mut self,
        outcome: SyncOutcome,
    ) -> Result<(SyncRun, Vec<SyncLine>), store::Error> {
        let now = Timestamp::now();
        self.run.outcome = outcome;
        self.run.ended = now;
        if let Some(plan) = self.plan {
            return Ok((self.run, plan.written));
        }
        let (run, _) = self.store.sync_page(self.run, Vec::new(), now).await?;
        Ok((run, Vec::new()))
    }

    fn log(&self, line: &SyncLine) {
        let SyncLine { action, cause, address, subject, detail } = line;
        let (user, cause) = (address.as_ref().map_or("-", Address::as_str), cause.as_deref());
        let (provider, run) = (&self.run.provider, self.run.number);
        let (action, cause) = (action.name(), cause.unwrap_or("-"));
        if self.plan.is_some() {
            return;
        }
        // What is left out is left out again each quarter of an hour: the record has it.
        if line.action == SyncAction::Skipped && self.run.by == SyncBy::Schedule {
            tracing::debug!(%provider, run, user, action, cause, person = subject, detail, "sync");
        } else {
            tracing::info!(%provider, run, user, action, cause, person = subject, detail, "sync");
        }
    }
}

impl Plan {
    /// What a step would come to.
    async fn lines(
        &mut self,
        store: &dyn Store,
        step: SyncStep,
    ) -> Result<Vec<SyncLine>, store::Error> {
        let SyncStep { write, line } = step;
        let (address, room) = match &write {
            None => return Ok(vec![line]),
            Some(MailboxWrite::Create(new)) => {
                let template = match &new.template {
                    Some(name) => store.template(name).await?,
                    None => None,
                };
                (&new.address, Room::Mailbox(template.and_then(|template| template.quota)))
            }
            Some(MailboxWrite::Replace { old, new }) => {
                (&new.address, Room::Quota { old: old.quota, new: new.quota })
            }
        };
        let Some(domain) = store.domain(&address.domain()).await? else { return Ok(vec![line]) };
        let present = store.domain_use(&domain.name).await?;
        let (mailboxes, bytes) = self.taken.entry(domain.name.clone()).or_default();
        let bytes_now = i128::from(present.quota_bytes) + *bytes;
        match room.check(&domain, present.mailboxes + *mailboxes, bytes_now) {
            Ok((more, more_bytes)) => {
                *mailboxes += more;
                *bytes += more_bytes;
                Ok(vec![line])
            }
            Err(limit) => {
                let refused = SyncLine {
                    action: SyncAction::Skipped,
                    cause: Some("limit".to_owned()),
                    detail: limit.to_string(),
                    ..line.clone()
                };
                Ok(is_more_than_quota(write.as_ref())
                    .then_some(line)
                    .into_iter()
                    .chain([refused])
                    .collect())
            }
        }
    }
}

/// Whether something is left of a change whose quota does not fit.
fn is_more_than_quota(write: Option<&MailboxWrite>) -> bool {
    match write {
        Some(MailboxWrite::Replace { old, new }) => {
            Mailbox { quota: old.quota, ..Mailbox::clone(new) } != **old
        }
        _ => false,
    }
}

/// What a step takes of a domain's room.
enum Room {
    Mailbox(Option<Quota>),
    Quota { old: Option<Quota>, new: Option<Quota> },
}

impl Room {
    /// Mailboxes and bytes that the domain has more then.
    fn check(
        &self,
        domain: &Domain,
        mailboxes: u64,
        bytes: i128,
    ) -> Result<(u64, i128), LimitError> {
        let quota = |quota: Option<Quota>| quota.unwrap_or(domain.default_quota);
        let clamped = |bytes: i128| u64::try_from(bytes.max(0)).unwrap_or(u64::MAX);
        match *self {
            Self::Mailbox(new) => {
                let new = quota(new);
                domain.check_limits(mailboxes, clamped(bytes), new)?;
                Ok((1, i128::from(new.bytes)))
            }
            Self::Quota { old, new } => {
                let (old, new) = (quota(old), quota(new));
                let grows = new != old && (new.is_unlimited() || new > old);
                if grows {
                    let any_number = Domain { max_mailboxes: None, ..domain.clone() };
                    any_number.check_limits(0, clamped(bytes - i128::from(old.bytes)), new)?;
                }
                Ok((0, i128::from(new.bytes) - i128::from(old.bytes)))
            }
        }
    }
}
