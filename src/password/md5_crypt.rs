//! MD5-CRYPT: `$1$salt$hash`, a thousand rounds of MD5, as crypt(3) has it.

use md5::{Digest as _, Md5};
use subtle::ConstantTimeEq as _;

use super::{Error, digits};

const CORRUPT: Error = Error::Corrupt("not of MD5-crypt's form");
const ROUNDS: u32 = 1000;

pub(super) fn matches(hash: &str, password: &[u8]) -> Result<bool, Error> {
    let (salt, digest) =
        hash.strip_prefix("$1$").and_then(|rest| rest.split_once('$')).ok_or(CORRUPT)?;
    let form = salt.len() <= 8
        && digest.len() == 22
        && digest.bytes().all(|digit| digits::value(digit).is_some());
    if !form {
        return Err(CORRUPT);
    }
    // crypt(3) would stop there, and everything behind would not count.
    if password.contains(&0) {
        return Ok(false);
    }
    Ok(text(&run(salt.as_bytes(), password)).ct_eq(digest.as_bytes()).into())
}

fn run(salt: &[u8], password: &[u8]) -> [u8; 16] {
    let inner: [u8; 16] = Md5::new()
        .chain_update(password)
        .chain_update(salt)
        .chain_update(password)
        .finalize()
        .into();
    let mut first = Md5::new().chain_update(password).chain_update(b"$1$").chain_update(salt);
    for chunk in password.chunks(inner.len()) {
        first.update(&inner[..chunk.len()]);
    }
    let mut bits = password.len();
    while bits > 0 {
        first.update(if bits & 1 == 1 { &[0] } else { &password[..1] });
        bits >>= 1;
    }
    let first: [u8; 16] = first.finalize().into();
    (0..ROUNDS).fold(first, |before, round| {
        let [front, back]: [&[u8]; 2] =
            if round % 2 == 1 { [password, &before] } else { [&before, password] };
        let mut next = Md5::new_with_prefix(front);
        if round % 3 != 0 {
            next.update(salt);
        }
        if round % 7 != 0 {
            next.update(password);
        }
        next.chain_update(back).finalize().into()
    })
}

/// The digest as it is written: its bytes in an order of their own.
fn text(digest: &[u8; 16]) -> Vec<u8> {
    let mut text = Vec::with_capacity(22);
    for [high, middle, low] in [[0, 6, 12], [1, 7, 13], [2, 8, 14], [3, 9, 15], [4, 10, 5]] {
        let byte = |at: usize| u32::from(digest[at]);
        digits::push(&mut text, byte(high) << 16 | byte(middle) << 8 | byte(low), 4);
    }
    digits::push(&mut text, digest[11].into(), 2);
    text
}
