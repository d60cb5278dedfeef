//! One round of a hash: MD5, MD4, SHA, SHA256, SHA512 and with a salt behind the
//! password SMD5, SSHA, SSHA256, SSHA512. DIGEST-MD5 takes user and realm along.

use md4::Md4;
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha512};
use subtle::ConstantTimeEq as _;

use super::Error;

/// Which hash.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Function {
    Md4,
    Md5,
    Sha1,
    Sha256,
    Sha512,
}

impl Function {
    /// Length of its digests in bytes.
    pub(super) const fn bytes(self) -> usize {
        match self {
            Self::Md4 | Self::Md5 => 16,
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }

    fn digest(self, parts: [&[u8]; 2]) -> Vec<u8> {
        match self {
            Self::Md4 => of::<Md4>(parts),
            Self::Md5 => of::<Md5>(parts),
            Self::Sha1 => of::<Sha1>(parts),
            Self::Sha256 => of::<Sha256>(parts),
            Self::Sha512 => of::<Sha512>(parts),
        }
    }
}

fn of<D: Digest>(parts: [&[u8]; 2]) -> Vec<u8> {
    D::new().chain_update(parts[0]).chain_update(parts[1]).finalize().to_vec()
}

/// `stored` is the digest.
pub(super) fn matches(function: Function, stored: &[u8], password: &[u8]) -> bool {
    function.digest([password, b""]).ct_eq(stored).into()
}

/// `stored` is the digest and, behind it, the salt.
pub(super) fn matches_salted(
    function: Function,
    stored: &[u8],
    password: &[u8],
) -> Result<bool, Error> {
    match stored.split_at_checked(function.bytes()) {
        Some((digest, salt)) if !salt.is_empty() => {
            Ok(function.digest([password, salt]).ct_eq(digest).into())
        }
        _ => Err(Error::Corrupt("no salt behind the digest")),
    }
}

/// `stored` is the digest of `user:realm:password`, where the realm is what
/// stands behind the last `@` of the name.
pub(super) fn matches_digest_md5(
    stored: &[u8],
    name: Option<&str>,
    password: &[u8],
) -> Result<bool, Error> {
    let name = name.ok_or(Error::NoUser)?;
    let (user, realm) = name.rsplit_once('@').unwrap_or((name, ""));
    Ok(matches(
        Function::Md5,
        stored,
        &[user.as_bytes(), b":", realm.as_bytes(), b":", password].concat(),
    ))
}
