//! Admin tokens as programs show them: `Authorization: Bearer dga_ID_SECRET`.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use sha2::{Digest as _, Sha256};

use super::{Caller, Error, error::Code};
use crate::{
    clock::Timestamp,
    mailbox::{AdminToken, AdminTokenId, AdminTokenUse},
    secret::Secret,
    store::{MAX_ADMIN_TOKENS, Store},
};

/// What every token begins with, so that a search for lost secrets finds one.
const PREFIX: &str = "dga_";
const LABEL: &[u8] = b"dovegate admin token 1\0";
/// Bytes of a secret.
const SECRET_BYTES: usize = 32;
/// Much longer than any token.
const MAX_BYTES: usize = 128;
/// How long a token's last use may be older than it is written down.
const WRITTEN_EVERY: Duration = Duration::from_secs(60);
/// How often the log says that somebody shows tokens that are none.
const SAID_EVERY: Duration = Duration::from_secs(60);

/// A new token's text, and what is kept of it.
pub(super) fn generate() -> Result<(AdminTokenId, Secret, [u8; 32]), getrandom::Error> {
    let (mut bits, mut secret) = ([0; 8], [0; SECRET_BYTES]);
    getrandom::fill(&mut bits).and_then(|()| getrandom::fill(&mut secret))?;
    let id = AdminTokenId::from_bits(u64::from_le_bytes(bits));
    let secret = BASE64_URL_SAFE_NO_PAD.encode(secret);
    let digest = digest(&id, secret.as_bytes());
    Ok((id.clone(), Secret::from(format!("{PREFIX}{id}_{secret}").as_str()), digest))
}

fn digest(id: &AdminTokenId, secret: &[u8]) -> [u8; 32] {
    let hash = Sha256::new().chain_update(LABEL).chain_update(id.as_str());
    hash.chain_update(b"\0").chain_update(secret).finalize().into()
}

/// The id in a token, and its secret.
fn parts(token: &Secret) -> Option<(AdminTokenId, &[u8])> {
    let text = std::str::from_utf8(token.expose()).ok().filter(|text| text.len() <= MAX_BYTES)?;
    let (id, secret) = text.strip_prefix(PREFIX)?.split_once('_')?;
    Some((id.parse().ok()?, secret.as_bytes()))
}

/// Finds out whose token a program shows.
///
/// A token has 256 random bits, so nobody guesses one, and nobody is held back for wrong
/// ones: a program with an old token must not lock out the people of its network. A
/// wrong one costs a look-up and a digest.
pub struct Bearers {
    store: Arc<dyn Store>,
    /// When the last use of a token was written down.
    written: Mutex<HashMap<AdminTokenId, Timestamp>>,
    /// When the log said last that a wrong one was shown.
    said: AtomicU64,
}

impl Bearers {
    /// With the tokens of this store.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store, written: Mutex::default(), said: AtomicU64::new(0) }
    }

    /// Whose token this is.
    ///
    /// # Errors
    /// [`Code::Unauthorized`] where it is none, or none any more.
    pub async fn caller(
        &self,
        token: &Secret,
        rip: IpAddr,
        now: Timestamp,
    ) -> Result<Caller, Error> {
        let Some((id, secret)) = parts(token) else { return Err(self.refuse(rip, now)) };
        let found = self.store.admin_token(&id).await?;
        let shown = digest(&id, secret);
        let is_it = |found: &AdminToken| Secret::new(shown).ct_eq(&found.digest);
        let Some(found) = found.filter(is_it) else { return Err(self.refuse(rip, now)) };
        if let Some(expired) = found.expires.filter(|expires| *expires <= now) {
            let why = format!("admin token {id} has expired at {expired}");
            return Err(Error::new(Code::Unauthorized, why));
        }
        self.note(&id, AdminTokenUse { at: now, rip }).await?;
        Ok(Caller::token(id, found.name, found.scopes, found.domains))
    }

    fn refuse(&self, rip: IpAddr, now: Timestamp) -> Error {
        let said = Timestamp(self.said.load(Ordering::Relaxed));
        if now.since(said) >= SAID_EVERY {
            self.said.store(now.0, Ordering::Relaxed);
            tracing::warn!(%rip, "an admin token was refused: it is none, or was revoked");
        }
        Error::new(Code::Unauthorized, "this is no admin token, or it was revoked")
    }

    /// Writes the last use down, now and then.
    async fn note(&self, id: &AdminTokenId, last: AdminTokenUse) -> Result<(), Error> {
        let is_due = {
            let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
            if written.len() > 2 * MAX_ADMIN_TOKENS {
                // Of tokens that are gone.
                written.clear();
            }
            let before = written.insert(id.clone(), last.at);
            let is_due = before.is_none_or(|before| last.at.since(before) >= WRITTEN_EVERY);
            if let Some(before) = before.filter(|_| !is_due) {
                written.insert(id.clone(), before);
            }
            is_due
        };
        if is_due {
            self.store.admin_token_used(id, last).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_as_it_was_made() {
        let (id, token, kept) = generate().unwrap();
        let (found, secret) = parts(&token).unwrap();
        assert_eq!((found, digest(&id, secret)), (id, kept));
        let (_, other, _) = generate().unwrap();
        assert!(!token.ct_eq(other.expose()));
    }

    #[test]
    fn what_is_no_token() {
        let long = format!("dga_00000000_{}", "x".repeat(MAX_BYTES));
        for text in ["", "dga_", "dga_00000000", "dgb_00000000_x", "dga_0000000_x", &long] {
            assert!(parts(&Secret::from(text)).is_none(), "{text}");
        }
        assert!(parts(&Secret::new(*b"dga_00000000_\xff")).is_none());
    }
}
