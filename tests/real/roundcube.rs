//! Roundcube in a real browser: people sign in at a real Keycloak, read through
//! Dovecot and send through Postfix with its token, and Dovegate judges it.
//!
//! Needs root and what `contrib/test-setup` installs: Roundcube with PHP,
//! Chromium, Node with playwright-core, Keycloak, Dovecot, Postfix. Screenshots of
//! every step lie in `target/artefacts/roundcube`.

mod site;

use std::{thread, time::Duration};

use reqwest::Method;
use serde_json::json;

use self::site::{LONG, Site, Times};
use crate::support::{keycloak::Keycloak, realm::Realm};

/// From the button on the login page to the message that she sent to herself.
#[test]
fn a_person_signs_in_reads_sends_and_signs_out() {
    let Some(site) = Keycloak::shared().and_then(|keycloak| Site::start(keycloak, "ann", &LONG))
    else {
        return;
    };
    site.deliver("ann@example.org", "waiting for you");
    let seen = site.person(&json!({ "do": "signIn", "person": "ann" }));
    assert_eq!(seen["where"], "mailbox", "{seen:#}");
    assert_eq!(seen["account"], "ann@example.org", "{seen:#}");
    assert_eq!(seen["subjects"], json!(["waiting for you"]), "{seen:#}");
    let login = site.login("verdict=verified", "service=imap");
    for field in ["mechanism=XOAUTH2", "verifier=token", "user=ann@example.org", "provider=corp"] {
        assert!(login.contains(field), "{field}: {login}");
    }

    // Every page is a login of its own; Keycloak hears of none of them.
    let (asked, logins) = (site.asked_about_tokens(), site.logins());
    assert!(asked > 0);
    for _ in 0..2 {
        let seen = site.person(&json!({ "do": "openMailbox" }));
        assert_eq!(seen["subjects"], json!(["waiting for you"]), "{seen:#}");
    }
    assert!(site.logins() > logins);
    assert!(site.login("cached=true", "service=imap").contains("verdict=verified"));
    assert_eq!(site.asked_about_tokens(), asked);

    let to_herself = json!({
        "do": "send", "to": "ann@example.org", "subject": "note to self",
        "body": "Sent with a token, and read with one.",
    });
    let seen = site.person(&to_herself);
    assert_eq!(seen["where"], "mailbox", "{seen:#}");
    let login = site.login("verdict=verified", "service=smtp");
    assert!(login.contains("mechanism=XOAUTH2") && login.contains("verifier=token"), "{login}");
    let seen = site.person(&json!({ "do": "read", "subject": "note to self" }));
    assert_eq!(seen["message"], "Sent with a token, and read with one.", "{seen:#}");
    assert!(site.mail_log().contains("sasl_method=XOAUTH2, sasl_username=ann@example.org"));

    // Signing out ends Keycloak's session, too: the button asks for a password.
    let seen = site.person(&json!({ "do": "signOut" }));
    assert_eq!(seen["where"], "login", "{seen:#}");
    let seen = site.person(&json!({ "do": "openMailbox" }));
    assert_eq!(seen["where"], "login", "{seen:#}");
    let seen = site.person(&json!({ "do": "signIn" }));
    assert_eq!(seen["where"], "keycloak", "{seen:#}");
}

/// Keycloak knows them, the mail server does not let them in.
#[test]
fn whom_dovegate_refuses_roundcube_refuses() {
    let Some(site) =
        Keycloak::shared().and_then(|keycloak| Site::start(keycloak, "refused", &LONG))
    else {
        return;
    };
    for (person, reason) in [
        ("ben", "reason=unknown_user user=ben@example.org"),
        ("una", "reason=unverified_email user=una@example.org"),
    ] {
        let seen = site.person(&json!({ "do": "signIn", "person": person }));
        assert_eq!(seen["where"], "login", "{seen:#}");
        assert!(seen["message"].as_str().unwrap().contains("Login failed"), "{seen:#}");
        site.login("verdict=rejected", reason);
        site.person(&json!({ "do": "forget" }));
    }
}

/// Roundcube takes a new token ten seconds before the old one ends, and ends its
/// own session when Keycloak gives none any more.
#[test]
fn a_token_is_renewed_until_the_session_ends() {
    let times = Times { token_cache: Duration::ZERO, access_token: Duration::from_secs(14) };
    let Some(keycloak) = Keycloak::shared() else { return };
    let Some(site) = Site::start(keycloak, "renewed", &times) else { return };
    let tess = Realm::example(keycloak).add_person("tess", "tess@example.org", true);
    site.add_mailbox("tess@example.org");
    site.deliver("tess@example.org", "waiting for you");
    let seen = site.person(&json!({ "do": "signIn", "person": "tess" }));
    assert_eq!(seen["where"], "mailbox", "{seen:#}");
    thread::sleep(times.access_token + Duration::from_secs(1));
    let seen = site.person(&json!({ "do": "openMailbox" }));
    assert_eq!(seen["subjects"], json!(["waiting for you"]), "{seen:#}");

    let sign_out = format!("users/{tess}/logout");
    Realm::example(keycloak).admin(Method::POST, &sign_out, &json!({})).good();
    thread::sleep(times.access_token);
    let seen = site.person(&json!({ "do": "openMailbox" }));
    let message = seen["message"].as_str().unwrap();
    assert!(message.contains("session is invalid or expired"), "{seen:#}");
    let seen = site.person(&json!({ "do": "openMailbox" }));
    assert_eq!(seen["where"], "login", "{seen:#}");
}

/// Who is in stays in as long as the token lives; who comes is told that the
/// server has trouble, not that the person is wrong.
#[test]
fn an_outage_of_keycloak_is_no_wrong_password() {
    let Some(keycloak) = Keycloak::own() else { return };
    let brief = Duration::from_secs(3);
    let times = Times { token_cache: brief, ..LONG };
    let Some(site) = Site::start(&keycloak, "outage", &times) else { return };
    site.deliver("ann@example.org", "waiting for you");
    let seen = site.person(&json!({ "do": "signIn", "person": "ann" }));
    assert_eq!(seen["where"], "mailbox", "{seen:#}");

    keycloak.stop();
    thread::sleep(brief + Duration::from_secs(1));
    let seen = site.person(&json!({ "do": "openMailbox" }));
    assert_eq!(seen["subjects"], json!(["waiting for you"]), "{seen:#}");
    assert!(site.login("stale=true", "service=imap").contains("verdict=verified"));

    // Dovegate forgot what it knew: now nobody can tell.
    site.dovegate(&["cache", "flush"]);
    let seen = site.person(&json!({ "do": "openMailbox" }));
    site.login("verdict=unavailable", "reason=provider_unreachable");
    let message = seen["message"].as_str().unwrap();
    assert!(message.contains("Connection to storage server failed"), "{seen:#}");
    assert!(message.contains("[UNAVAILABLE]"), "{seen:#}");
    assert_eq!(seen["subjects"], json!([]), "{seen:#}");

    keycloak.run();
    let seen = site.person(&json!({ "do": "openMailbox" }));
    assert_eq!(seen["subjects"], json!(["waiting for you"]), "{seen:#}");
}
