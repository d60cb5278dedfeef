//! Another provider than Keycloak: opaque tokens of oidc-provider. Needs Node and
//! what `contrib/test-setup` fetches.

use crate::support::{
    bearer::{BOTH, LogLine, imap_bearer},
    client::{Dialogue, Outcome},
    dovecot::{Extra, Rig, Version::V23, Way::OwnDaemon},
    oidc::Provider,
};

const CLIENT: &str = "client_id = \"dovegate\"\nclient_secret = \"secret-of-dovegate\"\n";

fn rig(provider: &str) -> Option<Rig> {
    let rig = Rig::start_with(V23, OwnDaemon, Extra { tables: provider, ..Extra::default() })?;
    rig.dovegate(&["domain", "add", "example.net", "--provider", "club"]);
    Some(rig)
}

fn mailbox(rig: &Rig, address: &str) {
    rig.dovegate(&["mailbox", "add", address, "--auth-source", "club"]);
}

fn club(provider: &Provider, keys: &str) -> String {
    let url = provider.url();
    format!(
        "\n[provider.club]\nkind = \"oidc\"\nserver_url = \"{url}\"\ntoken_cache = \"0s\"\n{keys}\n"
    )
}

/// "verified", or the reason of the refusal; the same by either mechanism.
fn asked(rig: &Rig, user: &str, token: &str) -> String {
    let [by_xoauth2, by_oauthbearer] = BOTH.map(|mechanism| {
        let login = imap_bearer(&mut Dialogue::tcp(rig.ports.imap), mechanism, user, token);
        let line = LogLine::last(&rig.folder);
        match (login.outcome, line.field("verdict")) {
            (Outcome::In, "verified") => "verified".to_owned(),
            (Outcome::Wrong, "rejected") => line.field("reason").to_owned(),
            (outcome, _) => panic!("{outcome:?}: {line}"),
        }
    });
    assert_eq!(by_xoauth2, by_oauthbearer);
    by_xoauth2
}

const SCOPE: &str = "openid email mail";

fn opens_and_refuses(provider: &Provider, rig: &Rig) {
    for address in ["olga@example.net", "nils@example.net"] {
        mailbox(rig, address);
    }
    let (token, refresh) = provider.tokens("olga", "desktop", SCOPE);
    assert_eq!(asked(rig, "olga@example.net", &token), "verified");
    assert_eq!(asked(rig, "nils@example.net", &token), "token_user");
    assert_eq!(asked(rig, "olga@example.net", "garbage"), "token_inactive");
    // Introspection calls it active, and does not say what it is.
    assert_eq!(asked(rig, "olga@example.net", &refresh), "token_inactive");
    // A provider that has never heard of verification has verified nothing.
    let (unverified, _) = provider.tokens("nils", "desktop", SCOPE);
    assert_eq!(asked(rig, "nils@example.net", &unverified), "unverified_email");
    let (nameless, _) = provider.tokens("olga", "desktop", "openid");
    assert_eq!(asked(rig, "olga@example.net", &nameless), "token_user");
    // It says so of an address that is not its own.
    let (foreign, _) = provider.tokens("ann", "desktop", SCOPE);
    rig.dovegate(&["domain", "add", "example.org"]);
    rig.mailbox("ann@example.org", "wonderland", &[]);
    assert_eq!(asked(rig, "ann@example.org", &foreign), "no_provider");
    assert_eq!(asked(rig, "olga@example.net", &foreign), "token_user");
    provider.revoke(&token, "desktop");
    assert_eq!(asked(rig, "olga@example.net", &token), "token_inactive");
}

#[test]
fn by_userinfo() {
    let Some(provider) = Provider::start() else { return };
    let Some(rig) = rig(&club(&provider, "")) else { return };
    opens_and_refuses(&provider, &rig);
}

/// Its introspection names the person by id alone; the address comes from
/// userinfo.
#[test]
fn by_introspection_with_the_user_from_userinfo() {
    let Some(provider) = Provider::start() else { return };
    let keys = format!("{CLIENT}clients = [\"desktop\"]\nscopes = [\"mail\"]\n");
    let Some(rig) = rig(&club(&provider, &keys)) else { return };
    mailbox(&rig, "olga@example.net");
    let olga = "olga@example.net";
    let (token, _) = provider.tokens("olga", "desktop", SCOPE);
    assert_eq!(asked(&rig, olga, &token), "verified");
    let (of_wiki, _) = provider.tokens("olga", "wiki", SCOPE);
    assert_eq!(asked(&rig, olga, &of_wiki), "token_client");
    let (without, _) = provider.tokens("olga", "desktop", "openid email");
    assert_eq!(asked(&rig, olga, &without), "token_scope");

    let Some(rig) = self::rig(&club(&provider, CLIENT)) else { return };
    opens_and_refuses(&provider, &rig);
}

/// docker-mailserver's set-up: one URL, which it calls introspection and which
/// is userinfo's, and mailboxes that have passwords of their own.
#[test]
fn one_url_is_enough() {
    let Some(provider) = Provider::start() else { return };
    let table = format!(
        "\n[provider.club]\nkind = \"oidc\"\nintrospection_url = \"{}/me\"\n\
         tokens_for_local = true\ntoken_cache = \"0s\"\n",
        provider.url()
    );
    let Some(rig) = rig(&table) else { return };
    rig.mailbox("olga@example.net", "looking-glass", &[]);
    let (token, _) = provider.tokens("olga", "desktop", SCOPE);
    assert_eq!(asked(&rig, "olga@example.net", &token), "verified");
    assert_eq!(asked(&rig, "olga@example.net", "garbage"), "token_inactive");
    let mut dialogue = Dialogue::tcp(rig.ports.imap);
    let by_password =
        crate::support::client::imap_login(&mut dialogue, "olga@example.net", "looking-glass");
    assert_eq!(by_password, Outcome::In);
}
