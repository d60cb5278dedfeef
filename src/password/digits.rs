//! crypt(3)'s base 64: its own digits, the lowest six bits first.

/// The digits, in the order of their values.
pub(super) const DIGITS: &[u8; 64] =
    b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// The value of a digit.
pub(super) fn value(digit: u8) -> Option<u32> {
    let place = DIGITS.iter().position(|known| *known == digit)?;
    u32::try_from(place).ok()
}

/// Writes the lowest bits of `value` as `count` digits.
pub(super) fn push(text: &mut Vec<u8>, value: u32, count: u32) {
    text.extend((0..count).map(|at| DIGITS[(value >> (6 * at) & 0x3f) as usize]));
}

/// A number of these digits, lowest first; `None` if it does not fit.
pub(super) fn number(digits: &[u8]) -> Option<u32> {
    digits
        .iter()
        .rev()
        .try_fold(0_u32, |sum, digit| sum.checked_mul(64)?.checked_add(value(*digit)?))
}

/// Bytes as digits: each three, the first lowest, as four.
pub(super) fn encode(bytes: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let value = chunk.iter().rev().fold(0, |sum, byte| sum << 8 | u32::from(*byte));
        push(&mut text, value, 1 + u32::try_from(chunk.len()).expect("at most three"));
    }
    text
}

/// The bytes of such digits; `None` if they are none, or more than they need.
pub(super) fn decode(digits: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(digits.len() * 3 / 4);
    for chunk in digits.chunks(4) {
        let value = number(chunk)?;
        let count = chunk.len().checked_sub(1).filter(|count| *count > 0)?;
        bytes.extend(&value.to_le_bytes()[..count]);
        if value >> (8 * count) != 0 {
            return None;
        }
    }
    Some(bytes)
}
