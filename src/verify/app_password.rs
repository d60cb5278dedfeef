//! App passwords: one look-up and one digest, however many a mailbox has.

use super::{
    Reason,
    case::{Case, Stop},
    trace::Outcome,
};
use crate::{
    mailbox::{AppPassword, MailboxId},
    password::AppPasswordText,
};

/// Judges a password that has the form of an app password and the id of one of
/// the mailbox's: from here on nothing else is asked.
pub(super) fn judge(
    case: &mut Case<'_>,
    mailbox: MailboxId,
    typed: &AppPasswordText,
    stored: &AppPassword,
) -> Result<(), Stop> {
    let verdict = check(case, mailbox, typed, stored);
    let outcome = if verdict.is_ok() { Outcome::Ok } else { Outcome::Refused };
    case.trace.note("app password", outcome, || {
        let found = match verdict {
            Ok(()) => format!("right, opens {}", stored.services),
            Err(Reason::AppPasswordService) => format!("right, but opens only {}", stored.services),
            Err(Reason::AppPasswordNetwork) => "right, but not from this network".to_owned(),
            Err(Reason::AppPasswordExpired) => "right, but expired".to_owned(),
            Err(_) => "wrong".to_owned(),
        };
        format!("{} \"{}\": {found}", stored.id, stored.name)
    });
    verdict.map_err(Stop::Rejected)
}

/// The secret first: who does not have it learns nothing of the rest.
fn check(
    case: &Case<'_>,
    mailbox: MailboxId,
    typed: &AppPasswordText,
    stored: &AppPassword,
) -> Result<(), Reason> {
    if !typed.matches(mailbox, &stored.digest) {
        return Err(Reason::AppPasswordWrong);
    }
    if stored.expires.is_some_and(|expires| expires <= case.attempt.arrived) {
        return Err(Reason::AppPasswordExpired);
    }
    // Without an address, a restriction to networks cannot be met.
    let within = |rip| stored.networks.iter().any(|network| network.contains(&rip));
    if !stored.networks.is_empty() && !case.rip.is_some_and(within) {
        return Err(Reason::AppPasswordNetwork);
    }
    if !stored.services.allows_protocol(&case.attempt.protocol) {
        return Err(Reason::AppPasswordService);
    }
    Ok(())
}
