//! By which rules people of a source become mailboxes, as meant.

use std::time::Duration;

use super::{TemplateName, provider::Renames};

/// How a source's people become mailboxes.
#[derive(Clone, Debug, Eq, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "independent switches")]
pub struct Provisioning {
    /// A sync makes mailboxes for people who have none.
    pub import_users: bool,
    /// A first login does.
    pub login_provisioning: bool,
    /// A sync runs by itself and brings the mailboxes that exist up to date.
    pub periodic_full_sync: bool,
    /// How long after one such sync the next begins.
    pub sync_interval: Duration,
    /// Attribute that names a person's template.
    pub template_attribute: String,
    /// Which template somebody gets: by the first entry that fits.
    pub mapping: Vec<Mapped>,
    /// Template of a new mailbox where none fits.
    pub default_template: Option<TemplateName>,
    /// It is applied also to mailboxes that exist.
    pub default_template_updates: bool,
    /// What becomes of a mailbox whose person has another address now.
    pub renames: Renames,
    /// Percentage of its mailboxes that one sync may switch off.
    pub withdraw_limit: u8,
}

/// An entry of the mapping.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Mapped {
    /// Whom it fits.
    pub by: MappedBy,
    /// What he gets.
    pub template: TemplateName,
}

/// Whom an entry of the mapping fits. Texts are compared as they are.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum MappedBy {
    /// Who has this value of the template attribute.
    Value(String),
    /// Who is in this group.
    Group(String),
    /// Who has this role.
    Role(String),
}

impl Provisioning {
    /// Whether a first login can make a mailbox at all: without a template it
    /// makes none.
    pub fn makes_at_login(&self) -> bool {
        self.login_provisioning && (!self.mapping.is_empty() || self.default_template.is_some())
    }

    /// Whether syncs run by themselves.
    pub fn is_scheduled(&self) -> bool {
        self.periodic_full_sync || self.import_users
    }

    /// Groups that the mapping names.
    pub fn groups(&self) -> impl Iterator<Item = &str> {
        self.mapping.iter().filter_map(|one| match &one.by {
            MappedBy::Group(name) => Some(name.as_str()),
            _ => None,
        })
    }

    /// Roles that the mapping names.
    pub fn roles(&self) -> impl Iterator<Item = &str> {
        self.mapping.iter().filter_map(|one| match &one.by {
            MappedBy::Role(name) => Some(name.as_str()),
            _ => None,
        })
    }
}
