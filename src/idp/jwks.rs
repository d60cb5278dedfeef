//! A provider's key set (RFC 7517): which keys may have signed a token.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey, crypto};
use serde_json::Value;

use super::{Outage, http::Reply, json::Object, token::Jwt};

/// Most keys that are kept; the rest of a set is not looked at.
const MAX_KEYS: usize = 1000;
/// Most keys that are tried for one token. A provider signs with one or two.
const MAX_TRIED: usize = 8;
/// Shorter RSA keys prove nothing any more, and are not taken for it.
const MIN_RSA_BYTES: usize = 256;

/// The keys that sign.
#[derive(Debug)]
pub(super) struct KeySet {
    keys: Vec<Key>,
}

struct Key {
    id: Option<String>,
    algorithms: &'static [Algorithm],
    /// The only one that it signs with, where it says so.
    only: Option<String>,
    public: DecodingKey,
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Key").field("id", &self.id).finish_non_exhaustive()
    }
}

/// What a key set says of a signature.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Found {
    /// One of its keys made it.
    Good,
    /// The key that is named did not make it.
    Bad,
    /// It has no such key; a newer one may.
    NoSuchKey,
}

impl KeySet {
    /// Reads a set. Keys that are for something else, or of a kind that is not
    /// known here, are left out.
    ///
    /// # Errors
    /// It is no key set.
    pub(super) fn read(reply: &Reply) -> Result<Self, Outage> {
        if reply.status != 200 {
            return Err(reply.unusable());
        }
        let set = reply.object()?;
        let keys = set.get("keys").and_then(Value::as_array);
        let keys = keys.ok_or_else(|| reply.malformed("it has no list of keys"))?;
        let keys = keys.iter().take(MAX_KEYS).filter_map(|key| Key::read(key.as_object()?));
        Ok(Self { keys: keys.collect() })
    }

    /// How many keys it has.
    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether `jwt` is signed by one of the keys: by the one of its id, or where
    /// it names none by any that signs so.
    pub(super) fn check(&self, jwt: &Jwt<'_>, id: Option<&str>, algorithm: Algorithm) -> Found {
        let fits = |key: &&Key| {
            (id.is_none() || key.id.as_deref() == id) && key.signs_with(algorithm, jwt)
        };
        let mut tried = false;
        for key in self.keys.iter().filter(fits).take(MAX_TRIED) {
            tried = true;
            let good =
                crypto::verify(jwt.signature, jwt.message.as_bytes(), &key.public, algorithm);
            if good.unwrap_or(false) {
                return Found::Good;
            }
        }
        // Without a name it may be one that is not in the set yet.
        if tried && id.is_some() { Found::Bad } else { Found::NoSuchKey }
    }
}

impl Key {
    fn read(key: &Object) -> Option<Self> {
        let text = |name: &str| key.get(name).and_then(Value::as_str);
        if key.get("use").is_some_and(|usage| usage != "sig") {
            return None;
        }
        if let Some(operations) = key.get("key_ops") {
            operations.as_array()?.iter().find(|operation| *operation == "verify")?;
        }
        let bytes = |name| URL_SAFE_NO_PAD.decode(text(name)?).ok();
        let is_point =
            |len| bytes("x").zip(bytes("y")).is_some_and(|(x, y)| x.len() == len && y.len() == len);
        let point = || DecodingKey::from_ec_components(text("x")?, text("y")?).ok();
        let (algorithms, decoding): (&'static [Algorithm], _) = match (text("kty")?, text("crv")) {
            ("RSA", _) if len_of(&bytes("n")?) >= MIN_RSA_BYTES => {
                (RSA, DecodingKey::from_rsa_components(text("n")?, text("e")?).ok()?)
            }
            ("EC", Some("P-256")) if is_point(32) => (&[Algorithm::ES256], point()?),
            ("EC", Some("P-384")) if is_point(48) => (&[Algorithm::ES384], point()?),
            ("OKP", Some("Ed25519")) if bytes("x")?.len() == 32 => {
                (&[Algorithm::EdDSA], DecodingKey::from_ed_components(text("x")?).ok()?)
            }
            _ => return None,
        };
        let owned = |name| text(name).map(str::to_owned);
        Some(Self { id: owned("kid"), algorithms, only: owned("alg"), public: decoding })
    }

    fn signs_with(&self, algorithm: Algorithm, jwt: &Jwt<'_>) -> bool {
        let named = jwt.header_text("alg");
        let is_its_own = self.only.is_none()
            || self.only.as_deref() == named
            // RFC 9864 gave EdDSA's curves names of their own.
            || algorithm.family() == AlgorithmFamily::Ed;
        self.algorithms.contains(&algorithm) && is_its_own
    }
}

/// Bytes of a number, whatever zeros stand before it.
fn len_of(number: &[u8]) -> usize {
    number.iter().skip_while(|byte| **byte == 0).count()
}

const RSA: &[Algorithm] = &[
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
];

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn short_rsa_keys_are_left_out_whatever_zeros_stand_before_them() {
        let is_taken = |zeros: usize, bytes: usize| {
            let modulus = [vec![0; zeros], vec![0xc5; bytes]].concat();
            let key = json!({ "kty": "RSA", "n": URL_SAFE_NO_PAD.encode(modulus), "e": "AQAB" });
            Key::read(key.as_object().unwrap()).is_some()
        };
        assert!(is_taken(0, 256) && is_taken(1, 256));
        assert!(!is_taken(0, 255) && !is_taken(1, 255) && !is_taken(128, 128));
    }
}
