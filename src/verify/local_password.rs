//! The main password of a mailbox whose source is the store, and how any hash
//! is verified.

use std::sync::Arc;

use tokio::time::Instant;

use super::{
    Cause, Pipeline, Reason,
    cache::{Known, VerifiedCache},
    case::{Case, Stop},
    current::Hashed,
    room::Key,
    trace::Outcome,
};
use crate::{
    mailbox::{Address, PasswordHash, ProviderName},
    password::{self, Stored, Work},
    secret::Secret,
    store::Account,
};

/// Whether it is right, and whether that was known before.
pub(super) struct Checked {
    pub(super) right: bool,
    pub(super) known: bool,
}

/// About whom a hash decides.
#[derive(Clone, Copy)]
pub(super) enum Holder<'a> {
    /// A mailbox.
    Mailbox(&'a Account),
    /// Somebody who has none, and gets one by this login.
    Newcomer {
        /// The name that he logs in as.
        address: &'a Address,
        /// Who keeps the hash.
        provider: &'a ProviderName,
    },
}

impl<'a> From<&'a Account> for Holder<'a> {
    fn from(account: &'a Account) -> Self {
        Self::Mailbox(account)
    }
}

impl<'a> Holder<'a> {
    fn address(self) -> &'a Address {
        match self {
            Self::Mailbox(account) => &account.mailbox.address,
            Self::Newcomer { address, .. } => address,
        }
    }

    fn key(self, cache: &VerifiedCache, hash: &PasswordHash, password: &Secret) -> Key {
        let (hash, password) = (hash.as_str(), password.expose());
        match self {
            Self::Mailbox(account) => cache.key(account, hash, password),
            Self::Newcomer { address, provider } => {
                cache.key_of_newcomer(address, provider, hash, password)
            }
        }
    }
}

impl Pipeline {
    /// Judges `password` against the mailbox's own hash.
    pub(super) async fn local_password<'a>(
        &'a self,
        case: &mut Case<'a>,
        account: &Account,
        password: &Secret,
    ) -> Result<(), Stop> {
        let Some(hash) = &account.mailbox.local_hash else {
            case.trace.note("password", Outcome::Refused, || "the mailbox has none".to_owned());
            return Err(Stop::Rejected(Reason::NoPassword));
        };
        let right = self.is_right(case, account.into(), hash, password).await?;
        if right { Ok(()) } else { Err(Stop::Rejected(Reason::WrongPassword)) }
    }

    /// Whether `password` is the one of `hash`, which decides about `holder`.
    pub(super) async fn is_right<'a>(
        &'a self,
        case: &mut Case<'a>,
        holder: Holder<'_>,
        hash: &PasswordHash,
        password: &Secret,
    ) -> Result<bool, Stop> {
        let checked = self.check_hash(case, holder, hash, password).await?;
        case.cached = checked.known;
        let outcome = if checked.right { Outcome::Ok } else { Outcome::Refused };
        case.trace.note("password", outcome, || {
            let result = if checked.right { "right" } else { "wrong" };
            let before = if checked.known { ", known from before" } else { "" };
            format!("{result} ({}{before})", scheme(hash.as_str()))
        });
        Ok(checked.right)
    }

    /// The same, without a word to `explain` unless the hash cannot be checked.
    pub(super) async fn check_hash<'a>(
        &'a self,
        case: &mut Case<'a>,
        holder: Holder<'_>,
        hash: &PasswordHash,
        password: &Secret,
    ) -> Result<Checked, Stop> {
        let address = holder.address();
        let stored = Stored::parse(hash.as_str()).map_err(|error| fault(case, &error))?;
        let stored = stored.of(address.as_str());
        if stored.work() == Work::Little {
            self.announce(case, address, password)?;
            let right = stored.matches(password.expose(), &case.current.settings.caps);
            let right = right.map_err(|error| fault(case, &error))?;
            return Ok(Checked { right, known: false });
        }
        let cache = &case.current.cache;
        let key = holder.key(cache, hash, password);
        if let Some(known) = cache.look_up(&key) {
            if !case.trace.is_on() {
                cache.count_hit(known);
            }
            return Ok(Checked { right: known == Known::Right, known: true });
        }
        let deadline = case.current.pool.deadline();
        self.pass_gate(case, address, deadline).await?;
        self.announce(case, address, password)?;
        let run = || slow_check(case, holder, hash, password, deadline);
        let right = case.current.flights.share(key, run).await.map_err(Stop::Unavailable)?;
        let right = right.map_err(|error| fault(case, &error))?;
        if !case.trace.is_on() {
            let known = if right { Known::Right } else { Known::Wrong };
            cache.keep(key, address.clone(), known);
        }
        Ok(Checked { right, known: false })
    }
}

/// Runs the hash in the pool.
fn slow_check(
    case: &Case<'_>,
    holder: Holder<'_>,
    hash: &PasswordHash,
    password: &Secret,
    deadline: Instant,
) -> impl Future<Output = Hashed> + Send + 'static + use<> {
    let caps = case.current.settings.caps;
    let pool = Arc::clone(&case.current.pool);
    let (address, hash, password) = (holder.address().clone(), hash.clone(), password.clone());
    let is_newcomer = matches!(holder, Holder::Newcomer { .. });
    async move {
        let work = move || {
            let stored = Stored::parse(hash.as_str())?.of(address.as_str());
            stored.matches(password.expose(), &caps)
        };
        if is_newcomer {
            pool.run_as_stranger(deadline, work).await
        } else {
            pool.run(deadline, work).await
        }
    }
}

pub(super) fn scheme(hash: &str) -> &str {
    Stored::parse(hash).map_or("", |stored| stored.scheme_name())
}

/// A hash that cannot be checked is our fault, and somebody has to hear of it.
fn fault(case: &mut Case<'_>, error: &password::Error) -> Stop {
    case.trace.note("password", Outcome::Refused, || error.to_string());
    if let (false, Some(user)) = (case.trace.is_on(), &case.user) {
        tracing::warn!(%user, %error, "the stored password cannot be checked");
    }
    let obstacle = match error {
        password::Error::UnknownScheme(_) => Cause::UnknownScheme,
        password::Error::SwitchedOff(_) => Cause::WeakScheme,
        password::Error::Corrupt(_) => Cause::CorruptHash,
        password::Error::CostAboveCap { .. } => Cause::CostAboveCap,
        password::Error::OutOfMemory => Cause::Overloaded,
        password::Error::Unfit(_) | password::Error::NoUser => Cause::Internal,
    };
    case.unavailable(obstacle, error.to_string())
}
