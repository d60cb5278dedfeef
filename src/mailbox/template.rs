//! A template: what a mailbox gets when it is made. The fields are mailcow's,
//! so that nothing is lost on the way over; an authentication server acts on
//! quota, state, services and `app_passwords_allowed`, and hands out the rest.

use std::{collections::BTreeMap, fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::{MailboxState, Quota, Services};
use crate::clock::Timestamp;

/// Name of a template: 1 to 100 printable characters.
#[derive(Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct TemplateName(String);

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
    /// mailcow's further fields (`tls_enforce_in`, `rl_value`, `sogo_access`,
    /// `quarantine_notification`, other `acl_*` …), kept and handed out.
    pub further: BTreeMap<String, String>,
    /// When it was made.
    pub created: Timestamp,
    /// When it was changed last.
    pub modified: Timestamp,
}
