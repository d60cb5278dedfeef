//! PLAIN, CLEAR, CLEARTEXT: the password itself. PLAIN-TRUNC: perhaps only the
//! beginning of it.

use subtle::ConstantTimeEq as _;

use super::Error;

/// Nothing matches an empty password, not even an empty one.
pub(super) fn matches(stored: &[u8], password: &[u8]) -> Result<bool, Error> {
    if stored.is_empty() {
        return Err(Error::Corrupt("empty"));
    }
    Ok(stored.ct_eq(password).into())
}

/// `length-password`: where what is stored has just that length, it may have been
/// cut there, and the beginning of a password is enough.
pub(super) fn matches_start(stored: &[u8], password: &[u8]) -> Result<bool, Error> {
    const CORRUPT: Error = Error::Corrupt("not of PLAIN-TRUNC's form");
    let dash = stored.iter().position(|byte| *byte == b'-').ok_or(CORRUPT)?;
    let (length, kept) = (&stored[..dash], &stored[dash + 1..]);
    let digits = (1..=4).contains(&length.len()) && length.iter().all(u8::is_ascii_digit);
    let length = str::from_utf8(length).ok().filter(|_| digits).and_then(|text| text.parse().ok());
    let cut: usize = length.ok_or(CORRUPT)?;
    matches(kept, if kept.len() == cut { &password[..password.len().min(cut)] } else { password })
}
