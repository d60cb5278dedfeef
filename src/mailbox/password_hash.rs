//! `{SCHEME}…` of a password, as stored. `{PLAIN}` is the password itself, and a
//! slow hash is worth stealing, so it is not shown where it is formatted.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A stored password in Dovecot's form.
#[derive(Clone, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(transparent)]
pub struct PasswordHash(String);

impl PasswordHash {
    /// The text with its scheme.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<String> for PasswordHash {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_not_shown() {
        let hash = PasswordHash::from("{PLAIN}wonderland".to_owned());
        assert_eq!(format!("{:?}", Some(hash)), "Some(PasswordHash(…))");
    }
}
