//! A sync: goes through everybody whom a provider has, and brings the mailboxes
//! that follow it up to date.
//!
//! First all pages of people, each with its own transaction. Then the mailboxes
//! whose person no page had: each is asked for by his id, since pages shift while
//! people come and go. Last those who are disabled or missing are switched off,
//! unless they are more than may be. What a run holds in memory is a few bytes for
//! each person, one page, and the addresses of those who may be switched off.
//!
//! Everything that a run does is so already for the next one: a run that was
//! broken off, in whatever way, is finished by the next.

use std::sync::Arc;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{
    People, Source, Unheard,
    apply::{self, Finding, Rules},
    record::Record,
};
use crate::{
    clock::Timestamp,
    idp::Ids,
    mailbox::{
        Address, DomainName, NameRules, OwnerState, Profile, policy::WithdrawnWhy,
        profile::unfit_subject,
    },
    store::{
        self, MailboxFilter, MailboxWrite, Store, SyncAction, SyncBy, SyncLine, SyncOutcome,
        SyncRun, SyncScope, SyncStep,
    },
};

/// Mailboxes that are read or written at a time.
const AT_A_TIME: usize = 100;
/// People that one run can keep apart.
const MAX_PEOPLE: usize = 1_000_000;
/// People who are asked for by their id at the same time: logins need the
/// provider, too.
const LOOK_UPS: usize = 4;
/// Pages in a row that may bring nobody who was not there before.
const MAX_IDLE_PAGES: usize = 1_000;

/// What a run works on.
pub struct Sync {
    /// The state.
    pub store: Arc<dyn Store>,
    /// Whose people.
    pub source: Arc<Source>,
    /// They themselves.
    pub people: Box<dyn People>,
    /// How names become addresses.
    pub names: Arc<NameRules>,
    /// Pattern of a new mailbox's home.
    pub home: String,
    /// Told of each mailbox that was switched off: its sessions may still be open.
    pub on_withdrawn: OnWithdrawn,
    /// Told how the owners of mailboxes stand, by whatever the run asks.
    pub on_question: OnQuestion,
}

/// Hears of a mailbox that was switched off, whose it is by the source's id, and
/// why.
pub type OnWithdrawn = Arc<dyn Fn(&Address, &str, WithdrawnWhy) + Send + std::marker::Sync>;

/// Called before a question to the source, and gives what hears the answer.
pub type OnQuestion = Arc<dyn Fn() -> OnAnswer + Send + std::marker::Sync>;

/// Hears how somebody stands to whom a mailbox belongs, by the source's id of him,
/// and whether he may have open sessions.
pub type OnAnswer = Box<dyn Fn(&str, OwnerState, bool) + Send + std::marker::Sync>;

/// What is asked for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Order {
    /// Nothing is changed, and what would be is said.
    pub dry_run: bool,
    /// Percentage of the mailboxes that may be switched off; else the settings'.
    pub withdraw_limit: Option<u8>,
    /// Who asks.
    pub by: SyncBy,
    /// What may be done.
    pub scope: SyncScope,
}

/// How far a run is.
#[derive(Clone, Debug)]
pub struct Progress {
    /// Whether it is only planned.
    pub dry_run: bool,
    /// The run as it stands.
    pub run: SyncRun,
    /// How many people there are, as far as the provider says so.
    pub expected: Option<u64>,
    /// What it is at.
    pub phase: Phase,
    /// What would be done, at the end of one that is only planned.
    pub plan: Arc<Vec<SyncLine>>,
}

/// What a run is at.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Phase {
    /// Reads people.
    People,
    /// Asks for those whom no page had.
    Missing,
    /// Switches off.
    Withdrawing,
    /// It has ended.
    Ended,
}

/// Why a run ends before its end.
enum Stop {
    Cancelled,
    Source(Unheard),
    Store(store::Error),
    TooMany,
    Brake(String),
}

impl From<Unheard> for Stop {
    fn from(unheard: Unheard) -> Self {
        Self::Source(unheard)
    }
}

impl From<store::Error> for Stop {
    fn from(error: store::Error) -> Self {
        Self::Store(error)
    }
}

impl From<Stop> for SyncOutcome {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Cancelled => Self::Cancelled,
            Stop::Source(unheard) => Self::Failed(unheard.to_string()),
            Stop::Store(error) => Self::Failed(error.to_string()),
            Stop::TooMany => Self::Failed(format!("there are more than {MAX_PEOPLE} people")),
            Stop::Brake(why) => Self::Braked(why),
        }
    }
}

/// One run under way.
struct Run<'a> {
    sync: &'a mut Sync,
    rules: Rules,
    record: Record,
    percent: u8,
    /// Who was listed.
    seen: Ids,
    /// Mailboxes of people who are disabled.
    disabled: Vec<Address>,
    progress: &'a watch::Sender<Progress>,
    stop: &'a CancellationToken,
}

/// Begins a run: its record is in the store when this returns.
///
/// # Errors
/// The store failed.
pub(super) async fn begin(sync: &Sync, order: Order) -> Result<Begun, store::Error> {
    let (store, now) = (Arc::clone(&sync.store), Timestamp::now());
    let name = sync.source.name.clone();
    let record = if order.dry_run {
        Record::planned(store, name, order.scope, now)
    } else {
        Record::begin(store, name, order.by, order.scope, now).await?
    };
    Ok(Begun { record, order })
}

/// A run that can go on.
pub(super) struct Begun {
    record: Record,
    order: Order,
}

impl Begun {
    /// How far it is: nowhere.
    pub(super) fn progress(&self) -> Progress {
        Progress {
            dry_run: self.order.dry_run,
            run: self.record.run.clone(),
            expected: None,
            phase: Phase::People,
            plan: Arc::default(),
        }
    }

    /// Goes to the end, and says how far it is. Broken off by `stop`, which is part
    /// of `ending`: the process stops then.
    pub(super) async fn run(
        self,
        sync: &mut Sync,
        progress: &watch::Sender<Progress>,
        stop: &CancellationToken,
        ending: &CancellationToken,
    ) {
        let mut before = self.record.run.clone();
        let ended = self.try_run(sync, progress, stop, ending).await;
        let (run, plan) = ended.unwrap_or_else(|error| {
            before.outcome = SyncOutcome::Failed(error.to_string());
            before.ended = Timestamp::now();
            (before, Vec::new())
        });
        summarise(&run, progress.borrow().dry_run);
        progress.send_modify(|progress| {
            progress.run = run;
            progress.phase = Phase::Ended;
            progress.plan = Arc::new(plan);
        });
    }

    async fn try_run(
        self,
        sync: &mut Sync,
        progress: &watch::Sender<Progress>,
        stop: &CancellationToken,
        ending: &CancellationToken,
    ) -> Result<(SyncRun, Vec<SyncLine>), store::Error> {
        let source = Arc::clone(&sync.source);
        let percent = self.order.withdraw_limit.unwrap_or(source.provisioning.withdraw_limit);
        let makes = source.provisioning.import_users;
        let rules =
            Rules::of(source, sync.store.as_ref(), &sync.names, sync.home.clone(), makes).await?;
        let mut run = Run {
            sync,
            rules,
            record: self.record,
            percent,
            seen: Ids::default(),
            disabled: Vec::new(),
            progress,
            stop,
        };
        let outcome = match run.all().await {
            Ok(()) => SyncOutcome::Complete,
            Err(Stop::Cancelled) if ending.is_cancelled() => SyncOutcome::Interrupted,
            Err(stop) => stop.into(),
        };
        run.record.end(outcome).await
    }
}

fn summarise(run: &SyncRun, dry_run: bool) {
    let SyncRun { provider, number, outcome, counts, by, .. } = run;
    let done: Vec<String> =
        counts.done.iter().map(|(action, number)| format!("{} {number}", action.name())).collect();
    let skipped: Vec<String> =
        counts.skipped.iter().map(|(cause, number)| format!("{cause} {number}")).collect();
    let (done, skipped) = (done.join(", "), skipped.join(", "));
    let (people, unchanged) = (counts.people, counts.unchanged);
    let (run, by) = (*number, by.name());
    match outcome {
        SyncOutcome::Failed(reason) | SyncOutcome::Braked(reason) => {
            tracing::error!(%provider, run, by, dry_run, reason, people, unchanged, done, skipped, "sync stopped");
        }
        SyncOutcome::Cancelled | SyncOutcome::Interrupted => {
            tracing::warn!(%provider, run, by, dry_run, people, unchanged, done, skipped, "sync broken off");
        }
        _ => {
            tracing::info!(%provider, run, by, dry_run, people, unchanged, done, skipped, "sync done");
        }
    }
}

/// How somebody stands, if a mailbox is his, and whether he may have open sessions.
/// Who was switched off long ago has none.
fn stands<'p>(person: &'p Profile, findings: &[Finding]) -> Option<(&'p str, OwnerState, bool)> {
    let is_his = |found: &Finding| match found {
        Finding::Unchanged | Finding::Disabled(_) => true,
        Finding::Step(step) => matches!(step.write, Some(MailboxWrite::Replace { .. })),
        Finding::Skipped(..) | Finding::Counted(_) => false,
    };
    let state = if person.enabled { OwnerState::Enabled } else { OwnerState::Disabled };
    let may_be_open = findings.iter().any(|found| matches!(found, Finding::Disabled(_)));
    findings.iter().any(is_his).then_some((&*person.subject, state, may_be_open))
}

/// What `asked` comes to, unless somebody breaks the run off.
async fn unless_stopped<T>(
    stop: &CancellationToken,
    asked: impl Future<Output = T>,
) -> Result<T, Stop> {
    tokio::select! {
        biased;
        () = stop.cancelled() => Err(Stop::Cancelled),
        answer = asked => Ok(answer),
    }
}

impl Run<'_> {
    async fn all(&mut self) -> Result<(), Stop> {
        let expected = unless_stopped(self.stop, self.sync.people.count()).await?;
        self.progress.send_modify(|progress| progress.expected = expected);
        self.people().await?;
        if self.makes_only() {
            return Ok(());
        }
        self.enter(Phase::Missing);
        let (missing, following) = self.missing().await?;
        self.enter(Phase::Withdrawing);
        self.withdraw(&missing, following).await
    }

    async fn people(&mut self) -> Result<(), Stop> {
        let mut idle = 0;
        loop {
            let before = self.seen.len();
            let seen = |subject: &str| self.seen.has(subject);
            let heard = (self.sync.on_question)();
            let page = unless_stopped(self.stop, self.sync.people.next_page(&seen)).await?;
            let Some(page) = page? else { return Ok(()) };
            let (mut steps, mut owners) = (Vec::new(), Vec::new());
            for person in &page {
                if let Some(why) = unfit_subject(&person.subject) {
                    return Err(Unheard(why.to_owned()).into());
                }
                if !self.seen.add(&person.subject) {
                    continue;
                }
                self.record.run.counts.people += 1;
                let findings = self.findings(person).await?;
                owners.extend(stands(person, &findings));
                for finding in findings {
                    self.take(finding, &mut steps);
                }
            }
            if self.seen.len() > MAX_PEOPLE {
                return Err(Stop::TooMany);
            }
            idle = if self.seen.len() == before { idle + 1 } else { 0 };
            if idle > MAX_IDLE_PAGES {
                return Err(Unheard("its list of people does not end".to_owned()).into());
            }
            self.record.page(steps).await?;
            // By now everybody has his mailbox who was bound to it just now.
            for (subject, state, may_be_open) in
                owners.into_iter().filter(|_| !self.record.is_planned())
            {
                heard(subject, state, may_be_open);
            }
            self.say();
        }
    }

    async fn findings(&self, person: &Profile) -> Result<Vec<Finding>, store::Error> {
        let store = self.sync.store.as_ref();
        if self.makes_only() {
            let his = store.mailboxes_of(&self.rules.source.binding(&person.subject)).await?;
            if !his.is_empty() {
                let left = |address| {
                    if person.enabled { Finding::Unchanged } else { Finding::Disabled(address) }
                };
                return Ok(his.into_iter().map(left).collect());
            }
        }
        self.rules.person(store, person).await
    }

    /// Whether only new mailboxes are made.
    fn makes_only(&self) -> bool {
        self.record.run.scope == SyncScope::OnlyNew
    }

    fn take(&mut self, finding: Finding, steps: &mut Vec<SyncStep>) {
        match finding {
            Finding::Unchanged => self.record.run.counts.unchanged += 1,
            found if self.leaves(&found) => self.record.run.counts.unchanged += 1,
            Finding::Step(step) => steps.push(step),
            Finding::Skipped(_, line) => steps.push(SyncStep { write: None, line }),
            Finding::Counted(refusal) => {
                let skipped = &mut self.record.run.counts.skipped;
                *skipped.entry(refusal.name().to_owned()).or_default() += 1;
            }
            Finding::Disabled(address) => self.disabled.push(address),
        }
    }

    /// Whether this is nothing for a run that only makes new mailboxes.
    fn leaves(&self, found: &Finding) -> bool {
        let changes = match found {
            Finding::Step(step) => !matches!(step.write, Some(MailboxWrite::Create(_))),
            Finding::Disabled(_) => true,
            Finding::Unchanged | Finding::Skipped(..) | Finding::Counted(_) => false,
        };
        changes && self.makes_only()
    }

    /// Mailboxes whose person is nowhere at the provider, by its own word on his
    /// id; and how many mailboxes follow it.
    async fn missing(&mut self) -> Result<(Vec<Address>, usize), Stop> {
        let mut following = 0;
        let mut unseen = Vec::new();
        for domain in self.domains().await? {
            let filter = MailboxFilter { domain: Some(domain), ..Default::default() };
            let mut after = None;
            loop {
                let store = &self.sync.store;
                let page = store.mailboxes(&filter, after.as_ref(), AT_A_TIME).await?;
                for mailbox in &page {
                    let Some(bound) = &mailbox.bound else { continue };
                    let ours = self.rules.source.is_followed_by(mailbox)
                        && bound.provider == self.rules.source.name
                        && mailbox.policy.withdrawn.is_none();
                    following += usize::from(ours);
                    let unseen_now = ours && !self.seen.has(&bound.subject);
                    if unseen_now && apply::can_be_withdrawn(mailbox) {
                        unseen.push((mailbox.address.clone(), bound.subject.clone()));
                    }
                }
                let full = page.len() == AT_A_TIME;
                after = page.last().filter(|_| full).map(|last| last.address.clone());
                if after.is_none() {
                    break;
                }
                unless_stopped(self.stop, tokio::task::yield_now()).await?;
            }
        }
        let limit = self.limit(following);
        let missing = unless_stopped(self.stop, self.asked_for(unseen, limit)).await??;
        Ok((missing, following))
    }

    /// Those whom the provider does not have, also if asked for by their ids. More
    /// than one beyond the limit need not be known.
    async fn asked_for(
        &self,
        unseen: Vec<(Address, String)>,
        limit: usize,
    ) -> Result<Vec<Address>, Unheard> {
        let answers = stream::iter(unseen).map(async |(address, subject)| {
            let heard = (self.sync.on_question)();
            let is_gone = self.sync.people.is_gone(&subject).await?;
            if is_gone && !self.record.is_planned() {
                heard(&subject, OwnerState::Gone, true);
            }
            Ok(is_gone.then_some(address))
        });
        let answers = answers.buffer_unordered(LOOK_UPS);
        let gone = answers.try_filter_map(async |gone| Ok(gone));
        gone.take(limit.saturating_add(1)).try_collect().await
    }

    async fn domains(&self) -> Result<Vec<DomainName>, store::Error> {
        let mut found = Vec::new();
        let mut after = None;
        loop {
            let page = self.sync.store.domains(after.as_ref(), AT_A_TIME).await?;
            let ours = page.iter().filter(|domain| self.rules.source.speaks_for(domain));
            found.extend(ours.map(|domain| domain.name.clone()));
            let full = page.len() == AT_A_TIME;
            after = page.last().filter(|_| full).map(|last| last.name.clone());
            if after.is_none() {
                return Ok(found);
            }
        }
    }

    /// How many of the mailboxes may be switched off.
    fn limit(&self, following: usize) -> usize {
        following.saturating_mul(usize::from(self.percent)).div_ceil(100)
    }

    async fn withdraw(&mut self, missing: &[Address], following: usize) -> Result<(), Stop> {
        let disabled = std::mem::take(&mut self.disabled);
        let limit = self.limit(following);
        if missing.len() + disabled.len() > limit {
            let more = if missing.len() > limit { "at least " } else { "" };
            return Err(Stop::Brake(format!(
                "{more}{} of {following} mailboxes would be switched off ({} of people who are \
                 missing, {} of disabled ones), and withdraw_limit is {} %: none was",
                missing.len() + disabled.len(),
                missing.len(),
                disabled.len(),
                self.percent
            )));
        }
        let missing = missing.iter().map(|address| (address, WithdrawnWhy::Missing));
        let disabled = disabled.iter().map(|address| (address, WithdrawnWhy::Disabled));
        let all: Vec<_> = missing.chain(disabled).collect();
        for page in all.chunks(AT_A_TIME) {
            unless_stopped(self.stop, tokio::task::yield_now()).await?;
            let mut steps = Vec::new();
            for (address, why) in page {
                let account = self.sync.store.account(address).await?;
                let mailbox = account.map(|account| account.mailbox);
                let mailbox = mailbox.filter(|mailbox| {
                    self.rules.source.is_followed_by(mailbox) && apply::can_be_withdrawn(mailbox)
                });
                let now = Timestamp::now();
                steps.extend(mailbox.map(|mailbox| apply::withdrawn(&mailbox, *why, now)));
            }
            for line in self.record.page(steps).await? {
                let SyncLine { action, address, subject, .. } = line;
                let address = address.filter(|_| action == SyncAction::Withdrawn);
                let withdrawn = page.iter().find(|(one, _)| Some(*one) == address.as_ref());
                if let Some((address, why)) = withdrawn.filter(|_| !self.record.is_planned()) {
                    (self.sync.on_withdrawn)(address, &subject, *why);
                }
            }
            self.say();
        }
        Ok(())
    }

    fn enter(&self, phase: Phase) {
        self.progress.send_modify(|progress| progress.phase = phase);
    }

    fn say(&self) {
        self.progress.send_modify(|progress| progress.run = self.record.run.clone());
    }
}

#[cfg(test)]
mod tests;
