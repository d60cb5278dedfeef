//! What the codes of an answer mean (RFC 4511 §4.1.9, appendix A).

use super::{
    super::{Outage, OutageCause},
    connection::Reply,
};

const SIZE_LIMIT_EXCEEDED: u32 = 4;
const STRONGER_AUTH_REQUIRED: u32 = 8;
const REFERRAL: u32 = 10;
const ADMIN_LIMIT_EXCEEDED: u32 = 11;
const UNAVAILABLE_CRITICAL_EXTENSION: u32 = 12;
const CONFIDENTIALITY_REQUIRED: u32 = 13;
const NO_SUCH_OBJECT: u32 = 32;
const INAPPROPRIATE_AUTHENTICATION: u32 = 48;
const INVALID_CREDENTIALS: u32 = 49;
const INSUFFICIENT_ACCESS: u32 = 50;
const BUSY: u32 = 51;
const UNAVAILABLE: u32 = 52;

/// Whether somebody's password is right, by the answer to his bind. Only where the
/// server says that the credentials are wrong, they are; Active Directory says so of
/// accounts that are disabled, expired or locked, too.
///
/// # Errors
/// It said something else. An account that it has locked (19), or that it will not
/// have just now (53), may have had the right password: nobody shall throw that away.
pub(super) fn of_bind(reply: &Reply) -> Result<bool, Outage> {
    match reply.code {
        0 => Ok(true),
        INVALID_CREDENTIALS => Ok(false),
        INAPPROPRIATE_AUTHENTICATION => {
            let why = "the entry has no password, or the server wants another way to prove it";
            Err(status(reply, why))
        }
        _ => Err(other(reply)),
    }
}

/// What a refusal of our own account means. Always our outage.
pub(super) fn of_account(reply: &Reply) -> Outage {
    match reply.code {
        INVALID_CREDENTIALS | NO_SUCH_OBJECT | INAPPROPRIATE_AUTHENTICATION => {
            let why = "it refuses our own account: set bind_dn and bind_password";
            Outage { cause: OutageCause::Credentials, ..status(reply, why) }
        }
        _ => other(reply),
    }
}

/// All that a search found.
///
/// # Errors
/// It did not say all. What came until then is no answer.
pub(super) fn whole(reply: Reply) -> Result<Reply, Outage> {
    let why = match reply.code {
        0 => return Ok(reply),
        SIZE_LIMIT_EXCEEDED | ADMIN_LIMIT_EXCEEDED => {
            "more entries than the server gives out: have it allow our account pages of 500 \
             without a limit on the whole"
        }
        NO_SUCH_OBJECT => "there is no such entry, or our account may not see it: set base_dn",
        INSUFFICIENT_ACCESS => "our account may not search there",
        UNAVAILABLE_CRITICAL_EXTENSION => "it gives no lists in pages (RFC 2696)",
        _ => return Err(other(&reply)),
    };
    Err(status(&reply, why))
}

/// What a search found for which so many were wanted; [`is_cut_off`] says that there
/// is more.
///
/// # Errors
/// It failed.
pub(super) fn first_few(reply: Reply) -> Result<Reply, Outage> {
    if is_cut_off(&reply) { Ok(reply) } else { whole(reply) }
}

/// Whether more was found than was asked for.
pub(super) fn is_cut_off(reply: &Reply) -> bool {
    reply.code == SIZE_LIMIT_EXCEEDED
}

/// Whether the server says that it cannot at present.
pub(super) fn is_out_of_order(reply: &Reply) -> bool {
    matches!(reply.code, BUSY | UNAVAILABLE)
}

fn other(reply: &Reply) -> Outage {
    let why = match reply.code {
        REFERRAL => "it refers to another server, which is not followed: name that one in urls",
        STRONGER_AUTH_REQUIRED | CONFIDENTIALITY_REQUIRED => {
            "it wants TLS: use ldaps, or starttls = true"
        }
        BUSY | UNAVAILABLE => "it cannot at present",
        _ => "it does not say",
    };
    status(reply, why)
}

fn status(reply: &Reply, why: &str) -> Outage {
    // Active Directory ends its words with a zero byte.
    let text = reply.text.trim_end_matches('\0');
    let said = if text.is_empty() { String::new() } else { format!(", \"{text}\"") };
    Outage::new(OutageCause::Status, format!("{why} (code {}{said})", reply.code))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(code: u32, text: &str) -> Reply {
        Reply { code, text: text.to_owned(), ..Reply::default() }
    }

    #[test]
    fn only_wrong_credentials_are_wrong() {
        assert_eq!(of_bind(&reply(0, "")), Ok(true));
        let disabled = "80090308: LdapErr: DSID-0C09041C, comment: AcceptSecurityContext error, \
                        data 533, v4563\0";
        assert_eq!(of_bind(&reply(49, disabled)), Ok(false));
        for code in (1..200).filter(|code| *code != 49) {
            assert!(of_bind(&reply(code, "")).is_err(), "{code}");
        }
    }

    #[test]
    fn words_have_the_way_out() {
        let check = |outage: Outage, cause, part: &str| {
            assert_eq!(outage.cause, cause, "{outage}");
            assert!(outage.detail.contains(part), "{outage}");
        };
        check(of_bind(&reply(10, "")).unwrap_err(), OutageCause::Status, "urls");
        check(
            of_bind(&reply(13, "TLS\nneeded")).unwrap_err(),
            OutageCause::Status,
            "\"TLS?needed\"",
        );
        check(of_account(&reply(49, "")), OutageCause::Credentials, "bind_password");
        check(of_account(&reply(8, "")), OutageCause::Status, "starttls");
        check(whole(reply(4, "")).unwrap_err(), OutageCause::Status, "pages of 500");
        check(whole(reply(32, "")).unwrap_err(), OutageCause::Status, "base_dn");
        check(whole(reply(12, "")).unwrap_err(), OutageCause::Status, "RFC 2696");
    }
}
