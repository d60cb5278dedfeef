//! Main passwords that a Keycloak keeps: from the command line to a login and
//! its line in the log.

use serde_json::json;

use crate::support::{
    provider::{Behaviour, CLIENT_ID, CLIENT_SECRET, FakeProvider},
    world::{ANN, World},
};

const TOKEN: &str = "/protocol/openid-connect/token";
const USERS: &str = "/admin/realms/mail/users";

/// The provider speaks for example.org and keeps main passwords.
fn following(corp: &FakeProvider, settings: &[&str]) -> World {
    corp.behave(TOKEN, Behaviour::json(&json!({ "access_token": "ours", "expires_in": 300 })));
    let world = World::new();
    let url = corp.url();
    let add: [&[&str]; 3] = [
        &["provider", "add", "corp", "--kind", "keycloak", "--realm", "mail", "--server-url", &url],
        &["--client-id", CLIENT_ID, "--client-secret-stdin", "--mailpassword-flow", "true"],
        settings,
    ];
    world.daemon.cli(&add.concat(), CLIENT_SECRET);
    world.daemon.cli(&["domain", "set", "example.org", "--provider", "corp"], "");
    world
}

#[test]
fn from_the_command_line_to_a_login() {
    let corp = FakeProvider::start();
    let person = json!({
        "id": "a7feeb0e", "email": ANN, "emailVerified": true, "enabled": true,
        "attributes": { "imap_password": ["{PLAIN}kept elsewhere"] },
    });
    corp.behave(USERS, Behaviour::json(&json!([person])));
    let world = following(&corp, &["--password-attribute", "imap_password", "--timeout", "1s"]);
    world.daemon.cli(&["mailbox", "set", ANN, "--auth-source", "corp"], "");

    let mut client = world.target.client("login", 2);
    let reply = client.login(ANN, "kept elsewhere").expect("OK");
    assert_eq!(reply.get("user"), Some(ANN));
    let line = nth_login(&world, 1);
    assert!(line.contains("verdict=verified "), "{line}");
    assert!(line.contains(" verifier=mailpassword "), "{line}");
    assert!(line.ends_with(" provider=corp detail=-"), "{line}");

    client.login(ANN, "wonderland").expect("FAIL");
    let line = nth_login(&world, 2);
    assert!(line.contains("verdict=rejected reason=wrong_password "), "{line}");
    assert!(line.contains(" verifier=mailpassword ") && line.contains(" guess=true "), "{line}");

    corp.behave(USERS, Behaviour::status(403));
    world.daemon.cli(&["cache", "flush"], "");
    let reply = client.login(ANN, "kept elsewhere").expect("FAIL");
    assert_eq!(reply.get("code"), Some("temp_fail"));
    let line = nth_login(&world, 3);
    assert!(line.contains("verdict=unavailable reason=provider_rights "), "{line}");
    let log = world.daemon.log();
    assert!(log.contains("main passwords cannot be checked"), "{log}");
    assert!(!log.contains("kept elsewhere") && !log.contains(CLIENT_SECRET), "{log}");
}

/// Nobody has made a mailbox for bob: his first login does, if nothing is in its way.
#[test]
fn a_first_login_makes_a_mailbox() {
    const NEW: &str = "new@example.org";
    let corp = FakeProvider::start();
    let person = json!({
        "id": "a7feeb0e", "email": NEW, "emailVerified": true, "enabled": true,
        "attributes": { "mailcow_password": ["{PLAIN}kept elsewhere"], "mailcow_template": ["x"] },
    });
    corp.behave(USERS, Behaviour::json(&json!([person])));
    let world = following(&corp, &["--attribute-mapping", "staff=Staff", "--event-interval", "0s"]);
    world.daemon.cli(&["template", "add", "Staff", "--quota", "3G"], "");

    let mut client = world.target.client("login", 2);
    client.login(NEW, "kept elsewhere").expect("FAIL");
    let line = nth_login(&world, 1);
    assert!(line.contains("verdict=rejected reason=provision_no_template "), "{line}");
    assert!(line.contains(" verifier=mailpassword ") && line.contains(" provider=corp "), "{line}");
    assert!(line.contains("no template for"), "{line}");

    world.daemon.cli(&["provider", "set", "corp", "--default-template", "Staff"], "");
    let told = world.daemon.cli(&["explain", NEW], "");
    assert!(told.contains("it would be made by template Staff"), "{told}");
    assert!(!world.daemon.try_cli(&["mailbox", "show", NEW], "").status.success());

    let reply = client.login(NEW, "kept elsewhere").expect("OK");
    assert_eq!(reply.get("user"), Some(NEW));
    let line = nth_login(&world, 2);
    assert!(line.contains("verdict=verified ") && line.contains(" cached=false "), "{line}");
    let shown = world.daemon.cli(&["mailbox", "show", NEW], "");
    assert!(shown.contains("3G") && shown.contains("Staff"), "{shown}");
    let log = world.daemon.log();
    assert!(log.contains("action=\"created\"") || log.contains("action=created"), "{log}");
    assert!(!log.contains("kept elsewhere"), "{log}");
}

/// The line of the `number`th login: the log may come a moment after its reply.
fn nth_login(world: &World, number: usize) -> String {
    let logins = |log: &str| -> Vec<String> {
        log.lines().filter(|line| line.contains(" login verdict=")).map(str::to_owned).collect()
    };
    world.daemon.wait_for_log("the line of a login", |log| logins(log).len() >= number);
    logins(&world.daemon.log())[number - 1].clone()
}
