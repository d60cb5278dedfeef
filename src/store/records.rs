//! The [`Store`] over any [`Engine`].
//!
//! A write runs on a thread for blocking work, under one lock: it reads, checks
//! and gathers its changes in a [`Draft`], which is committed as a whole; the
//! flush follows outside the lock, so that writers who wait for the disk wait
//! together. Once begun, a write goes to its end even if the caller is gone.
//! Look-ups read directly; listings walk many keys and run on such a thread.

use std::sync::{Arc, Mutex, PoisonError, RwLock};

use async_trait::async_trait;

use super::{
    Account, Arrival, DomainChange, DomainUse, Error, ExportPage, Followers, MailboxChange,
    MailboxFilter, MailboxWrite, NewMailbox, Record, Store, SyncBy, SyncLine, SyncNote, SyncRun,
    SyncScope, SyncStep, UseFilter, UseKey, UseRow, Written, admin_tokens,
    apply::Tally,
    engine::{self, Draft, Engine},
    history::{self, History, Sweep},
    keys, list, sync, sync_notes, transfer, upgrade,
    write::{self, Holdings},
};
use crate::{
    clock::Timestamp,
    mailbox::{
        Address, AdminToken, AdminTokenId, AdminTokenUse, AppPassword, AppPasswordId, Binding,
        Domain, DomainName, ImportedAppPassword, Mailbox, MailboxId, NamedProvider, Owner,
        PasswordHash, ProviderName, Template, TemplateName,
    },
};

/// Mailboxes whose history or owner is written in one batch. An engine may stop its
/// readers while it applies one.
const MAILBOXES_A_BATCH: usize = 256;

/// Domains, mailboxes and the rest, kept by the engine `E`.
pub struct Records<E> {
    inner: Arc<Inner<E>>,
}

struct Inner<E> {
    engine: E,
    /// Held by a write from its first read to its commit.
    writing: Mutex<()>,
    history: History,
    /// Held while gathered uses move to the engine, so that a reader finds each
    /// of them in exactly one of the two places.
    moving: RwLock<Sweep>,
}

impl<E: Engine> Records<E> {
    /// What `engine` holds.
    pub(super) fn over(engine: E) -> Self {
        let inner = Inner {
            engine,
            writing: Mutex::default(),
            history: History::default(),
            moving: RwLock::default(),
        };
        Self { inner: Arc::new(inner) }
    }

    fn engine(&self) -> &E {
        &self.inner.engine
    }

    fn holdings(&self, mailbox: MailboxId) -> Result<Option<Holdings>, Error> {
        engine::get(self.engine(), &keys::holdings(mailbox))
    }

    /// Runs `work` where it may block.
    async fn blocking<T, F>(&self, work: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&Inner<E>) -> Result<T, Error> + Send + 'static,
    {
        let inner = Arc::clone(&self.inner);
        tokio::task::spawn_blocking(move || work(&inner)).await.map_err(Error::engine)?
    }

    /// Commits what `work` drafts, and returns when it is on disk.
    async fn write<T, F>(&self, work: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&mut Draft<E>) -> Result<T, Error> + Send + 'static,
    {
        self.blocking(move |inner| {
            let done = inner.commit(work)?;
            // Also without a change of its own: what it saw may be a change of
            // another writer that is not on disk yet.
            inner.engine.flush()?;
            Ok(done)
        })
        .await
    }
}

impl<E: Engine> Inner<E> {
    fn commit<T>(&self, work: impl FnOnce(&mut Draft<E>) -> Result<T, Error>) -> Result<T, Error> {
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut draft = Draft::new(&self.engine);
        let done = work(&mut draft)?;
        let changes = draft.into_changes();
        if !changes.is_empty() {
            self.engine.commit(changes)?;
        }
        Ok(done)
    }

    fn flush_uses(&self) -> Result<(), Error> {
        // The history may still be opening: wait before others wait for us.
        self.engine.get(&[keys::DIARY])?;
        let mut sweep = self.moving.write().unwrap_or_else(PoisonError::into_inner);
        let taken = self.history.take();
        if taken.lost > 0 {
            tracing::warn!(lost = taken.lost, "more logins than the history can take");
        }
        let mut left = taken.mailboxes;
        while !left.is_empty() {
            let batch = left.split_off(left.len().saturating_sub(MAILBOXES_A_BATCH));
            let written = self.commit(|draft| {
                batch.iter().try_for_each(|(mailbox, rows)| {
                    history::write(draft, *mailbox, rows, taken.latest)
                })
            });
            if let Err(error) = written {
                self.history.put_back(left.into_iter().chain(batch));
                return Err(error);
            }
        }
        self.commit(|draft| sweep.go_on(&self.engine, draft, taken.latest))?;
        drop(sweep);
        self.engine.flush()
    }
}

#[async_trait]
impl<E: Engine> Store for Records<E> {
    async fn create_domain(&self, domain: Domain) -> Result<(), Error> {
        self.write(move |draft| write::create_domain(draft, &domain)).await
    }

    async fn domain(&self, name: &DomainName) -> Result<Option<Arc<Domain>>, Error> {
        engine::get(self.engine(), &keys::domain(name))
    }

    async fn domains(
        &self,
        after: Option<&DomainName>,
        limit: usize,
    ) -> Result<Vec<Arc<Domain>>, Error> {
        let after = after.map(keys::domain);
        self.blocking(move |inner| list::values(&inner.engine, keys::DOMAIN, after, limit)).await
    }

    async fn domain_use(&self, name: &DomainName) -> Result<DomainUse, Error> {
        let domain = engine::get::<Domain>(self.engine(), &keys::domain(name))?
            .ok_or_else(|| Error::missing("domain", name))?;
        let tally: Tally = engine::get(self.engine(), &keys::tally(name))?.unwrap_or_default();
        Ok(tally.of(&domain))
    }

    async fn update_domain(
        &self,
        name: &DomainName,
        change: DomainChange,
        now: Timestamp,
    ) -> Result<Arc<Domain>, Error> {
        let name = name.clone();
        self.write(move |draft| write::update_domain(draft, &name, change, now)).await.map(Arc::new)
    }

    async fn remove_domain(&self, name: &DomainName) -> Result<(), Error> {
        let name = name.clone();
        self.write(move |draft| write::remove_domain(draft, &name)).await
    }

    async fn create_provider(&self, new: NamedProvider) -> Result<(), Error> {
        self.write(move |draft| write::create_provider(draft, &new)).await
    }

    async fn provider(&self, name: &ProviderName) -> Result<Option<NamedProvider>, Error> {
        let value = engine::get::<String>(self.engine(), &keys::provider(name))?;
        value.map(|value| write::provider_of(&value)).transpose()
    }

    async fn providers(&self) -> Result<Vec<NamedProvider>, Error> {
        self.blocking(|inner| {
            let values = list::values::<String>(&inner.engine, keys::PROVIDER, None, usize::MAX)?;
            values.iter().map(|value| write::provider_of(value)).collect()
        })
        .await
    }

    async fn replace_provider(&self, new: NamedProvider) -> Result<(), Error> {
        self.write(move |draft| write::replace_provider(draft, &new)).await
    }

    async fn remove_provider(&self, name: &ProviderName) -> Result<(), Error> {
        let name = name.clone();
        self.write(move |draft| {
            let domains = list::values(draft.engine(), keys::DOMAIN, None, usize::MAX)?;
            write::remove_provider(draft, &name, &domains)?;
            sync::forget_all(draft, &name)?;
            sync_notes::forget(draft, &name)
        })
        .await
    }

    async fn create_admin_token(&self, new: AdminToken) -> Result<(), Error> {
        self.write(move |draft| admin_tokens::create(draft, &new)).await
    }

    async fn admin_token(&self, id: &AdminTokenId) -> Result<Option<AdminToken>, Error> {
        admin_tokens::get(self.engine(), id)
    }

    async fn admin_tokens(&self) -> Result<Vec<AdminToken>, Error> {
        self.blocking(|inner| admin_tokens::all(&inner.engine)).await
    }

    async fn admin_token_used(&self, id: &AdminTokenId, last: AdminTokenUse) -> Result<(), Error> {
        let id = id.clone();
        self.write(move |draft| admin_tokens::used(draft, &id, last)).await
    }

    async fn remove_admin_token(&self, id: &AdminTokenId) -> Result<(), Error> {
        let id = id.clone();
        self.write(move |draft| admin_tokens::remove(draft, &id)).await
    }

    async fn put_template(&self, template: Template) -> Result<Arc<Template>, Error> {
        self.write(move |draft| write::put_template(draft, template)).await.map(Arc::new)
    }

    async fn template(&self, name: &TemplateName) -> Result<Option<Arc<Template>>, Error> {
        engine::get(self.engine(), &keys::template(name))
    }

    async fn templates(&self) -> Result<Vec<Arc<Template>>, Error> {
        self.blocking(|inner| list::values(&inner.engine, keys::TEMPLATE, None, usize::MAX)).await
    }

    async fn remove_template(&self, name: &TemplateName) -> Result<(), Error> {
        let name = name.clone();
        self.write(move |draft| write::remove_template(draft, &name)).await
    }

    async fn create_mailbox_within_limits(
        &self,
        new: NewMailbox,
        now: Timestamp,
    ) -> Result<Account, Error> {
        let id = new_id()?;
        self.write(move |draft| write::create_mailbox(draft, id, new, now)).await
    }

    async fn account(&self, address: &Address) -> Result<Option<Account>, Error> {
        let Some(mailbox) = engine::get(self.engine(), &keys::mailbox(address))? else {
            return Ok(None);
        };
        // A mailbox goes before its domain, so a missing domain means that both
        // are gone by now.
        let domain = engine::get(self.engine(), &keys::domain(&address.domain()))?;
        Ok(domain.map(|domain| Account { mailbox, domain }))
    }

    async fn mailboxes(
        &self,
        filter: &MailboxFilter,
        after: Option<&Address>,
        limit: usize,
    ) -> Result<Vec<Arc<Mailbox>>, Error> {
        let (filter, after) = (filter.clone(), after.cloned());
        self.blocking(move |inner| list::mailboxes(&inner.engine, &filter, after.as_ref(), limit))
            .await
    }

    async fn update_mailbox(
        &self,
        address: &Address,
        change: MailboxChange,
        now: Timestamp,
    ) -> Result<Account, Error> {
        let address = address.clone();
        self.write(move |draft| write::update_mailbox(draft, &address, change, now)).await
    }

    async fn take_in(
        &self,
        arrivals: Vec<Arrival>,
        now: Timestamp,
    ) -> Result<Vec<Result<Account, Error>>, Error> {
        self.write(move |draft| {
            arrivals
                .into_iter()
                .map(|arrival| write::take_in(draft, arrival, new_id()?, now))
                .collect()
        })
        .await
    }

    async fn replace_hash(
        &self,
        address: &Address,
        id: MailboxId,
        old: PasswordHash,
        new: PasswordHash,
        now: Timestamp,
    ) -> Result<Account, Error> {
        let address = address.clone();
        self.write(move |draft| write::replace_hash(draft, &address, id, &old, new, now)).await
    }

    async fn bind_mailbox(
        &self,
        address: &Address,
        id: MailboxId,
        person: Binding,
        now: Timestamp,
    ) -> Result<Account, Error> {
        let address = address.clone();
        self.write(move |draft| write::bind_mailbox(draft, &address, id, person, now)).await
    }

    async fn followers(&self, source: &ProviderName) -> Result<Followers, Error> {
        let source = source.clone();
        self.blocking(move |inner| list::followers(&inner.engine, &source)).await
    }

    async fn mailboxes_of(&self, person: &Binding) -> Result<Vec<Address>, Error> {
        let bound: Option<Vec<MailboxId>> = engine::get(self.engine(), &keys::bound(person))?;
        let mut addresses = Vec::new();
        for mailbox in bound.unwrap_or_default() {
            // One that is not there any more was removed just now.
            addresses.extend(self.holdings(mailbox)?.map(|holdings| holdings.address));
        }
        Ok(addresses)
    }

    async fn save_owners(&self, owners: Vec<Owner>) -> Result<(), Error> {
        self.blocking(move |inner| {
            // The history's log may still be opening: wait before others wait for us.
            inner.engine.get(&[keys::OWNER])?;
            for batch in owners.chunks(MAILBOXES_A_BATCH) {
                inner.commit(|draft| {
                    batch.iter().try_for_each(|owner| write::save_owner(draft, owner))
                })?;
            }
            inner.engine.flush()
        })
        .await
    }

    async fn owner(&self, mailbox: MailboxId) -> Result<Option<Owner>, Error> {
        // Beside the logins: the history's log may still be opening.
        self.blocking(move |inner| upgrade::owner(&inner.engine, mailbox)).await
    }

    async fn carry_out(&self, write: MailboxWrite, now: Timestamp) -> Result<Written, Error> {
        self.write(move |draft| sync::carry_out(draft, write, &mut new_id, now)).await
    }

    async fn rehearse(&self, write: MailboxWrite, now: Timestamp) -> Result<Written, Error> {
        self.blocking(move |inner| {
            let mut draft = Draft::new(&inner.engine);
            sync::carry_out(&mut draft, write, &mut new_id, now)
        })
        .await
    }

    async fn remove_mailbox(&self, address: &Address) -> Result<(), Error> {
        let address = address.clone();
        let id = self.write(move |draft| write::remove_mailbox(draft, &address)).await?;
        self.inner.history.forget(id);
        Ok(())
    }

    async fn address_of(&self, mailbox: MailboxId) -> Result<Option<Address>, Error> {
        Ok(self.holdings(mailbox)?.map(|holdings| holdings.address))
    }

    async fn begin_sync(
        &self,
        provider: ProviderName,
        by: SyncBy,
        scope: SyncScope,
        now: Timestamp,
    ) -> Result<SyncRun, Error> {
        self.write(move |draft| sync::begin(draft, provider, by, scope, now)).await
    }

    async fn sync_page(
        &self,
        run: SyncRun,
        steps: Vec<SyncStep>,
        now: Timestamp,
    ) -> Result<(SyncRun, Vec<SyncLine>), Error> {
        self.write(move |draft| sync::page(draft, run, steps, &mut new_id, now)).await
    }

    async fn sync_runs(&self, provider: &ProviderName) -> Result<Vec<SyncRun>, Error> {
        let provider = provider.clone();
        self.blocking(move |inner| sync::runs(&inner.engine, &provider)).await
    }

    async fn sync_lines(
        &self,
        provider: &ProviderName,
        run: u64,
        first: u64,
        limit: usize,
    ) -> Result<Vec<SyncLine>, Error> {
        let provider = provider.clone();
        self.blocking(move |inner| sync::lines(&inner.engine, &provider, run, first, limit)).await
    }

    async fn note_sync_line(
        &self,
        provider: &ProviderName,
        line: SyncLine,
        now: Timestamp,
    ) -> Result<(), Error> {
        // Looked up before the write, so that refusals that repeat themselves hold up no
        // writer; of two at the same moment both may be noted.
        let (of, said) = (provider.clone(), line.clone());
        let was_said = move |inner: &Inner<E>| sync_notes::was_said(&inner.engine, &of, &said, now);
        if self.blocking(was_said).await? {
            return Ok(());
        }
        let provider = provider.clone();
        self.write(move |draft| sync_notes::note(draft, &provider, line, now)).await
    }

    async fn sync_notes(&self, provider: &ProviderName) -> Result<Vec<SyncNote>, Error> {
        let provider = provider.clone();
        self.blocking(move |inner| sync_notes::notes(&inner.engine, &provider)).await
    }

    async fn add_app_password(
        &self,
        address: &Address,
        app_password: AppPassword,
    ) -> Result<(), Error> {
        let address = address.clone();
        self.write(move |draft| write::add_app_password(draft, &address, app_password)).await
    }

    async fn app_password(
        &self,
        mailbox: MailboxId,
        id: AppPasswordId,
    ) -> Result<Option<Arc<AppPassword>>, Error> {
        let Some(holdings) = self.holdings(mailbox)? else { return Ok(None) };
        Ok(holdings.app_passwords.into_iter().find(|one| one.id == id).map(Arc::new))
    }

    async fn app_passwords(&self, mailbox: MailboxId) -> Result<Vec<Arc<AppPassword>>, Error> {
        let Some(mut holdings) = self.holdings(mailbox)? else { return Ok(Vec::new()) };
        holdings.app_passwords.sort_by_key(|one| one.created);
        Ok(holdings.app_passwords.into_iter().map(Arc::new).collect())
    }

    async fn imported_app_passwords(
        &self,
        mailbox: MailboxId,
    ) -> Result<Vec<ImportedAppPassword>, Error> {
        let found = engine::get(self.engine(), &keys::imported(mailbox))?;
        let mut found: Vec<ImportedAppPassword> = found.unwrap_or_default();
        found.sort_by_key(|one| one.created);
        Ok(found)
    }

    async fn remove_app_password(&self, address: &Address, id: AppPasswordId) -> Result<(), Error> {
        let address = address.clone();
        self.write(move |draft| write::remove_app_password(draft, &address, id)).await
    }

    fn record_use(&self, key: UseKey, now: Timestamp) {
        self.inner.history.record(key, now);
    }

    async fn flush_uses(&self) -> Result<(), Error> {
        self.blocking(Inner::flush_uses).await
    }

    async fn uses(&self, filter: &UseFilter, limit: usize) -> Result<Vec<UseRow>, Error> {
        let filter = filter.clone();
        self.blocking(move |inner| {
            let _still = inner.moving.read().unwrap_or_else(PoisonError::into_inner);
            list::uses(&inner.engine, &filter, inner.history.unwritten(filter.mailbox), limit)
        })
        .await
    }

    async fn save_penalties(&self, entries: Vec<(Vec<u8>, Option<Vec<u8>>)>) -> Result<(), Error> {
        self.write(move |draft| {
            for (key, value) in entries {
                match value {
                    Some(value) => draft.put_bytes(keys::penalty(&key), value),
                    None => draft.remove(keys::penalty(&key)),
                }
            }
            Ok(())
        })
        .await
    }

    async fn penalties(&self) -> Result<Vec<(Vec<u8>, Vec<u8>)>, Error> {
        self.blocking(|inner| list::penalties(&inner.engine)).await
    }

    async fn secret(&self, name: &str, make: fn() -> [u8; 32]) -> Result<[u8; 32], Error> {
        let key = keys::secret(name);
        if let Some(secret) = engine::get(self.engine(), &key)? {
            return Ok(secret);
        }
        self.write(move |draft| {
            if let Some(secret) = draft.get(&key)? {
                return Ok(secret);
            }
            let secret = make();
            draft.put(key, &secret)?;
            Ok(secret)
        })
        .await
    }

    async fn export(&self, after: Option<Vec<u8>>, limit: usize) -> Result<ExportPage, Error> {
        self.blocking(move |inner| transfer::export(&inner.engine, after, limit)).await
    }

    async fn import(&self, records: Vec<Record>) -> Result<(), Error> {
        self.write(move |draft| {
            records.into_iter().try_for_each(|record| transfer::import(draft, record))
        })
        .await
    }

    async fn close(&self) -> Result<(), Error> {
        let flushed = self.flush_uses().await;
        self.blocking(|inner| inner.engine.close()).await?;
        flushed
    }
}

fn new_id() -> Result<MailboxId, Error> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(Error::engine)?;
    Ok(MailboxId(u128::from_be_bytes(bytes)))
}
