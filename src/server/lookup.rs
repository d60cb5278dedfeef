//! Answers about users: USER, PASS, LIST and the cache, from the store.
//!
//! Nobody hears NOTFOUND because of a fault of ours: to LMTP that would be a
//! bounce. A name that is no address is found nowhere, by the same rules that a
//! login's name is held to.

use super::hub::{Core, Hub};
use crate::{
    mailbox::{Address, MailboxState, userdb},
    protocol::AuthRequest,
    session::{Answer, Kept, TokenRequest},
    store::{self, Account, MailboxFilter},
    verify::CacheStatus,
};

/// Users that are read at once. Their names stay well below the high water of
/// a connection.
const PAGE: usize = 128;

/// Some of the users that a LIST asks for.
pub(super) struct Page {
    /// Their names.
    pub(super) users: Vec<String>,
    /// What comes behind them.
    pub(super) rest: Rest,
}

/// What comes behind a page.
pub(super) enum Rest {
    /// More, behind this one.
    After(Address),
    /// Nothing: the list is complete.
    Nothing,
    /// We cannot tell.
    Unknown,
}

fn fail() -> Answer {
    Answer::Fail { reason: None }
}

/// The account of that name, or the answer that says why there is none.
async fn account(hub: &Hub, name: &[u8]) -> Result<Account, Answer> {
    let Some(core) = hub.core().await else { return Err(fail()) };
    let Ok(address) = core.pipeline.names().canonical(name) else { return Err(Answer::NotFound) };
    match core.store.account(&address).await {
        Ok(Some(account)) => Ok(account),
        Ok(None) => Err(Answer::NotFound),
        Err(error) => Err(store_failed(&error)),
    }
}

fn store_failed(error: &store::Error) -> Answer {
    tracing::error!(%error, "look-up");
    fail()
}

/// USER.
pub(super) async fn user(hub: &Hub, name: &[u8], request: &AuthRequest, minor: u32) -> Answer {
    match account(hub, name).await {
        Ok(account) if userdb::is_found(&account.mailbox, &request.protocol) => {
            found(hub, &account, minor, None)
        }
        Ok(_) => Answer::NotFound,
        Err(answer) => answer,
    }
}

/// REQUEST, after the desk gave the login out.
pub(super) async fn login(
    hub: &Hub,
    kept: &Kept,
    token: Option<TokenRequest>,
    minor: u32,
) -> Answer {
    let Some(core) = hub.core().await else { return fail() };
    // Minutes may have gone by.
    let account = match core.store.account(kept.verified.user()).await {
        Ok(Some(account)) if may_still_enter(&account, kept) => account,
        Ok(_) => {
            tracing::warn!(user = %kept.verified.user(), "REQUEST refused: switched off since");
            return Answer::NotFound;
        }
        Err(error) => return store_failed(&error),
    };
    found(hub, &account, minor, token.map(|token| auth_token(&core, kept, token)))
}

/// Whether it is the mailbox that was logged in to, and switched on.
fn may_still_enter(account: &Account, kept: &Kept) -> bool {
    account.mailbox.id == kept.verified.account().mailbox.id && logs_in(account)
}

fn logs_in(account: &Account) -> bool {
    account.mailbox.state == MailboxState::Active && account.domain.active
}

/// Whether mail is taken for it: as LMTP finds it, in a domain that is switched on.
pub(super) fn receives(account: &Account) -> bool {
    account.domain.active && userdb::is_found(&account.mailbox, "lmtp")
}

fn auth_token(core: &Core, kept: &Kept, token: TokenRequest) -> (String, String) {
    let session_pid = token.session_pid.to_string();
    let session = kept.request.session.as_deref().unwrap_or_default();
    let value = core.pipeline.auth_token(
        kept.verified.user(),
        session_pid.as_bytes(),
        session.as_bytes(),
        kept.request.protocol.as_bytes(),
    );
    ("auth_token".to_owned(), value)
}

fn found(hub: &Hub, account: &Account, minor: u32, further: Option<(String, String)>) -> Answer {
    let mailbox = &account.mailbox;
    match userdb::fields(mailbox, &account.domain, &hub.userdb.load(), minor) {
        Ok(mut fields) => {
            fields.extend(further);
            Answer::Found { name: mailbox.address.to_string(), fields }
        }
        Err(error) => {
            tracing::error!(user = %mailbox.address, %error, "look-up");
            fail()
        }
    }
}

/// PASS: that somebody may log in, and nothing about the password.
pub(super) async fn pass(hub: &Hub, name: &[u8]) -> Answer {
    match account(hub, name).await {
        Ok(account) => {
            if logs_in(&account) {
                Answer::Found { name: account.mailbox.address.to_string(), fields: Vec::new() }
            } else {
                Answer::NotFound
            }
        }
        Err(answer) => answer,
    }
}

/// A page of LIST.
pub(super) async fn page(hub: &Hub, mask: Option<&str>, after: Option<&Address>) -> Page {
    let unknown = Page { users: Vec::new(), rest: Rest::Unknown };
    let Some(core) = hub.core().await else { return unknown };
    let filter = MailboxFilter { mask: mask.map(str::to_owned), ..Default::default() };
    match core.store.mailboxes(&filter, after, PAGE).await {
        Ok(mailboxes) => {
            let rest = match mailboxes.last() {
                Some(last) if mailboxes.len() == PAGE => Rest::After(last.address.clone()),
                _ => Rest::Nothing,
            };
            let users = mailboxes.iter().map(|mailbox| mailbox.address.to_string()).collect();
            Page { users, rest }
        }
        Err(error) => {
            tracing::error!(%error, "LIST");
            unknown
        }
    }
}

/// CACHE-FLUSH.
pub(super) async fn flush_cache(hub: &Hub, masks: &[String]) -> Answer {
    match hub.core().await {
        Some(core) => Answer::Count(core.pipeline.flush_cache(masks)),
        None => fail(),
    }
}

/// CACHE-STATUS.
pub(super) async fn cache_status(hub: &Hub, reset: bool) -> Answer {
    let Some(core) = hub.core().await else { return fail() };
    let caches = core.pipeline.cache_status();
    // What lets in, and what does not: Dovecot has one cache with both.
    let (negative, positive): (Vec<_>, Vec<_>) = caches
        .iter()
        .partition(|cache| ["wrong", "unknown", "refused_tokens"].contains(&cache.name));
    let sum = |caches: &[&CacheStatus], figure: fn(&CacheStatus) -> u64| {
        caches.iter().map(|cache| figure(cache)).sum::<u64>()
    };
    let both = |figure| sum(&positive, figure) + sum(&negative, figure);
    let counted = [both(|cache| cache.hits), both(|cache| cache.misses)];
    let [hits, misses] = hub.since_reset(counted, reset);
    let (pos_size, neg_size) =
        (sum(&positive, |cache| cache.bytes), sum(&negative, |cache| cache.bytes));
    Answer::Figures(vec![
        ("hits", hits),
        ("misses", misses),
        ("pos_entries", sum(&positive, |cache| cache.entries)),
        ("neg_entries", sum(&negative, |cache| cache.entries)),
        ("pos_size", pos_size),
        ("neg_size", neg_size),
        ("used_size", pos_size + neg_size),
        ("max_size", both(|cache| cache.max_bytes)),
    ])
}
