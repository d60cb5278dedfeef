//! State: domains, templates, mailboxes, app passwords, last use and history.
//!
//! [`Store`] is async and speaks in domain operations; no type of an engine
//! stands in a signature. [`SledStore`] is the embedded engine, [`MemoryStore`]
//! the one for tests; both pass the same contract (`tests/it/store_contract.rs`).
//!
//! Durability: when an operation has returned, its change is on disk. The one
//! exception is [`Store::record_use`], which is coalesced and may lose the last
//! seconds.
//!
//! Inside: `apply` knows the rules and moves no bytes, `engine` moves bytes and
//! knows no rules; `write`, `list`, `history` and `transfer` say in keys and
//! values what each operation is, `records` makes the [`Store`] of it, and
//! `upgrade` brings what an older Dovegate wrote to the layout of this one.

mod admin_tokens;
mod apply;
mod change;
mod engine;
mod history;
mod keys;
mod list;
mod mask;
pub mod memory;
mod records;
pub mod sled;
mod sync;
mod sync_notes;
mod transfer;
mod upgrade;
mod witness;
mod write;

use std::{collections::BTreeSet, net::IpAddr, sync::Arc};

use async_trait::async_trait;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::{
    clock::Timestamp,
    mailbox::{
        Address, AdminToken, AdminTokenId, AdminTokenUse, AppPassword, AppPasswordId, AuthSource,
        Binding, Domain, DomainName, ImportedAppPassword, Mailbox, MailboxId, MailboxState,
        NamedProvider, Owner, PasswordHash, ProviderName, Template, TemplateName,
        domain::LimitError,
    },
};

pub use self::{
    change::{Arrival, DomainChange, MailboxChange, NewMailbox},
    mask::Mask,
    memory::MemoryStore,
    records::Records,
    sled::{Settings, SledStore},
    sync::{
        MAX_SYNC_LINES, MAX_SYNC_RUNS, MailboxWrite, SyncAction, SyncBy, SyncCounts, SyncLine,
        SyncOutcome, SyncRun, SyncScope, SyncStep,
    },
    sync_notes::{MAX_SYNC_NOTES, SyncNote},
    transfer::EXPORT_SCHEMA,
};

/// Why an operation did not happen.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// What was named is not there.
    #[error("{what} {name} does not exist")]
    NotFound {
        /// "domain", "mailbox", "template", "app password", "provider".
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// What was to be made is there already.
    #[error("{what} {name} exists already")]
    Exists {
        /// As in `NotFound`.
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// A limit of the domain.
    #[error(transparent)]
    Limit(#[from] LimitError),
    /// It cannot be done as things stand, and the text says what stands in the way.
    #[error("{0}")]
    Conflict(String),
    /// Another process holds the folder.
    #[error("{path} is in use by another process; is dovegate running already?")]
    Locked {
        /// The folder.
        path: String,
    },
    /// What was acknowledged is not there any more.
    #[error("{path} is damaged: {damage}. Import a backup into an empty folder")]
    Damaged {
        /// The folder.
        path: String,
        /// How that shows.
        damage: String,
    },
    /// The folder was written by a newer Dovegate.
    #[error("{path} has schema version {found}; this dovegate reads up to {known}")]
    Schema {
        /// The folder.
        path: String,
        /// Version found.
        found: u32,
        /// Newest version known.
        known: u32,
    },
    /// The engine failed: disk, corruption.
    #[error("the store failed: {0}")]
    Engine(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Error {
    /// Whether it is no fault of the store: what was asked for cannot be done as
    /// things stand.
    pub fn is_refusal(&self) -> bool {
        matches!(
            self,
            Self::NotFound { .. } | Self::Exists { .. } | Self::Limit(_) | Self::Conflict(_)
        )
    }

    fn engine(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Engine(error.into())
    }

    fn missing(what: &'static str, name: impl std::fmt::Display) -> Self {
        Self::NotFound { what, name: name.to_string() }
    }

    fn taken(what: &'static str, name: impl std::fmt::Display) -> Self {
        Self::Exists { what, name: name.to_string() }
    }
}

/// A mailbox together with its domain: what a login and a user look-up need,
/// read at one moment.
#[derive(Clone, Debug)]
pub struct Account {
    /// The mailbox.
    pub mailbox: Arc<Mailbox>,
    /// Its domain.
    pub domain: Arc<Domain>,
}

/// What came of a write to a mailbox.
#[derive(Debug)]
pub struct Written {
    /// The mailbox as it is now.
    pub account: Account,
    /// Whether anything was written.
    pub changed: bool,
    /// What of it could not be done: a quota that does not fit.
    pub refused: Option<Error>,
}

/// How full a domain is.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct DomainUse {
    /// Number of mailboxes.
    pub mailboxes: u64,
    /// Sum of their quotas.
    pub quota_bytes: u64,
}

/// Who goes by an auth source.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Followers {
    /// Mailboxes that have it.
    pub mailboxes: u64,
    /// Mailboxes that belong to people there, whatever their auth source is.
    pub bound: u64,
    /// The first of all these.
    pub first: Option<Address>,
}

/// One use of a mailbox, to be counted.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct UseKey {
    /// Whose.
    pub mailbox: MailboxId,
    /// Protocol name as the mail server said it.
    pub protocol: String,
    /// The user's address, if known.
    pub rip: Option<IpAddr>,
    /// The app password that was used or tried.
    pub app_password: Option<AppPasswordId>,
    /// `ok`, or the reason's name.
    pub outcome: String,
}

/// One row of the login history: all equal uses together.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct UseRow {
    /// Whose.
    pub mailbox: MailboxId,
    /// Protocol name.
    pub protocol: String,
    /// The user's address.
    pub rip: Option<IpAddr>,
    /// The app password.
    pub app_password: Option<AppPasswordId>,
    /// `ok`, or the reason's name.
    pub outcome: String,
    /// How many.
    pub count: u64,
    /// The first one.
    pub first: Timestamp,
    /// The last one.
    pub last: Timestamp,
}

/// Which rows of the history a listing names: those that meet all that is said.
#[derive(Clone, Debug, Default)]
pub struct UseFilter {
    /// Only of this mailbox.
    pub mailbox: Option<MailboxId>,
    /// Only what happened then or later, at least for the last time.
    pub since: Option<Timestamp>,
    /// Only what happened before, at least for the first time.
    pub until: Option<Timestamp>,
    /// Only with this outcome.
    pub outcome: Option<String>,
    /// Only refusals.
    pub failed: bool,
    /// Only of this protocol, or of another one of its service.
    pub protocol: Option<String>,
    /// Only from this network.
    pub network: Option<IpNet>,
    /// Only with this app password.
    pub app_password: Option<AppPasswordId>,
    /// Only of mailboxes of these domains.
    pub domains: Option<BTreeSet<DomainName>>,
}

impl UseFilter {
    /// All of one mailbox.
    pub fn of(mailbox: MailboxId) -> Self {
        Self { mailbox: Some(mailbox), ..Self::default() }
    }
}

/// Which mailboxes a listing names.
#[derive(Clone, Debug, Default)]
pub struct MailboxFilter {
    /// Only of this domain.
    pub domain: Option<DomainName>,
    /// Only addresses that match this mask (`*` and `?`, case ignored).
    pub mask: Option<String>,
    /// Only those whose address or display name has this in it, case ignored.
    pub text: Option<String>,
    /// Only those in this state.
    pub state: Option<MailboxState>,
    /// Only those whose main password is checked there.
    pub auth_source: Option<AuthSource>,
}

/// The state of one Dovegate.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Makes a domain.
    async fn create_domain(&self, domain: Domain) -> Result<(), Error>;
    /// One domain.
    async fn domain(&self, name: &DomainName) -> Result<Option<Arc<Domain>>, Error>;
    /// Domains by name, from behind `after`, `limit` at most.
    async fn domains(
        &self,
        after: Option<&DomainName>,
        limit: usize,
    ) -> Result<Vec<Arc<Domain>>, Error>;
    /// How full a domain is.
    async fn domain_use(&self, name: &DomainName) -> Result<DomainUse, Error>;
    /// Changes a domain.
    async fn update_domain(
        &self,
        name: &DomainName,
        change: DomainChange,
        now: Timestamp,
    ) -> Result<Arc<Domain>, Error>;
    /// Takes an empty domain away; [`Error::Conflict`] while it has mailboxes.
    async fn remove_domain(&self, name: &DomainName) -> Result<(), Error>;

    /// Makes a provider.
    async fn create_provider(&self, new: NamedProvider) -> Result<(), Error>;
    /// One provider.
    async fn provider(&self, name: &ProviderName) -> Result<Option<NamedProvider>, Error>;
    /// All providers by name (there are few).
    async fn providers(&self) -> Result<Vec<NamedProvider>, Error>;
    /// Puts `new` in the place of the provider of its name.
    async fn replace_provider(&self, new: NamedProvider) -> Result<(), Error>;
    /// Takes a provider away; [`Error::Conflict`] while a domain names it. See
    /// [`Store::followers`].
    async fn remove_provider(&self, name: &ProviderName) -> Result<(), Error>;

    /// Keeps a new admin token; [`Error::Conflict`] beyond [`MAX_ADMIN_TOKENS`].
    async fn create_admin_token(&self, new: AdminToken) -> Result<(), Error>;
    /// One admin token.
    async fn admin_token(&self, id: &AdminTokenId) -> Result<Option<AdminToken>, Error>;
    /// All admin tokens by id (there are few).
    async fn admin_tokens(&self) -> Result<Vec<AdminToken>, Error>;
    /// Writes down that an admin token was used, if it is there. Gathered by the
    /// caller: a program may ask all day.
    async fn admin_token_used(&self, id: &AdminTokenId, last: AdminTokenUse) -> Result<(), Error>;
    /// Takes an admin token away.
    async fn remove_admin_token(&self, id: &AdminTokenId) -> Result<(), Error>;

    /// Makes a template, or replaces one and counts its revision up.
    async fn put_template(&self, template: Template) -> Result<Arc<Template>, Error>;
    /// One template.
    async fn template(&self, name: &TemplateName) -> Result<Option<Arc<Template>>, Error>;
    /// All templates by name (there are few).
    async fn templates(&self) -> Result<Vec<Arc<Template>>, Error>;
    /// Takes a template away; mailboxes keep what they got from it.
    async fn remove_template(&self, name: &TemplateName) -> Result<(), Error>;

    /// Makes a mailbox if the domain exists and its limits allow, in one
    /// transaction.
    async fn create_mailbox_within_limits(
        &self,
        new: NewMailbox,
        now: Timestamp,
    ) -> Result<Account, Error>;
    /// A mailbox and its domain.
    async fn account(&self, address: &Address) -> Result<Option<Account>, Error>;
    /// Mailboxes by domain and then local part, from behind `after`, `limit` at
    /// most. Reads as much as it needs to fill the page.
    async fn mailboxes(
        &self,
        filter: &MailboxFilter,
        after: Option<&Address>,
        limit: usize,
    ) -> Result<Vec<Arc<Mailbox>>, Error>;
    /// Changes a mailbox, within its domain's limits. A change of state,
    /// source, hash or services counts the generation up.
    async fn update_mailbox(
        &self,
        address: &Address,
        change: MailboxChange,
        now: Timestamp,
    ) -> Result<Account, Error>;
    /// Makes and changes many mailboxes in one transaction. Each is judged by
    /// itself: what cannot be done as things stand is refused, and the rest is
    /// written.
    async fn take_in(
        &self,
        arrivals: Vec<Arrival>,
        now: Timestamp,
    ) -> Result<Vec<Result<Account, Error>>, Error>;
    /// Gives a mailbox another hash of the same password, in the transaction that
    /// checks that it is still the mailbox `id` with the hash `old`.
    /// [`Error::Conflict`] if not.
    async fn replace_hash(
        &self,
        address: &Address,
        id: MailboxId,
        old: PasswordHash,
        new: PasswordHash,
        now: Timestamp,
    ) -> Result<Account, Error>;
    /// Binds a mailbox to its person at a provider, in the transaction that
    /// checks that it is still the mailbox `id` and still unbound; to the same
    /// person again changes nothing. [`Error::Conflict`] if it is another
    /// person's by now.
    async fn bind_mailbox(
        &self,
        address: &Address,
        id: MailboxId,
        person: Binding,
        now: Timestamp,
    ) -> Result<Account, Error>;
    /// Who goes by this auth source, or belongs to people there. Reads every
    /// mailbox.
    async fn followers(&self, source: &ProviderName) -> Result<Followers, Error>;
    /// The mailboxes that are bound to this person.
    async fn mailboxes_of(&self, person: &Binding) -> Result<Vec<Address>, Error>;
    /// Keeps what was said of people with each mailbox that is theirs, over a
    /// restart. Gathered by the caller, as this is written all day.
    async fn save_owners(&self, owners: Vec<Owner>) -> Result<(), Error>;
    /// What was kept of a mailbox's owner: perhaps of one whose it is no more. May
    /// wait: after a crash this is read beside the start.
    async fn owner(&self, mailbox: MailboxId) -> Result<Option<Owner>, Error>;
    /// Carries out one write outside of a run, in one transaction, by the rules of
    /// [`Store::sync_page`]: within the domain's limits, only of the mailbox that was
    /// looked at, and for nobody who has a mailbox already. Refused is what cannot be
    /// done as things stand.
    async fn carry_out(&self, write: MailboxWrite, now: Timestamp) -> Result<Written, Error>;
    /// What [`Store::carry_out`] would come to now. Nothing is written; the id of a
    /// mailbox that would be made is none that it will have.
    async fn rehearse(&self, write: MailboxWrite, now: Timestamp) -> Result<Written, Error>;
    /// Takes a mailbox away with its app passwords and history.
    async fn remove_mailbox(&self, address: &Address) -> Result<(), Error>;

    /// Whose this id is: for listings of the history.
    async fn address_of(&self, mailbox: MailboxId) -> Result<Option<Address>, Error>;

    /// Begins the record of a sync. One that was under way before ended with its
    /// process. The oldest records beyond [`MAX_SYNC_RUNS`] go.
    async fn begin_sync(
        &self,
        provider: ProviderName,
        by: SyncBy,
        scope: SyncScope,
        now: Timestamp,
    ) -> Result<SyncRun, Error>;
    /// Carries out the steps of one page of a run in one transaction, and writes
    /// the run down with what they came to; [`Error::Conflict`] if its provider was
    /// removed. A step that cannot be carried out as
    /// things stand becomes a line that says so. Returns the run, and the lines as
    /// they came to be; the first [`MAX_SYNC_LINES`] of a run are kept.
    async fn sync_page(
        &self,
        run: SyncRun,
        steps: Vec<SyncStep>,
        now: Timestamp,
    ) -> Result<(SyncRun, Vec<SyncLine>), Error>;
    /// The syncs of a provider, oldest first.
    async fn sync_runs(&self, provider: &ProviderName) -> Result<Vec<SyncRun>, Error>;
    /// Lines of a sync from the one with this number on, `limit` at most.
    async fn sync_lines(
        &self,
        provider: &ProviderName,
        run: u64,
        first: u64,
        limit: usize,
    ) -> Result<Vec<SyncLine>, Error>;

    /// Writes down what was done, or refused, by a provider's word outside of a
    /// sync. The latest [`MAX_SYNC_NOTES`] are kept; the same refusal of the same
    /// person is written down once in an hour.
    async fn note_sync_line(
        &self,
        provider: &ProviderName,
        line: SyncLine,
        now: Timestamp,
    ) -> Result<(), Error>;
    /// The lines outside of syncs, latest first.
    async fn sync_notes(&self, provider: &ProviderName) -> Result<Vec<SyncNote>, Error>;

    /// Keeps a new app password. [`Error::Exists`] if its id is taken in this
    /// mailbox (the caller makes another), [`Error::Conflict`] at
    /// [`MAX_APP_PASSWORDS`].
    async fn add_app_password(
        &self,
        address: &Address,
        app_password: AppPassword,
    ) -> Result<(), Error>;
    /// One app password.
    async fn app_password(
        &self,
        mailbox: MailboxId,
        id: AppPasswordId,
    ) -> Result<Option<Arc<AppPassword>>, Error>;
    /// All app passwords of a mailbox, oldest first.
    async fn app_passwords(&self, mailbox: MailboxId) -> Result<Vec<Arc<AppPassword>>, Error>;
    /// App passwords that came along with the mailbox, oldest first. Few mailboxes
    /// have any.
    async fn imported_app_passwords(
        &self,
        mailbox: MailboxId,
    ) -> Result<Vec<ImportedAppPassword>, Error>;
    /// Revokes an app password, ours or one that came along: gone when this returns.
    async fn remove_app_password(&self, address: &Address, id: AppPasswordId) -> Result<(), Error>;

    /// Counts a use. Never waits and never fails: rows are coalesced in bounded
    /// memory, and written by [`Store::flush_uses`].
    fn record_use(&self, key: UseKey, now: Timestamp);
    /// Writes what [`Store::record_use`] has gathered. Called once a second and
    /// at the end.
    async fn flush_uses(&self) -> Result<(), Error>;
    /// The history, latest first, `limit` at most. Includes what is not flushed
    /// yet.
    async fn uses(&self, filter: &UseFilter, limit: usize) -> Result<Vec<UseRow>, Error>;

    /// Keeps the abuse counters over a restart: writes the pairs whose value is
    /// `Some`, removes the others. Keys and values are `verify::penalty`'s own.
    async fn save_penalties(&self, entries: Vec<(Vec<u8>, Option<Vec<u8>>)>) -> Result<(), Error>;
    /// All abuse counters.
    async fn penalties(&self) -> Result<Vec<(Vec<u8>, Vec<u8>)>, Error>;

    /// The secret kept under `name`, made by `make` at its first use (auth-token
    /// key, key of the guess digests).
    async fn secret(&self, name: &str, make: fn() -> [u8; 32]) -> Result<[u8; 32], Error>;

    /// Everything as records, in an order in which [`Store::import`] takes
    /// them: for export, backup and a change of engine. Pages of at most
    /// `limit`; `after` is the position that the previous page returned, `None`
    /// at the start; a page without a next position is the last.
    async fn export(&self, after: Option<Vec<u8>>, limit: usize) -> Result<ExportPage, Error>;
    /// Takes records over as they are, replacing what has the same key. All of
    /// one call or nothing.
    async fn import(&self, records: Vec<Record>) -> Result<(), Error>;

    /// Writes everything out and lets go of the folder.
    async fn close(&self) -> Result<(), Error>;
}

/// Most app passwords that one mailbox may have.
pub const MAX_APP_PASSWORDS: usize = 100;
/// Most app passwords that one mailbox may bring along: whoever guesses makes each
/// of them be tried.
pub const MAX_IMPORTED_APP_PASSWORDS: usize = 20;

/// Most admin tokens.
pub const MAX_ADMIN_TOKENS: usize = 200;

/// One line of an export.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Record {
    /// Head of an export: who wrote it, in which version of the format.
    Header {
        /// Version of the format.
        schema: u32,
    },
    /// An identity provider, with its client's secret.
    Provider(Box<NamedProvider>),
    /// A domain.
    Domain(Domain),
    /// A template.
    Template(Template),
    /// A mailbox.
    Mailbox(Box<Mailbox>),
    /// An app password.
    AppPassword {
        /// Whose.
        mailbox: MailboxId,
        /// As stored.
        app_password: AppPassword,
    },
    /// An app password that came along from another mail system.
    ImportedAppPassword {
        /// Whose.
        mailbox: MailboxId,
        /// As stored.
        app_password: ImportedAppPassword,
    },
    /// A row of the history.
    Use(UseRow),
}

/// A page of an export.
#[derive(Debug)]
pub struct ExportPage {
    /// The records.
    pub records: Vec<Record>,
    /// Where the next page begins.
    pub next: Option<Vec<u8>>,
}
