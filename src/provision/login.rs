//! What a source's word on somebody comes to outside of a sync: at a login of his,
//! or when something happened to him. By the very rules of a sync.
//!
//! Whoever has no mailbox gets one in two steps: what it would be is known before
//! anything is made, so whatever can refuse the login does so first. What is done,
//! and what is refused, is written down beside the syncs.

use std::sync::Arc;

use super::{
    Source,
    apply::{Finding, Refusal, Rules},
};
use crate::{
    clock::Timestamp,
    mailbox::{Address, NameRules, Profile, TemplateName},
    store::{self, Account, MailboxWrite, Store, SyncLine, SyncStep, Written},
};

/// The word of one source, as long as one login or one question takes.
pub struct Follower {
    pub(super) store: Arc<dyn Store>,
    pub(super) rules: Rules,
}

/// What the login of somebody without a mailbox would come to.
#[derive(Debug)]
pub struct Plan {
    /// The mailbox as it would be.
    pub account: Account,
    /// It would be made; else one that he has gets this address.
    pub is_new: bool,
    /// Template of one that would be made, where there is one.
    pub template: Option<TemplateName>,
    write: MailboxWrite,
    line: SyncLine,
}

/// That somebody gets no mailbox by this login.
#[derive(Debug)]
pub struct NotMade {
    /// Why.
    pub why: Why,
    /// What there is to write down.
    line: Option<SyncLine>,
}

/// Why somebody gets no mailbox by a login.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Why {
    /// The rules say so.
    Refused(Refusal),
    /// A limit of the domain, in words.
    Limit(String),
    /// He has this mailbox, and it keeps its address: why, in words.
    HasAnother(Address, String),
    /// Something else came first: it is to be looked at again.
    Meanwhile,
}

impl From<Why> for NotMade {
    fn from(why: Why) -> Self {
        Self { why, line: None }
    }
}

impl Follower {
    /// By the templates as they are now. `makes` says whether mailboxes are made
    /// for people who have none.
    ///
    /// # Errors
    /// The store failed.
    pub async fn of(
        source: Arc<Source>,
        store: Arc<dyn Store>,
        names: &NameRules,
        home: String,
        makes: bool,
    ) -> Result<Self, store::Error> {
        let rules = Rules::of(source, store.as_ref(), names, home, makes).await?;
        Ok(Self { store, rules })
    }

    /// What a login of `person` as `address`, of which there is no mailbox, comes
    /// to. Nothing is written.
    ///
    /// # Errors
    /// The store failed.
    pub async fn plan(
        &self,
        person: &Profile,
        address: &Address,
        now: Timestamp,
    ) -> Result<Result<Plan, NotMade>, store::Error> {
        if !person.enabled {
            return Ok(Err(Why::Refused(Refusal::Disabled).into()));
        }
        let mut not_made = None;
        for finding in self.rules.person(self.store.as_ref(), person).await? {
            match finding {
                Finding::Step(SyncStep { write: Some(write), line })
                    if leads_to(&write, address) =>
                {
                    return self.rehearsed(write, line, now).await;
                }
                Finding::Skipped(refusal, line) => {
                    not_made = Some(refused(refusal, line, address));
                }
                Finding::Counted(refusal) => not_made = Some(Why::Refused(refusal).into()),
                Finding::Step(_) | Finding::Unchanged | Finding::Disabled(_) => {}
            }
        }
        if let Some(not_made) = not_made {
            return Ok(Err(not_made));
        }
        let his = self.rules.source.binding(&person.subject);
        let another = self.store.mailboxes_of(&his).await?.into_iter().next();
        let keeps = |other| Why::HasAnother(other, "it keeps its address".to_owned());
        Ok(Err(another.map_or(Why::Meanwhile, keeps).into()))
    }

    async fn rehearsed(
        &self,
        write: MailboxWrite,
        line: SyncLine,
        now: Timestamp,
    ) -> Result<Result<Plan, NotMade>, store::Error> {
        let (is_new, template) = match &write {
            MailboxWrite::Create(new) => (true, new.template.clone()),
            MailboxWrite::Replace { .. } => (false, None),
        };
        match self.store.rehearse(write.clone(), now).await {
            Ok(Written { account, .. }) => Ok(Ok(Plan { account, is_new, template, write, line })),
            Err(error) => not_made(error, &line).map(Err),
        }
    }

    /// Makes the mailbox, or renames the one that he has.
    ///
    /// # Errors
    /// The store failed.
    pub async fn carry_out(
        &self,
        plan: Plan,
        now: Timestamp,
    ) -> Result<Result<Account, NotMade>, store::Error> {
        let Plan { write, line, .. } = plan;
        match self.store.carry_out(write, now).await {
            Ok(Written { account, refused, .. }) => {
                self.note_all(line, true, refused, now).await;
                Ok(Ok(account))
            }
            Err(error) => not_made(error, &line).map(Err),
        }
    }

    /// Writes down why somebody got no mailbox.
    pub async fn write_down(&self, not_made: NotMade, now: Timestamp) {
        if let Some(line) = not_made.line {
            self.note(line, now).await;
        }
    }

    /// Brings every mailbox of his up to date, and makes one if these rules make
    /// any. Nothing is written that is so already. Returns whether anything changed,
    /// by this or by whoever came first.
    ///
    /// # Errors
    /// The store failed.
    pub async fn follow(&self, person: &Profile, now: Timestamp) -> Result<bool, store::Error> {
        let mut changed = false;
        // Whoever comes second finds it done, or looks once more.
        for _ in 0..2 {
            let mut meanwhile = false;
            for finding in self.rules.person(self.store.as_ref(), person).await? {
                match finding {
                    Finding::Step(step) => {
                        changed = true;
                        meanwhile |= self.step(step, now).await?;
                    }
                    Finding::Skipped(_, line) => self.note(line, now).await,
                    // That somebody is disabled switches nothing off here: only a
                    // sync knows how many others are, and holds in.
                    Finding::Counted(_) | Finding::Disabled(_) | Finding::Unchanged => {}
                }
            }
            if !meanwhile {
                break;
            }
        }
        Ok(changed)
    }

    /// The mailbox of this address as [`Follower::follow`] would leave it, and what
    /// that changes, in words; nothing if it changes nothing.
    ///
    /// # Errors
    /// The store failed.
    pub async fn foresee(
        &self,
        person: &Profile,
        address: &Address,
        now: Timestamp,
    ) -> Result<Option<(Account, String)>, store::Error> {
        for finding in self.rules.person(self.store.as_ref(), person).await? {
            let Finding::Step(SyncStep { write: Some(write), line }) = finding else { continue };
            if !leads_to(&write, address) {
                continue;
            }
            return match self.store.rehearse(write, now).await {
                Ok(Written { account, changed, .. }) => {
                    Ok(changed.then_some((account, line.detail)))
                }
                Err(error) if error.is_refusal() => Ok(None),
                Err(error) => Err(error),
            };
        }
        Ok(None)
    }

    /// Whether it came to nothing because something else came first.
    async fn step(&self, step: SyncStep, now: Timestamp) -> Result<bool, store::Error> {
        let SyncStep { write, line } = step;
        let Some(write) = write else { return Ok(false) };
        match self.store.carry_out(write, now).await {
            Ok(Written { changed, refused, .. }) => {
                self.note_all(line, changed, refused, now).await;
                Ok(false)
            }
            Err(error) => {
                let NotMade { why, line } = not_made(error, &line)?;
                if let Some(line) = line {
                    self.note(line, now).await;
                }
                Ok(why == Why::Meanwhile)
            }
        }
    }

    async fn note_all(
        &self,
        line: SyncLine,
        changed: bool,
        refused: Option<store::Error>,
        now: Timestamp,
    ) {
        let (address, subject) = (line.address.clone(), line.subject.clone());
        if changed {
            self.note(line, now).await;
        }
        if let Some(error) = refused {
            self.note(SyncLine::refused(&error, address, subject), now).await;
        }
    }

    /// Writes it down. Nobody stays out of his mail for want of a line.
    async fn note(&self, line: SyncLine, now: Timestamp) {
        let provider = &self.rules.source.name;
        if line.cause.is_none() {
            let SyncLine { action, address, subject, detail, .. } = &line;
            let (user, action) = (address.as_ref().map_or("-", Address::as_str), action.name());
            tracing::info!(%provider, user, action, person = subject, detail, "followed");
        }
        if let Err(error) = self.store.note_sync_line(provider, line, now).await {
            tracing::error!(%provider, %error, "what was done cannot be written down");
        }
    }
}

/// Whether the mailbox has this address then.
fn leads_to(write: &MailboxWrite, address: &Address) -> bool {
    match write {
        MailboxWrite::Create(new) => new.address == *address,
        MailboxWrite::Replace { new, .. } => new.address == *address,
    }
}

/// What the rules leave out of a mailbox of this address, or of another one of his.
fn refused(refusal: Refusal, line: SyncLine, address: &Address) -> NotMade {
    let other = line.address.clone().filter(|other| other != address);
    let why = match other {
        Some(other) => Why::HasAnother(other, line.detail.clone()),
        None => Why::Refused(refusal),
    };
    NotMade { why, line: Some(line) }
}

/// What a write that the store refuses means.
fn not_made(error: store::Error, line: &SyncLine) -> Result<NotMade, store::Error> {
    match &error {
        store::Error::Limit(limit) => {
            let why = Why::Limit(limit.to_string());
            let line = SyncLine::refused(&error, line.address.clone(), line.subject.clone());
            Ok(NotMade { why, line: Some(line) })
        }
        _ if error.is_refusal() => Ok(Why::Meanwhile.into()),
        _ => Err(error),
    }
}
