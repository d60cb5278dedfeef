//! Listings: walks over a range of keys that keep no more than they return.

use std::{
    collections::{BTreeMap, HashMap},
    ops::ControlFlow,
    sync::Arc,
};

use serde::de::DeserializeOwned;

use super::{
    Error, Followers, MailboxFilter, Mask, UseFilter, UseRow,
    engine::{self, Engine, end_of},
    history::{Diary, Rows, Use},
    keys,
    write::Holdings,
};
use crate::{
    clock::Timestamp,
    mailbox::{Address, AuthSource, DomainName, Mailbox, MailboxId, ProviderName},
};

const ON: Result<ControlFlow<()>, Error> = Ok(ControlFlow::Continue(()));

/// All values with this tag, from behind `after`, `limit` at most.
pub(super) fn values<T: DeserializeOwned>(
    engine: &impl Engine,
    tag: u8,
    after: Option<Vec<u8>>,
    limit: usize,
) -> Result<Vec<Arc<T>>, Error> {
    let mut values = Vec::new();
    let from = after.map_or_else(|| vec![tag], behind);
    engine.scan(&from, &[tag + 1], &mut |_, value| {
        if values.len() == limit {
            return Ok(ControlFlow::Break(()));
        }
        values.push(engine::decode(value)?);
        ON
    })?;
    Ok(values)
}

/// Mailboxes that the filter names. Those that the mask leaves out are not decoded.
pub(super) fn mailboxes(
    engine: &impl Engine,
    filter: &MailboxFilter,
    after: Option<&Address>,
    limit: usize,
) -> Result<Vec<Arc<Mailbox>>, Error> {
    let mask = filter.mask.as_deref().map(Mask::new);
    let Some(prefix) = prefix(filter, mask.as_ref()) else { return Ok(Vec::new()) };
    let from = after.map_or_else(Vec::new, |after| behind(keys::mailbox(after)));
    let text = filter.text.as_ref().map(|text| text.to_lowercase());
    let mut found = Vec::new();
    let mut address = String::new();
    engine.scan(&from.max(prefix.clone()), &end_of(&prefix), &mut |key, value| {
        if found.len() == limit {
            return Ok(ControlFlow::Break(()));
        }
        if let Some(mask) = &mask {
            let (domain, local) = keys::parts_of_mailbox(key)
                .ok_or_else(|| Error::engine("the key of a mailbox holds no address"))?;
            address.clear();
            address.extend([local, "@", domain]);
            if !mask.matches(&address) {
                return ON;
            }
        }
        let mailbox: Mailbox = engine::decode(value)?;
        if meets(&mailbox, filter, text.as_deref()) {
            found.push(Arc::new(mailbox));
        }
        ON
    })?;
    Ok(found)
}

/// Whether a mailbox is what the filter says besides domain and mask; `text` is the
/// filter's in lower case.
fn meets(mailbox: &Mailbox, filter: &MailboxFilter, text: Option<&str>) -> bool {
    filter.state.is_none_or(|state| mailbox.state == state)
        && filter.auth_source.as_ref().is_none_or(|source| mailbox.auth_source == *source)
        && text.is_none_or(|text| {
            mailbox.address.as_str().contains(text)
                || mailbox.display_name.to_lowercase().contains(text)
        })
}

/// Who goes by an auth source, or belongs to people there.
pub(super) fn followers(engine: &impl Engine, source: &ProviderName) -> Result<Followers, Error> {
    let mut found = Followers::default();
    engine.scan(&[keys::MAILBOX], &[keys::MAILBOX + 1], &mut |_, value| {
        let mailbox: Mailbox = engine::decode(value)?;
        let follows = matches!(&mailbox.auth_source, AuthSource::Provider(one) if one == source);
        let is_bound = mailbox.bound.as_ref().is_some_and(|bound| bound.provider == *source);
        found.mailboxes += u64::from(follows);
        found.bound += u64::from(is_bound);
        if found.first.is_none() && (follows || is_bound) {
            found.first = Some(mailbox.address);
        }
        ON
    })?;
    Ok(found)
}

/// What the keys of all mailboxes begin with that the filter can name; `None`
/// if it can name none.
fn prefix(filter: &MailboxFilter, mask: Option<&Mask>) -> Option<Vec<u8>> {
    match (filter.domain.as_ref().map(DomainName::as_str), mask.and_then(Mask::range)) {
        (Some(domain), Some((other, _))) if domain != other => None,
        (_, Some((domain, local))) => Some(keys::mailboxes_from(domain, local)),
        (Some(domain), None) => Some(keys::mailboxes_from(domain, "")),
        (None, None) => Some(vec![keys::MAILBOX]),
    }
}

/// The history, latest first, with what is not written yet. Over all mailboxes
/// this is a walk over the whole history.
pub(super) fn uses(
    engine: &impl Engine,
    filter: &UseFilter,
    mut unwritten: HashMap<MailboxId, Rows>,
    limit: usize,
) -> Result<Vec<UseRow>, Error> {
    let mut latest = Latest { rows: BTreeMap::new(), filter, limit };
    let is_wanted = |mailbox| match &filter.domains {
        None => Ok(true),
        Some(domains) => {
            let holdings: Option<Holdings> = engine::get(engine, &keys::holdings(mailbox))?;
            Ok::<_, Error>(holdings.is_some_and(|its| domains.contains(&its.address.domain())))
        }
    };
    let prefix = filter.mailbox.map_or_else(|| vec![keys::DIARY], keys::diary);
    engine.scan(&prefix, &end_of(&prefix), &mut |key, value| {
        let mailbox = keys::mailbox_of(key)?;
        if !is_wanted(mailbox)? {
            return ON;
        }
        let mut diary: Diary = engine::decode(value)?;
        if let Some(further) = unwritten.remove(&mailbox) {
            diary.add(further);
        }
        latest.offer(mailbox, diary);
        ON
    })?;
    for (mailbox, rows) in unwritten {
        if !is_wanted(mailbox)? {
            continue;
        }
        let mut diary = Diary::default();
        diary.add(rows);
        latest.offer(mailbox, diary);
    }
    let rows = latest.rows.into_iter().rev();
    Ok(rows.map(|((_, mailbox, _), row)| row.into_row(mailbox)).collect())
}

/// The latest rows of those that were offered and are asked for.
struct Latest<'f> {
    /// By time; mailbox and place keep rows of the same moment apart.
    rows: BTreeMap<(Timestamp, MailboxId, usize), Use>,
    filter: &'f UseFilter,
    limit: usize,
}

impl Latest<'_> {
    fn offer(&mut self, mailbox: MailboxId, diary: Diary) {
        let wanted = diary.uses.into_iter().filter(|row| row.meets(self.filter));
        for (place, row) in wanted.enumerate() {
            self.rows.insert((row.last(), mailbox, place), row);
            if self.rows.len() > self.limit {
                self.rows.pop_first();
            }
        }
    }
}

type Pair = (Vec<u8>, Vec<u8>);

/// All abuse counters.
pub(super) fn penalties(engine: &impl Engine) -> Result<Vec<Pair>, Error> {
    let mut found = Vec::new();
    engine.scan(&[keys::PENALTY], &[keys::PENALTY + 1], &mut |key, value| {
        found.push((key[1..].to_vec(), value.to_vec()));
        ON
    })?;
    Ok(found)
}

/// The first key behind `key`.
pub(super) fn behind(mut key: Vec<u8>) -> Vec<u8> {
    key.push(0);
    key
}
