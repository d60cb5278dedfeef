//! CRAM-MD5, also called HMAC-MD5: the two MD5 states of an HMAC whose key, the
//! password, has been read: outer, then inner.

use md5::{Digest as _, Md5, block_api::compress};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

/// Length of both states in bytes.
pub(super) const BYTES: usize = 32;
const BLOCK_BYTES: usize = 64;
/// MD5's state before the first block (RFC 1321 §3.3).
const START: [u32; 4] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];

pub(super) fn matches(stored: &[u8], password: &[u8]) -> bool {
    let mut key = Zeroizing::new([0; BLOCK_BYTES]);
    match key.get_mut(..password.len()) {
        Some(start) => start.copy_from_slice(password),
        None => key[..16].copy_from_slice(&Md5::digest(password)),
    }
    let states = [state(&key, 0x5c), state(&key, 0x36)];
    states.concat().ct_eq(stored).into()
}

/// MD5's state after the key with this pad (RFC 2104 §2).
fn state(key: &[u8; BLOCK_BYTES], pad: u8) -> [u8; 16] {
    let mut state = START;
    compress(&mut state, &[key.map(|byte| byte ^ pad)]);
    let mut bytes = [0; 16];
    for (bytes, word) in bytes.chunks_exact_mut(4).zip(state) {
        bytes.copy_from_slice(&word.to_le_bytes());
    }
    bytes
}
