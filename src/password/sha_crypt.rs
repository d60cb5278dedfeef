//! SHA256-CRYPT (`$5$`) and SHA512-CRYPT (`$6$`): `[rounds=n$]salt$hash`.

use sha_crypt::{PasswordVerifier as _, ShaCrypt};

use super::{Caps, Error, digits::DIGITS};

/// What crypt(3) takes where a hash names none.
pub(super) const DEFAULT_ROUNDS: u32 = 5_000;

pub(super) fn check_rounds(rounds: u32, caps: &Caps) -> Result<(), Error> {
    if rounds > caps.sha_crypt_rounds {
        let (found, cap) = (u64::from(rounds), u64::from(caps.sha_crypt_rounds));
        return Err(Error::CostAboveCap { what: "rounds", found, cap });
    }
    Ok(())
}

/// `id` is the number between the first two dollar signs.
pub(super) fn matches(id: &str, hash: &str, password: &[u8], caps: &Caps) -> Result<bool, Error> {
    check_rounds(rounds(id, hash)?, caps)?;
    sha_crypt::PasswordHash::new(hash).map_err(|_| Error::Corrupt("not of SHA-crypt's form"))?;
    if password.contains(&0) {
        return Ok(false);
    }
    match ShaCrypt::default().verify_password(password, hash) {
        Ok(()) => Ok(true),
        Err(sha_crypt::password_hash::Error::PasswordInvalid) => Ok(false),
        Err(_) => Err(Error::Corrupt("not of SHA-crypt's form")),
    }
}

/// The rounds that `hash` asks for, after a look at everything else that has a
/// fixed form: a short digest would otherwise be a mismatch.
fn rounds(id: &str, hash: &str) -> Result<u32, Error> {
    let corrupt = Error::Corrupt("not of SHA-crypt's form");
    let fields = hash
        .strip_prefix('$')
        .and_then(|rest| rest.strip_prefix(id)?.strip_prefix('$'))
        .ok_or_else(|| corrupt.clone())?;
    let (rounds, fields) = match fields.strip_prefix("rounds=") {
        None => (DEFAULT_ROUNDS, fields),
        Some(rest) => {
            let (rounds, fields) = rest.split_once('$').ok_or_else(|| corrupt.clone())?;
            let rounds: u32 = rounds.parse().map_err(|_| corrupt.clone())?;
            (rounds, fields)
        }
    };
    let digits = if id == "5" { 43 } else { 86 };
    let (salt, digest) = fields.split_once('$').ok_or_else(|| corrupt.clone())?;
    let form = (1000..=999_999_999).contains(&rounds)
        && salt.len() <= 16
        && digest.len() == digits
        && digest.bytes().all(|byte| DIGITS.contains(&byte));
    if form { Ok(rounds) } else { Err(corrupt) }
}

pub(super) fn hash_512(password: &[u8], salt: [u8; 16]) -> Result<String, Error> {
    hash("SHA512-CRYPT", ShaCrypt::SHA512, password, salt)
}

pub(super) fn hash_256(password: &[u8], salt: [u8; 16]) -> Result<String, Error> {
    hash("SHA256-CRYPT", ShaCrypt::SHA256, password, salt)
}

fn hash(name: &str, scheme: ShaCrypt, password: &[u8], salt: [u8; 16]) -> Result<String, Error> {
    use sha_crypt::PasswordHasher as _;
    // 12 bytes become the 16 digits that crypt(3) reads of a salt.
    let hash = scheme
        .hash_password_with_salt(password, &salt[..12])
        .map_err(|_| Error::Corrupt("SHA-crypt took no salt"))?;
    Ok(format!("{{{name}}}{}", hash.as_str()))
}
