//! By which rules people of a source become mailboxes, as meant.

use std::time::Duration;

use super::{
    TemplateName,
    provider::{MappedTemplate, Renames},
};

/// Longest time between two syncs, in minutes.
const MAX_SYNC_INTERVAL: u32 = 7 * 24 * 60;

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
    /// Nobody gets a mailbox without a template. Where none is needed, and none is
    /// named at all, a mailbox has its domain's defaults.
    pub template_needed: bool,
}

/// The same as an administrator writes it, absent where he has not.
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "as in `Provisioning`")]
#[expect(clippy::struct_excessive_bools, reason = "independent switches")]
pub struct AsWritten<'w> {
    pub import_users: bool,
    pub login_provisioning: bool,
    pub periodic_full_sync: bool,
    pub sync_interval: Option<u32>,
    pub template_attribute: Option<&'w str>,
    pub attribute_mapping: &'w [MappedTemplate],
    pub default_template: Option<&'w TemplateName>,
    pub default_template_updates: bool,
    pub renames: Renames,
    pub withdraw_limit: Option<u8>,
    pub template_needed: bool,
}

impl AsWritten<'_> {
    /// As meant. What is wrong goes to `problem`: key, and what it is.
    pub fn mean(&self, problem: &mut dyn FnMut(&'static str, String)) -> Provisioning {
        let attribute = self.template_attribute.unwrap_or("mailcow_template");
        if attribute.is_empty() {
            problem("template_attribute", "is empty".to_owned());
        }
        let sync_interval = self.sync_interval.unwrap_or(15);
        if !(1..=MAX_SYNC_INTERVAL).contains(&sync_interval) {
            let reason = format!("minutes: 1 at least, {MAX_SYNC_INTERVAL} (a week) at most");
            problem("sync_interval", reason);
        }
        if self.default_template_updates && self.default_template.is_none() {
            problem("default_template_updates", "there is no default_template".to_owned());
        }
        let withdraw_limit = self.withdraw_limit.unwrap_or(10);
        if withdraw_limit > 100 {
            problem("withdraw_limit", "is a percentage: 100 at most".to_owned());
        }
        Provisioning {
            import_users: self.import_users,
            login_provisioning: self.login_provisioning,
            periodic_full_sync: self.periodic_full_sync,
            sync_interval: Duration::from_secs(60 * u64::from(sync_interval)),
            template_attribute: attribute.to_owned(),
            mapping: mapping(self.attribute_mapping, problem),
            default_template: self.default_template.cloned(),
            default_template_updates: self.default_template_updates,
            renames: self.renames,
            withdraw_limit,
            template_needed: self.template_needed,
        }
    }
}

fn mapping(
    written: &[MappedTemplate],
    problem: &mut dyn FnMut(&'static str, String),
) -> Vec<Mapped> {
    const KEY: &str = "attribute_mapping";
    let mut mapping: Vec<Mapped> = Vec::with_capacity(written.len());
    for MappedTemplate { value, group, role, template } in written {
        let by = match (value, group, role) {
            (Some(value), None, None) => MappedBy::Value(value.clone()),
            (None, Some(group), None) => MappedBy::Group(group.clone()),
            (None, None, Some(role)) => MappedBy::Role(role.clone()),
            _ => {
                problem(KEY, "each entry has one of value, group and role".to_owned());
                continue;
            }
        };
        let (MappedBy::Value(text) | MappedBy::Group(text) | MappedBy::Role(text)) = &by;
        if text.is_empty() {
            problem(KEY, "an entry has an empty text".to_owned());
        } else if mapping.iter().any(|before| before.by == by) {
            problem(KEY, format!("\"{text}\" stands there twice"));
        }
        mapping.push(Mapped { by, template: template.clone() });
    }
    mapping
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
    /// Whether a first login can make a mailbox at all: where a template is needed,
    /// without one it makes none.
    pub fn makes_at_login(&self) -> bool {
        self.login_provisioning && (self.names_a_template() || !self.template_needed)
    }

    /// Whether mailboxes are made without a template: none is needed, and none named.
    pub fn makes_without_template(&self) -> bool {
        !self.template_needed && !self.names_a_template()
    }

    fn names_a_template(&self) -> bool {
        !self.mapping.is_empty() || self.default_template.is_some()
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
