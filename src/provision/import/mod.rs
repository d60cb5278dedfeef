//! People who come from another mail system: what its files say, as values.
//! One file for each origin; all of them are read line by line ([`Lines`]),
//! since nobody knows how long they are.
//!
//! What a line says is taken over, or the line is refused with a reason:
//! nothing is left out unless somebody asked for it by name ([`LeftOut`]).

mod compare;
pub mod docker_mailserver;
mod dovecot_fields;
mod lines;
pub mod passwd_file;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use self::{
    compare::{Difference, compare},
    dovecot_fields::LeftOut,
    lines::{Lines, MAX_LINE_BYTES},
};
use crate::mailbox::{MailboxState, PasswordHash, Quota};

/// A mailbox as another system has it. What it does not say is `None`, and
/// nothing is changed by it.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Wanted {
    /// Its address, as written there.
    pub address: String,
    /// Name shown to people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// `{SCHEME}…` of the main password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hash: Option<PasswordHash>,
    /// Whether it logs in and receives.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<MailboxState>,
    /// Storage limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quota_bytes: Option<Quota>,
    /// Numeric user id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uid: Option<u32>,
    /// Numeric group id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gid: Option<u32>,
    /// Home folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub home: Option<String>,
    /// Mail location, in the form of Dovecot 2.3.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mail: Option<String>,
    /// Further userdb fields.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub extra_fields: BTreeMap<String, String>,
}
