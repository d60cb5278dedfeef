//! Whose stored hash is quick to guess gets a slow one, once the right password
//! has been seen. Where an administrator wants it: `upgrade_hashes`.
//!
//! It is done beside the logins, by the maintenance that runs each second, so
//! that no answer waits for it; and only a hash that is still the one which the
//! password was right for is replaced.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use super::{
    Error, Pipeline, Verified, VerifiedBy,
    case::{Case, Door},
};
use crate::{
    clock::Timestamp,
    mailbox::{Address, MailboxId, PasswordHash},
    password::{self, Stored},
    sasl::Credentials,
    secret::Secret,
    store,
};

/// Passwords that wait at most; who finds no place has one at his next login.
const MAX_WAITING: usize = 64;
/// Hashed anew at a time: what else the maintenance does shall not wait for long.
const AT_A_TIME: usize = 4;

struct Upgrade {
    address: Address,
    hash: PasswordHash,
    password: Secret,
}

/// What is to be hashed anew, for each mailbox.
#[derive(Default)]
pub(super) struct Upgrades(Mutex<HashMap<MailboxId, Upgrade>>);

impl Upgrades {
    fn put(&self, mailbox: MailboxId, upgrade: Upgrade) {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() < MAX_WAITING || waiting.contains_key(&mailbox) {
            waiting.insert(mailbox, upgrade);
        }
    }

    fn take(&self) -> Option<(MailboxId, Upgrade)> {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mailbox = *waiting.keys().next()?;
        waiting.remove_entry(&mailbox)
    }
}

impl Pipeline {
    /// Takes note of a right password whose hash should be another one.
    pub(super) fn plan_upgrade(&self, case: &Case<'_>, verified: &Verified) {
        let Credentials::Password { password, .. } = &case.attempt.credentials else { return };
        // A new hash ends sessions of the pages: the next mail program brings it.
        let by_hash = case.door == Door::Mail && matches!(verified.by, VerifiedBy::LocalPassword);
        let (true, true, Some(account)) =
            (by_hash, case.current.settings.upgrade_hashes, &case.account)
        else {
            return;
        };
        let mailbox = &account.mailbox;
        let Some(hash) = &mailbox.local_hash else { return };
        let stored = Stored::parse(hash.as_str());
        if stored.is_ok_and(|stored| stored.is_outdated_for(password.expose())) {
            let (hash, password) = (hash.clone(), password.clone());
            let address = mailbox.address.clone();
            self.upgrades.put(mailbox.id, Upgrade { address, hash, password });
        }
    }

    /// Hashes anew what was noted.
    pub(super) async fn upgrade_hashes(&self, now: Timestamp) {
        for _ in 0..AT_A_TIME {
            let Some((mailbox, upgrade)) = self.upgrades.take() else { return };
            let user = upgrade.address.clone();
            match self.upgrade(mailbox, upgrade, now).await {
                Ok(()) => tracing::info!(%user, "the password was right and is hashed anew"),
                // Changed or gone meanwhile, no time for it, or too long for the
                // scheme: the old hash is as good as before.
                Err(
                    Error::Store(store::Error::Conflict(_) | store::Error::NotFound { .. })
                    | Error::Unavailable(_)
                    | Error::Password(password::Error::Unfit(_)),
                ) => {}
                Err(error) => tracing::warn!(%user, %error, "the password is not hashed anew"),
            }
        }
    }

    async fn upgrade(
        &self,
        mailbox: MailboxId,
        upgrade: Upgrade,
        now: Timestamp,
    ) -> Result<(), Error> {
        let Upgrade { address, hash, password } = upgrade;
        let new = self.hash_password(&password).await?.into();
        self.store.replace_hash(&address, mailbox, hash, new, now).await?;
        Ok(())
    }
}
