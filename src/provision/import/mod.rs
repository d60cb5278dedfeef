//! People who come from another mail system: what its files say, as values.
//! What Dovecot's and docker-mailserver's files say, `directory` reads, since people
//! may stay in those; mailcow's dump is read here, line by line as well.

mod compare;
pub mod mailcow;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::compare::{Difference, compare, compare_app_password};
use crate::mailbox::{PasswordHash, Services};
pub use crate::{directory::lines::LeftOut, mailbox::Wanted};

/// An app password as another system has it.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct WantedAppPassword {
    /// Whose, as written there.
    pub address: String,
    /// The owner's name for it.
    pub name: String,
    /// `{SCHEME}…`.
    pub hash: PasswordHash,
    /// What it opens.
    pub services: Services,
    /// When it was made, in milliseconds since 1970.
    pub created: u64,
}
