//! What XOAUTH2 and OAUTHBEARER share: how a token stands in a message, and
//! what somebody is told whose token was refused.

use serde::Serialize;

use super::MechanismName;
use crate::secret::Secret;

/// Ends a field, and the message.
pub(super) const SEPARATOR: u8 = 1;

/// Scope that is named where none is required, as Dovecot does.
const DEFAULT_SCOPE: &str = "mail";

/// Longer texts are left out of a refusal: the line must fit every reader's
/// buffer, the shortest of which has 8192 bytes.
const MAX_TEXT_BYTES: usize = 512;

/// The token of `auth = "Bearer" 1*SP token` (RFC 6750 §2.1); the scheme's case
/// does not matter (RFC 7235 §2.1).
pub(super) fn token(auth: &[u8]) -> Result<Secret, &'static str> {
    const SCHEME: &[u8] = b"Bearer ";
    let Some((scheme, rest)) = auth.split_at_checked(SCHEME.len()) else {
        return Err("no bearer token");
    };
    if !scheme.eq_ignore_ascii_case(SCHEME) {
        return Err("no bearer token");
    }
    let start = rest.iter().position(|byte| *byte != b' ').ok_or("empty token")?;
    let token = &rest[start..];
    if token.iter().any(|byte| matches!(byte, b'\r' | b'\n')) {
        return Err("line end in the token");
    }
    Ok(Secret::new(token))
}

/// Fills an empty slot. Of two values nobody could tell which is meant.
pub(super) fn once<T>(
    slot: &mut Option<T>,
    value: T,
    twice: &'static str,
) -> Result<(), &'static str> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(twice),
    }
}

/// Why a token is refused, as far as its sender is told.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TokenError {
    /// The message breaks the mechanism's grammar.
    InvalidRequest,
    /// The token opens nothing here.
    InvalidToken,
    /// The token lacks a scope.
    InsufficientScope,
}

impl TokenError {
    /// As OAUTHBEARER says it (RFC 6750 §3.1).
    fn code(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::InvalidToken => "invalid_token",
            Self::InsufficientScope => "insufficient_scope",
        }
    }

    /// As XOAUTH2 says it: the HTTP status that goes with it.
    fn http_status(self) -> &'static str {
        match self {
            Self::InvalidRequest => "400",
            Self::InvalidToken => "401",
            Self::InsufficientScope => "403",
        }
    }
}

/// The last message to somebody whose token was refused. It tells how to get a
/// better one.
#[derive(Clone, Copy, Debug)]
pub struct TokenRefusal<'a> {
    /// Why.
    pub error: TokenError,
    /// Scopes that tokens need.
    pub scope: Option<&'a str>,
    /// Address of the provider's discovery document.
    pub openid_configuration: Option<&'a str>,
}

impl TokenRefusal<'_> {
    /// The message, where the mechanism has one (RFC 7628 §3.2.2). XOAUTH2 has
    /// the form of Google's and Dovecot's servers.
    pub fn message(&self, mechanism: MechanismName) -> Option<Vec<u8>> {
        let (status, schemes) = match mechanism {
            MechanismName::Xoauth2 => (self.error.http_status(), Some("bearer")),
            MechanismName::Oauthbearer => (self.error.code(), None),
            _ => return None,
        };
        let message = Message {
            status,
            schemes,
            scope: self.scope.filter(is_sayable).unwrap_or(DEFAULT_SCOPE),
            openid_configuration: self.openid_configuration.filter(is_sayable),
        };
        Some(serde_json::to_vec(&message).expect("texts can be written as JSON"))
    }
}

fn is_sayable(text: &&str) -> bool {
    let is_plain = |byte| matches!(byte, b' '..=b'~');
    !text.is_empty() && text.len() <= MAX_TEXT_BYTES && text.bytes().all(is_plain)
}

#[derive(Serialize)]
struct Message<'a> {
    status: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    schemes: Option<&'a str>,
    scope: &'a str,
    #[serde(rename = "openid-configuration", skip_serializing_if = "Option::is_none")]
    openid_configuration: Option<&'a str>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(auth: &[u8], expected: Result<&[u8], &str>) {
        let found = token(auth);
        assert_eq!(found.as_ref().map(Secret::expose).map_err(|why| *why), expected, "{auth:?}");
    }

    #[test]
    fn tokens() {
        check(b"Bearer abc", Ok(b"abc"));
        check(b"bEARER abc", Ok(b"abc"));
        check(b"Bearer   a bc ", Ok(b"a bc "));
        check(b"Bearer \xff\t", Ok(b"\xff\t"));
        for none in [&b""[..], b"Bearer", b"Bearer\tabc", b"Bearerabc", b"Basic abc", b" Bearer a"]
        {
            check(none, Err("no bearer token"));
        }
        check(b"Bearer ", Err("empty token"));
        check(b"Bearer   ", Err("empty token"));
        check(b"Bearer a\rb", Err("line end in the token"));
        check(b"Bearer \n", Err("line end in the token"));
    }

    const DISCOVERY: &str = "https://idp.example.org/.well-known/openid-configuration";

    fn said(
        mechanism: MechanismName,
        error: TokenError,
        scope: Option<&str>,
        openid_configuration: Option<&str>,
    ) -> String {
        let refusal = TokenRefusal { error, scope, openid_configuration };
        let message = refusal.message(mechanism).unwrap_or_default();
        String::from_utf8(message).unwrap()
    }

    #[test]
    fn refusals() {
        use {
            MechanismName::{Oauthbearer, Xoauth2},
            TokenError::*,
        };
        let bare = |mechanism, error| said(mechanism, error, None, None);
        for (error, status, code) in [
            (InvalidRequest, "400", "invalid_request"),
            (InvalidToken, "401", "invalid_token"),
            (InsufficientScope, "403", "insufficient_scope"),
        ] {
            let xoauth2 = format!(r#"{{"status":"{status}","schemes":"bearer","scope":"mail"}}"#);
            assert_eq!(bare(Xoauth2, error), xoauth2);
            let oauthbearer = format!(r#"{{"status":"{code}","scope":"mail"}}"#);
            assert_eq!(bare(Oauthbearer, error), oauthbearer);
        }
        assert_eq!(
            said(Xoauth2, InvalidToken, Some("openid email"), Some(DISCOVERY)),
            format!(
                r#"{{"status":"401","schemes":"bearer","scope":"openid email","openid-configuration":"{DISCOVERY}"}}"#
            )
        );
        assert_eq!(
            said(Oauthbearer, InsufficientScope, Some("imap"), Some(DISCOVERY)),
            format!(
                r#"{{"status":"insufficient_scope","scope":"imap","openid-configuration":"{DISCOVERY}"}}"#
            )
        );
    }

    #[test]
    fn other_mechanisms_have_no_such_message() {
        for mechanism in MechanismName::ALL {
            let has_one = matches!(mechanism, MechanismName::Xoauth2 | MechanismName::Oauthbearer);
            let message = said(mechanism, TokenError::InvalidToken, None, Some(DISCOVERY));
            assert_eq!(!message.is_empty(), has_one, "{mechanism:?}");
        }
    }

    #[test]
    fn what_does_not_fit_a_line_is_left_out() {
        let long = "x".repeat(MAX_TEXT_BYTES + 1);
        let plain = said(MechanismName::Oauthbearer, TokenError::InvalidToken, None, None);
        for text in [long.as_str(), "", "a\nb", "\u{e4}", "a\0b"] {
            let found =
                said(MechanismName::Oauthbearer, TokenError::InvalidToken, Some(text), Some(text));
            assert_eq!(found, plain, "{text:?}");
        }
        let quotes = "\"".repeat(MAX_TEXT_BYTES);
        let longest =
            said(MechanismName::Xoauth2, TokenError::InvalidToken, Some(&quotes), Some(&quotes));
        assert!(longest.len() < 4096, "{}", longest.len());
    }
}
