//! A template: what a mailbox gets when it is made. The fields are mailcow's,
//! so that nothing is lost on the way over; an authentication server acts on
//! quota, state, services and `app_passwords_allowed`, and hands out the rest.

use std::{collections::BTreeMap, fmt, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{MailboxState, Quota, Services};
use crate::clock::Timestamp;

/// Name of a template: 1 to 100 printable characters.
#[derive(
    Clone, Debug, Deserialize, Eq, Hash, JsonSchema, Ord, PartialEq, PartialOrd, Serialize,
)]
#[serde(try_from = "String", into = "String")]
#[schemars(!try_from, !into)]
pub struct TemplateName(#[schemars(length(min = 1, max = 100))] String);

impl TemplateName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for TemplateName {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        let fits = (1..=100).contains(&name.chars().count());
        if fits && !name.chars().any(char::is_control) && name.trim() == name {
            Ok(Self(name))
        } else {
            Err("a template's name has 1 to 100 printable characters".to_owned())
        }
    }
}

impl From<TemplateName> for String {
    fn from(name: TemplateName) -> Self {
        name.0
    }
}

impl FromStr for TemplateName {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        name.to_owned().try_into()
    }
}

impl fmt::Display for TemplateName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One template, as stored.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Template {
    /// Unique name; the store's key.
    pub name: TemplateName,
    /// Counts the changes, so that a mailbox knows which one it got.
    pub revision: u64,
    /// Storage limit; `None` leaves it to the domain.
    pub quota: Option<Quota>,
    /// State of a new mailbox.
    pub state: MailboxState,
    /// Services of the main password.
    pub services: Services,
    /// Labels that a mailbox gets.
    pub tags: Vec<String>,
    /// Whether people may make app passwords (mailcow's `acl_app_passwds`).
    pub app_passwords_allowed: bool,
    /// A local password must be changed at the next sign-in on the web.
    pub force_password_change: bool,
    /// mailcow's further fields, see [`FURTHER`], and any others: kept and handed
    /// out.
    pub further: BTreeMap<String, String>,
    /// When it was made.
    pub created: Timestamp,
    /// When it was changed last.
    pub modified: Timestamp,
}

/// A field of mailcow's templates that others act on: the web mail, the mail
/// server, the spam filter.
#[derive(Clone, Copy, Debug)]
pub struct FurtherField {
    /// Its name there.
    pub name: &'static str,
    /// What it is where nothing is said.
    pub default: &'static str,
    /// What it can be.
    pub values: Values,
}

/// What a further field can be.
#[derive(Clone, Copy, Debug)]
pub enum Values {
    /// `0` or `1`.
    Flag,
    /// A number, or nothing.
    Number,
    /// One of these words.
    Words(&'static [&'static str]),
}

const fn flag(name: &'static str, default: &'static str) -> FurtherField {
    FurtherField { name, default, values: Values::Flag }
}

const fn words(
    name: &'static str,
    default: &'static str,
    words: &'static [&'static str],
) -> FurtherField {
    FurtherField { name, default, values: Values::Words(words) }
}

/// All of them, with mailcow's defaults.
pub const FURTHER: [FurtherField; 23] = [
    flag("force_tfa", "0"),
    flag("tls_enforce_in", "0"),
    flag("tls_enforce_out", "0"),
    FurtherField { name: "rl_value", default: "", values: Values::Number },
    words("rl_frame", "s", &["s", "m", "h", "d"]),
    flag("sogo_access", "1"),
    words("tagged_mail_handler", "none", &["none", "subject", "subfolder"]),
    words("quarantine_notification", "hourly", &["never", "hourly", "daily", "weekly"]),
    words("quarantine_category", "reject", &["add_header", "reject", "all"]),
    flag("acl_spam_alias", "1"),
    flag("acl_tls_policy", "1"),
    flag("acl_spam_score", "1"),
    flag("acl_spam_policy", "1"),
    flag("acl_delimiter_action", "1"),
    flag("acl_syncjobs", "0"),
    flag("acl_eas_reset", "1"),
    flag("acl_sogo_profile_reset", "0"),
    flag("acl_pushover", "1"),
    flag("acl_quarantine", "1"),
    flag("acl_quarantine_attachments", "1"),
    flag("acl_quarantine_notification", "1"),
    flag("acl_quarantine_category", "1"),
    flag("acl_pw_reset", "1"),
];

/// mailcow's names of what a template says by values of its own here.
const OWN: [(&str, &str); 10] = [
    ("quota", "quota"),
    ("active", "state"),
    ("imap_access", "services"),
    ("pop3_access", "services"),
    ("smtp_access", "services"),
    ("sieve_access", "services"),
    ("dav_access", "services"),
    ("eas_access", "services"),
    ("force_pw_update", "force_password_change"),
    ("acl_app_passwds", "app_passwords_allowed"),
];

/// What is wrong with a further field, if anything is. One that mailcow does not
/// have may be anything.
///
/// # Errors
/// The values that it can have, or the value of ours that says the same.
pub fn check_further(name: &str, value: &str) -> Result<(), String> {
    if let Some((_, own)) = OWN.iter().find(|(theirs, _)| *theirs == name) {
        return Err(format!("{name} is said by {own} here"));
    }
    let Some(field) = FURTHER.iter().find(|field| field.name == name) else { return Ok(()) };
    let (fits, expected) = match field.values {
        Values::Flag => (matches!(value, "0" | "1"), "0 or 1".to_owned()),
        Values::Number => {
            let number = value.is_empty() || value.parse::<u32>().is_ok();
            (number, "a number, or nothing".to_owned())
        }
        Values::Words(words) => (words.contains(&value), words.join(", ")),
    };
    if fits { Ok(()) } else { Err(format!("{name}: expected {expected}")) }
}

impl Template {
    /// Every further field with its value: mailcow's with their defaults where
    /// nothing is said, and the template's own.
    pub fn handed_out(&self) -> BTreeMap<String, String> {
        let defaults = FURTHER.iter().map(|one| (one.name.to_owned(), one.default.to_owned()));
        let said = self.further.iter().map(|(name, value)| (name.clone(), value.clone()));
        defaults.chain(said).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn further_fields_have_their_values() {
        for field in FURTHER {
            assert_eq!(check_further(field.name, field.default), Ok(()), "{}", field.name);
        }
        for (name, value) in [
            ("rl_value", "100"),
            ("rl_frame", "h"),
            ("sogo_access", "0"),
            ("quarantine_category", "all"),
            ("tagged_mail_handler", "subfolder"),
            ("colour", "any text"),
        ] {
            assert_eq!(check_further(name, value), Ok(()), "{name}={value}");
        }
        for (name, value) in [
            ("rl_value", "-1"),
            ("rl_value", "many"),
            ("rl_frame", "w"),
            ("sogo_access", "yes"),
            ("acl_syncjobs", ""),
            ("quarantine_notification", "Hourly"),
            ("imap_access", "1"),
            ("quota", "5"),
            ("acl_app_passwds", "0"),
        ] {
            assert!(check_further(name, value).is_err(), "{name}={value}");
        }
    }
}
