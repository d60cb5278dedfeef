//! PBKDF2 as Dovecot (`$1$salt$rounds$hex`) and as `FreeIPA` and mailcow write it
//! (PBKDF2-SHA512, `rounds$salt$hash`), and crypt(3)'s `$sha1$` of `NetBSD`, which
//! iterates HMAC-SHA1 in its own way.

use ::pbkdf2::pbkdf2_hmac;
use base64::Engine as _;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha1::Sha1;
use sha2::Sha512;
use subtle::ConstantTimeEq as _;

use super::{
    Caps, Error, digits,
    encoding::{BASE64, from_hex},
};

const CORRUPT: Error = Error::Corrupt("not of PBKDF2's form");
const SHA1_BYTES: usize = 20;
const SHA512_BYTES: usize = 64;
/// Longest digest that is read: 389 Directory Server wrote 256 bytes.
const MAX_DIGEST_BYTES: usize = 256;

pub(super) fn check_rounds(rounds: u64, caps: &Caps) -> Result<(), Error> {
    let cap = u64::from(caps.pbkdf2_rounds);
    if rounds > cap {
        return Err(Error::CostAboveCap { what: "PBKDF2 rounds", found: rounds, cap });
    }
    Ok(())
}

/// A number of rounds as it is written, which must be one.
pub(super) fn rounds(text: &str) -> Option<u32> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|rounds| digits && *rounds > 0)
}

/// `$1$salt$rounds$hex`. The salt counts as the text that it is.
pub(super) fn matches_sha1(hash: &str, password: &[u8], caps: &Caps) -> Result<bool, Error> {
    let mut fields = hash.strip_prefix("$1$").ok_or(CORRUPT)?.split('$');
    let mut next = || fields.next().ok_or(CORRUPT);
    let (salt, rounds, digest) = (next()?, next()?, next()?);
    let rounds = self::rounds(rounds).ok_or(CORRUPT)?;
    let digest = from_hex(digest).ok_or(CORRUPT)?;
    if fields.next().is_some() || digest.len() != SHA1_BYTES {
        return Err(CORRUPT);
    }
    check_rounds(rounds.into(), caps)?;
    if password.contains(&0) {
        return Ok(false);
    }
    let mut found = [0; SHA1_BYTES];
    pbkdf2_hmac::<Sha1>(password, salt.as_bytes(), rounds, &mut found);
    Ok(found.ct_eq(&digest[..]).into())
}

/// `rounds$salt$hash`, salt and hash in base 64.
pub(super) fn matches_sha512(hash: &str, password: &[u8], caps: &Caps) -> Result<bool, Error> {
    let mut fields = hash.split('$');
    let mut next = || fields.next().ok_or(CORRUPT);
    let (rounds, salt, digest) = (next()?, next()?, next()?);
    let rounds = self::rounds(rounds).ok_or(CORRUPT)?;
    let salt = BASE64.decode(salt).map_err(|_| CORRUPT)?;
    let digest = BASE64.decode(digest).map_err(|_| CORRUPT)?;
    if fields.next().is_some() || !(16..=MAX_DIGEST_BYTES).contains(&digest.len()) {
        return Err(CORRUPT);
    }
    let blocks = digest.len().div_ceil(SHA512_BYTES) as u64;
    check_rounds(u64::from(rounds) * blocks, caps)?;
    if password.contains(&0) {
        return Ok(false);
    }
    let mut found = vec![0; digest.len()];
    pbkdf2_hmac::<Sha512>(password, &salt, rounds, &mut found);
    Ok(found.ct_eq(&digest).into())
}

/// `$sha1$rounds$salt$hash`.
pub(super) fn matches_sha1_crypt(hash: &str, password: &[u8], caps: &Caps) -> Result<bool, Error> {
    const FORM: Error = Error::Corrupt("not of sha1crypt's form");
    let mut fields = hash.strip_prefix("$sha1$").ok_or(FORM)?.split('$');
    let mut next = || fields.next().ok_or(FORM);
    let (rounds_text, salt, digest) = (next()?, next()?, next()?);
    let rounds = rounds(rounds_text).ok_or(FORM)?;
    let form = fields.next().is_none()
        && (1..=64).contains(&salt.len())
        && digest.len() == 28
        && digest.bytes().all(|digit| digits::value(digit).is_some());
    if !form {
        return Err(FORM);
    }
    check_rounds(rounds.into(), caps)?;
    if password.contains(&0) {
        return Ok(false);
    }
    let keyed = Hmac::<Sha1>::new_from_slice(password).expect("HMAC takes a key of any length");
    let round = |data: &[u8]| -> [u8; SHA1_BYTES] {
        keyed.clone().chain_update(data).finalize().into_bytes().into()
    };
    let first = round(format!("{salt}$sha1${rounds_text}").as_bytes());
    let found = (1..rounds).fold(first, |before, _| round(&before));
    let mut text = Vec::with_capacity(28);
    for at in (0..21).step_by(3) {
        let byte = |at: usize| u32::from(found[at % SHA1_BYTES]);
        digits::push(&mut text, byte(at) << 16 | byte(at + 1) << 8 | byte(at + 2), 4);
    }
    Ok(text.ct_eq(digest.as_bytes()).into())
}
