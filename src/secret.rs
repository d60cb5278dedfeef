//! [`Secret`]: bytes that must not be seen. Redacted wherever they are
//! formatted, wiped when dropped, compared in constant time.
//!
//! Every password, token, cookie and key of Dovegate is one of these from the
//! moment it is parsed. There is no `Display`, no `Serialize` and no `PartialEq`
//! on purpose: the three ways in which a secret usually leaks.

use std::fmt;

use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

/// Bytes that are never shown.
#[derive(Clone, Default)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Takes the bytes over; the caller keeps no copy.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(Zeroizing::new(bytes.into()))
    }

    /// The bytes themselves. Each call is a place to look at in a review.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// Whether `other` holds the same bytes. The time taken depends on the
    /// lengths alone.
    pub fn ct_eq(&self, other: &[u8]) -> bool {
        self.0.ct_eq(other).into()
    }

    /// Number of bytes.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no bytes at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self::new(text.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_as_nothing() {
        let secret = Secret::from("wonderland");
        assert_eq!(format!("{secret:?} {secret:#?}"), "Secret(…) Secret(…)");
    }

    #[test]
    fn compares_by_content() {
        let secret = Secret::from("wonderland");
        assert!(secret.ct_eq(b"wonderland"));
        assert!(!secret.ct_eq(b"wonderlanD"));
        assert!(!secret.ct_eq(b"wonder"));
        assert!(Secret::default().ct_eq(b""));
    }
}
