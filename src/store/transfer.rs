//! Export and import: every record that cannot be made again from others.
//!
//! Not among them: tallies, the addresses behind ids and the mailboxes behind
//! people, which an import builds anew; abuse counters and secrets, which belong
//! to one running Dovegate and are made again; what providers said of owners,
//! which is too old to count by the time a backup is needed; admin tokens, of which one
//! that was revoked must not come back.
//!
//! **While others write.** An export is read page by page, each at its own
//! moment, so it holds what was there from its start to its end, and of later
//! changes each one wholly or not at all. What belongs to a mailbox that was
//! made behind the reader's back finds no owner at an import and is left out.
//! A mailbox cannot be imported without its domain.

use std::{mem, ops::ControlFlow};

use super::{
    Error, ExportPage, Record, UseRow,
    engine::{self, Draft, Engine},
    history::{Diary, Use},
    keys,
    write::{self, Holdings},
};
use crate::mailbox::{AppPassword, Domain, ImportedAppPassword, Mailbox, MailboxId};

/// Version of the export's form.
pub const EXPORT_SCHEMA: u32 = 1;

/// One page.
pub(super) fn export(
    engine: &impl Engine,
    after: Option<Vec<u8>>,
    limit: usize,
) -> Result<ExportPage, Error> {
    let limit = limit.max(1);
    let mut page = ExportPage { records: Vec::new(), next: None };
    let mut last = Vec::new();
    if after.is_none() {
        page.records.push(Record::Header { schema: EXPORT_SCHEMA });
    }
    let (from, seen) = start(after.unwrap_or_default());
    engine.scan(&from, &[keys::DIARY + 1], &mut |key, value| {
        let skip = if key == from { seen } else { 0 };
        for (place, record) in records(key, value)?.into_iter().enumerate().skip(skip) {
            if page.records.len() == limit {
                page.next = Some(mem::take(&mut last));
                return Ok(ControlFlow::Break(()));
            }
            page.records.push(record);
            last = position(key, place + 1);
        }
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(page)
}

/// Behind which record a page ended: its key, and how many records of that key
/// were handed out.
fn position(key: &[u8], records: usize) -> Vec<u8> {
    let count = u16::try_from(records).unwrap_or(u16::MAX);
    [key, &count.to_be_bytes()].concat()
}

/// The key at which a page begins, and how many of its records were handed out.
fn start(mut after: Vec<u8>) -> (Vec<u8>, usize) {
    let count = after.split_off(after.len().saturating_sub(2));
    let seen = count.try_into().map_or(0, u16::from_be_bytes);
    (after.max(vec![keys::PROVIDER]), usize::from(seen))
}

fn records(key: &[u8], value: &[u8]) -> Result<Vec<Record>, Error> {
    Ok(match key.first() {
        Some(&keys::PROVIDER) => {
            let provider = write::provider_of(&engine::decode::<String>(value)?)?;
            vec![Record::Provider(Box::new(provider))]
        }
        Some(&keys::DOMAIN) => vec![Record::Domain(engine::decode(value)?)],
        Some(&keys::TEMPLATE) => vec![Record::Template(engine::decode(value)?)],
        Some(&keys::MAILBOX) => vec![Record::Mailbox(engine::decode(value)?)],
        Some(&keys::HOLDINGS) => {
            let mailbox = keys::mailbox_of(key)?;
            let holdings: Holdings = engine::decode(value)?;
            holdings
                .app_passwords
                .into_iter()
                .map(|app_password| Record::AppPassword { mailbox, app_password })
                .collect()
        }
        Some(&keys::IMPORTED) => {
            let mailbox = keys::mailbox_of(key)?;
            let all: Vec<ImportedAppPassword> = engine::decode(value)?;
            let all = all.into_iter();
            all.map(|app_password| Record::ImportedAppPassword { mailbox, app_password }).collect()
        }
        Some(&keys::OWNER) => Vec::new(),
        _ => {
            let mailbox = keys::mailbox_of(key)?;
            let diary: Diary = engine::decode(value)?;
            diary.uses.into_iter().map(|one| Record::Use(one.into_row(mailbox))).collect()
        }
    })
}

/// Takes one record over.
pub(super) fn import(draft: &mut Draft<impl Engine>, record: Record) -> Result<(), Error> {
    match record {
        Record::Header { schema } if schema > EXPORT_SCHEMA => Err(Error::Conflict(format!(
            "the export has version {schema}; this dovegate reads up to {EXPORT_SCHEMA}"
        ))),
        Record::Header { .. } => Ok(()),
        Record::Provider(provider) => write::put_provider(draft, &provider),
        Record::Domain(domain) => draft.put(keys::domain(&domain.name), &domain),
        Record::Template(template) => draft.put(keys::template(&template.name), &template),
        Record::Mailbox(mailbox) => import_mailbox(draft, *mailbox),
        Record::AppPassword { mailbox, app_password } => {
            import_app_password(draft, mailbox, app_password)
        }
        Record::ImportedAppPassword { mailbox, app_password } => {
            import_brought(draft, mailbox, app_password)
        }
        Record::Use(row) => import_use(draft, row),
    }
}

fn import_brought(
    draft: &mut Draft<impl Engine>,
    mailbox: MailboxId,
    new: ImportedAppPassword,
) -> Result<(), Error> {
    let Some(holder) = draft.get::<Holdings>(&keys::holdings(mailbox))? else { return Ok(()) };
    let mut all = write::imported(draft, mailbox)?;
    all.retain(|present| present.id != new.id);
    all.push(new);
    let mut mailbox = write::mailbox(draft, &holder.address)?;
    write::put_imported(draft, &mut mailbox, &all)
}

fn import_app_password(
    draft: &mut Draft<impl Engine>,
    mailbox: MailboxId,
    new: AppPassword,
) -> Result<(), Error> {
    let key = keys::holdings(mailbox);
    let Some(mut holdings) = draft.get::<Holdings>(&key)? else { return Ok(()) };
    holdings.app_passwords.retain(|present| present.id != new.id);
    holdings.app_passwords.push(new);
    draft.put(key, &holdings)
}

fn import_use(draft: &mut Draft<impl Engine>, row: UseRow) -> Result<(), Error> {
    if draft.get::<Holdings>(&keys::holdings(row.mailbox))?.is_none() {
        return Ok(());
    }
    let key = keys::diary(row.mailbox);
    let mut diary: Diary = draft.get(&key)?.unwrap_or_default();
    diary.replace(Use::from_row(row));
    draft.put(key, &diary)
}

fn import_mailbox(draft: &mut Draft<impl Engine>, mut new: Mailbox) -> Result<(), Error> {
    let name = new.address.domain();
    if draft.get::<Domain>(&keys::domain(&name))?.is_none() {
        return Err(Error::missing("domain", name));
    }
    let holder: Option<Holdings> = draft.get(&keys::holdings(new.id))?;
    if let Some(other) = holder.map(|it| it.address).filter(|other| *other != new.address) {
        let text = format!("{} cannot have id {}: it belongs to {other}", new.address, new.id);
        return Err(Error::Conflict(text));
    }
    // It does not say who was renamed: whose home names another, was.
    let own = [new.address.as_str(), new.address.local_part()];
    if !new.home.iter().flat_map(|home| home.split('/')).any(|part| own.contains(&part)) {
        write::keep_home(draft, &new)?;
    }
    match draft.get::<Mailbox>(&keys::mailbox(&new.address))? {
        Some(old) if old.id == new.id => {
            // They stay, whatever the file has.
            new.has_imported_app_passwords = old.has_imported_app_passwords;
            return write::replace_mailbox(draft, &old, &new);
        }
        Some(_) => drop(write::remove_mailbox(draft, &new.address)?),
        None => {}
    }
    // Its app passwords come behind it.
    new.has_imported_app_passwords = false;
    write::insert_mailbox(draft, &new)
}
