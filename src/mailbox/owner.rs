//! What was said of the person at a provider to whom a mailbox belongs.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Binding;
use crate::clock::Timestamp;

/// How a person stands at his provider.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OwnerState {
    /// May log in there.
    Enabled,
    /// Is there, and switched off.
    Disabled,
    /// Nobody there has this id any more.
    Gone,
    /// Something happened to him since he was asked about.
    Unknown,
}

impl OwnerState {
    /// The stable word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Enabled => "enabled",
            Self::Disabled => "disabled",
            Self::Gone => "gone",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for OwnerState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What a provider said of one person, and when.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Owner {
    /// Of whom. Whose mailbox it is may change: what was said of one person says
    /// nothing of the next.
    pub person: Binding,
    /// What it said.
    pub state: OwnerState,
    /// When it was asked; of [`OwnerState::Unknown`], since when.
    pub asked: Timestamp,
    /// Since when he is known to be disabled or gone, if he is or was when he was
    /// asked about last.
    pub off_since: Option<Timestamp>,
}
