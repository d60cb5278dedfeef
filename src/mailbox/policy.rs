//! What of a mailbox follows its provider, and what an administrator has taken
//! into his own hands.
//!
//! [`Mailbox`]: the template that was applied last stands there with its
//! revision; [`Policy`] says besides which values are whose.

use std::{collections::BTreeSet, fmt, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Mailbox, MailboxState, SetBy, Template};
use crate::clock::Timestamp;

/// A value of a mailbox that a provider's word sets, directly or by a template.
#[derive(
    Clone, Copy, Debug, Deserialize, Eq, JsonSchema, Ord, PartialEq, PartialOrd, Serialize,
)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "FollowedField")]
pub enum Field {
    /// Name shown to people.
    DisplayName,
    /// Whether it may log in and receive.
    State,
    /// Services of the main password.
    Services,
    /// Storage limit.
    Quota,
    /// Labels.
    Tags,
}

impl Field {
    /// Every field, in the order in which they are listed.
    pub const ALL: [Self; 5] =
        [Self::DisplayName, Self::State, Self::Services, Self::Quota, Self::Tags];

    /// The name used in listings and JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::DisplayName => "display_name",
            Self::State => "state",
            Self::Services => "services",
            Self::Quota => "quota",
            Self::Tags => "tags",
        }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Field {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let wanted = name.replace('-', "_");
        Self::ALL.into_iter().find(|field| field.name() == wanted).ok_or_else(|| {
            format!("\"{name}\": expected display_name, state, services, quota or tags")
        })
    }
}

/// Whose the values of a mailbox are.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Policy {
    /// Values that an administrator has set: no provider changes them.
    pub overrides: BTreeSet<Field>,
    /// Tags that came from a template, and go with it.
    pub template_tags: Vec<String>,
    /// Whether a provider's word was applied already. Until then nobody has
    /// written down what an administrator set, see [`own_values`].
    pub adopted: bool,
    /// The person was not in the last complete listings.
    pub missing: Option<Missing>,
    /// What the provider says has switched the mailbox off.
    pub withdrawn: Option<Withdrawn>,
}

/// How long a person has been missing.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Missing {
    /// Complete listings in a row.
    pub runs: u32,
    /// Since the first of them.
    pub since: Timestamp,
}

/// Why and since when a mailbox is switched off by a provider's word.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Withdrawn {
    /// Why.
    pub why: WithdrawnWhy,
    /// The state before.
    pub was: MailboxState,
    /// Since when.
    pub since: Timestamp,
}

/// Why a provider's word switches a mailbox off.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum WithdrawnWhy {
    /// Nobody there has the person's id any more.
    Missing,
    /// The person is disabled there.
    Disabled,
}

impl WithdrawnWhy {
    /// The stable word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Disabled => "disabled",
        }
    }
}

impl Mailbox {
    /// Whether an administrator holds this value against every provider. One who
    /// has switched a mailbox off holds its state without further ado.
    pub fn is_overridden(&self, field: Field) -> bool {
        let switched_off = field == Field::State
            && self.state_set_by == SetBy::Administrator
            && self.state != MailboxState::Active;
        switched_off || self.policy.overrides.contains(&field)
    }
}

/// Values of a mailbox to which no provider has had a word yet that are an
/// administrator's own: those that differ from its template's, or from the
/// defaults where it has none.
pub fn own_values(mailbox: &Mailbox, template: Option<&Template>) -> BTreeSet<Field> {
    let mut own = BTreeSet::new();
    let mut note = |field, is_own: bool| {
        if is_own {
            own.insert(field);
        }
    };
    let services = template.map(|template| template.services).unwrap_or_default();
    note(Field::Services, mailbox.services != services);
    note(Field::Quota, mailbox.quota != template.and_then(|template| template.quota));
    let tags = template.map_or(&[][..], |template| &template.tags);
    note(Field::Tags, mailbox.tags.iter().any(|tag| !tags.contains(tag)));
    note(Field::DisplayName, !mailbox.display_name.is_empty());
    own
}
