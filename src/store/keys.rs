//! The key of each stored thing. The first byte says what it is, and the tags
//! of what an export holds stand in the order of an export, so that an export
//! is one pass over the keys.
//!
//! Mailboxes lie by domain and then local part: a domain, or a mask that ends
//! in one, is a range. What else a mailbox has lies under its id and survives a
//! rename. All its app passwords are one value, and so is its whole history:
//! sled fills a page with at most sixteen entries whatever their size, and keeps
//! some 400 bytes in memory for each page, so few large entries cost a third of
//! what many small ones do.

use super::Error;
use crate::mailbox::{
    Address, AdminTokenId, Binding, DomainName, MailboxId, ProviderName, TemplateName,
};

/// Version of the layout.
pub(super) const SCHEMA_KEY: &[u8] = &[0];
/// Number of the last commit to the log.
pub(super) const COMMITS_KEY: &[u8] = &[0, 1];
/// [`super::apply::Tally`] by name of the domain.
pub(super) const TALLY: u8 = 1;
/// Secrets by name.
pub(super) const SECRET: u8 = 2;
/// Ids of the mailboxes that are bound to a person, by provider, a zero byte,
/// the provider's id of the person.
pub(super) const BOUND: u8 = 3;
/// [`super::SyncRun`] by provider, a zero byte, number.
pub(super) const SYNC_RUN: u8 = 4;
/// Lists of [`super::SyncLine`] by provider, a zero byte, number of the run and
/// of the list's first line.
pub(super) const SYNC_LINES: u8 = 5;
/// Lines outside of syncs by provider, a zero byte, place in their ring.
pub(super) const SYNC_NOTE: u8 = 6;
/// How many of them there ever were, by provider.
pub(super) const SYNC_NOTES_HEAD: u8 = 7;
/// Ids of the mailboxes that were renamed, by the home that each has kept.
pub(super) const KEPT_HOME: u8 = 8;
/// [`crate::mailbox::AdminToken`] by id, as the text of [`super::admin_tokens`].
pub(super) const ADMIN_TOKEN: u8 = 9;
/// [`crate::mailbox::NamedProvider`] by name, as the text of [`super::write`].
pub(super) const PROVIDER: u8 = 15;
/// [`crate::mailbox::Domain`] by name.
pub(super) const DOMAIN: u8 = 16;
/// [`crate::mailbox::Template`] by name.
pub(super) const TEMPLATE: u8 = 17;
/// [`crate::mailbox::Mailbox`] by domain, a zero byte, local part.
pub(super) const MAILBOX: u8 = 18;
/// [`super::write::Holdings`] by mailbox id.
pub(super) const HOLDINGS: u8 = 19;
/// Lists of [`crate::mailbox::ImportedAppPassword`] by mailbox id. Few mailboxes
/// have one.
pub(super) const IMPORTED: u8 = 20;

// From here on: what is written all day. An engine may keep it apart.

/// [`crate::mailbox::Owner`] by mailbox id.
pub(super) const OWNER: u8 = 31;
/// [`super::history::Diary`] by mailbox id.
pub(super) const DIARY: u8 = 32;
/// Abuse counters, key and value not ours.
pub(super) const PENALTY: u8 = 33;

fn key(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let mut key = Vec::with_capacity(1 + parts.iter().map(|part| part.len()).sum::<usize>());
    key.push(tag);
    for part in parts {
        key.extend_from_slice(part);
    }
    key
}

/// Key of an admin token.
pub(super) fn admin_token(id: &AdminTokenId) -> Vec<u8> {
    key(ADMIN_TOKEN, &[id.as_str().as_bytes()])
}

/// Key of a provider.
pub(super) fn provider(name: &ProviderName) -> Vec<u8> {
    key(PROVIDER, &[name.as_str().as_bytes()])
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

/// Key of the address and the app passwords behind an id.
pub(super) fn holdings(mailbox: MailboxId) -> Vec<u8> {
    key(HOLDINGS, &[&mailbox.0.to_be_bytes()])
}

/// Key of what is bound to a person. A provider's name has no zero byte, so no
/// two people share one.
pub(super) fn bound(person: &Binding) -> Vec<u8> {
    key(BOUND, &[person.provider.as_str().as_bytes(), &[0], person.subject.as_bytes()])
}

/// What the keys of all runs of a provider begin with.
pub(super) fn sync_runs(provider: &ProviderName) -> Vec<u8> {
    key(SYNC_RUN, &[provider.as_str().as_bytes(), &[0]])
}

/// Key of a run.
pub(super) fn sync_run(provider: &ProviderName, run: u64) -> Vec<u8> {
    key(SYNC_RUN, &[provider.as_str().as_bytes(), &[0], &run.to_be_bytes()])
}

/// What the keys of all lines of a run begin with.
pub(super) fn sync_lines(provider: &ProviderName, run: u64) -> Vec<u8> {
    key(SYNC_LINES, &[provider.as_str().as_bytes(), &[0], &run.to_be_bytes()])
}

/// Key of the lines of a run from this one on.
pub(super) fn sync_lines_from(provider: &ProviderName, run: u64, line: u64) -> Vec<u8> {
    let run = run.to_be_bytes();
    key(SYNC_LINES, &[provider.as_str().as_bytes(), &[0], &run, &line.to_be_bytes()])
}

/// What the keys of all lines outside of syncs begin with.
pub(super) fn sync_notes(provider: &ProviderName) -> Vec<u8> {
    key(SYNC_NOTE, &[provider.as_str().as_bytes(), &[0]])
}

/// Key of the line at this place of the ring.
pub(super) fn sync_note(provider: &ProviderName, place: u64) -> Vec<u8> {
    key(SYNC_NOTE, &[provider.as_str().as_bytes(), &[0], &place.to_be_bytes()])
}

/// Key of the ring's head.
pub(super) fn sync_notes_head(provider: &ProviderName) -> Vec<u8> {
    key(SYNC_NOTES_HEAD, &[provider.as_str().as_bytes()])
}

/// The number of the first line in the key of lines.
pub(super) fn line_of(key: &[u8]) -> Result<u64, Error> {
    match key.last_chunk() {
        Some(line) => Ok(u64::from_be_bytes(*line)),
        None => Err(Error::engine("a key that should end in a line's number does not")),
    }
}

/// Key of whose home this is since a rename.
pub(super) fn kept_home(home: &str) -> Vec<u8> {
    key(KEPT_HOME, &[home.as_bytes()])
}

/// Key of the app passwords that a mailbox brought along.
pub(super) fn imported(mailbox: MailboxId) -> Vec<u8> {
    key(IMPORTED, &[&mailbox.0.to_be_bytes()])
}

/// Key of what was said of a mailbox's owner.
pub(super) fn owner(mailbox: MailboxId) -> Vec<u8> {
    key(OWNER, &[&mailbox.0.to_be_bytes()])
}

/// Key of the history of a mailbox.
pub(super) fn diary(mailbox: MailboxId) -> Vec<u8> {
    key(DIARY, &[&mailbox.0.to_be_bytes()])
}

/// The mailbox in the key of its holdings or its diary.
pub(super) fn mailbox_of(key: &[u8]) -> Result<MailboxId, Error> {
    match key.get(1..).and_then(|id| id.try_into().ok()) {
        Some(id) => Ok(MailboxId(u128::from_be_bytes(id))),
        None => Err(Error::engine("a key that should end in a mailbox's id does not")),
    }
}

/// Key of an abuse counter.
pub(super) fn penalty(own: &[u8]) -> Vec<u8> {
    key(PENALTY, &[own])
}

/// Key of a secret.
pub(super) fn secret(name: &str) -> Vec<u8> {
    key(SECRET, &[name.as_bytes()])
}
