//! Sizes that limit mailboxes and domains.

use std::{fmt, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A storage limit in bytes; zero is "no limit", as in mailcow.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    Deserialize,
    Eq,
    Hash,
    JsonSchema,
    Ord,
    PartialEq,
    PartialOrd,
    Serialize,
)]
#[serde(transparent)]
pub struct Quota {
    /// Bytes; zero is "no limit".
    pub bytes: u64,
}

impl Quota {
    /// No limit.
    pub const UNLIMITED: Self = Self { bytes: 0 };

    /// Whether there is no limit.
    pub fn is_unlimited(self) -> bool {
        self.bytes == 0
    }
}

const UNITS: [(&str, u64); 4] = [("T", 1 << 40), ("G", 1 << 30), ("M", 1 << 20), ("K", 1 << 10)];

impl fmt::Display for Quota {
    /// `5G`, `512M`, `unlimited`: the largest unit that divides evenly.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_unlimited() {
            return f.write_str("unlimited");
        }
        match UNITS.iter().find(|(_, size)| self.bytes.is_multiple_of(*size)) {
            Some((unit, size)) => write!(f, "{}{unit}", self.bytes / size),
            None => write!(f, "{}B", self.bytes),
        }
    }
}

/// Text that is no size.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "\"{0}\" is not a size: expected a number with K, M, G or T (powers of 1024), or unlimited"
)]
pub struct BadQuota(String);

impl FromStr for Quota {
    type Err = BadQuota;

    fn from_str(text: &str) -> Result<Self, BadQuota> {
        if text.eq_ignore_ascii_case("unlimited") || text == "0" {
            return Ok(Self::UNLIMITED);
        }
        let bad = || BadQuota(text.chars().take(40).collect());
        let upper = text.to_ascii_uppercase();
        // "5G", "5GB" and "5GiB" all mean the same here: powers of 1024.
        let bare = upper.strip_suffix("IB").or_else(|| upper.strip_suffix('B')).unwrap_or(&upper);
        let (number, size) = UNITS
            .iter()
            .find_map(|(unit, size)| Some((bare.strip_suffix(unit)?, *size)))
            .unwrap_or((bare, 1));
        let number: u64 = number.trim().parse().map_err(|_| bad())?;
        let bytes = number.checked_mul(size).filter(|bytes| *bytes > 0).ok_or_else(bad)?;
        Ok(Self { bytes })
    }
}

/// A size for people, with a digit behind the point.
pub fn size(bytes: u64) -> String {
    const UNITS: [(&str, u64); 4] =
        [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    let Some((unit, size)) = UNITS.iter().find(|(_, size)| bytes >= *size) else {
        return format!("{bytes} B");
    };
    let tenths = bytes / (size / 10);
    format!("{}.{} {unit}", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_for_people() {
        for (bytes, shown) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1536, "1.5 KiB"),
            (5 << 30, "5.0 GiB"),
        ] {
            assert_eq!(size(bytes), shown);
        }
    }

    #[test]
    fn sizes_read_and_write() {
        for (text, bytes, shown) in [
            ("5G", 5 << 30, "5G"),
            ("5gb", 5 << 30, "5G"),
            ("512MiB", 512 << 20, "512M"),
            ("1024M", 1 << 30, "1G"),
            ("1500", 1500, "1500B"),
            ("unlimited", 0, "unlimited"),
            ("0", 0, "unlimited"),
        ] {
            let quota: Quota = text.parse().unwrap();
            assert_eq!(quota.bytes, bytes, "{text}");
            assert_eq!(quota.to_string(), shown);
            assert_eq!(quota.to_string().parse::<Quota>().unwrap(), quota);
        }
        for text in ["", "G", "-1", "5X", "99999999999T", "0G", "1.5G"] {
            assert!(text.parse::<Quota>().is_err(), "{text}");
        }
    }
}
