//! Tokens by their form: what RFC 6750 lets through, and what a signed one
//! (RFC 7519, RFC 7515) says of itself before anybody has checked it.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::Algorithm;

use super::json::{self, Object};

/// Longest token that is looked at. Keycloak's have 1 to 5 KB.
pub(super) const MAX_BYTES: usize = 16 * 1024;
/// Longest key id; who sends a longer one has not got it from a provider.
const MAX_KEY_ID_BYTES: usize = 256;

/// The token's text, if it is one by RFC 6750 §2.1:
/// `1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"="`.
pub(super) fn text(token: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(token).ok().filter(|text| text.len() <= MAX_BYTES)?;
    let body = text.trim_end_matches('=');
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte);
    (!body.is_empty() && body.bytes().all(plain)).then_some(text)
}

/// A token that is a JWT by its form. Nothing in it is believed yet.
#[derive(Debug)]
pub(super) struct Jwt<'a> {
    pub(super) header: Object,
    /// What is signed.
    pub(super) message: &'a str,
    /// The signature, in Base64.
    pub(super) signature: &'a str,
    payload: Vec<u8>,
}

/// How a token says it is signed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Signed {
    /// By a key pair, in a way that is known here.
    By(Algorithm),
    /// By a key pair, in a way that is not.
    Unsupported,
    /// In a way that proves nothing: not at all, or by a shared secret, for which
    /// the provider's public key would be taken.
    ProvesNothing,
}

impl<'a> Jwt<'a> {
    /// Three parts, of which the first two are what they should be.
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        let (message, signature) = text.rsplit_once('.')?;
        let (header, payload) = message.split_once('.')?;
        if payload.contains('.') {
            return None;
        }
        let header = json::object(&URL_SAFE_NO_PAD.decode(header).ok()?).ok()?;
        header.get("alg")?.as_str()?;
        let payload = URL_SAFE_NO_PAD.decode(payload).ok()?;
        Some(Self { header, message, signature, payload })
    }

    /// What it claims.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub(super) fn claims(&self) -> Result<Object, String> {
        json::object(&self.payload)
    }

    /// Text of a member of the header.
    pub(super) fn header_text(&self, name: &str) -> Option<&str> {
        self.header.get(name)?.as_str()
    }

    /// How it says it is signed.
    pub(super) fn signed(&self) -> Signed {
        match self.header_text("alg").unwrap_or_default() {
            "RS256" => Signed::By(Algorithm::RS256),
            "RS384" => Signed::By(Algorithm::RS384),
            "RS512" => Signed::By(Algorithm::RS512),
            "PS256" => Signed::By(Algorithm::PS256),
            "PS384" => Signed::By(Algorithm::PS384),
            "PS512" => Signed::By(Algorithm::PS512),
            "ES256" => Signed::By(Algorithm::ES256),
            "ES384" => Signed::By(Algorithm::ES384),
            "EdDSA" | "Ed25519" => Signed::By(Algorithm::EdDSA),
            "ES512" | "ES256K" | "Ed448" => Signed::Unsupported,
            _ => Signed::ProvesNothing,
        }
    }

    /// Whether it says that nobody signed it (RFC 7519 §6), as generously as any
    /// server may read that word.
    pub(super) fn is_unsigned(&self) -> bool {
        self.header_text("alg").is_some_and(|alg| alg.trim().eq_ignore_ascii_case("none"))
    }

    /// Name of the key that it is signed by.
    ///
    /// # Errors
    /// It is no such name.
    pub(super) fn key_id(&self) -> Result<Option<&str>, &'static str> {
        match self.header.get("kid") {
            None => Ok(None),
            Some(kid) => match kid.as_str() {
                None => Err("the key id is no text"),
                Some(kid) if kid.len() > MAX_KEY_ID_BYTES => Err("the key id is too long"),
                Some(kid) => Ok(Some(kid)),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn part(text: &str) -> String {
        URL_SAFE_NO_PAD.encode(text)
    }

    #[test]
    fn grammar_of_a_bearer() {
        let longest = "a".repeat(MAX_BYTES);
        for token in ["a", "aZ09-._~+/==", &longest] {
            assert_eq!(text(token.as_bytes()), Some(token));
        }
        let too_long = "a".repeat(MAX_BYTES + 1);
        for token in ["", "=", "a=b", "a b", "a\n", "a,b", "ä", "a\"", &too_long] {
            assert_eq!(text(token.as_bytes()), None, "{token:.20}");
        }
        assert_eq!(text(b"a\xff"), None);
    }

    #[test]
    fn three_parts_with_a_header() {
        let jwt =
            format!("{}.{}.c2ln", part(r#"{"alg":"RS256","kid":"k"}"#), part(r#"{"sub":"x"}"#));
        let read = Jwt::parse(&jwt).unwrap();
        assert_eq!(read.signed(), Signed::By(Algorithm::RS256));
        assert_eq!(read.key_id(), Ok(Some("k")));
        assert_eq!(read.claims().unwrap()["sub"], json!("x"));
        assert_eq!((read.signature, read.message.len()), ("c2ln", jwt.len() - 5));

        let header = part(r#"{"alg":"RS256"}"#);
        for other in [
            "opaque".to_owned(),
            "a.b".to_owned(),
            "a.b.c".to_owned(),
            format!("{header}.{header}.c.d.e"),
            format!("{}.{header}.c", part("[]")),
            format!("{}.{header}.c", part(r#"{"kid":"no alg"}"#)),
            format!("{}.{header}.c", part(r#"{"alg":7}"#)),
            format!("{}.{header}.c", part(r#"{"alg":"none","alg":"RS256"}"#)),
            format!("{header}=.{header}.c"),
        ] {
            assert!(Jwt::parse(&other).is_none(), "{other}");
        }
    }

    #[test]
    fn which_algorithms_prove_something() {
        let signed = |alg: &str| {
            let header = part(&json!({ "alg": alg }).to_string());
            Jwt::parse(&format!("{header}.e30.c2ln")).unwrap().signed()
        };
        for alg in ["RS512", "PS256", "ES384", "EdDSA"] {
            assert!(matches!(signed(alg), Signed::By(_)), "{alg}");
        }
        assert_eq!(signed("ES512"), Signed::Unsupported);
        for alg in ["none", "None", "nOnE", "HS256", "HS512", "", "rs256", "RSA-OAEP", "dir"] {
            assert_eq!(signed(alg), Signed::ProvesNothing, "{alg}");
        }
        let unsigned = |alg: &str| {
            let header = part(&json!({ "alg": alg }).to_string());
            Jwt::parse(&format!("{header}.e30.")).unwrap().is_unsigned()
        };
        assert!(["none", "nOnE", " none "].into_iter().all(unsigned));
        assert!(!["HS256", "RS256", ""].into_iter().any(unsigned));
    }

    #[test]
    fn hostile_key_ids() {
        let kid = |kid: serde_json::Value| {
            let header = part(&json!({ "alg": "RS256", "kid": kid }).to_string());
            let text = format!("{header}.e30.c2ln");
            Jwt::parse(&text).unwrap().key_id().is_ok()
        };
        assert!(kid(json!("k".repeat(MAX_KEY_ID_BYTES))));
        for bad in [json!("k".repeat(MAX_KEY_ID_BYTES + 1)), json!(7), json!(null), json!({})] {
            assert!(!kid(bad));
        }
    }

    proptest::proptest! {
        #[test]
        fn never_panics(bytes: Vec<u8>, parts in "[A-Za-z0-9_.-]{0,80}", header in ".{0,80}") {
            let _ = text(&bytes);
            for text in [parts.clone(), format!("{}.{}.{parts}", part(&header), part(&parts))] {
                if let Some(jwt) = Jwt::parse(&text) {
                    let _ = (jwt.signed(), jwt.key_id().is_ok(), jwt.claims().is_ok());
                }
            }
        }
    }
}
