//! What an administrator is shown of a provider and of a token.

use super::house::{House, NO_CACHE, OUR_CLIENT, corp};
use crate::support::keycloak::{DESKTOP, ELSEWHERE, Keycloak, WIKI};

const SCOPE: &str = "openid mail";

fn house(keycloak: &Keycloak) -> Option<House> {
    let keys = [OUR_CLIENT, NO_CACHE, "clients = [\"desktop\"]\nscopes = [\"mail\"]\n"];
    Some(House::start(&corp(keycloak, &keys))?.people(&["ann"]))
}

/// Runs a command with the token on its stdin, and sees that no part of the
/// token is printed.
fn shown(house: &House, arguments: &[&str], token: &str) -> (i32, String) {
    let output = house.rig.dovegate.run(&house.rig.folder, arguments, &format!("{token}\n"));
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    for part in token.split('.') {
        assert!(!text.contains(part), "{text}");
    }
    (output.status.code().expect("it ended by itself"), text)
}

#[test]
fn provider_test_passes_every_step() {
    let Some(keycloak) = Keycloak::shared() else { return };
    let Some(house) = house(keycloak) else { return };
    let command = ["provider", "test", "corp", "--token-stdin"];
    let (code, text) = shown(&house, &command, &keycloak.token("ann", DESKTOP, SCOPE));
    assert_eq!(code, 0, "{text}");
    assert!(!text.contains('✗'), "{text}");
    let (code, text) = shown(&house, &command, &keycloak.token("ann", WIKI, SCOPE));
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("wiki"), "{text}");
}

#[test]
fn provider_test_names_what_is_wrong() {
    let Some(keycloak) = Keycloak::shared() else { return };
    let good = corp(keycloak, &[OUR_CLIENT]);
    for (step, right, wrong) in [
        ("discovery", "realm = \"example\"", "realm = \"nobody\""),
        ("client", "secret-of-dovegate", "wrong"),
        ("tcp", &keycloak.port().to_string(), "1"),
    ] {
        let Some(house) = House::start(&good.replace(right, wrong)) else { return };
        let output = house.rig.dovegate.run(&house.rig.folder, &["provider", "test", "corp"], "");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let failed = text.lines().find(|line| line.contains('✗')).unwrap_or_default();
        assert!(failed.trim().starts_with(step), "{step}: {text}");
        assert_eq!(output.status.code(), Some(1), "{text}");
    }
}

#[test]
fn explain_shows_each_step_of_a_token() {
    let Some(keycloak) = Keycloak::shared() else { return };
    let Some(house) = house(keycloak) else { return };
    let explain = ["explain", "ann@example.org", "--service", "imap", "--token-stdin"];
    let (code, text) = shown(&house, &explain, &keycloak.token("ann", DESKTOP, SCOPE));
    assert_eq!(code, 0, "{text}");
    for step in ["introspection", "issuer", "type", "expiry", "audience", "client", "scopes"] {
        assert!(text.contains(&format!(" {step} ")), "{step}: {text}");
    }
    // Without effects: the mailbox is nobody's yet.
    let mailbox = house.rig.dovegate(&["mailbox", "show", "ann@example.org"]);
    assert!(!mailbox.contains(keycloak_id(keycloak).as_str()), "{mailbox}");
    for (token, reason) in [
        (keycloak.token("ben", DESKTOP, SCOPE), "token_user"),
        (keycloak.token("ann", WIKI, SCOPE), "token_client"),
        (keycloak.token("ann", DESKTOP, "openid"), "token_scope"),
        (keycloak.tokens(ELSEWHERE, "ann", DESKTOP, SCOPE).access, "token_issuer"),
    ] {
        let (code, text) = shown(&house, &[&explain[..], &["--json"]].concat(), &token);
        assert_eq!(code, 1, "{text}");
        let shown: serde_json::Value = serde_json::from_str(&text).expect("--json prints JSON");
        assert_eq!(shown["reason"], reason, "{text}");
    }
}

fn keycloak_id(keycloak: &Keycloak) -> String {
    let token = keycloak.token("ann", DESKTOP, SCOPE);
    super::forged::claims(&token)["sub"].as_str().expect("Keycloak's ids are text").to_owned()
}
