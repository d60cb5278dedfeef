//! What the store keeps of an app password. The secret itself is made and read
//! by `password::generate`; only its digest is here.

use std::{fmt, str::FromStr};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::{PasswordHash, Services};
use crate::clock::Timestamp;

/// The alphabet of app passwords: Crockford's base 32, without I, L, O and U.
pub const CROCKFORD: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// Number of an app password, unique within its mailbox: the first four
/// characters of the app password itself (20 bits), so that a listing can name
/// the one that stands in somebody's phone.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub struct AppPasswordId(u32);

impl AppPasswordId {
    /// The id with these 20 bits; further bits are dropped.
    pub fn from_bits(bits: u32) -> Self {
        Self(bits & 0xf_ffff)
    }

    /// The 20 bits.
    pub fn bits(self) -> u32 {
        self.0
    }
}

impl fmt::Display for AppPasswordId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for place in (0..4).rev() {
            let digit = (self.0 >> (5 * place)) & 0x1f;
            write!(f, "{}", char::from(CROCKFORD[digit as usize]))?;
        }
        Ok(())
    }
}

impl FromStr for AppPasswordId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad =
            || format!("\"{text}\" is not the id of an app password: expected four characters");
        if text.len() != 4 {
            return Err(bad());
        }
        let mut bits = 0;
        for byte in text.bytes() {
            let upper = byte.to_ascii_uppercase();
            let digit = CROCKFORD.iter().position(|known| *known == upper).ok_or_else(bad)?;
            bits = bits << 5 | u32::try_from(digit).map_err(|_| bad())?;
        }
        Ok(Self(bits))
    }
}

/// One app password, as stored.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct AppPassword {
    /// Number within the mailbox.
    pub id: AppPasswordId,
    /// The owner's name for it ("Phone").
    pub name: String,
    /// SHA-256 over a label, the mailbox's id and the secret. So many random
    /// bits need no slow hash.
    pub digest: [u8; 32],
    /// What it opens, whatever the mailbox's own services are.
    pub services: Services,
    /// Networks that it may be used from; empty is everywhere.
    pub networks: Vec<IpNet>,
    /// From when on it is refused.
    pub expires: Option<Timestamp>,
    /// When it was made.
    pub created: Timestamp,
}

/// An app password that came along from another mail system: its owner chose it,
/// and nothing in it says which one it is.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct ImportedAppPassword {
    /// Number within the mailbox, among all its app passwords.
    pub id: AppPasswordId,
    /// The owner's name for it ("Phone").
    pub name: String,
    /// `{SCHEME}…`, as the other system had it.
    pub hash: PasswordHash,
    /// What it opens, whatever the mailbox's own services are.
    pub services: Services,
    /// When the other system made it.
    pub created: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_read_and_write() {
        for bits in [0, 1, 31, 32, 0xf_ffff, 0x1_2345] {
            let id = AppPasswordId::from_bits(bits);
            assert_eq!(id.to_string().len(), 4);
            assert_eq!(id.to_string().to_lowercase().parse::<AppPasswordId>().unwrap(), id);
        }
        assert!("123".parse::<AppPasswordId>().is_err());
        assert!("12U4".parse::<AppPasswordId>().is_err());
    }
}
