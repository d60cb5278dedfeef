//! The last line of `explain`: the result, and the way out where there is one.

use super::{Cause, Reason, Verdict, VerifiedBy};
use crate::mailbox::Address;

/// Where everything but the password itself was checked.
pub(super) const OPEN_TO_A_RIGHT_PASSWORD: &str =
    "Nothing is in the way of the right main password.";

/// What came of a login.
pub(super) fn of_verdict(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Verified(verified) => {
            let user = verified.user();
            match verified.by() {
                VerifiedBy::AppPassword(id) => format!("{user} logs in with app password {id}."),
                VerifiedBy::LocalPassword => format!("{user} logs in with the main password."),
                VerifiedBy::Certificate => format!("{user} logs in with a certificate."),
                VerifiedBy::AuthToken { .. } => format!("{user} logs in with a session's token."),
            }
        }
        Verdict::Rejected(rejected) => {
            let why = refusal(rejected.reason, &shown(rejected.user.as_ref()));
            format!("{} cannot log in because {why}", shown(rejected.user.as_ref()))
        }
        Verdict::Unavailable(unavailable) => format!(
            "{} hears \"temporary failure\" because {}",
            shown(unavailable.user.as_ref()),
            obstacle(unavailable.cause)
        ),
    }
}

fn shown(user: Option<&Address>) -> String {
    user.map_or_else(|| "this name".to_owned(), Address::to_string)
}

fn refusal(reason: Reason, user: &str) -> String {
    match reason {
        Reason::BadName => "it is not an address by our rules.".to_owned(),
        Reason::UnknownDomain => {
            "there is no such domain here. Add it: dovegate domain add.".to_owned()
        }
        Reason::UnknownUser => {
            format!("there is no such mailbox. Add it: dovegate mailbox add {user}.")
        }
        Reason::DomainDisabled => {
            "the domain is switched off. Switch it on: dovegate domain set.".to_owned()
        }
        Reason::MailboxDisabled => format!(
            "the mailbox is switched off. Switch it on: dovegate mailbox set {user} --state active."
        ),
        Reason::ReceiveOnly => format!(
            "the mailbox only receives. Allow logins: dovegate mailbox set {user} --state active."
        ),
        Reason::WrongPassword => "the password is wrong.".to_owned(),
        Reason::NoPassword => format!(
            "the mailbox has no password. Set one: dovegate mailbox password {user} --password-stdin."
        ),
        Reason::BadPassword => "no password can look like this one.".to_owned(),
        Reason::ServiceNotAllowed => {
            "the main password does not open this service; an app password may.".to_owned()
        }
        Reason::AppPasswordService => "this app password does not open this service.".to_owned(),
        Reason::AppPasswordNetwork => {
            "this app password may not be used from that network.".to_owned()
        }
        Reason::AppPasswordExpired => "this app password has expired. Make another one.".to_owned(),
        Reason::AppPasswordWrong => {
            "the app password with this id is another one: a character is wrong.".to_owned()
        }
        Reason::MasterLogin => "nobody may log in as somebody else.".to_owned(),
        Reason::HeldBack => {
            "too many wrong passwords were tried. Wait, or end it: dovegate held-back lift."
                .to_owned()
        }
        Reason::BadAuthToken => "the token does not fit.".to_owned(),
        Reason::BadResponse => "the login dialogue was malformed.".to_owned(),
    }
}

fn obstacle(cause: Cause) -> &'static str {
    match cause {
        Cause::Store => "the store failed; the log has its error.",
        Cause::Overloaded => "there is more to hash than the machine can do.",
        Cause::CorruptHash => "the stored password hash cannot be read. Set the password anew.",
        Cause::UnknownScheme => "the stored password has a scheme that is not supported.",
        Cause::CostAboveCap => {
            "the stored password hash is dearer than the configuration allows ([passwords] max_…)."
        }
        Cause::NoSuchProvider => "the mailbox's auth source is not configured.",
        Cause::Internal => "of a fault in the program; the log has it.",
        Cause::Stopping => "the server is stopping.",
    }
}
