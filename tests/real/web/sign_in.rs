//! Signing in at a real Keycloak, in a real browser.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use super::{
    browser::{Browser, Seen},
    site::Site,
};
use crate::support::{keycloak::Keycloak, realm::Realm, wait_for};

/// Dovegate's client, as `contrib/keycloak/README.md` says, field by field.
fn client(realm: &Realm<'_>) {
    let template = json!({
        "name": "mailcow_template", "protocol": "openid-connect",
        "protocolMapper": "oidc-usermodel-attribute-mapper",
        "config": {
            "user.attribute": "mailcow_template", "claim.name": "mailcow_template",
            "jsonType.label": "String", "userinfo.token.claim": "true",
        },
    });
    let client = json!({
        "clientId": "pages", "secret": "secret-of-pages", "publicClient": false,
        "standardFlowEnabled": true, "redirectUris": ["http://127.0.0.1/*"],
        "frontchannelLogout": false,
        "attributes": { "pkce.code.challenge.method": "S256", "post.logout.redirect.uris": "+" },
        "defaultClientScopes": ["basic", "email", "profile", "roles"],
        "protocolMappers": [template],
    });
    realm.post("clients", &client);
}

/// Pages whose people are in this realm, with the templates Staff and Gold.
fn site(realm: &Realm<'_>, keys: &str) -> Option<Site> {
    client(realm);
    let settings = format!(
        "[provider.corp]\nkind = \"keycloak\"\nserver_url = \"{}\"\nrealm = \"{}\"\n\
         client_id = \"pages\"\nclient_secret = \"secret-of-pages\"\nevent_interval = \"0s\"\n\
         attribute_mapping = [{{ value = \"staff\", template = \"Staff\" }}, \
         {{ value = \"gold\", template = \"Gold\" }}]\n{keys}",
        realm.keycloak.url(),
        realm.name
    );
    let site = Site::start(&settings)?;
    for (template, quota) in [("Staff", "1G"), ("Gold", "2G")] {
        site.run(&["template", "add", template, "--quota", quota]);
    }
    site.run(&["domain", "add", "example.org", "--provider", "corp"]);
    Some(site)
}

fn person(realm: &Realm<'_>, name: &str, template: &str) -> String {
    let id = realm.add_person(name, &format!("{name}@example.org"), true);
    realm.change(&id, &json!({ "attributes": { "mailcow_template": [template] } }));
    id
}

/// Types the address, and goes to where its password is asked for.
fn to_provider(browser: &Browser, address: &str) -> Seen {
    browser.open("/sign-in");
    browser.fill("Email address", address).click("Continue");
    browser.click("Continue with corp")
}

/// Signs in on Keycloak's own page.
fn at_provider(browser: &Browser, name: &str) -> Seen {
    browser.fill("#username", name).fill("#password", &format!("password-of-{name}"));
    browser.click("#kc-login")
}

fn sign_in(browser: &Browser, name: &str) -> Seen {
    to_provider(browser, &format!("{name}@example.org"));
    at_provider(browser, name)
}

fn is_here(site: &Site, seen: &Seen) -> bool {
    seen.url.starts_with(&site.base)
}

/// In GiB.
fn quota(site: &Site, address: &str) -> u64 {
    let shown = site.run(&["mailbox", "show", address, "--json"]);
    let shown: Value = serde_json::from_str(&shown).unwrap();
    shown["effective_quota_bytes"].as_u64().expect("a number of bytes") >> 30
}

#[test]
fn a_person_signs_in_at_keycloak_and_out_of_both() {
    let Some(keycloak) = Keycloak::shared() else { return };
    let realm = Realm::make(keycloak, "people-pages", &json!({}));
    let id = person(&realm, "mara", "staff");
    let Some(site) = site(&realm, "") else { return };
    let browser = site.browser("sign-in");

    browser.open("/sign-in");
    browser.fill("Email address", "mara@example.org").click("Continue");
    browser.look("choose");
    let there = browser.click("Continue with corp");
    assert!(there.url.starts_with(&keycloak.url()), "{there:#?}");
    assert_eq!(browser.value("#username"), "mara@example.org", "she need not type it again");
    let home = at_provider(&browser, "mara");
    assert_eq!((home.status, home.path.as_str()), (200, "/"), "{home:#?}");
    assert!(home.text.contains("mara@example.org"), "{home:#?}");
    assert_eq!(quota(&site, "mara@example.org"), 1);
    let log = site.run(&["login-log", "mara@example.org", "--json"]);
    assert!(log.contains("\"web\""), "{log}");

    // Here and there: the next one is asked for his password again.
    let out = browser.click("Sign out");
    assert!(out.status == 200, "{out:#?}");
    wait_for("the way back from Keycloak", Duration::from_secs(20), || {
        (browser.see().path == "/sign-in").then_some(())
    });
    assert!(browser.open("/").path.starts_with("/sign-in"));
    realm.change(&id, &json!({ "attributes": { "mailcow_template": ["gold"] } }));
    let there = to_provider(&browser, "mara@example.org");
    assert!(!is_here(&site, &there), "she would come back in without a password: {there:#?}");
    at_provider(&browser, "mara");
    assert_eq!(quota(&site, "mara@example.org"), 2, "the template of by now counts");

    // Who is still signed in there comes back with one click.
    browser.forget_ours();
    assert!(browser.open("/").path.starts_with("/sign-in"));
    let back = to_provider(&browser, "mara@example.org");
    assert_eq!((is_here(&site, &back), back.path.as_str()), (true, "/"), "{back:#?}");

    // Keycloak signs her out, and tells us.
    let client = format!("clients/{}", realm.client("pages"));
    let mut attributes = realm.get(&client)["attributes"].clone();
    attributes["backchannel.logout.url"] = json!(format!("{}/backchannel-logout/corp", site.base));
    attributes["backchannel.logout.session.required"] = json!("true");
    realm.put(&client, &json!({ "attributes": attributes }));
    realm.admin(Method::POST, &format!("users/{id}/logout"), &json!({})).good();
    assert!(browser.open("/").path.starts_with("/sign-in"), "her session here is over, too");
}

#[test]
fn signing_out_needs_no_script() {
    let Some(keycloak) = Keycloak::shared() else { return };
    let realm = Realm::make(keycloak, "plain-pages", &json!({}));
    person(&realm, "nina", "staff");
    let Some(site) = site(&realm, "") else { return };
    let browser = Browser::without_script(&site.base, "sign-in-plain");
    assert_eq!(sign_in(&browser, "nina").path, "/");
    let out = browser.click("Sign out");
    assert_eq!(out.heading, "You are signed out", "{out:#?}");
    let back = browser.click("Sign out of corp");
    assert_eq!((is_here(&site, &back), back.path.as_str()), (true, "/sign-in"), "{back:#?}");
    let there = to_provider(&browser, "nina@example.org");
    assert!(!is_here(&site, &there), "{there:#?}");
}

#[test]
fn whoever_may_not_is_told_why() {
    let Some(keycloak) = Keycloak::shared() else { return };
    let realm = Realm::make(keycloak, "refused-pages", &json!({}));
    realm.add_person("una", "una@example.org", false);
    person(&realm, "tess", "unknown");
    let boss = realm.add_person("boss", "boss@elsewhere.example", true);
    realm.admin(Method::POST, "roles", &json!({ "name": "chief" })).good();
    let role = realm.get("roles/chief");
    realm.admin(Method::POST, &format!("users/{boss}/role-mappings/realm"), &json!([role])).good();
    let Some(site) = site(&realm, "administrator_role = \"chief\"\n") else { return };
    let browser = site.browser("sign-in-refused");
    for (name, text) in [("una", "has not verified"), ("tess", "there is no mailbox for you")] {
        let refused = sign_in(&browser, name);
        assert_eq!((refused.status, is_here(&site, &refused)), (403, true), "{refused:#?}");
        assert!(refused.text.contains(text), "{refused:#?}");
        browser.look(name);
        assert!(browser.open("/").path.starts_with("/sign-in"));
        browser.forget();
    }
    // Whoever administers needs no mailbox.
    browser.open("/sign-in/corp");
    let overview = at_provider(&browser, "boss");
    assert_eq!((overview.status, overview.path.as_str()), (200, "/admin"), "{overview:#?}");
    // The way back again, by the same address: nothing is good twice.
    let again =
        browser.ask("GET", "/sign-in/corp/callback?state=a&code=b", &Value::Null, &Value::Null);
    assert_eq!(again.status, 400, "{again:#?}");
}
