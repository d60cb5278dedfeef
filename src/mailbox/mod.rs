//! Plain values with invariants: what a mailbox, a domain, a template, an app
//! password, an admin token and an identity provider are. No I/O, no clock, no secrets in clear.

pub mod address;
pub mod admin_token;
pub mod app_password;
pub mod domain;
pub mod limits;
pub mod owner;
pub mod password_hash;
pub mod policy;
pub mod profile;
pub mod provider;
pub mod provisioning;
pub mod service;
pub mod state;
pub mod template;
pub mod userdb;
pub mod wanted;

use std::{collections::BTreeMap, fmt};

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

pub use self::{
    address::{Address, DomainName, NameError, NameRules},
    admin_token::{AdminToken, AdminTokenId, AdminTokenUse, Scope},
    app_password::{AppPassword, AppPasswordId, ImportedAppPassword},
    domain::Domain,
    limits::Quota,
    owner::{Owner, OwnerState},
    password_hash::PasswordHash,
    policy::Policy,
    profile::{OwnValues, Profile},
    provider::{NamedProvider, Provider, ProviderName},
    provisioning::Provisioning,
    service::{Service, Services},
    state::{MailboxState, SetBy},
    template::{Template, TemplateName},
    wanted::Wanted,
};
use crate::clock::Timestamp;

/// A mailbox's stable identity: random, never reused, survives a rename.
/// App-password digests are bound to it.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct MailboxId(pub u128);

/// 32 hexadecimal digits where people read it (no JSON reader keeps a number of
/// this size), a number in the store.
impl Serialize for MailboxId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            serializer.serialize_u128(self.0)
        }
    }
}

impl<'de> Deserialize<'de> for MailboxId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            let text = String::deserialize(deserializer)?;
            u128::from_str_radix(&text, 16).map(Self).map_err(D::Error::custom)
        } else {
            u128::deserialize(deserializer).map(Self)
        }
    }
}

impl fmt::Display for MailboxId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// Who checks the main password of a mailbox.
#[derive(Clone, Debug, Default, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AuthSource {
    /// The hash kept in the store.
    #[default]
    Local,
    /// The identity provider of this name.
    Provider(ProviderName),
}

/// The person at a provider to whom a mailbox belongs. The provider's id, not
/// the address, is the person: a successor with the same address is another.
#[derive(Clone, Debug, Deserialize, Eq, Hash, JsonSchema, PartialEq, Serialize)]
pub struct Binding {
    /// Name of the provider.
    pub provider: ProviderName,
    /// The provider's own id of the person (`sub`).
    pub subject: String,
}

/// One mailbox, as stored.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Mailbox {
    /// Stable identity.
    pub id: MailboxId,
    /// Canonical address; the store's key.
    pub address: Address,
    /// Name shown to people; may be empty.
    pub display_name: String,
    /// Whether it may log in and receive.
    pub state: MailboxState,
    /// Who set `state`: what an administrator set, no provider undoes.
    pub state_set_by: SetBy,
    /// Who checks the main password.
    pub auth_source: AuthSource,
    /// `{SCHEME}…` of the local password. Kept while the source is external and
    /// valid again on return. Changes bump `generation`.
    pub local_hash: Option<PasswordHash>,
    /// Counts every change of password or state: caches of verified passwords
    /// carry it and fall away with it.
    pub generation: u64,
    /// The person at a provider, once known.
    pub bound: Option<Binding>,
    /// Services that the *main* password opens. App passwords have their own.
    pub services: Services,
    /// Storage limit; `None` takes the domain's default.
    pub quota: Option<Quota>,
    /// Free labels.
    pub tags: Vec<String>,
    /// Template applied last, with its revision at that time.
    pub template: Option<AppliedTemplate>,
    /// Numeric user id for Dovecot; `None` takes `[userdb] uid`.
    pub uid: Option<u32>,
    /// Numeric group id; `None` takes `[userdb] gid`.
    pub gid: Option<u32>,
    /// Home folder, fixed when the mailbox is made so that it survives a rename
    /// or a change of the pattern.
    pub home: Option<String>,
    /// Mail location; `None` takes `[userdb] mail`.
    pub mail: Option<String>,
    /// Further userdb fields, handed out as they are.
    pub extra_fields: BTreeMap<String, String>,
    /// When it was made.
    pub created: Timestamp,
    /// When it was changed last.
    pub modified: Timestamp,
    /// Which values follow the provider, and which are an administrator's own.
    #[serde(default)]
    pub policy: Policy,
    /// Whether it has brought app passwords along from another mail system: the
    /// store keeps this true, so that a login need not look for them.
    #[serde(default)]
    pub has_imported_app_passwords: bool,
}

#[cfg(test)]
impl Mailbox {
    /// An active local mailbox with every default, for tests.
    pub(crate) fn for_test(address: &str) -> Self {
        Self {
            id: MailboxId(1),
            address: Address::parse(address).expect("an address"),
            display_name: String::new(),
            state: MailboxState::Active,
            state_set_by: SetBy::Administrator,
            auth_source: AuthSource::Local,
            local_hash: None,
            generation: 0,
            bound: None,
            services: Services::ALL,
            quota: None,
            tags: Vec::new(),
            template: None,
            uid: None,
            gid: None,
            home: None,
            mail: None,
            extra_fields: BTreeMap::new(),
            created: Timestamp(0),
            modified: Timestamp(0),
            policy: Policy::default(),
            has_imported_app_passwords: false,
        }
    }
}

/// Which template a mailbox got last, and in which revision.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct AppliedTemplate {
    /// Name of the template.
    pub name: TemplateName,
    /// Its revision when it was applied.
    pub revision: u64,
}
