//! SASL data on the wire: base64 of the standard alphabet, padded, without
//! white space (RFC 4648 §4). Dovecot's decoder lets white space pass; that is
//! how a relayed line once got a field of its user's own making
//! (CVE-2026-33603), so ours does not.

use std::fmt;

use ::base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::{BufMut as _, BytesMut};
use zeroize::Zeroizing;

/// Undecoded SASL data of a client: most often a password, so never shown.
#[derive(Clone, Copy, Eq, PartialEq)]
pub struct Base64<'a>(pub &'a [u8]);

impl Base64<'_> {
    /// The data; `None` where it is not strict base64.
    pub fn decode(self) -> Option<Zeroizing<Vec<u8>>> {
        // Large enough from the start: growing would leave a copy behind.
        let mut data = Zeroizing::new(Vec::with_capacity(self.0.len() / 4 * 3 + 3));
        STANDARD.decode_vec(self.0, &mut data).ok()?;
        Some(data)
    }
}

impl fmt::Debug for Base64<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Base64(…)")
    }
}

/// Appends `data`, encoded.
pub fn encode_into(out: &mut BytesMut, data: &[u8]) {
    let start = out.len();
    out.put_bytes(0, data.len().div_ceil(3) * 4);
    let written = STANDARD
        .encode_slice(data, &mut out[start..])
        .expect("four characters for each three bytes begun");
    out.truncate(start + written);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn strict() {
        let decode = |text: &[u8]| Base64(text).decode().map(|data| data.to_vec());
        assert_eq!(decode(b""), Some(vec![]));
        assert_eq!(decode(b"AA=="), Some(vec![0]));
        assert_eq!(decode(b"+/+/"), Some(vec![0xfb, 0xff, 0xbf]));
        for bad in [
            &b"="[..],
            b"A",
            b"AA",
            b"AA=",
            b"AB==",
            b"AAA=AAAA",
            b"AA== ",
            b" AA==",
            b"AA\x01n==",
            b"-_-_",
            b"!!!!",
            b"AAAA\xff",
            b"====",
        ] {
            assert_eq!(decode(bad), None, "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn round_trip(data: Vec<u8>) {
            let mut out = BytesMut::from(&b"x"[..]);
            encode_into(&mut out, &data);
            prop_assert_eq!(&Base64(&out[1..]).decode().unwrap()[..], &data[..]);
        }

        #[test]
        fn takes_anything(text: Vec<u8>) {
            let _ = Base64(&text).decode();
        }
    }
}
