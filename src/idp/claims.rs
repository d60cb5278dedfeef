//! What is said of a token, by whoever says it: its members by name and type.
//!
//! A member of another type than it should have is never read as if it were
//! absent: what its sender meant by it is not known.

use serde_json::Value;

use super::{json::Object, words::printable};
use crate::clock::Timestamp;

/// Longest id of a person (OpenID Connect Core allows 255) and longest name.
const MAX_TEXT_BYTES: usize = 512;

/// Claims of a token, or of a person.
#[derive(Debug)]
pub(super) struct Claims(pub(super) Object);

/// A member is not what it should be.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct BadClaim(pub(super) String);

impl Claims {
    /// Whether it is there at all.
    pub(super) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// A text; none where it is absent or null.
    pub(super) fn text(&self, name: &str) -> Result<Option<&str>, BadClaim> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(bad(name, "is no text")),
        }
    }

    /// A text that names somebody: neither empty nor endless, without control
    /// characters.
    pub(super) fn name(&self, name: &str) -> Result<Option<&str>, BadClaim> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        if text.is_empty() || text.len() > MAX_TEXT_BYTES || text.chars().any(char::is_control) {
            return Err(bad(name, "is empty, too long or has control characters"));
        }
        Ok(Some(text))
    }

    /// A list of texts, or a single one.
    pub(super) fn list(&self, name: &str) -> Result<Vec<&str>, BadClaim> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(Vec::new()),
            Some(Value::String(text)) => Ok(vec![text]),
            Some(Value::Array(items)) => {
                let texts = items.iter().map(Value::as_str).collect::<Option<_>>();
                texts.ok_or_else(|| bad(name, "is no list of texts"))
            }
            Some(_) => Err(bad(name, "is neither text nor list")),
        }
    }

    /// Scopes: `scope` separated by spaces (RFC 8693 §4.2), or a list under
    /// either name.
    pub(super) fn scopes(&self) -> Result<Vec<&str>, BadClaim> {
        let named = if self.has("scope") { "scope" } else { "scp" };
        Ok(self.list(named)?.into_iter().flat_map(|scopes| scopes.split(' ')).collect())
    }

    /// A moment: seconds since 1970, whole or not (RFC 7519 §2). What lies
    /// before is taken for the beginning, what nobody lives to see for the end.
    pub(super) fn moment(&self, name: &str) -> Result<Option<Timestamp>, BadClaim> {
        let number = match self.0.get(name) {
            None | Some(Value::Null) => return Ok(None),
            Some(value) => value.as_f64().ok_or_else(|| bad(name, "is no number"))?,
        };
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it saturates")]
        let seconds = number as u64;
        Ok(Some(Timestamp(seconds.min(MAX_SECONDS) * 1000)))
    }

    /// Whether the address is verified. Some providers write it as a text; a
    /// word that is neither says no.
    pub(super) fn email_is_verified(&self) -> bool {
        match self.0.get("email_verified") {
            Some(Value::Bool(verified)) => *verified,
            Some(Value::String(text)) => text == "true",
            _ => false,
        }
    }
}

/// The year 9999, which any clock can still reckon with.
const MAX_SECONDS: u64 = 253_402_300_799;

fn bad(name: &str, what: &str) -> BadClaim {
    BadClaim(format!("{} {what}", printable(name)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn claims(value: Value) -> Claims {
        let Value::Object(object) = value else { panic!("no object: {value}") };
        Claims(object)
    }

    #[test]
    fn names() {
        for (value, expected) in [
            (json!({}), Ok(None)),
            (json!({ "sub": null }), Ok(None)),
            (json!({ "sub": "a b" }), Ok(Some("a b"))),
        ] {
            assert_eq!(claims(value).name("sub"), expected);
        }
        let long = "a".repeat(513);
        for bad in [json!(""), json!(7), json!(["a"]), json!("a\nb"), json!({}), json!(long)] {
            assert!(claims(json!({ "sub": bad })).name("sub").is_err());
        }
    }

    #[test]
    fn lists_and_scopes() {
        for (value, expected) in [
            (json!({}), vec![]),
            (json!({ "scope": "openid  email" }), vec!["openid", "", "email"]),
            (json!({ "scp": ["a", "b"] }), vec!["a", "b"]),
            (json!({ "scp": "a b" }), vec!["a", "b"]),
            (json!({ "scope": "a", "scp": ["b"] }), vec!["a"]),
        ] {
            assert_eq!(claims(value).scopes(), Ok(expected));
        }
        for bad in [json!(7), json!(["a", 7]), json!({ "a": "b" }), json!(true)] {
            assert!(claims(json!({ "aud": bad })).list("aud").is_err());
        }
    }

    #[test]
    fn moments() {
        for (value, expected) in [
            (json!(0), 0),
            (json!(1_795_347_723), 1_795_347_723_000),
            (json!(1_795_347_723.9), 1_795_347_723_000),
            (json!(-5), 0),
            (json!(-1e300), 0),
            (json!(1e300), MAX_SECONDS * 1000),
            (json!(u64::MAX), MAX_SECONDS * 1000),
        ] {
            let read = claims(json!({ "exp": value })).moment("exp");
            assert_eq!(read, Ok(Some(Timestamp(expected))), "{value}");
        }
        assert_eq!(claims(json!({})).moment("exp"), Ok(None));
        for bad in [json!("1795347723"), json!(true), json!([1]), json!({})] {
            assert!(claims(json!({ "exp": bad })).moment("exp").is_err());
        }
    }

    #[test]
    fn verified_or_not() {
        for (value, expected) in [
            (json!({ "email_verified": true }), true),
            (json!({ "email_verified": "true" }), true),
            (json!({ "email_verified": false }), false),
            (json!({ "email_verified": "false" }), false),
            (json!({ "email_verified": "TRUE" }), false),
            (json!({ "email_verified": 1 }), false),
            (json!({ "email_verified": null }), false),
            (json!({}), false),
        ] {
            assert_eq!(claims(value).email_is_verified(), expected);
        }
    }
}
