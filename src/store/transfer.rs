//! Export and import: every record that cannot be made again from others.
//!
//! Not among them: tallies and the addresses behind ids, which an import builds
//! anew; abuse counters and secrets, which belong to one running Dovegate and
//! are made again.
//!
//! **While others write.** An export is read page by page, each at its own
//! moment, so it holds what was there from its start to its end, and of later
//! changes each one wholly or not at all. What belongs to a mailbox that was
//! made behind the reader's back finds no owner at an import and is left out.
//! A mailbox cannot be imported without its domain.

use std::ops::ControlFlow;

use super::{
    Error, ExportPage, Record,
    engine::{self, Draft, Engine},
    history, keys,
    list::behind,
    write,
};
use crate::mailbox::{Address, AppPassword, Domain, Mailbox};

/// Version of the export's form.
pub const EXPORT_SCHEMA: u32 = 1;

/// One page. A position is the key of the last record; the header has none,
/// and the empty position is behind it.
pub(super) fn export(
    engine: &impl Engine,
    after: Option<Vec<u8>>,
    limit: usize,
) -> Result<ExportPage, Error> {
    let limit = limit.max(1);
    let mut records = Vec::new();
    let mut last = Vec::new();
    if after.is_none() {
        records.push(Record::Header { schema: EXPORT_SCHEMA });
    }
    let from = after.map_or_else(Vec::new, behind).max(vec![keys::DOMAIN]);
    let mut more = false;
    engine.scan(&from, &[keys::USE + 1], &mut |key, value| {
        more = records.len() == limit;
        if more {
            return Ok(ControlFlow::Break(()));
        }
        records.push(record(key, value)?);
        last = key.to_vec();
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(ExportPage { records, next: more.then_some(last) })
}

fn record(key: &[u8], value: &[u8]) -> Result<Record, Error> {
    Ok(match key.first() {
        Some(&keys::DOMAIN) => Record::Domain(engine::decode(value)?),
        Some(&keys::TEMPLATE) => Record::Template(engine::decode(value)?),
        Some(&keys::MAILBOX) => Record::Mailbox(engine::decode(value)?),
        Some(&keys::APP_PASSWORD) => Record::AppPassword {
            mailbox: keys::mailbox_of(key)
                .ok_or_else(|| Error::engine("the key of an app password is short"))?,
            app_password: engine::decode(value)?,
        },
        _ => Record::Use(keys::read_use(key, value)?),
    })
}

/// Takes one record over.
pub(super) fn import(draft: &mut Draft<impl Engine>, record: Record) -> Result<(), Error> {
    match record {
        Record::Header { schema } if schema > EXPORT_SCHEMA => Err(Error::Conflict(format!(
            "the export has version {schema}; this dovegate reads up to {EXPORT_SCHEMA}"
        ))),
        Record::Header { .. } => Ok(()),
        Record::Domain(domain) => draft.put(keys::domain(&domain.name), &domain),
        Record::Template(template) => draft.put(keys::template(&template.name), &template),
        Record::Mailbox(mailbox) => import_mailbox(draft, &mailbox),
        Record::AppPassword { mailbox, app_password } => {
            let owned = draft.get::<Address>(&keys::owner(mailbox))?.is_some();
            let key = keys::app_password(mailbox, app_password.id);
            if owned { draft.put::<AppPassword>(key, &app_password) } else { Ok(()) }
        }
        Record::Use(row) => {
            let owned = draft.get::<Address>(&keys::owner(row.mailbox))?.is_some();
            let key = keys::use_row(&history::key_of(&row))?;
            if owned { draft.put(key, &history::counted(&row)) } else { Ok(()) }
        }
    }
}

fn import_mailbox(draft: &mut Draft<impl Engine>, new: &Mailbox) -> Result<(), Error> {
    let name = new.address.domain();
    if draft.get::<Domain>(&keys::domain(&name))?.is_none() {
        return Err(Error::missing("domain", name));
    }
    let owner: Option<Address> = draft.get(&keys::owner(new.id))?;
    if let Some(other) = owner.filter(|owner| *owner != new.address) {
        let text = format!("{} cannot have id {}: it belongs to {other}", new.address, new.id);
        return Err(Error::Conflict(text));
    }
    match draft.get::<Mailbox>(&keys::mailbox(&new.address))? {
        Some(old) if old.id == new.id => write::replace_mailbox(draft, &old, new),
        Some(_) => {
            write::remove_mailbox(draft, &new.address)?;
            write::insert_mailbox(draft, new)
        }
        None => write::insert_mailbox(draft, new),
    }
}
