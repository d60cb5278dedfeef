//! BLF-CRYPT: `$2a$`, `$2b$`, `$2y$` and the broken `$2x$`.
//!
//! bcrypt reads 72 bytes of a password. Stored hashes are checked that way, as
//! everybody does; a new password that is longer is refused, because half of
//! it would not count.
//!
//! `$2a$` is read as `$2y$`. (`crypt_blowfish` makes another hash of the few
//! passwords with a 0xff byte that `$2x$` confused; they are not UTF-8.)

use std::str::FromStr as _;

use bcrypt::{HashParts, Version};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::{Caps, Error};

/// What bcrypt reads of a password.
const READ_BYTES: usize = 72;

pub(super) fn check_cost(cost: u32, caps: &Caps) -> Result<(), Error> {
    if !(4..=31).contains(&cost) {
        return Err(Error::Corrupt("a bcrypt cost outside 4 to 31"));
    }
    if cost > caps.bcrypt_cost {
        let (found, cap) = (u64::from(cost), u64::from(caps.bcrypt_cost));
        return Err(Error::CostAboveCap { what: "bcrypt cost", found, cap });
    }
    Ok(())
}

pub(super) fn matches(hash: &str, password: &[u8], caps: &Caps) -> Result<bool, Error> {
    let parts = HashParts::from_str(hash).map_err(|_| Error::Corrupt("not of bcrypt's form"))?;
    check_cost(parts.get_cost(), caps)?;
    // crypt(3) would stop there, and everything behind would not count.
    if password.contains(&0) {
        return Ok(false);
    }
    let expected = &hash.as_bytes()[29..];
    let key = if hash.starts_with("$2x$") { quirk_sign_extended(password) } else { key(password) };
    let raw = Zeroizing::new(bcrypt::bcrypt(parts.get_cost(), parts.get_salt_raw(), &key));
    let mut digits = [0; 31];
    base64::Engine::encode_slice(&bcrypt::BASE_64, &raw[..23], &mut digits)
        .expect("23 bytes are 31 digits");
    Ok(digits.ct_eq(expected).into())
}

/// The password with the NUL that counts as its end, as much as is read.
fn key(password: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut key = Zeroizing::new(Vec::with_capacity(READ_BYTES + 1));
    key.extend_from_slice(&password[..password.len().min(READ_BYTES)]);
    key.push(0);
    key.truncate(READ_BYTES);
    key
}

/// `$2x$` marks hashes made by `crypt_blowfish` before 1.1, which read bytes
/// above 0x7f as negative numbers, so that each wiped out those before it in a
/// word of the key. The words that it made are the key here.
fn quirk_sign_extended(password: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut bytes = password.iter().copied().chain([0]).cycle();
    let mut key = Zeroizing::new(Vec::with_capacity(READ_BYTES));
    for _ in 0..READ_BYTES / 4 {
        let word = bytes
            .by_ref()
            .take(4)
            .fold(0_u32, |word, byte| (word << 8) | i32::from(byte.cast_signed()).cast_unsigned());
        key.extend_from_slice(&word.to_be_bytes());
    }
    key
}

pub(super) fn hash(password: &[u8], cost: u32, salt: [u8; 16]) -> Result<String, Error> {
    if password.len() > READ_BYTES {
        return Err(Error::Unfit("is longer than the 72 bytes that BLF-CRYPT reads"));
    }
    let parts = bcrypt::hash_with_salt(password, cost, salt)
        .map_err(|_| Error::Corrupt("a bcrypt cost outside 4 to 31"))?;
    Ok(format!("{{BLF-CRYPT}}{}", parts.format_for_version(Version::TwoY)))
}
