//! PLAIN, CLEAR, CLEARTEXT: the password itself.

use subtle::ConstantTimeEq as _;

use super::Error;

/// Nothing matches an empty password, not even an empty one.
pub(super) fn matches(stored: &[u8], password: &[u8]) -> Result<bool, Error> {
    if stored.is_empty() {
        return Err(Error::Corrupt("empty"));
    }
    Ok(stored.ct_eq(password).into())
}
