//! People who sign in at a fake provider with a browser: the authorization code flow as
//! Keycloak does it, PKCE and all.

use std::collections::HashMap;

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use url::{Url, form_urlencoded};

use super::{Behaviour, CLIENT_ID, FakeProvider, Seen, State, merge};

pub(crate) const AUTHORIZE: &str = "/authorize";
pub(crate) const CODE: &str = "/token";
pub(crate) const END_SESSION: &str = "/logout";

/// Who signs in, and what was begun.
#[derive(Default)]
pub(super) struct Browsers {
    /// Changes of the usual claims in what is said of him; nobody can without.
    who: Option<Value>,
    /// Changes of the ID token alone.
    id_token: Value,
    codes: HashMap<String, Begun>,
    number: usize,
}

struct Begun {
    redirect: String,
    nonce: String,
    challenge: String,
}

impl FakeProvider {
    /// From now on somebody with these changes of Ann's claims signs in.
    pub(crate) fn signs_in(&self, claims: Value) {
        let mut state = self.state();
        state.browsers.who = Some(claims);
        state.browsers.id_token = json!({});
    }

    /// The ID token has these changes besides.
    pub(crate) fn says_in_id_token(&self, claims: Value) {
        self.state().browsers.id_token = claims;
    }

    /// The browser was sent to `url` and its person signs in: what it brings back, and to
    /// where.
    pub(crate) fn visited(&self, url: &Url) -> (String, HashMap<String, String>) {
        let asked: HashMap<String, String> = url.query_pairs().into_owned().collect();
        assert_eq!(url.path(), AUTHORIZE);
        assert_eq!(asked["response_type"], "code");
        assert_eq!(asked["client_id"], CLIENT_ID);
        assert_eq!(asked["code_challenge_method"], "S256");
        assert!(asked["scope"].split(' ').any(|scope| scope == "openid"));
        let mut state = self.state();
        state.browsers.number += 1;
        let code = format!("code-{}-of-a-sign-in", state.browsers.number);
        let begun = Begun {
            redirect: asked["redirect_uri"].clone(),
            nonce: asked["nonce"].clone(),
            challenge: asked["code_challenge"].clone(),
        };
        state.browsers.codes.insert(code.clone(), begun);
        let back =
            [("state", asked["state"].clone()), ("code", code), ("iss", state.issuer.clone())];
        let back = back.map(|(name, value)| (name.to_owned(), value)).into_iter().collect();
        (asked["redirect_uri"].clone(), back)
    }
}

impl State {
    pub(super) fn with_pages(&self, mut document: Value) -> Value {
        if self.browsers.who.is_some() {
            let issuer = &self.issuer;
            let pages = json!({
                "authorization_endpoint": format!("{issuer}{AUTHORIZE}"),
                "token_endpoint": format!("{issuer}{CODE}"),
                "end_session_endpoint": format!("{issuer}{END_SESSION}"),
                "authorization_response_iss_parameter_supported": true,
            });
            merge(&mut document, pages);
        }
        document
    }

    /// RFC 6749 §4.1.3 and RFC 7636 §4.6. A code is good once.
    pub(super) fn code(&mut self, seen: &Seen) -> Behaviour {
        let form: HashMap<String, String> =
            form_urlencoded::parse(seen.body.as_bytes()).into_owned().collect();
        let refused = |status, error: &str| {
            let body = json!({ "error": error, "error_description": "as it is" });
            Behaviour::text(status, "application/json", body.to_string())
        };
        let posted = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
        let is_public = !form.contains_key("client_secret") && posted("client_id") == CLIENT_ID;
        if !is_public && !super::serve::is_our_client(seen, &form) {
            return refused(401, "invalid_client");
        }
        let Some(who) = self.browsers.who.clone() else { return refused(400, "invalid_request") };
        let Some(begun) = self.browsers.codes.remove(posted("code")) else {
            return refused(400, "invalid_grant");
        };
        let verifier = posted("code_verifier");
        let challenge = BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes()));
        if begun.redirect != posted("redirect_uri") || begun.challenge != challenge {
            return refused(400, "invalid_grant");
        }
        let access = self.signed(&json!({ "azp": CLIENT_ID, "sid": "9" }), &who);
        let mut id = json!({
            "typ": "ID", "aud": CLIENT_ID, "azp": CLIENT_ID, "nonce": begun.nonce, "sid": "9", "scope": null,
        });
        let changes = self.browsers.id_token.clone();
        for (name, value) in changes.as_object().into_iter().flatten() {
            id[name] = value.clone();
        }
        let id = self.signed(&id, &json!({ "sub": who["sub"] }));
        Behaviour::json(&json!({
            "access_token": access, "token_type": "Bearer", "expires_in": 300, "id_token": id,
        }))
    }
}
