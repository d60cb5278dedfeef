//! Whether a mailbox may log in and receive, and who said so.

use std::{fmt, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// State of a mailbox.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MailboxState {
    /// Logs in and receives.
    #[default]
    Active,
    /// Receives, but nobody logs in (mailcow's `active = 2`).
    ReceiveOnly,
    /// Neither. Still found by backups.
    Disabled,
}

impl MailboxState {
    /// The name used in listings, logs and JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::ReceiveOnly => "receive_only",
            Self::Disabled => "disabled",
        }
    }
}

impl fmt::Display for MailboxState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for MailboxState {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        [Self::Active, Self::ReceiveOnly, Self::Disabled]
            .into_iter()
            .find(|state| state.name() == name)
            .ok_or_else(|| {
                format!("unknown state \"{name}\": expected active, receive_only or disabled")
            })
    }
}

/// Who set a state.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SetBy {
    /// A person with administrator's rights: no sync or login undoes it.
    #[default]
    Administrator,
    /// An identity provider.
    Provider,
}
