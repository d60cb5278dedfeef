//! What a caller wants made or changed.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::mailbox::{
    Address, AuthSource, Binding, ImportedAppPassword, MailboxState, PasswordHash, ProviderName,
    Quota, Services, SetBy, TemplateName, policy::Field,
};

/// A new mailbox. What is left out comes from the template, then the domain.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct NewMailbox {
    /// Its address.
    pub address: Address,
    /// Name shown to people.
    #[serde(default)]
    pub display_name: String,
    /// Template to take further values from.
    #[serde(default)]
    pub template: Option<TemplateName>,
    /// State; else the template's, else active.
    #[serde(default)]
    pub state: Option<MailboxState>,
    /// Who says so.
    #[serde(default)]
    pub set_by: SetBy,
    /// Who checks the main password.
    #[serde(default)]
    pub auth_source: AuthSource,
    /// The person at a provider to whom it belongs.
    #[serde(default)]
    pub bound: Option<Binding>,
    /// `{SCHEME}…`.
    #[serde(default)]
    pub local_hash: Option<PasswordHash>,
    /// Services of the main password; else the template's, else all.
    #[serde(default)]
    pub services: Option<Services>,
    /// Storage limit; else the template's, else the domain's default.
    #[serde(default)]
    pub quota: Option<Quota>,
    /// Labels, added to the template's.
    #[serde(default)]
    pub tags: Vec<String>,
    /// Home folder, already made from the pattern.
    #[serde(default)]
    pub home: Option<String>,
    /// Numeric user id.
    #[serde(default)]
    pub uid: Option<u32>,
    /// Numeric group id.
    #[serde(default)]
    pub gid: Option<u32>,
    /// Mail location.
    #[serde(default)]
    pub mail: Option<String>,
    /// Further userdb fields.
    #[serde(default)]
    pub extra_fields: BTreeMap<String, String>,
}

impl NewMailbox {
    /// One of which nothing but its address is said.
    pub fn at(address: Address) -> Self {
        Self {
            address,
            display_name: String::new(),
            template: None,
            state: None,
            set_by: SetBy::default(),
            auth_source: AuthSource::Local,
            bound: None,
            local_hash: None,
            services: None,
            quota: None,
            tags: Vec::new(),
            home: None,
            uid: None,
            gid: None,
            mail: None,
            extra_fields: BTreeMap::new(),
        }
    }
}

/// What an administrator changes about a mailbox; `None` leaves a value alone,
/// the inner `None` of a double option takes it away. What he sets no provider
/// changes any more, until it is released.
#[derive(Clone, Debug, Default)]
pub struct MailboxChange {
    /// Name shown to people.
    pub display_name: Option<String>,
    /// State, and who says so.
    pub state: Option<(MailboxState, SetBy)>,
    /// Who checks the main password.
    pub auth_source: Option<AuthSource>,
    /// The person at a provider to whom it belongs; the inner `None` leaves it
    /// to the next login to say.
    pub bound: Option<Option<Binding>>,
    /// `{SCHEME}…` of the local password.
    pub local_hash: Option<Option<PasswordHash>>,
    /// Services of the main password.
    pub services: Option<Services>,
    /// Storage limit.
    pub quota: Option<Option<Quota>>,
    /// All labels.
    pub tags: Option<Vec<String>>,
    /// Template to apply now.
    pub template: Option<TemplateName>,
    /// Numeric user id.
    pub uid: Option<Option<u32>>,
    /// Numeric group id.
    pub gid: Option<Option<u32>>,
    /// Home folder.
    pub home: Option<Option<String>>,
    /// Mail location.
    pub mail: Option<Option<String>>,
    /// All further userdb fields.
    pub extra_fields: Option<BTreeMap<String, String>>,
    /// Values that shall follow the provider again.
    pub release: BTreeSet<Field>,
}

/// A mailbox that comes from elsewhere, or a part of one.
#[derive(Clone, Debug)]
pub enum Arrival {
    /// It is made, within its domain's limits.
    New(Box<NewMailbox>),
    /// One that is there is changed.
    Change(Address, Box<MailboxChange>),
    /// One that is there brings an app password along, whose id is made here. One
    /// with the same hash is the same: its name and services are replaced.
    AppPassword(Address, Box<ImportedAppPassword>),
}

/// What to change about a domain.
#[derive(Clone, Debug, Default)]
pub struct DomainChange {
    /// Whether its mailboxes may log in.
    pub active: Option<bool>,
    /// The provider that speaks for it.
    pub provider: Option<Option<ProviderName>>,
    /// Most mailboxes.
    pub max_mailboxes: Option<Option<u64>>,
    /// Quota of a mailbox that names none.
    pub default_quota: Option<Quota>,
    /// Largest quota of one mailbox.
    pub max_quota: Option<Quota>,
    /// Sum of all quotas.
    pub total_quota: Option<Quota>,
}
