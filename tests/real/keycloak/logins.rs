//! Real mail programs log in with a token, by both mechanisms.

use super::house::{House, OUR_CLIENT, corp};
use crate::support::{
    bearer::{BOTH, Mechanism, curl, python},
    dovecot::{
        Extra,
        Version::{self, V23, V24},
        Way::{self, OwnDaemon, UnderMaster},
    },
    keycloak::{DESKTOP, Keycloak},
};

const ANN: &str = "ann@example.org";
const CLIENTS: &str = "clients = [\"desktop\"]\n";

fn house(keycloak: &Keycloak, version: Version, way: Way, login: &str) -> Option<House> {
    let corp = corp(keycloak, &[OUR_CLIENT, CLIENTS]);
    Some(
        House::start_as(version, way, Extra { login, tables: &corp, ..Extra::default() })?
            .people(&["ann"]),
    )
}

fn curl_reads_mail(version: Version, way: Way) {
    let Some(keycloak) = Keycloak::shared() else { return };
    let token = keycloak.token("ann", DESKTOP, "openid mail");
    let stranger = keycloak.token("ben", DESKTOP, "openid mail");
    for mechanism in BOTH {
        let Some(house) = house(keycloak, version, way, &only(mechanism)) else { return };
        let imap = format!("imaps://127.0.0.1:{}/", house.rig.ports.imaps);
        let pop3 = format!("pop3s://127.0.0.1:{}/", house.rig.ports.pop3s);
        let status = ["--request", "STATUS INBOX (MESSAGES)"];
        for name in [ANN, "Ann@Example.ORG"] {
            let read = curl(&imap, name, &token, &status);
            assert_eq!(read.as_deref(), Ok("* STATUS INBOX (MESSAGES 0)\r\n"), "{mechanism:?}");
            assert_eq!(house.logged().field("mechanism"), mechanism.name());
        }
        curl(&pop3, ANN, &token, &[]).unwrap();
        for url in [&imap, &pop3] {
            let refused = curl(url, ANN, &stranger, &[]).unwrap_err();
            assert!(refused.contains("Login denied"), "{mechanism:?}: {refused}");
        }
    }
}

/// curl 7.88 takes OAUTHBEARER where it is offered, whatever its option
/// `--login-options` says.
pub fn only(mechanism: Mechanism) -> String {
    format!("mechanisms = [\"PLAIN\", \"{}\"]", mechanism.name())
}

#[test]
fn curl_under_dovecot_2_3() {
    curl_reads_mail(V23, OwnDaemon);
}

#[test]
fn curl_under_dovecot_2_4() {
    curl_reads_mail(V24, OwnDaemon);
}

fn python_by_every_protocol(version: Version, way: Way) {
    let Some(keycloak) = Keycloak::shared() else { return };
    let Some(house) = house(keycloak, version, way, "") else { return };
    let token = keycloak.token("ann", DESKTOP, "openid mail");
    let stranger = keycloak.token("ben", DESKTOP, "openid mail");
    let ports = house.rig.ports;
    for mechanism in BOTH {
        for (protocol, port, refusal) in [
            ("imap", ports.imaps, "AUTHENTICATIONFAILED"),
            ("pop3", ports.pop3s, "[AUTH]"),
            ("sieve", ports.sieve, "NO"),
            ("submission in two", ports.submission, "535"),
        ] {
            assert_eq!(python(protocol, port, mechanism, ANN, &token), "in", "{protocol}");
            let refused = python(protocol, port, mechanism, ANN, &stranger);
            assert!(refused.contains(refusal), "{protocol} by {mechanism:?}: {refused}");
        }
    }
}

#[test]
fn python_under_dovecot_2_3() {
    python_by_every_protocol(V23, UnderMaster);
}

#[test]
fn python_under_dovecot_2_4() {
    python_by_every_protocol(V24, OwnDaemon);
}

/// Dovecot's own limits, which a token of Keycloak's can meet. In front of
/// Dovegate, so that nobody hears that the token is wrong.
fn dovecots_limits(version: Version) {
    let Some(keycloak) = Keycloak::shared() else { return };
    let Some(house) = house(keycloak, version, OwnDaemon, "") else { return };
    let token = keycloak.token("ann", DESKTOP, "openid mail");
    let port = house.rig.ports.submission;
    let said = python("submission", port, Mechanism::Xoauth2, ANN, &token);
    assert!(said.starts_with("500"), "{said}");
    let port = house.rig.ports.imaps;
    let said = python("imap", port, Mechanism::Xoauth2, ANN, &"x".repeat(5900));
    assert!(said.contains("AUTHENTICATIONFAILED"), "{said}");
    let said = python("imap", port, Mechanism::Xoauth2, ANN, &"x".repeat(6200));
    assert!(said.contains("EOF"), "{said}");
}

#[test]
fn limits_of_dovecot_2_3() {
    dovecots_limits(V23);
}

#[test]
fn limits_of_dovecot_2_4() {
    dovecots_limits(V24);
}
