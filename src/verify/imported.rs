//! App passwords that came along from another mail system. Their owners chose
//! them, and nothing in them says which one it is, so each that opens the service
//! is tried until one is right.
//!
//! **What that costs.** They are [`MAX_IMPORTED_APP_PASSWORDS`] at most, hashed one
//! after another in the pool, in the time that one login may wait; each hash runs
//! once for a password, whether right or wrong, as long as the cache remembers it.
//! The guess is announced before the first and counted once. As they can be
//! guessed, they are held back with the main password, unlike ours.
//!
//! [`MAX_IMPORTED_APP_PASSWORDS`]: crate::store::MAX_IMPORTED_APP_PASSWORDS

use tokio::time::timeout_at;

use super::{
    Cause, Pipeline,
    app_password::Presented,
    case::{Case, Door, Stop},
    judge::store_failed,
    local_password::scheme,
    trace::Outcome,
};
use crate::{
    mailbox::{AppPasswordId, ImportedAppPassword},
    secret::Secret,
    store::Account,
};

/// What came of trying them.
pub(super) enum Tried {
    /// One is right, and its owner may log in.
    Right(Account, AppPasswordId),
    /// None is right, but there is one that cannot be checked.
    Unreadable(Stop),
    /// None is right, or there is none.
    None,
}

impl Pipeline {
    /// Tries the mailbox's imported app passwords.
    pub(super) async fn imported_app_password<'a>(
        &'a self,
        case: &mut Case<'a>,
        account: &Account,
        password: &Secret,
    ) -> Result<Tried, Stop> {
        if !account.mailbox.has_imported_app_passwords || case.door != Door::Mail {
            return Ok(Tried::None);
        }
        let all = self.store.imported_app_passwords(account.mailbox.id).await;
        let mut all = all.map_err(|error| store_failed(case, &error))?;
        let number = all.len();
        if number == 0 {
            return Ok(Tried::None);
        }
        all.retain(|one| one.services.allows_protocol(&case.attempt.protocol));
        let deadline = case.current.pool.deadline();
        let tried = timeout_at(deadline, self.try_each(case, account, &all, password)).await;
        let (right, unreadable) = tried.unwrap_or(Err(Stop::Unavailable(Cause::Overloaded)))?;
        let Some(right) = right else {
            case.trace.note("imported app password", Outcome::NotApplicable, || {
                format!("none of the {} (of {number}) that open the service", all.len())
            });
            return Ok(unreadable.map_or(Tried::None, Tried::Unreadable));
        };
        case.app_password = Some(right.id);
        case.trace.note("imported app password", Outcome::Ok, || {
            let scheme = scheme(right.hash.as_str());
            format!("{} \"{}\": right ({scheme}), opens {}", right.id, right.name, right.services)
        });
        let account = self.owner_may(case, account.clone(), Presented::Imported(right)).await?;
        Ok(Tried::Right(account, right.id))
    }

    /// The one that is right; and why one of the others cannot be checked.
    async fn try_each<'a, 's>(
        &'a self,
        case: &mut Case<'a>,
        account: &Account,
        all: &'s [ImportedAppPassword],
        password: &Secret,
    ) -> Result<(Option<&'s ImportedAppPassword>, Option<Stop>), Stop> {
        let mut unreadable = None;
        for one in all {
            match self.check_hash(case, account.into(), &one.hash, password).await {
                Ok(checked) if checked.right => {
                    case.cached = checked.known;
                    return Ok((Some(one), None));
                }
                Ok(_) => {}
                Err(stop @ Stop::Unavailable(cause)) if is_of_the_hash(cause) => {
                    unreadable = Some(stop);
                }
                Err(stop) => return Err(stop),
            }
        }
        Ok((None, unreadable))
    }
}

/// Whether it is this hash that cannot be checked, and the next one perhaps can.
fn is_of_the_hash(cause: Cause) -> bool {
    matches!(
        cause,
        Cause::UnknownScheme | Cause::WeakScheme | Cause::CorruptHash | Cause::CostAboveCap
    )
}
