//! A mailbox as a file of another system describes it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{MailboxState, PasswordHash, Quota, Services};

/// A mailbox as another system has it. What it does not say is `None`, and
/// nothing is changed by it.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "WantedMailbox")]
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
    /// Who checks the main password: `local`, or the name of a provider.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth_source: Option<String>,
    /// Services of the main password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub services: Option<Services>,
    /// Labels.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
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
