//! Each write: what must be there, what must not, and what it leaves behind.
//! The caller holds the write lock and commits the draft as a whole.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{
    Account, Arrival, DomainChange, Error, MAX_APP_PASSWORDS, MAX_IMPORTED_APP_PASSWORDS,
    MailboxChange, NewMailbox,
    apply::{self, Tally},
    engine::{Draft, Engine},
    keys,
};
use crate::{
    clock::Timestamp,
    mailbox::{
        Address, AppPassword, AppPasswordId, Binding, Domain, DomainName, ImportedAppPassword,
        Mailbox, MailboxId, NamedProvider, Owner, PasswordHash, ProviderName, Template,
        TemplateName,
    },
};

/// What lies under a mailbox's id: whose it is, and its app passwords.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Holdings {
    /// The mailbox's address.
    pub(super) address: Address,
    /// Its app passwords.
    pub(super) app_passwords: Vec<AppPassword>,
}

/// A provider as its value says it: JSON, since its keys come and go with
/// releases, and postcard would need a new schema for each.
pub(super) fn provider_of(value: &str) -> Result<NamedProvider, Error> {
    serde_json::from_str(value).map_err(Error::engine)
}

/// Makes a provider.
pub(super) fn create_provider(
    draft: &mut Draft<impl Engine>,
    new: &NamedProvider,
) -> Result<(), Error> {
    if draft.get::<String>(&keys::provider(&new.name))?.is_some() {
        return Err(Error::taken("provider", &new.name));
    }
    put_provider(draft, new)
}

/// Changes a provider.
pub(super) fn replace_provider(
    draft: &mut Draft<impl Engine>,
    new: &NamedProvider,
) -> Result<(), Error> {
    if draft.get::<String>(&keys::provider(&new.name))?.is_none() {
        return Err(Error::missing("provider", &new.name));
    }
    put_provider(draft, new)
}

/// Writes a provider, whether it is there or not.
pub(super) fn put_provider(
    draft: &mut Draft<impl Engine>,
    new: &NamedProvider,
) -> Result<(), Error> {
    let value = serde_json::to_string(new).map_err(Error::engine)?;
    draft.put(keys::provider(&new.name), &value)
}

/// Takes a provider away that speaks for none of `domains`, which are all.
pub(super) fn remove_provider(
    draft: &mut Draft<impl Engine>,
    name: &ProviderName,
    domains: &[Arc<Domain>],
) -> Result<(), Error> {
    if draft.get::<String>(&keys::provider(name))?.is_none() {
        return Err(Error::missing("provider", name));
    }
    if let Some(domain) = domains.iter().find(|domain| domain.provider.as_ref() == Some(name)) {
        let text = format!(
            "provider {name} still speaks for domain {}: give the domain another one first, or none",
            domain.name
        );
        return Err(Error::Conflict(text));
    }
    draft.remove(keys::provider(name));
    Ok(())
}

/// Makes a domain.
pub(super) fn create_domain(draft: &mut Draft<impl Engine>, domain: &Domain) -> Result<(), Error> {
    let key = keys::domain(&domain.name);
    if draft.get::<Domain>(&key)?.is_some() {
        return Err(Error::taken("domain", &domain.name));
    }
    draft.put(keys::tally(&domain.name), &Tally::default())?;
    draft.put(key, domain)
}

/// Changes a domain.
pub(super) fn update_domain(
    draft: &mut Draft<impl Engine>,
    name: &DomainName,
    change: DomainChange,
    now: Timestamp,
) -> Result<Domain, Error> {
    let old = domain(draft, name)?;
    let new = apply::change_domain(&old, change, now);
    apply::check_domain_change(&old, &new, &tally(draft, name)?)?;
    if new != old {
        draft.put(keys::domain(name), &new)?;
    }
    Ok(new)
}

/// Takes an empty domain away.
pub(super) fn remove_domain(
    draft: &mut Draft<impl Engine>,
    name: &DomainName,
) -> Result<(), Error> {
    let mailboxes = tally(draft, name)?.of(&domain(draft, name)?).mailboxes;
    if mailboxes > 0 {
        let text = format!("domain {name} still has mailboxes ({mailboxes}); remove them first");
        return Err(Error::Conflict(text));
    }
    draft.remove(keys::domain(name));
    draft.remove(keys::tally(name));
    Ok(())
}

/// Makes or replaces a template.
pub(super) fn put_template(
    draft: &mut Draft<impl Engine>,
    new: Template,
) -> Result<Template, Error> {
    let key = keys::template(&new.name);
    let template = apply::next_template(draft.get(&key)?.as_ref(), new);
    draft.put(key, &template)?;
    Ok(template)
}

/// Takes a template away.
pub(super) fn remove_template(
    draft: &mut Draft<impl Engine>,
    name: &TemplateName,
) -> Result<(), Error> {
    template(draft, name)?;
    draft.remove(keys::template(name));
    Ok(())
}

/// Makes a mailbox under `id`, within its domain's limits.
pub(super) fn create_mailbox(
    draft: &mut Draft<impl Engine>,
    id: MailboxId,
    mut new: NewMailbox,
    now: Timestamp,
) -> Result<Account, Error> {
    let name = new.address.domain();
    let domain = domain(draft, &name)?;
    if draft.get::<Mailbox>(&keys::mailbox(&new.address))?.is_some() {
        return Err(Error::taken("mailbox", &new.address));
    }
    let template = new.template.as_ref().map(|name| template(draft, name)).transpose()?;
    // Nobody reads the mail of whom his address was.
    if let Some(home) = &mut new.home
        && is_kept(draft, home)?
    {
        *home = format!("{home}-{id}");
    }
    let mailbox = apply::new_mailbox(id, new, template.as_ref(), now);
    apply::check_room(&domain, &tally(draft, &name)?, mailbox.quota)?;
    insert_mailbox(draft, &mailbox)?;
    Ok(Account { mailbox: Arc::new(mailbox), domain: Arc::new(domain) })
}

/// Changes a mailbox, within its domain's limits.
pub(super) fn update_mailbox(
    draft: &mut Draft<impl Engine>,
    address: &Address,
    change: MailboxChange,
    now: Timestamp,
) -> Result<Account, Error> {
    let old = mailbox(draft, address)?;
    let domain = domain(draft, &address.domain())?;
    let template = change.template.as_ref().map(|name| template(draft, name)).transpose()?;
    let new = apply::change_mailbox(&old, change, template.as_ref(), now);
    if new.quota != old.quota {
        let tally = tally(draft, &domain.name)?;
        apply::check_quota_change(&domain, &tally, old.quota, new.quota)?;
    }
    if new != old {
        replace_mailbox(draft, &old, &new)?;
    }
    Ok(Account { mailbox: Arc::new(new), domain: Arc::new(domain) })
}

/// Makes or changes a mailbox that comes from elsewhere, under `id` or whatever
/// random number is wanted. A refusal leaves no
/// trace in the draft: both ways check before they write.
pub(super) fn take_in(
    draft: &mut Draft<impl Engine>,
    arrival: Arrival,
    id: MailboxId,
    now: Timestamp,
) -> Result<Result<Account, Error>, Error> {
    let taken = match arrival {
        Arrival::New(new) => create_mailbox(draft, id, *new, now),
        Arrival::Change(address, change) => update_mailbox(draft, &address, *change, now),
        Arrival::AppPassword(address, new) => bring_app_password(draft, &address, *new, id),
    };
    match taken {
        Err(fault) if !fault.is_refusal() => Err(fault),
        judged => Ok(judged),
    }
}

/// Replaces the hash of a password, if it is still this one.
pub(super) fn replace_hash(
    draft: &mut Draft<impl Engine>,
    address: &Address,
    id: MailboxId,
    old: &PasswordHash,
    new: PasswordHash,
    now: Timestamp,
) -> Result<Account, Error> {
    let present = mailbox(draft, address)?;
    if present.id != id || present.local_hash.as_ref() != Some(old) {
        return Err(Error::Conflict(format!("the password of mailbox {address} was changed")));
    }
    let change = MailboxChange { local_hash: Some(Some(new)), ..MailboxChange::default() };
    update_mailbox(draft, address, change, now)
}

/// Binds a mailbox to its person, if nobody else's it is.
pub(super) fn bind_mailbox(
    draft: &mut Draft<impl Engine>,
    address: &Address,
    id: MailboxId,
    person: Binding,
    now: Timestamp,
) -> Result<Account, Error> {
    let old = mailbox(draft, address)?;
    let domain = domain(draft, &address.domain())?;
    if old.id != id || old.bound.as_ref().is_some_and(|bound| *bound != person) {
        return Err(Error::Conflict(format!("mailbox {address} belongs to another person")));
    }
    let mailbox = if old.bound.is_none() {
        let new = Mailbox { bound: Some(person), modified: now, ..old.clone() };
        replace_mailbox(draft, &old, &new)?;
        new
    } else {
        old
    };
    Ok(Account { mailbox: Arc::new(mailbox), domain: Arc::new(domain) })
}

/// Takes a mailbox away with all that is its own.
pub(super) fn remove_mailbox(
    draft: &mut Draft<impl Engine>,
    address: &Address,
) -> Result<MailboxId, Error> {
    let old = mailbox(draft, address)?;
    draft.remove(keys::holdings(old.id));
    draft.remove(keys::imported(old.id));
    draft.remove(keys::diary(old.id));
    draft.remove(keys::owner(old.id));
    rebind(draft, old.id, old.bound.as_ref(), None)?;
    draft.remove(keys::mailbox(address));
    retally(draft, address, |tally| tally.take(old.quota))?;
    Ok(old.id)
}

/// Keeps a new app password.
pub(super) fn add_app_password(
    draft: &mut Draft<impl Engine>,
    address: &Address,
    new: AppPassword,
) -> Result<(), Error> {
    let mailbox = mailbox(draft, address)?.id;
    let key = keys::holdings(mailbox);
    let mut holdings = holdings(draft, &key)?;
    let brought = imported(draft, mailbox)?;
    let all = &mut holdings.app_passwords;
    if all.iter().any(|present| present.id == new.id)
        || brought.iter().any(|present| present.id == new.id)
    {
        return Err(Error::taken("app password", new.id));
    }
    if all.len() >= MAX_APP_PASSWORDS {
        let text = format!("{address} has {MAX_APP_PASSWORDS} app passwords and may have no more");
        return Err(Error::Conflict(text));
    }
    all.push(new);
    draft.put(key, &holdings)
}

/// Revokes an app password.
pub(super) fn remove_app_password(
    draft: &mut Draft<impl Engine>,
    address: &Address,
    id: AppPasswordId,
) -> Result<(), Error> {
    let mut mailbox = mailbox(draft, address)?;
    let key = keys::holdings(mailbox.id);
    let mut holdings = holdings(draft, &key)?;
    let all = &mut holdings.app_passwords;
    if let Some(place) = all.iter().position(|present| present.id == id) {
        all.remove(place);
        return draft.put(key, &holdings);
    }
    let mut brought = imported(draft, mailbox.id)?;
    let Some(place) = brought.iter().position(|present| present.id == id) else {
        return Err(Error::missing("app password", id));
    };
    brought.remove(place);
    put_imported(draft, &mut mailbox, &brought)
}

/// Keeps an app password that comes from elsewhere; its id is made of `random`.
fn bring_app_password(
    draft: &mut Draft<impl Engine>,
    address: &Address,
    new: ImportedAppPassword,
    random: MailboxId,
) -> Result<Account, Error> {
    let mut mailbox = mailbox(draft, address)?;
    let domain = domain(draft, &address.domain())?;
    let mut brought = imported(draft, mailbox.id)?;
    if let Some(present) = brought.iter_mut().find(|present| present.hash == new.hash) {
        *present = ImportedAppPassword { id: present.id, ..new };
    } else {
        if brought.len() >= MAX_IMPORTED_APP_PASSWORDS {
            return Err(Error::Conflict(format!(
                "{address} has {MAX_IMPORTED_APP_PASSWORDS} app passwords of another mail system \
                 and may have no more"
            )));
        }
        let own = holdings(draft, &keys::holdings(mailbox.id))?.app_passwords;
        let taken = |id: &AppPasswordId| {
            own.iter().any(|present| present.id == *id)
                || brought.iter().any(|present| present.id == *id)
        };
        let mut ids = ids_of(random);
        let id = ids.find(|id| !taken(id)).ok_or_else(|| Error::taken("app password", new.id))?;
        brought.push(ImportedAppPassword { id, ..new });
    }
    put_imported(draft, &mut mailbox, &brought)?;
    Ok(Account { mailbox: Arc::new(mailbox), domain: Arc::new(domain) })
}

/// The ids that 128 random bits make.
fn ids_of(random: MailboxId) -> impl Iterator<Item = AppPasswordId> {
    (0..6).map(move |place| {
        let bits = (random.0 >> (20 * place)) & 0xf_ffff;
        AppPasswordId::from_bits(u32::try_from(bits).expect("20 bits"))
    })
}

/// The app passwords that a mailbox brought along.
pub(super) fn imported(
    draft: &Draft<impl Engine>,
    mailbox: MailboxId,
) -> Result<Vec<ImportedAppPassword>, Error> {
    Ok(draft.get(&keys::imported(mailbox))?.unwrap_or_default())
}

/// Writes them, and says in the mailbox whether there are any.
pub(super) fn put_imported(
    draft: &mut Draft<impl Engine>,
    mailbox: &mut Mailbox,
    all: &[ImportedAppPassword],
) -> Result<(), Error> {
    let key = keys::imported(mailbox.id);
    if all.is_empty() {
        draft.remove(key);
    } else {
        draft.put(key, &all)?;
    }
    if mailbox.has_imported_app_passwords == all.is_empty() {
        mailbox.has_imported_app_passwords = !all.is_empty();
        draft.put(keys::mailbox(&mailbox.address), mailbox)?;
    }
    Ok(())
}

/// Writes a mailbox that was not there.
pub(super) fn insert_mailbox(draft: &mut Draft<impl Engine>, new: &Mailbox) -> Result<(), Error> {
    let holdings = Holdings { address: new.address.clone(), app_passwords: Vec::new() };
    draft.put(keys::holdings(new.id), &holdings)?;
    draft.put(keys::mailbox(&new.address), new)?;
    rebind(draft, new.id, None, new.bound.as_ref())?;
    retally(draft, &new.address, |tally| tally.add(new.quota))
}

/// Writes a mailbox in the place of `old`, which has the same address and id.
pub(super) fn replace_mailbox(
    draft: &mut Draft<impl Engine>,
    old: &Mailbox,
    new: &Mailbox,
) -> Result<(), Error> {
    draft.put(keys::mailbox(&new.address), new)?;
    rebind(draft, new.id, old.bound.as_ref(), new.bound.as_ref())?;
    if old.quota == new.quota {
        return Ok(());
    }
    retally(draft, &new.address, |tally| {
        tally.take(old.quota);
        tally.add(new.quota);
    })
}

/// Notes that a mailbox has a home that was made for another address.
pub(super) fn keep_home(draft: &mut Draft<impl Engine>, mailbox: &Mailbox) -> Result<(), Error> {
    match &mailbox.home {
        Some(home) => draft.put(keys::kept_home(home), &mailbox.id),
        None => Ok(()),
    }
}

/// Whether the home is one that a renamed mailbox still has.
fn is_kept(draft: &Draft<impl Engine>, home: &str) -> Result<bool, Error> {
    let Some(id) = draft.get::<MailboxId>(&keys::kept_home(home))? else { return Ok(false) };
    let Some(holder) = draft.get::<Holdings>(&keys::holdings(id))? else { return Ok(false) };
    let mailbox: Option<Mailbox> = draft.get(&keys::mailbox(&holder.address))?;
    Ok(mailbox.is_some_and(|mailbox| mailbox.home.as_deref() == Some(home)))
}

/// Keeps the list of what is bound to a person true. By id, so that a rename
/// leaves it alone.
pub(super) fn rebind(
    draft: &mut Draft<impl Engine>,
    mailbox: MailboxId,
    old: Option<&Binding>,
    new: Option<&Binding>,
) -> Result<(), Error> {
    if old == new {
        return Ok(());
    }
    if let Some(person) = old {
        let key = keys::bound(person);
        let mut bound: Vec<MailboxId> = draft.get(&key)?.unwrap_or_default();
        bound.retain(|id| *id != mailbox);
        if bound.is_empty() { draft.remove(key) } else { draft.put(key, &bound)? }
    }
    if let Some(person) = new {
        let key = keys::bound(person);
        let mut bound: Vec<MailboxId> = draft.get(&key)?.unwrap_or_default();
        if !bound.contains(&mailbox) {
            bound.push(mailbox);
            draft.put(key, &bound)?;
        }
    }
    Ok(())
}

/// Keeps what was said of an owner with each mailbox of his.
pub(super) fn save_owner(draft: &mut Draft<impl Engine>, owner: &Owner) -> Result<(), Error> {
    let bound: Option<Vec<MailboxId>> = draft.get(&keys::bound(&owner.person))?;
    bound
        .unwrap_or_default()
        .into_iter()
        .try_for_each(|mailbox| draft.put(keys::owner(mailbox), owner))
}

fn retally(
    draft: &mut Draft<impl Engine>,
    address: &Address,
    change: impl FnOnce(&mut Tally),
) -> Result<(), Error> {
    let name = address.domain();
    let mut tally = tally(draft, &name)?;
    change(&mut tally);
    draft.put(keys::tally(&name), &tally)
}

fn tally(draft: &Draft<impl Engine>, name: &DomainName) -> Result<Tally, Error> {
    Ok(draft.get(&keys::tally(name))?.unwrap_or_default())
}

pub(super) fn domain(draft: &Draft<impl Engine>, name: &DomainName) -> Result<Domain, Error> {
    draft.get(&keys::domain(name))?.ok_or_else(|| Error::missing("domain", name))
}

fn template(draft: &Draft<impl Engine>, name: &TemplateName) -> Result<Template, Error> {
    draft.get(&keys::template(name))?.ok_or_else(|| Error::missing("template", name))
}

fn holdings(draft: &Draft<impl Engine>, key: &[u8]) -> Result<Holdings, Error> {
    draft.get(key)?.ok_or_else(|| Error::engine("a mailbox lacks what lies under its id"))
}

pub(super) fn mailbox(draft: &Draft<impl Engine>, address: &Address) -> Result<Mailbox, Error> {
    draft.get(&keys::mailbox(address))?.ok_or_else(|| Error::missing("mailbox", address))
}
