//! An identity provider as an administrator describes it: in `dovegate.toml`,
//! over the API, in the store. Which of these go together, and what they come
//! to, is `idp`'s matter.

use std::{fmt, path::PathBuf, str::FromStr, sync::Arc};

use schemars::JsonSchema;
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error as _, Visitor},
};

use super::{DomainName, TemplateName};
use crate::clock::Span;

/// Name of a provider: 1 to 64 of `a`–`z`, `0`–`9`, `-` and `_`, beginning with
/// a letter. `local` and `none` are nobody's: these are the words for the store
/// itself and for no provider.
#[derive(Clone, Debug, Eq, Hash, JsonSchema, Ord, PartialEq, PartialOrd)]
pub struct ProviderName(#[schemars(regex(pattern = r"^[a-z][a-z0-9_-]{0,63}$"))] Arc<str>);

impl ProviderName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ProviderName {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let allowed = |byte: u8| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_')
        };
        if name == "local" {
            return Err("\"local\" means the store itself and names no provider".to_owned());
        }
        if name == "none" {
            return Err("\"none\" means no provider and names none".to_owned());
        }
        let begins = name.starts_with(|first: char| first.is_ascii_lowercase());
        if begins && name.len() <= 64 && name.bytes().all(allowed) {
            Ok(Self(name.into()))
        } else {
            Err("a provider's name has 1 to 64 lower-case letters, digits, - and _, and begins \
                 with a letter"
                .to_owned())
        }
    }
}

impl Serialize for ProviderName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

/// Every login reads some out of the store: without a text in between.
impl<'de> Deserialize<'de> for ProviderName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(NameReader)
    }
}

struct NameReader;

impl Visitor<'_> for NameReader {
    type Value = ProviderName;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a provider's name")
    }

    fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<ProviderName, E> {
        name.parse().map_err(E::custom)
    }
}

impl fmt::Display for ProviderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What kind of server a provider is.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "ProviderKind")]
pub enum Kind {
    /// Keycloak, with everything that its Admin REST API offers besides.
    Keycloak,
    /// Any OpenID provider: tokens alone.
    Oidc,
}

/// How a token is checked.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "TokenMethod")]
pub enum Method {
    /// RFC 7662: asked with our own client's credentials; shows everything.
    Introspection,
    /// OpenID Connect Core §5.3: asked with the token itself; shows the person,
    /// but neither client nor audience nor scopes.
    Userinfo,
    /// By its signature (RFC 7519, keys by discovery); shows no revocation.
    Jwt,
}

/// How our client proves itself (RFC 6749 §2.3.1).
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ClientAuth {
    /// `Authorization: Basic`.
    #[default]
    Basic,
    /// In the form that is posted.
    Post,
}

/// What an address counts that the provider has not verified, where a mailbox
/// is to be bound to its person.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum UnverifiedEmail {
    /// Nothing. A provider that says nothing of it has not verified it.
    #[default]
    Refuse,
    /// As much as a verified one: where people cannot write it themselves.
    Accept,
}

/// What becomes of a mailbox whose person has another address now.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Renames {
    /// It keeps its address, and it is said.
    #[default]
    Report,
    /// It follows, within its domain, to a verified and free address.
    Follow,
}

/// Which template whoever it fits gets: one of `value`, `group` and `role`.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct MappedTemplate {
    /// A value of the person's attribute, compared as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// A group that the person is in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// A role that the person has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// The template.
    pub template: TemplateName,
}

/// The secret of our client, as stored and exported. Not shown where it is
/// formatted.
#[derive(Clone, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(transparent)]
pub struct ClientSecret(String);

impl<'de> Deserialize<'de> for ClientSecret {
    /// serde's own words for what is no text repeat it: a secret of digits that
    /// somebody wrote without quotes would stand in the log.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if !deserializer.is_human_readable() {
            return String::deserialize(deserializer).map(Self);
        }
        let text = TextOrNot::deserialize(deserializer);
        match text.map_err(|_| D::Error::custom("expected a text in quotes"))? {
            TextOrNot::Text(text) => Ok(Self(text)),
            TextOrNot::Not(_) => Err(D::Error::custom("expected a text in quotes")),
        }
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum TextOrNot {
    Text(String),
    Not(serde::de::IgnoredAny),
}

impl ClientSecret {
    /// The secret itself. Each call is a place to look at in a review.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for ClientSecret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Debug for ClientSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientSecret(…)")
    }
}

/// A provider as written; absent means the default that stands with each key in
/// `contrib/dovegate.toml`.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "independent switches, as written")]
#[schemars(rename = "ProviderKeys")]
pub struct Provider {
    /// Kind of server.
    pub kind: Kind,
    /// Where the server is. `keycloak`: its root, with the `/auth` of old
    /// releases where that is in use. `oidc`: the issuer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_url: Option<String>,
    /// Realm of a `keycloak`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub realm: Option<String>,
    /// Release of the server. Accepted because mailcow asks for it; nothing
    /// depends on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// What tokens name as their issuer, where the server is asked at another
    /// address than people use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    /// Introspection endpoint, where discovery does not name it. Alone, without
    /// client credentials, it is a userinfo URL: docker-mailserver's one line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub introspection_url: Option<String>,
    /// Userinfo endpoint, where discovery does not name it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub userinfo_url: Option<String>,
    /// Key set, where discovery does not name it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks_url: Option<String>,
    /// Where browsers are sent to sign in, where discovery does not name it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorize_url: Option<String>,
    /// Where the code that they bring back is turned in, where discovery does not
    /// name it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_url: Option<String>,
    /// Our client at the provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// Its secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_secret: Option<ClientSecret>,
    /// File that holds the secret instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_secret_file: Option<PathBuf>,
    /// How our client proves itself.
    #[serde(default)]
    pub client_auth: ClientAuth,
    /// Certificates (PEM) to trust besides the system's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// Believe any certificate: for trying things out.
    #[serde(default)]
    pub ignore_ssl_errors: bool,
    /// How tokens are checked, in this order. Empty: introspection where there
    /// are client credentials, else userinfo.
    #[serde(default)]
    pub methods: Vec<Method>,
    /// Scopes that a token must all have.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// Audiences of which a token must have one.
    #[serde(default)]
    pub audience: Vec<String>,
    /// Clients that may have got the token: one of them must be its `azp` or
    /// `client_id`.
    #[serde(default)]
    pub clients: Vec<String>,
    /// Whether a signed token that does not say what it is may be an access
    /// token.
    #[serde(default)]
    pub untyped_tokens: bool,
    /// Claim that names the mailbox; `email` where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_claim: Option<String>,
    /// People cannot write that claim themselves. Needed for any claim but
    /// `email`.
    #[serde(default)]
    pub user_claim_is_trusted: bool,
    /// What an address counts that is not verified.
    #[serde(default)]
    pub unverified_email: UnverifiedEmail,
    /// Completes a user claim without a domain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_domain: Option<DomainName>,
    /// Tokens open the local mailboxes of the provider's domains, too.
    #[serde(default)]
    pub tokens_for_local: bool,
    /// Where the provider sends browsers back to; `/sign-in/NAME/callback` below
    /// `public_url` where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redirect_url: Option<String>,
    /// Scopes that a sign-in with a browser asks for; empty means `openid`,
    /// `profile` and `email`.
    #[serde(default)]
    pub sign_in_scopes: Vec<String>,
    /// Role whose holders administer the provider's domains; nobody where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub administrator_role: Option<String>,
    /// They administer everything, and not the provider's domains alone.
    #[serde(default)]
    pub administrators: bool,
    /// Main passwords of its mailboxes are checked against a hash that it keeps
    /// of each person (the Mailpassword Flow). `keycloak` alone.
    #[serde(default)]
    pub mailpassword_flow: bool,
    /// Attribute with that hash; `mailcow_password` where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_attribute: Option<String>,
    /// A sync makes mailboxes for people who have none.
    #[serde(default)]
    pub import_users: bool,
    /// A first login makes one; yes where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login_provisioning: Option<bool>,
    /// Syncs run by themselves and change mailboxes that exist. With
    /// `import_users` alone they run and only make new ones.
    #[serde(default)]
    pub periodic_full_sync: bool,
    /// Minutes from the end of such a sync to the next; 15 where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sync_interval: Option<u32>,
    /// Attribute that names a person's template; `mailcow_template` where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template_attribute: Option<String>,
    /// Claim of a token that lists the person's groups; `groups` where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub groups_claim: Option<String>,
    /// The same of his roles; `realm_access.roles` where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub roles_claim: Option<String>,
    /// What its values stand for. Of several that fit, the first here counts.
    #[serde(default)]
    pub attribute_mapping: Vec<MappedTemplate>,
    /// Template of a new mailbox where none fits; there is none without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_template: Option<TemplateName>,
    /// It is applied also to mailboxes that exist.
    #[serde(default)]
    pub default_template_updates: bool,
    /// What becomes of a mailbox whose person has another address now.
    #[serde(default)]
    pub renames: Renames,
    /// Of a hundred mailboxes that follow it, how many one sync may switch off;
    /// 10 where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub withdraw_limit: Option<u8>,
    /// How long a checked token is not asked about again; 60 s where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_cache: Option<Span>,
    /// How long what it says of a person is not asked for again; 60 s where
    /// absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mailpassword_cache: Option<Span>,
    /// The same of an address that it does not know; 10 s where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unknown_cache: Option<Span>,
    /// After which time it is asked again where its last answer does not let in;
    /// 5 s where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recheck_interval: Option<Span>,
    /// How long its last word of a person counts while it cannot be asked; 12 h
    /// where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stale_limit: Option<Span>,
    /// How old what is known of a person may be where one of his app passwords
    /// is used; zero does not ask. Where absent 15 min with `mailpassword_flow`,
    /// else zero. `keycloak` alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account_check: Option<Span>,
    /// How often it is asked what has changed; zero does not ask. 2 s where
    /// absent. `keycloak` alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_interval: Option<Span>,
    /// Longest wait for a connection; 3 s where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connect_timeout: Option<Span>,
    /// Longest wait for a whole answer; 5 s where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Span>,
}

impl Provider {
    /// Keys that name files.
    pub const FILE_KEYS: [&'static str; 2] = ["client_secret_file", "ca_file"];

    /// The first of these keys that is set.
    pub fn file_key(&self) -> Option<&'static str> {
        let files = [&self.client_secret_file, &self.ca_file];
        let named = Self::FILE_KEYS.into_iter().zip(files);
        named.into_iter().find_map(|(key, file)| file.is_some().then_some(key))
    }

    /// One of `kind` with nothing else said.
    pub fn new(kind: Kind) -> Self {
        Self {
            kind,
            server_url: None,
            realm: None,
            version: None,
            issuer: None,
            introspection_url: None,
            userinfo_url: None,
            jwks_url: None,
            authorize_url: None,
            token_url: None,
            client_id: None,
            client_secret: None,
            client_secret_file: None,
            client_auth: ClientAuth::default(),
            ca_file: None,
            ignore_ssl_errors: false,
            methods: Vec::new(),
            scopes: Vec::new(),
            audience: Vec::new(),
            clients: Vec::new(),
            untyped_tokens: false,
            user_claim: None,
            user_claim_is_trusted: false,
            unverified_email: UnverifiedEmail::default(),
            default_domain: None,
            tokens_for_local: false,
            redirect_url: None,
            sign_in_scopes: Vec::new(),
            administrator_role: None,
            administrators: false,
            mailpassword_flow: false,
            password_attribute: None,
            import_users: false,
            login_provisioning: None,
            periodic_full_sync: false,
            sync_interval: None,
            template_attribute: None,
            groups_claim: None,
            roles_claim: None,
            attribute_mapping: Vec::new(),
            default_template: None,
            default_template_updates: false,
            renames: Renames::default(),
            withdraw_limit: None,
            token_cache: None,
            mailpassword_cache: None,
            unknown_cache: None,
            recheck_interval: None,
            stale_limit: None,
            account_check: None,
            event_interval: None,
            connect_timeout: None,
            timeout: None,
        }
    }
}

/// A provider under its name.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct NamedProvider {
    /// Unique name; the store's key.
    pub name: ProviderName,
    /// What it is.
    pub provider: Provider,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for name in ["corp", "a", "b-2_c"] {
            assert!(name.parse::<ProviderName>().is_ok(), "{name}");
        }
        for name in ["", "local", "none", "Corp", "1a", "-a", "a b", "a.b", &"a".repeat(65)] {
            assert!(name.parse::<ProviderName>().is_err(), "{name}");
        }
    }

    #[test]
    fn a_secret_that_is_no_text_is_not_repeated() {
        for (written, expected) in [("\"wonderland\"", true), ("4711", false), ("[\"x\"]", false)] {
            let json = format!("{{\"kind\":\"oidc\",\"client_secret\":{written}}}");
            let json = serde_json::from_str::<Provider>(&json).map_err(|error| error.to_string());
            let toml = format!("kind = \"oidc\"\nclient_secret = {written}");
            let toml = toml::from_str::<Provider>(&toml);
            for read in [json, toml.map_err(|error| error.message().to_owned())] {
                assert_eq!(read.is_ok(), expected, "{read:?}");
                assert!(read.err().is_none_or(|error| !error.contains("4711")));
            }
        }
    }

    #[test]
    fn secret_is_not_shown() {
        let mut provider = Provider::new(Kind::Oidc);
        provider.client_secret = Some("wonderland".to_owned().into());
        assert!(!format!("{provider:?}").contains("wonderland"));
    }
}
