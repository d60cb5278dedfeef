//! What the store keeps of an admin token, by which a program uses the API. The token
//! itself is made and read by `api`; only its digest is here.

use std::{collections::BTreeSet, fmt, net::IpAddr, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{DomainName, app_password::CROCKFORD};
use crate::clock::Timestamp;

const ID_CHARACTERS: usize = 8;

/// Number of an admin token: it stands in the token, so that a log or a listing can
/// name one without its secret.
#[derive(
    Clone, Debug, Deserialize, Eq, Hash, JsonSchema, Ord, PartialEq, PartialOrd, Serialize,
)]
#[serde(try_from = "String")]
pub struct AdminTokenId(#[schemars(regex(pattern = r"^[0-9a-hjkmnp-tv-z]{8}$"))] String);

impl AdminTokenId {
    /// The id with the lowest 40 of these bits.
    pub fn from_bits(bits: u64) -> Self {
        let digit = |place: usize| ((bits >> (5 * place)) & 0x1f) as usize;
        let digits = (0..ID_CHARACTERS).map(|place| char::from(CROCKFORD[digit(place)]));
        Self(digits.map(|digit| digit.to_ascii_lowercase()).collect())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AdminTokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for AdminTokenId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_digit = |byte: u8| CROCKFORD.iter().any(|known| known.to_ascii_lowercase() == byte);
        if text.len() == ID_CHARACTERS && text.bytes().all(is_digit) {
            Ok(Self(text.to_owned()))
        } else {
            Err(format!("not the id of an admin token: expected {ID_CHARACTERS} characters"))
        }
    }
}

impl TryFrom<String> for AdminTokenId {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

/// A kind of requests to the API. None includes another one.
#[derive(
    Clone, Copy, Debug, Deserialize, Eq, Hash, JsonSchema, Ord, PartialEq, PartialOrd, Serialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Whatever only looks.
    Read,
    /// Mailboxes and their app passwords.
    Mailboxes,
    /// Domains, templates and providers.
    Settings,
    /// To start and stop syncs.
    Sync,
    /// Caches, who is held back, trials of providers, and explanations of logins.
    Operate,
    /// Export and import of everything, hashes included.
    Transfer,
    /// Admin tokens: no token has it.
    Tokens,
    /// One-time addresses for administrators: only the machine's own users have it.
    Links,
}

impl Scope {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Read,
        Self::Mailboxes,
        Self::Settings,
        Self::Sync,
        Self::Operate,
        Self::Transfer,
        Self::Tokens,
        Self::Links,
    ];
    /// Those that an admin token can have.
    pub const OF_TOKENS: [Self; 6] =
        [Self::Read, Self::Mailboxes, Self::Settings, Self::Sync, Self::Operate, Self::Transfer];
    /// Those that are of use where not the whole server is reached.
    pub const OF_DOMAINS: [Self; 4] = [Self::Read, Self::Mailboxes, Self::Sync, Self::Operate];

    /// The stable word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Mailboxes => "mailboxes",
            Self::Settings => "settings",
            Self::Sync => "sync",
            Self::Operate => "operate",
            Self::Transfer => "transfer",
            Self::Tokens => "tokens",
            Self::Links => "links",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Scope {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|scope| scope.name() == text).ok_or_else(|| {
            let words = Self::OF_TOKENS.map(Self::name).join(", ");
            format!("no such scope; there are {words}")
        })
    }
}

/// One admin token, as stored.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct AdminToken {
    /// Its number.
    pub id: AdminTokenId,
    /// What its maker calls it ("Panel").
    pub name: String,
    /// SHA-256 over a label, the id and the secret. So many random bits need no slow
    /// hash.
    pub digest: [u8; 32],
    /// What it may be used for.
    pub scopes: BTreeSet<Scope>,
    /// What it reaches; `None` is everything.
    pub domains: Option<BTreeSet<DomainName>>,
    /// From when on it is refused; `None` is never.
    pub expires: Option<Timestamp>,
    /// When it was made.
    pub created: Timestamp,
    /// Who made it.
    pub created_by: String,
    /// Its last use, a minute less or more.
    #[serde(default)]
    pub last_used: Option<AdminTokenUse>,
}

/// A use of an admin token.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct AdminTokenUse {
    /// When.
    pub at: Timestamp,
    /// From where.
    pub rip: IpAddr,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_read_and_write() {
        for bits in [0, 1, u64::MAX, 0x12_3456_789a] {
            let id = AdminTokenId::from_bits(bits);
            assert_eq!(id.as_str().parse(), Ok(id.clone()));
        }
        assert_ne!(AdminTokenId::from_bits(1 << 39), AdminTokenId::from_bits(0));
        for bad in ["", "0123456", "012345678", "0123456i", "0123456A", "0123-567"] {
            assert!(bad.parse::<AdminTokenId>().is_err(), "{bad}");
        }
    }

    #[test]
    fn words_of_scopes() {
        for scope in Scope::ALL {
            assert_eq!(scope.name().parse(), Ok(scope));
            assert_eq!(serde_json::to_value(scope).unwrap(), scope.name());
        }
        assert!("everything".parse::<Scope>().is_err());
    }
}
