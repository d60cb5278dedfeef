//! Bearer tokens and passwords of people whom a real Keycloak knows. Needs Java and the Keycloak that
//! `contrib/test-setup` builds.

mod administrator;
mod away;
mod caches;
mod crowd;
mod events;
mod facts;
mod feed;
mod followed;
mod forged;
pub mod house;
mod killed;
mod logins;
mod mailpassword;
mod near;
mod newcomers;
mod outages;
mod post;
mod refusals;
mod schedule;
mod sending;
mod sign_out;
mod sync;
mod syncing;
mod tls;
mod withdrawal;

use serde_json::json;

use crate::support::{
    http,
    keycloak::{DESKTOP, DOVEGATE, Keycloak, REALM},
    realm::Realm,
};

/// The rig itself: what every other test takes for granted.
#[test]
fn gives_tokens_and_takes_them_back() {
    let Some(keycloak) = Keycloak::shared() else { return };
    Realm::example(keycloak).add_person("rita", "rita@example.org", true);
    let tokens = keycloak.tokens(REALM, "rita", DESKTOP, "openid mail");
    let userinfo = keycloak.endpoint(REALM, "userinfo");
    let person = http::get(&userinfo, &tokens.access).good();
    assert_eq!(person["email"], json!("rita@example.org"));
    assert_eq!(person["email_verified"], json!(true));
    assert_eq!(introspect(keycloak, &tokens.access)["aud"], json!(["mail", "account"]));

    keycloak.sign_out(&tokens);
    let refused = http::get(&userinfo, &tokens.access);
    assert_eq!((refused.status, &refused.body), (401, &serde_json::Value::Null), "{refused:?}");
    // The one place that says why.
    assert!(refused.challenge.is_some_and(|why| why.contains("user_session_not_found")));
    assert_eq!(introspect(keycloak, &tokens.access), json!({ "active": false }));
}

fn introspect(keycloak: &Keycloak, token: &str) -> serde_json::Value {
    let form = [("client_id", DOVEGATE), ("client_secret", "secret-of-dovegate"), ("token", token)];
    http::post(&keycloak.endpoint(REALM, "token/introspect"), &form).good()
}
