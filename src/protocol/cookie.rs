//! The cookie of a client connection: who knows it may claim that connection's
//! logins with `REQUEST`.

use std::fmt;

use bytes::{BufMut as _, BytesMut};
use subtle::ConstantTimeEq as _;

/// 16 random bytes, on the wire 32 hexadecimal digits.
#[derive(Clone, Copy)]
pub struct Cookie([u8; 16]);

impl Cookie {
    /// From random bytes.
    pub fn new(random: [u8; 16]) -> Self {
        Self(random)
    }

    /// From its form on the wire.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let text: &[u8; 32] = text.try_into().ok()?;
        let mut bytes = [0; 16];
        for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
            *byte = nibble(pair[0])? << 4 | nibble(pair[1])?;
        }
        Some(Self(bytes))
    }

    /// Whether both are the same, in a time that does not tell where they differ.
    pub fn ct_eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }

    /// Appends the form on the wire.
    pub(super) fn append_to(&self, out: &mut BytesMut) {
        for byte in self.0 {
            for digit in [byte >> 4, byte & 15] {
                out.put_u8(b"0123456789abcdef"[usize::from(digit)]);
            }
        }
    }
}

fn nibble(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

impl fmt::Debug for Cookie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cookie(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thirty_two_digits_and_back() {
        let text = b"574ccbe727673390248b2cf9dc2602e7";
        let cookie = Cookie::parse(text).unwrap();
        let mut out = BytesMut::new();
        cookie.append_to(&mut out);
        assert_eq!(&out[..], text);
        assert!(cookie.ct_eq(&Cookie::parse(&text.to_ascii_uppercase()).unwrap()));
        assert!(!cookie.ct_eq(&Cookie::new([0; 16])));
        assert_eq!(format!("{cookie:?}"), "Cookie(…)");
    }

    #[test]
    fn any_other_form_is_none() {
        for bad in [
            &b""[..],
            b"574ccb",
            b"574ccbe727673390248b2cf9dc2602e",
            b"574ccbe727673390248b2cf9dc2602eg",
        ] {
            assert!(Cookie::parse(bad).is_none(), "{bad:?}");
        }
    }
}
