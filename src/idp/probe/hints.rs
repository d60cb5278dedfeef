//! What to do about a step that failed: the key to change, the page to open.

use std::io;

use rustls::CertificateError;
use url::Url;

use super::{
    super::{Outage, OutageCause, Settings, words::printable},
    connection::{Certificate, Place},
};
use crate::mailbox::provider::Kind;

pub(super) const CA_FILE: &str = "Mend ca_file: it holds the certificates of authorities, or the \
    server's own, as PEM (-----BEGIN CERTIFICATE-----).";

pub(super) const RESOLVE: &str = "Is the name in server_url right? Dovegate's machine has to \
    resolve it: compare \"getent hosts NAME\" there.";

pub(super) const NO_TLS: &str = "What answers there speaks no TLS that is known here. If it is \
    plain HTTP, write http:// (on this machine alone) or name the port that has TLS.";

pub(super) const WRONG_DOCUMENT: &str =
    "This is not the discovery document of an OpenID provider: mend server_url.";

pub(super) const OIDC_DOCUMENT: &str = "server_url is the issuer with its whole path, to which \
    /.well-known/openid-configuration is added (Authentik: https://HOST/application/o/SLUG/). A \
    provider without discovery needs introspection_url or userinfo_url in place of server_url.";

pub(super) const ACTIVE: &str = "Whatever answers there takes any token, and would open every \
    mailbox: it is no provider's endpoint. Mend the URL.";

pub(super) const NO_TOKEN: &str = "Give the access token itself, as it stands in access_token.";

pub(super) const LINE_LENGTH: &str = "Postfix cuts AUTH lines at 2,048 bytes. Give its submission \
    services, in master.cf: -o line_length_limit=12288";

pub(super) const TOO_LONG: &str = "Dovecot ends a connection that sends more than 8,192 bytes to \
    log in, and no setting changes that: have the provider put less into the token, such as roles \
    and groups. Postfix cuts AUTH lines at 2,048 bytes: -o line_length_limit=12288";

pub(super) const RECORDING: &str = "In Keycloak: Realm settings → Events → User events settings → \
    Save events: On, with Logout, Update email, Update profile and Delete account among the saved \
    types; and Admin events settings → Save events: On. An Expiration of an hour is enough.";

pub(super) const DISABLE: &str = "Disable the mailbox of who leaves: dovegate mailbox set ADDRESS \
    --state disabled";

/// Why there is no connection.
pub(super) fn tcp(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => {
            "Nothing listens there: is the provider running, and the port in server_url right?"
        }
        io::ErrorKind::PermissionDenied => {
            "This machine forbids it: the systemd unit may hold IPAddressDeny= (\"systemctl edit \
             dovegate\" allows more), or a firewall refuses."
        }
        _ => {
            "Is a firewall between, or the address in server_url out of date? Compare \"curl -v\" \
             with it on this machine."
        }
    }
}

/// What is wrong with a certificate beyond what it says of itself.
pub(super) fn reason(bad: &CertificateError, shown: &Certificate) -> Option<String> {
    use CertificateError as Bad;
    match bad {
        Bad::Expired | Bad::ExpiredContext { .. } => None,
        Bad::NotValidForName | Bad::NotValidForNameContext { .. } => {
            Some("for another name".to_owned())
        }
        _ if shown.is_self_signed => None,
        Bad::UnknownIssuer => Some("which is not known here".to_owned()),
        other => Some(printable(&other.to_string())),
    }
}

/// What to do about a certificate that is not believed.
pub(super) fn certificate(
    bad: &CertificateError,
    shown: Option<&Certificate>,
    place: &Place,
    settings: &Settings,
) -> String {
    use CertificateError as Bad;
    let name = &settings.name;
    match bad {
        Bad::Expired | Bad::ExpiredContext { .. } => "Have it renewed.".to_owned(),
        Bad::NotValidYet | Bad::NotValidYetContext { .. } => {
            "Compare this machine's clock with the provider's.".to_owned()
        }
        Bad::NotValidForName | Bad::NotValidForNameContext { .. } => {
            let names = shown.map(|shown| shown.names.join(", ")).unwrap_or_default();
            let names = if names.is_empty() { "no name at all".to_owned() } else { names };
            format!(
                "It is for {names}, and {} is asked. Write one of its names into server_url, or have \
                 a certificate made for that name.",
                place.host()
            )
        }
        _ if shown.is_some_and(|shown| shown.is_self_signed) => format!(
            "It is signed by nobody but itself. If it is the right one, keep a copy on this machine \
             and name it as ca_file:\n\
             openssl s_client -connect {host}:{port} </dev/null | openssl x509 >/etc/dovegate/{name}.pem\n\
             dovegate provider set {name} --ca-file /etc/dovegate/{name}.pem",
            host = place.host(),
            port = place.port,
        ),
        _ => format!(
            "This machine does not know the authority that signed it, or the server sends no chain to \
             one. Put the authority's certificate (PEM) into a file and name that as ca_file: dovegate \
             provider set {name} --ca-file FILE"
        ),
    }
}

/// The base with `/auth` before its realm where it has none, and without it
/// where it has.
pub(super) fn other_prefix(base: &Url) -> Option<Url> {
    let (root, realm) = base.path().rsplit_once("/realms/")?;
    let root = match root.strip_suffix("/auth") {
        Some(root) => root.to_owned(),
        None => format!("{root}/auth"),
    };
    let mut other = base.clone();
    other.set_path(&format!("{root}/realms/{realm}"));
    Some(other)
}

/// The document is at `other`.
pub(super) fn prefix(other: &Url) -> String {
    let text = other.as_str();
    let root = text.rsplit_once("/realms/").map_or(text, |(root, _)| root);
    format!("It is at {text}: set server_url to {root}")
}

/// A Keycloak has no such realm.
pub(super) fn realm(settings: &Settings) -> String {
    let realm = settings.written.realm.as_deref().map(printable).unwrap_or_default();
    format!(
        "Is there a realm \"{realm}\"? Case counts, and its name is meant, not the one displayed: in \
         Keycloak, Realm settings → General → Realm name. If there is, server_url is not the root of \
         this Keycloak."
    )
}

/// The provider calls itself `named`.
pub(super) fn issuer(named: &str, settings: &Settings) -> String {
    let mut hint = format!(
        "Tokens name as their issuer what the provider calls itself. If that is the address people \
         use, say so: dovegate provider set {} --issuer {named} (issuer). Else mend server_url.",
        settings.name
    );
    if settings.kind == Kind::Keycloak {
        hint.push_str(
            " Without its option hostname, Keycloak takes the name from each request: set \
             hostname=https://HOST there, and behind a proxy proxy-headers=xforwarded.",
        );
    }
    hint
}

/// Our client is refused.
pub(super) fn client(settings: &Settings) -> String {
    let id = client_id(settings);
    let name = &settings.name;
    match settings.kind {
        Kind::Keycloak => format!(
            "In Keycloak: Clients → {id} → Credentials shows the secret (its Settings need \"Client \
             authentication\" on). Hand it over: dovegate provider set {name} --client-secret-stdin"
        ),
        Kind::Oidc => format!(
            "Compare client_id and client_secret with what the provider has for \"{id}\"; some want \
             client_auth = \"post\". Change them: dovegate provider set {name} --client-secret-stdin"
        ),
    }
}

/// Id of our client.
pub(super) fn client_id(settings: &Settings) -> String {
    settings.client.as_ref().map(|client| printable(&client.id)).unwrap_or_default()
}

/// Events cannot be read.
pub(super) fn events(outage: &Outage, settings: &Settings) -> Option<String> {
    match outage.cause {
        OutageCause::Rights => Some(format!(
            "In Keycloak: Clients → {} → Service accounts roles → Assign role → realm-management: \
             view-events. Whoever does not want it sets event_interval = \"0s\".",
            client_id(settings)
        )),
        _ => users(outage, settings),
    }
}

/// Where the provider is told to say who signed out.
pub(super) fn logout(settings: &Settings) -> String {
    let url = format!("https://HOST/backchannel-logout/{}", settings.name);
    let clients: Vec<String> =
        settings.conditions.clients.iter().map(|client| printable(client)).collect();
    let whose = if clients.is_empty() {
        "each client that mail programs sign people in by, which clients must list".to_owned()
    } else {
        clients.join(", ")
    };
    match settings.kind {
        Kind::Keycloak => format!(
            "In Keycloak: Clients → {whose} → Settings → Logout settings → Backchannel logout URL: {url}, \
             where HOST is what leads to address of [http]."
        ),
        Kind::Oidc => format!(
            "Enter at the provider, for {whose}, the back-channel logout URL {url}, where HOST is what \
             leads to address of [http]."
        ),
    }
}

/// App passwords outlive their owner.
pub(super) fn account_check(settings: &Settings) -> String {
    format!(
        "dovegate provider set {} --account-check 15m; it needs client_id and client_secret, and the \
         role view-users for the client's service account. Or disable the mailbox of who leaves: \
         dovegate mailbox set ADDRESS --state disabled",
        settings.name
    )
}

/// People cannot be seen.
pub(super) fn users(outage: &Outage, settings: &Settings) -> Option<String> {
    let id = client_id(settings);
    match outage.cause {
        OutageCause::Rights => Some(format!(
            "The service account of client \"{id}\" may not see users. In Keycloak: Clients → {id} → \
             Service accounts roles → Assign role → realm-management: view-users."
        )),
        OutageCause::Credentials => Some(format!(
            "Client \"{id}\" gets no token of its own. In Keycloak: Clients → {id} → Settings → \
             \"Client authentication\" on, and \"Service accounts roles\" ticked; Credentials shows the \
             secret."
        )),
        _ => self::outage(outage, settings),
    }
}

/// The provider does not vouch for the address.
pub(super) fn unverified(settings: &Settings) -> String {
    let place = match settings.kind {
        Kind::Keycloak => "in Keycloak, Users → the person → Details → Email verified",
        Kind::Oidc => "the provider has to send email_verified = true",
    };
    format!(
        "A mailbox that is nobody's yet does not open by it: {place}. Where people cannot write their \
         address themselves, unverified_email = \"accept\" takes it as it is."
    )
}

/// Why a question was not answered; nothing where the reason says enough.
pub(super) fn outage(outage: &Outage, settings: &Settings) -> Option<String> {
    let is_http = settings.base.as_ref().is_some_and(|base| base.scheme() == "http");
    let hint = match outage.cause {
        OutageCause::Credentials => return Some(client(settings)),
        OutageCause::Status | OutageCause::Malformed | OutageCause::Unreachable if is_http => {
            "server_url says http. If what listens there speaks TLS, or sends on to https, write \
             https://"
        }
        OutageCause::Malformed => {
            "What answers there is no OpenID provider, or a page of a proxy before it: open the URL \
             with curl."
        }
        OutageCause::Status => {
            "The provider, or a proxy before it, answers otherwise: its log says why."
        }
        OutageCause::Slow => "It takes longer than timeout allows: is the provider overloaded?",
        OutageCause::Settings if outage.detail.contains("no such endpoint") => {
            "The URL leads nowhere: take the key for it away, and discovery names the right one."
        }
        _ => return None,
    };
    Some(hint.to_owned())
}
