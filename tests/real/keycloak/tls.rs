//! Keycloak behind a certificate that it signed itself.

use super::house::{House, NO_CACHE, OUR_CLIENT};
use crate::support::{
    bearer::Mechanism::Xoauth2,
    client::Outcome,
    dovecot::{Rig, Version::V23, Way::OwnDaemon},
    keycloak::{DESKTOP, Keycloak, REALM, sign_in},
};

const SCOPE: &str = "openid mail";
const ANN: &str = "ann@example.org";

/// The provider at its https address.
fn corp(keycloak: &Keycloak, keys: &[&str]) -> String {
    super::house::corp(keycloak, &[&[OUR_CLIENT, NO_CACHE], keys].concat())
        .replace(&keycloak.url(), &keycloak.secure_url())
}

fn token(keycloak: &Keycloak) -> String {
    let issuer = format!("{}/realms/{REALM}", keycloak.secure_url());
    sign_in(&issuer, "ann", DESKTOP, SCOPE).access
}

const METHODS: [&str; 3] =
    ["methods = [\"introspection\"]\n", "methods = [\"userinfo\"]\n", "methods = [\"jwt\"]\n"];

/// Nothing is sent to whom nobody vouches for, and `provider test` names TLS.
#[test]
fn unknown_certificate_is_an_outage() {
    let Some(keycloak) = Keycloak::shared() else { return };
    let token = token(keycloak);
    for method in METHODS {
        let Some(house) = House::start(&corp(keycloak, &[method])) else { return };
        let house = house.people(&["ann"]);
        house.cannot_tell(ANN, &token, "provider_tls");
        let output = house.rig.dovegate.run(&house.rig.folder, &["provider", "test", "corp"], "");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(!output.status.success(), "{said}");
        let failed: Vec<&str> = said.lines().filter(|line| line.contains('✗')).collect();
        assert!(matches!(failed[..], [line] if line.trim().starts_with("TLS ")), "{said}");
        assert!(said.contains("ca_file"), "{said}");
    }
}

/// Every call of the provider's goes the same way: discovery, keys,
/// introspection, userinfo.
#[test]
fn ca_file_makes_it_known() {
    let Some(keycloak) = Keycloak::shared() else { return };
    let token = token(keycloak);
    for method in METHODS {
        let certificate = keycloak.certificate();
        let ca_file = format!("ca_file = \"{}\"\n", certificate.display());
        let Some(house) = House::start(&corp(keycloak, &[method, &ca_file])) else { return };
        let house = house.people(&["ann"]);
        house.admits(ANN, &token);
        house.rig.dovegate(&["provider", "test", "corp"]);
        assert!(!warned(&house), "{method}");
    }
}

/// Works, and is warned about at each start.
#[test]
fn ignore_ssl_errors_works_and_is_warned_about() {
    let Some(keycloak) = Keycloak::shared() else { return };
    let token = token(keycloak);
    for method in METHODS {
        let ignore = "ignore_ssl_errors = true\n";
        let Some(house) = House::start(&corp(keycloak, &[method, ignore])) else { return };
        let house = house.people(&["ann"]);
        assert_eq!(house.admits(ANN, &token).field("provider"), "corp");
        assert!(warned(&house), "{method}");
        house.rig.dovegate(&["provider", "test", "corp"]);
    }
}

fn warned(house: &House) -> bool {
    let log = std::fs::read_to_string(house.rig.folder.outside("dovegate.log")).unwrap();
    log.contains("ignore_ssl_errors")
}

/// A provider in the store is mended while the server runs.
#[test]
fn mended_by_the_command_line() {
    let Some(keycloak) = Keycloak::shared() else { return };
    let token = token(keycloak);
    let Some(rig) = Rig::start(V23, OwnDaemon) else { return };
    let add = [
        "provider",
        "add",
        "corp",
        "--kind",
        "keycloak",
        "--realm",
        REALM,
        "--server-url",
        &keycloak.secure_url(),
        "--client-id",
        "dovegate",
        "--client-secret-stdin",
    ];
    rig.dovegate.must(&rig.folder, &add, "secret-of-dovegate\n");
    rig.dovegate(&["domain", "add", "example.org", "--provider", "corp"]);
    let house = House { rig }.people(&["ann"]);
    house.cannot_tell(ANN, &token, "provider_tls");
    let certificate = keycloak.certificate().display().to_string();
    house.rig.dovegate(&["provider", "set", "corp", "--ca-file", &certificate]);
    house.admits(ANN, &token);
    house.rig.dovegate(&["provider", "set", "corp", "--unset", "ca_file"]);
    let login = house.log_in(Xoauth2, ANN, &token);
    assert!(matches!(login.outcome, Outcome::Temporary(_)), "{}", house.logged());
    house.rig.dovegate(&["provider", "set", "corp", "--ignore-ssl-errors", "true"]);
    house.admits(ANN, &token);
}
