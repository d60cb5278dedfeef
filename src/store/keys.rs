//! The key of each stored thing. The first byte says what it is, and the tags
//! of what an export holds stand in the order of an export, so that an export
//! is one pass over the keys.
//!
//! Mailboxes lie by domain and then local part: a domain, or a mask that ends
//! in one, is a range. App passwords and history lie under the mailbox's id, so
//! that they survive a rename and go with the mailbox as one range.

use serde::{Deserialize, Serialize};

use super::{Error, UseKey, UseRow, engine};
use crate::{
    clock::Timestamp,
    mailbox::{Address, AppPasswordId, DomainName, MailboxId, TemplateName},
};

/// Version of the layout.
pub(super) const SCHEMA_KEY: &[u8] = &[0];
/// [`crate::mailbox::Domain`] by name.
pub(super) const DOMAIN: u8 = 1;
/// [`crate::mailbox::Template`] by name.
pub(super) const TEMPLATE: u8 = 2;
/// [`crate::mailbox::Mailbox`] by domain, a zero byte, local part.
pub(super) const MAILBOX: u8 = 3;
/// [`crate::mailbox::AppPassword`] by mailbox id and own id.
pub(super) const APP_PASSWORD: u8 = 4;
/// [`Counted`] by mailbox id and everything that tells the row from others.
pub(super) const USE: u8 = 5;
/// [`super::apply::Tally`] by name of the domain.
pub(super) const TALLY: u8 = 16;
/// Address of a mailbox by its id.
pub(super) const OWNER: u8 = 17;
/// Abuse counters, key and value not ours.
pub(super) const PENALTY: u8 = 18;
/// Secrets by name.
pub(super) const SECRET: u8 = 19;

fn key(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let mut key = Vec::with_capacity(1 + parts.iter().map(|part| part.len()).sum::<usize>());
    key.push(tag);
    for part in parts {
        key.extend_from_slice(part);
    }
    key
}

/// Key of a domain.
pub(super) fn domain(name: &DomainName) -> Vec<u8> {
    key(DOMAIN, &[name.as_str().as_bytes()])
}

/// Key of a domain's tally.
pub(super) fn tally(name: &DomainName) -> Vec<u8> {
    key(TALLY, &[name.as_str().as_bytes()])
}

/// Key of a template.
pub(super) fn template(name: &TemplateName) -> Vec<u8> {
    key(TEMPLATE, &[name.as_str().as_bytes()])
}

/// Key of a mailbox.
pub(super) fn mailbox(address: &Address) -> Vec<u8> {
    mailboxes_from(address.domain_str(), address.local_part())
}

/// What the keys of the mailboxes of a domain begin with whose local part
/// begins with `local`.
pub(super) fn mailboxes_from(domain: &str, local: &str) -> Vec<u8> {
    key(MAILBOX, &[domain.as_bytes(), &[0], local.as_bytes()])
}

/// Domain and local part in the key of a mailbox.
pub(super) fn parts_of_mailbox(key: &[u8]) -> Option<(&str, &str)> {
    std::str::from_utf8(key.get(1..)?).ok()?.split_once('\0')
}

/// Key of the address behind an id.
pub(super) fn owner(mailbox: MailboxId) -> Vec<u8> {
    key(OWNER, &[&mailbox.0.to_be_bytes()])
}

/// What the keys of a mailbox's app passwords begin with.
pub(super) fn app_passwords(mailbox: MailboxId) -> Vec<u8> {
    key(APP_PASSWORD, &[&mailbox.0.to_be_bytes()])
}

/// Key of an app password.
pub(super) fn app_password(mailbox: MailboxId, id: AppPasswordId) -> Vec<u8> {
    key(APP_PASSWORD, &[&mailbox.0.to_be_bytes(), &id.bits().to_be_bytes()])
}

/// Whose a stored app password or row of the history is.
pub(super) fn mailbox_of(key: &[u8]) -> Option<MailboxId> {
    let id = key.get(1..17)?.try_into().ok()?;
    Some(MailboxId(u128::from_be_bytes(id)))
}

/// Key of an abuse counter.
pub(super) fn penalty(own: &[u8]) -> Vec<u8> {
    key(PENALTY, &[own])
}

/// Key of a secret.
pub(super) fn secret(name: &str) -> Vec<u8> {
    key(SECRET, &[name.as_bytes()])
}

/// What the keys of a mailbox's history begin with.
pub(super) fn uses(mailbox: MailboxId) -> Vec<u8> {
    key(USE, &[&mailbox.0.to_be_bytes()])
}

/// What tells a row of the history from the other ones of its mailbox.
#[derive(Deserialize, Serialize)]
struct UseParts<'a> {
    protocol: &'a str,
    outcome: &'a str,
    rip: Option<std::net::IpAddr>,
    app_password: Option<AppPasswordId>,
}

/// The value of a row of the history; the key holds the rest.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(super) struct Counted {
    /// How many.
    pub(super) count: u64,
    /// The first one.
    pub(super) first: Timestamp,
    /// The last one.
    pub(super) last: Timestamp,
}

/// Key of a row of the history.
pub(super) fn use_row(row: &UseKey) -> Result<Vec<u8>, Error> {
    let parts = UseParts {
        protocol: &row.protocol,
        outcome: &row.outcome,
        rip: row.rip,
        app_password: row.app_password,
    };
    Ok(key(USE, &[&row.mailbox.0.to_be_bytes(), &engine::encode(&parts)?]))
}

/// A row of the history from its key and value.
pub(super) fn read_use(key: &[u8], value: &[u8]) -> Result<UseRow, Error> {
    let mailbox =
        mailbox_of(key).ok_or_else(|| Error::engine("a row of the history has a short key"))?;
    let parts: UseParts = postcard::from_bytes(&key[17..]).map_err(Error::engine)?;
    let Counted { count, first, last } = engine::decode(value)?;
    Ok(UseRow {
        mailbox,
        protocol: parts.protocol.to_owned(),
        rip: parts.rip,
        app_password: parts.app_password,
        outcome: parts.outcome.to_owned(),
        count,
        first,
        last,
    })
}
