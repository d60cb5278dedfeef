//! Mail is sent through Postfix with a token.

use std::{fs, time::Duration};

use reqwest::Method;
use serde_json::{Value, json};

use super::{
    house::{NO_CACHE, OUR_CLIENT, corp},
    logins::only,
};
use crate::support::{
    bearer::{BOTH, LogLine, curl, python},
    keycloak::{DESKTOP, Keycloak},
    postfix::{Site, Way},
    realm::Realm,
    smtp::Smtp,
    wait_for,
};

const BEN: &str = "ben@example.org";
const SCOPE: &str = "openid mail";

/// Postfix whose Dovegate has the provider, and a mailbox of ben's.
pub fn site(provider: &str) -> Option<Site> {
    site_with(provider, &[])
}

fn site_with(provider: &str, settings: &[(&str, &str)]) -> Option<Site> {
    let before = "[passwords]";
    let with_provider = format!("{provider}{before}");
    let settings = [&[(before, with_provider.as_str())], settings].concat();
    let site = Site::start(Way::Unix { chroot: true }, &settings)?;
    site.dovegate.must(&site.folder, &["domain", "set", "example.org", "--provider", "corp"], "");
    site.dovegate.must(&site.folder, &["mailbox", "add", BEN, "--auth-source", "corp"], "");
    Some(site)
}

#[test]
fn curl_sends_mail() {
    let Some(keycloak) = Keycloak::shared() else { return };
    let token = keycloak.token("ben", DESKTOP, SCOPE);
    let stranger = keycloak.token("ann", DESKTOP, SCOPE);
    for mechanism in BOTH {
        let delay = "failure_delay = \"300ms\"";
        let only = format!("{delay}\n{}", only(mechanism));
        let provider = corp(keycloak, &[OUR_CLIENT]);
        let Some(site) = site_with(&provider, &[(delay, &only)]) else { return };
        let message = site.folder.write("message", "Subject: test\r\n\r\nHello.\r\n");
        let send =
            ["--mail-from", BEN, "--mail-rcpt", "ann@example.com", "--upload-file", &message];
        let submissions = format!("smtps://127.0.0.1:{}", site.ports.submissions);
        curl(&submissions, BEN, &token, &send).unwrap();
        // Written beside the answer.
        let line = format!("sasl_method={}, sasl_username={BEN}", mechanism.name());
        wait_for(&line, Duration::from_secs(10), || {
            let log = fs::read_to_string(site.folder.outside("mail.log")).unwrap();
            log.contains(&line).then_some(())
        });
        let refused = curl(&submissions, BEN, &stranger, &send).unwrap_err();
        assert!(refused.contains("Login denied"), "{mechanism:?}: {refused}");
    }
}

#[test]
fn python_logs_in_to_send_mail() {
    let Some(keycloak) = Keycloak::shared() else { return };
    let Some(site) = site(&corp(keycloak, &[OUR_CLIENT])) else { return };
    let token = keycloak.token("ben", DESKTOP, SCOPE);
    let stranger = keycloak.token("ann", DESKTOP, SCOPE);
    for mechanism in BOTH {
        for (protocol, port) in [("smtp", site.ports.plain), ("submission", site.ports.submission)]
        {
            assert_eq!(python(protocol, port, mechanism, BEN, &token), "in", "{protocol}");
            let refused = python(protocol, port, mechanism, BEN, &stranger);
            assert!(refused.starts_with("535"), "{protocol} by {mechanism:?}: {refused}");
            assert_eq!(LogLine::last(&site.folder).field("reason"), "token_user");
        }
    }
}

/// Postfix cuts a line at 2,048 bytes where `line_length_limit` does not say
/// otherwise, as in `contrib/postfix/master.cf`.
#[test]
fn long_tokens_pass_the_submission_services() {
    let Some(keycloak) = Keycloak::shared() else { return };
    let Some(site) = site(&corp(keycloak, &[OUR_CLIENT])) else { return };
    let mapper = json!({
        "name": "long", "protocol": "openid-connect",
        "protocolMapper": "oidc-hardcoded-claim-mapper",
        "config": {
            "claim.name": "long", "claim.value": "x".repeat(2000), "jsonType.label": "String",
            "access.token.claim": "true",
        },
    });
    let scope =
        json!({ "name": "long", "protocol": "openid-connect", "protocolMappers": [mapper] });
    let realm = Realm::example(keycloak);
    let (desktop, scope) = (realm.client(DESKTOP), realm.post("client-scopes", &scope));
    let path = format!("clients/{desktop}/optional-client-scopes/{scope}");
    realm.admin(Method::PUT, &path, &Value::Null).good();
    let token = keycloak.token("ben", DESKTOP, "openid long");
    assert!(token.len() > 3000, "{}", token.len());
    for mechanism in BOTH {
        assert_eq!(python("submission", site.ports.submission, mechanism, BEN, &token), "in");
        let cut = python("smtp", site.ports.plain, mechanism, BEN, &token);
        assert!(cut.starts_with("535"), "{cut}");
    }
}

/// Outages are 454 to Postfix, which knows no other word for them.
#[test]
fn our_own_wrong_secret_is_454() {
    let Some(keycloak) = Keycloak::shared() else { return };
    let client = "client_id = \"dovegate\"\nclient_secret = \"wrong\"\n";
    let Some(site) = site(&corp(keycloak, &[client, NO_CACHE])) else { return };
    let token = keycloak.token("ben", DESKTOP, SCOPE);
    let mut client = Smtp::connect(site.ports.plain);
    for mechanism in BOTH {
        let command = format!("AUTH {} {}", mechanism.name(), mechanism.response(BEN, &token));
        assert_eq!(client.command(&command).code, 454);
    }
}

/// swaks knows neither mechanism, but sees both, and a person whose tokens come
/// from a provider goes on sending with an app password.
#[test]
fn swaks_sees_both_and_sends_with_an_app_password() {
    let Some(keycloak) = Keycloak::shared() else { return };
    let Some(site) = site(&corp(keycloak, &[OUR_CLIENT])) else { return };
    let phone = site.dovegate.app_password(&site.folder, BEN, &["--service", "smtp"]);
    let output = std::process::Command::new("swaks")
        .args(["--server", "127.0.0.1", "--port", &site.ports.plain.to_string()])
        .args(["--from", BEN, "--to", "ann@example.com", "--auth", "PLAIN", "--auth-user", BEN])
        .args(["--auth-password", &phone.text])
        .output();
    let Ok(output) = output else { return crate::support::skip("swaks is not installed") };
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "{said}");
    assert!(said.contains("AUTH PLAIN LOGIN XOAUTH2 OAUTHBEARER"), "{said}");
    assert!(said.contains("235 2.7.0"), "{said}");
}
