//! Tokens for a later login in the name of a running session: given out with
//! `USER` replies (`auth_token=`), brought back by DOVECOT-TOKEN.
//!
//! Hexadecimal HMAC-SHA1 as Dovecot's are, for programs that expect 40 digits.
//! Unlike Dovecot's, the secret is the key and the fields are kept apart, so
//! that no byte can move from one field to the next. Nobody but Dovegate reads
//! them.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha1::Sha1;

/// The five parts but for the token itself. None has a NUL: DOVECOT-TOKEN could
/// not carry it.
#[derive(Clone, Copy)]
pub(super) struct Parts<'a> {
    pub(super) user: &'a [u8],
    pub(super) session_pid: &'a [u8],
    pub(super) session: &'a [u8],
    pub(super) service: &'a [u8],
}

pub(super) fn make(key: &[u8; 32], parts: Parts<'_>) -> String {
    let mut mac = Hmac::<Sha1>::new_from_slice(key).expect("an HMAC takes a key of any length");
    for part in [parts.user, parts.session_pid, parts.session, parts.service] {
        mac.update(part);
        mac.update(&[0]);
    }
    let mut token = String::with_capacity(40);
    for byte in mac.finalize().into_bytes() {
        for digit in [byte >> 4, byte & 0xf] {
            token.push(char::from(b"0123456789abcdef"[usize::from(digit)]));
        }
    }
    token
}
