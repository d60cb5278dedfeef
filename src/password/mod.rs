//! Stored passwords: from `{SCHEME}…` to an answer, and back for new ones.
//!
//! Hashes come from outside, some of them from the users themselves: whatever
//! is unknown, malformed or dearer than [`Caps`] allows is an [`Error`] and
//! never a mismatch. No I/O, no clock, no randomness: salts are handed in.
//! Forms: `auth-protocol` "Password schemes".

mod argon2;
mod bcrypt;
mod cram_md5;
mod des_crypt;
mod digest;
mod digits;
mod encoding;
pub mod generate;
mod md5_crypt;
mod new;
mod pbkdf2;
mod plain;
mod prepared;
mod scheme;
mod scram;
mod sha_crypt;
mod yescrypt;

pub use self::{
    generate::AppPasswordText,
    new::NewScheme,
    scheme::{Caps, Stored, Work},
};

/// Longest password that is looked at, in bytes; crypt(3) of libxcrypt reads no
/// longer ones either.
pub const MAX_PASSWORD_BYTES: usize = 512;

/// Why a stored password cannot be checked, or a new one cannot be hashed. Holds
/// nothing of a password or of a hash.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Error {
    /// Nothing here knows this scheme or this encoding of it.
    #[error("unknown password scheme \"{0}\"")]
    UnknownScheme(String),
    /// The scheme is weak, and not allowed.
    #[error(
        "password scheme \"{0}\" is weak and switched off: give the user a new password, or set \
         allow_weak_schemes = true in [passwords]"
    )]
    SwitchedOff(String),
    /// The hash holds the user's name, and it is not known here.
    #[error("a DIGEST-MD5 hash can be checked only for a user")]
    NoUser,
    /// The hash breaks the form of its scheme.
    #[error("corrupt password hash: {0}")]
    Corrupt(&'static str),
    /// Checking it would cost more than allowed.
    #[error("password hash with {what} {found}, and at most {cap} is allowed")]
    CostAboveCap {
        /// Which work factor.
        what: &'static str,
        /// Its value in the hash.
        found: u64,
        /// The largest one allowed.
        cap: u64,
    },
    /// There is no memory for the hash at this moment.
    #[error("no memory for the password hash")]
    OutOfMemory,
    /// A new password that could never log in, or not as it was meant.
    #[error("the password {0}")]
    Unfit(&'static str),
}

/// Why no password can have these bytes; `None` where one can. NUL would end
/// the password for crypt(3) and PLAIN, TAB, CR, LF and 0x01 are syntax of the
/// protocols that passwords travel in, and an empty password is a client's
/// mistake rather than a secret.
pub fn unfit(password: &[u8]) -> Option<&'static str> {
    if password.is_empty() {
        return Some("is empty");
    }
    if password.len() > MAX_PASSWORD_BYTES {
        return Some("is longer than 512 bytes");
    }
    let forbidden = |byte: &u8| matches!(byte, 0 | 1 | b'\t' | b'\r' | b'\n');
    password.iter().any(forbidden).then_some("has a byte that no password may have")
}

#[cfg(test)]
mod tests;
