//! `dovegate provider`.

use axum::http::Method;
use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use super::{
    Client, Exit, Failure, Missing, Output, Result,
    output::Tone,
    probe_report,
    secret_input::{self, ClientSecretArgs, TokenArgs},
    sync,
    table::{Fields, Listing},
    with_client,
};
use crate::{
    api::{
        Page,
        provider_test::Report,
        providers::{Origin, View},
    },
    config::Config,
    mailbox::DomainName,
};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Add an identity provider
    #[command(
        disable_version_flag = true,
        long_about = "Add an identity provider, whose bearer tokens log in (XOAUTH2, OAUTHBEARER).\n\n\
            It speaks only for the domains that name it: \"dovegate domain set DOMAIN --provider \
            NAME\". Each option is a key of [provider.NAME] in dovegate.toml; \"dovegate config \
            example\" explains them. A provider that is declared there wins over one of the same \
            name here.",
        after_help = "Examples:\n  \
            dovegate provider add corp --kind keycloak --server-url https://keycloak.example.org \\\n    \
            --realm mail --client-id mailgate --client-secret-stdin --clients roundcube < secret\n  \
            dovegate provider add other --kind oidc --introspection-url https://login.example.org/userinfo"
    )]
    Add {
        /// Its name: lower-case letters, digits, - and _
        #[arg(value_name = "NAME")]
        name: String,
        #[command(flatten)]
        values: Box<Values>,
    },
    /// List the identity providers
    List,
    /// Show an identity provider, its domains and how it goes
    Show {
        /// Its name
        #[arg(value_name = "NAME")]
        name: String,
    },
    /// Change an identity provider; what is not named stays
    #[command(
        disable_version_flag = true,
        after_help = "Examples:\n  \
            dovegate provider set corp --scopes openid --clients roundcube,thunderbird\n  \
            dovegate provider set corp --client-secret-stdin < secret\n  \
            dovegate provider set corp --unset ca_file --unset client_secret"
    )]
    Set {
        /// Its name
        #[arg(value_name = "NAME")]
        name: String,
        #[command(flatten)]
        values: Box<Values>,
        /// Take a key away, so that its default holds (repeatable, or with commas)
        #[arg(long, value_name = "KEY", value_delimiter = ',')]
        unset: Vec<String>,
    },
    /// Remove an identity provider that speaks for no domain
    Remove {
        /// Its name
        #[arg(value_name = "NAME")]
        name: String,
    },
    /// Try an identity provider out, step by step
    #[command(
        long_about = "Try an identity provider out, step by step: name, connection, certificate, \
            discovery, issuer, keys, our client's secret, how tokens are checked. What fails is \
            named with its reason and what to do about it.\n\nWith a token it is checked as a \
            login would check it, and measured: Postfix cuts AUTH lines at 2,048 bytes unless told \
            otherwise. The token is shown nowhere.\n\nExit status: 0 no step failed, 1 one did. \
            Warnings do not count.",
        after_help = "Examples:\n  dovegate provider test corp\n  \
            dovegate provider test corp --token-stdin < token"
    )]
    Test {
        /// Its name
        #[arg(value_name = "NAME")]
        name: String,
        #[command(flatten)]
        token: TokenArgs,
    },
}

/// One option for each key.
#[derive(Args, Debug, Default)]
pub(super) struct Values {
    /// Kind of server: keycloak, or oidc for any other
    #[arg(long, value_name = "KIND")]
    kind: Option<String>,

    /// Keycloak: root of the server; oidc: the issuer
    #[arg(long, value_name = "URL")]
    server_url: Option<String>,

    /// Realm of a keycloak
    #[arg(long, value_name = "NAME")]
    realm: Option<String>,

    /// Release of the server; nothing depends on it
    #[arg(long, value_name = "RELEASE")]
    version: Option<String>,

    /// What tokens name as their issuer [default: by server URL and realm]
    #[arg(long, value_name = "URL")]
    issuer: Option<String>,

    /// Introspection endpoint [default: by discovery]
    #[arg(long, value_name = "URL")]
    introspection_url: Option<String>,

    /// Userinfo endpoint [default: by discovery]
    #[arg(long, value_name = "URL")]
    userinfo_url: Option<String>,

    /// Key set [default: by discovery]
    #[arg(long, value_name = "URL")]
    jwks_url: Option<String>,

    /// Where browsers are sent to sign in [default: by discovery]
    #[arg(long, value_name = "URL")]
    authorize_url: Option<String>,

    /// Where the code that they bring back is turned in [default: by discovery]
    #[arg(long, value_name = "URL")]
    token_url: Option<String>,

    /// Our client at the provider
    #[arg(long, value_name = "ID")]
    client_id: Option<String>,

    #[command(flatten)]
    client_secret: ClientSecretArgs,

    /// File from which the server reads our client's secret
    #[arg(long, value_name = "FILE")]
    client_secret_file: Option<String>,

    /// How our client proves itself: basic or post [default: basic]
    #[arg(long, value_name = "HOW")]
    client_auth: Option<String>,

    /// Certificates (PEM) to believe besides the system's
    #[arg(long, value_name = "FILE")]
    ca_file: Option<String>,

    /// Believe any certificate, for trying things out [default: false]
    #[arg(long, value_name = "BOOL")]
    ignore_ssl_errors: Option<bool>,

    /// How tokens are checked: introspection, userinfo, jwt, in this order [default: introspection
    /// with a client secret, else userinfo]
    #[arg(long, value_name = "METHOD", value_delimiter = ',')]
    methods: Vec<String>,

    /// Scopes that a token must all have (repeatable, or with commas; replaces all)
    #[arg(long, value_name = "SCOPE", value_delimiter = ',')]
    scopes: Vec<String>,

    /// Audiences of which a token must have one
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    audience: Vec<String>,

    /// Clients of which one must have got the token
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    clients: Vec<String>,

    /// Take signed tokens that do not say what they are [default: false]
    #[arg(long, value_name = "BOOL")]
    untyped_tokens: Option<bool>,

    /// Claim that names the mailbox [default: email]
    #[arg(long, value_name = "CLAIM")]
    user_claim: Option<String>,

    /// People cannot write that claim themselves [default: false]
    #[arg(long, value_name = "BOOL")]
    user_claim_is_trusted: Option<bool>,

    /// What an unverified address counts: refuse or accept [default: refuse]
    #[arg(long, value_name = "WHAT")]
    unverified_email: Option<String>,

    /// Domain that completes a user claim without one
    #[arg(long, value_name = "DOMAIN")]
    default_domain: Option<String>,

    /// Tokens open local mailboxes, too [default: false]
    #[arg(long, value_name = "BOOL")]
    tokens_for_local: Option<bool>,

    /// Where browsers come back to [default: /sign-in/NAME/callback at our public address]
    #[arg(long, value_name = "URL")]
    redirect_url: Option<String>,

    /// Scopes that a sign-in with a browser asks for [default: openid, profile, email]
    #[arg(long, value_name = "SCOPE", value_delimiter = ',')]
    sign_in_scopes: Vec<String>,

    /// Role whose holders administer the provider's domains
    #[arg(long, value_name = "ROLE")]
    administrator_role: Option<String>,

    /// They administer everything [default: false]
    #[arg(long, value_name = "BOOL")]
    administrators: Option<bool>,

    /// Check main passwords against a hash that a keycloak keeps of each person [default: false]
    #[arg(long, value_name = "BOOL")]
    mailpassword_flow: Option<bool>,

    #[arg(
        long,
        value_name = "NAME",
        help = "Attribute with that hash [default: mailcow_password]"
    )]
    password_attribute: Option<String>,

    /// A sync makes mailboxes for people who have none [default: false]
    #[arg(long, value_name = "BOOL")]
    import_users: Option<bool>,

    /// The first login of somebody who has no mailbox makes one [default: true]
    #[arg(long, value_name = "BOOL")]
    login_provisioning: Option<bool>,

    /// Syncs run by themselves, and change mailboxes that exist [default: false]
    #[arg(long, value_name = "BOOL")]
    periodic_full_sync: Option<bool>,

    /// How long after one sync the next begins [default: 15]
    #[arg(long, value_name = "MINUTES")]
    sync_interval: Option<u32>,

    #[arg(
        long,
        value_name = "NAME",
        help = "Attribute that names a person's template [default: mailcow_template]"
    )]
    template_attribute: Option<String>,

    /// Claim of a token that lists the person's groups [default: groups]
    #[arg(long, value_name = "CLAIM")]
    groups_claim: Option<String>,

    #[arg(
        long,
        value_name = "CLAIM",
        help = "Claim of a token that lists his roles; dots lead into it [default: \
                realm_access.roles]"
    )]
    roles_claim: Option<String>,

    /// Template of whom it fits, by a value of that attribute, group:NAME or role:NAME
    /// (repeatable; the first that fits counts; replaces all)
    #[arg(long, value_name = "WHOM=TEMPLATE")]
    attribute_mapping: Vec<String>,

    /// Template of a new mailbox where no value fits
    #[arg(long, value_name = "TEMPLATE")]
    default_template: Option<String>,

    /// Apply it also to mailboxes that exist [default: false]
    #[arg(long, value_name = "BOOL")]
    default_template_updates: Option<bool>,

    /// What becomes of a mailbox whose person has another address: report or follow [default:
    /// report]
    #[arg(long, value_name = "WHAT")]
    renames: Option<String>,

    /// How many of a hundred mailboxes one sync may switch off [default: 10]
    #[arg(long, value_name = "PERCENT")]
    withdraw_limit: Option<u8>,

    /// How long a checked token is not asked about again [default: 60s]
    #[arg(long, value_name = "TIME")]
    token_cache: Option<String>,

    /// How long what is said of a person is not asked for again [default: 60s]
    #[arg(long, value_name = "TIME")]
    mailpassword_cache: Option<String>,

    /// How long an unknown address is not asked about again [default: 10s]
    #[arg(long, value_name = "TIME")]
    unknown_cache: Option<String>,

    /// Ask again after this time where the last answer does not let in [default: 5s]
    #[arg(long, value_name = "TIME")]
    recheck_interval: Option<String>,

    /// How long the last answer lets in while the provider cannot be asked [default: 12h]
    #[arg(long, value_name = "TIME")]
    stale_limit: Option<String>,

    /// Ask whether the owner of an app password is enabled, at most this long ago; 0s never
    /// [default: 15m with the Mailpassword Flow, else 0s]
    #[arg(long, value_name = "TIME")]
    account_check: Option<String>,

    /// How often a keycloak is asked what has changed; 0s never [default: 2s]
    #[arg(long, value_name = "TIME")]
    event_interval: Option<String>,

    /// Longest wait for a connection [default: 3s]
    #[arg(long, value_name = "TIME")]
    connect_timeout: Option<String>,

    /// Longest wait for a whole answer [default: 5s]
    #[arg(long, value_name = "TIME")]
    timeout: Option<String>,
}

/// The keys in the order in which they are explained and shown.
const KEYS: [&str; 53] = [
    "kind",
    "server_url",
    "realm",
    "version",
    "issuer",
    "introspection_url",
    "userinfo_url",
    "jwks_url",
    "authorize_url",
    "token_url",
    "client_id",
    "client_secret",
    "client_secret_file",
    "client_auth",
    "ca_file",
    "ignore_ssl_errors",
    "methods",
    "scopes",
    "audience",
    "clients",
    "untyped_tokens",
    "user_claim",
    "user_claim_is_trusted",
    "unverified_email",
    "default_domain",
    "tokens_for_local",
    "redirect_url",
    "sign_in_scopes",
    "administrator_role",
    "administrators",
    "mailpassword_flow",
    "password_attribute",
    "import_users",
    "login_provisioning",
    "periodic_full_sync",
    "sync_interval",
    "template_attribute",
    "groups_claim",
    "roles_claim",
    "attribute_mapping",
    "default_template",
    "default_template_updates",
    "renames",
    "withdraw_limit",
    "token_cache",
    "mailpassword_cache",
    "unknown_cache",
    "recheck_interval",
    "stale_limit",
    "account_check",
    "event_interval",
    "connect_timeout",
    "timeout",
];

impl Values {
    fn body(self) -> Result<Map<String, Value>> {
        let secret = match self.client_secret.given()? {
            Some(secret) => Some(json!(secret_input::text(&secret)?)),
            None => None,
        };
        let text = |value: Option<String>| value.map(Value::from);
        let flag = |value: Option<bool>| value.map(Value::from);
        let list = |values: Vec<String>| (!values.is_empty()).then(|| json!(values));
        let values = [
            text(self.kind),
            text(self.server_url),
            text(self.realm),
            text(self.version),
            text(self.issuer),
            text(self.introspection_url),
            text(self.userinfo_url),
            text(self.jwks_url),
            text(self.authorize_url),
            text(self.token_url),
            text(self.client_id),
            secret,
            text(self.client_secret_file),
            text(self.client_auth),
            text(self.ca_file),
            flag(self.ignore_ssl_errors),
            list(self.methods),
            list(self.scopes),
            list(self.audience),
            list(self.clients),
            flag(self.untyped_tokens),
            text(self.user_claim),
            flag(self.user_claim_is_trusted),
            text(self.unverified_email),
            text(self.default_domain),
            flag(self.tokens_for_local),
            text(self.redirect_url),
            list(self.sign_in_scopes),
            text(self.administrator_role),
            flag(self.administrators),
            flag(self.mailpassword_flow),
            text(self.password_attribute),
            flag(self.import_users),
            flag(self.login_provisioning),
            flag(self.periodic_full_sync),
            self.sync_interval.map(Value::from),
            text(self.template_attribute),
            text(self.groups_claim),
            text(self.roles_claim),
            mapping(&self.attribute_mapping)?,
            text(self.default_template),
            flag(self.default_template_updates),
            text(self.renames),
            self.withdraw_limit.map(Value::from),
            text(self.token_cache),
            text(self.mailpassword_cache),
            text(self.unknown_cache),
            text(self.recheck_interval),
            text(self.stale_limit),
            text(self.account_check),
            text(self.event_interval),
            text(self.connect_timeout),
            text(self.timeout),
        ];
        let given = KEYS.into_iter().zip(values);
        Ok(given.filter_map(|(key, value)| Some((key.to_owned(), value?))).collect())
    }
}

/// A template's name has fewer equals signs than anybody's attribute.
fn mapping(entries: &[String]) -> Result<Option<Value>> {
    let entry = |text: &String| {
        let (whom, template) = text.rsplit_once('=').ok_or_else(|| {
            Failure::usage(format!("--attribute-mapping {text}: expected WHOM=TEMPLATE"))
        })?;
        let (by, whom) = match whom.split_once(':') {
            Some((by @ ("group" | "role"), name)) => (by, name),
            _ => ("value", whom),
        };
        Ok(json!({ by: whom, "template": template }))
    };
    let entries: Vec<Value> = entries.iter().map(entry).collect::<Result<_>>()?;
    Ok((!entries.is_empty()).then(|| entries.into()))
}

/// The key as its option is written, too.
fn key(text: &str) -> Result<&'static str> {
    let wanted = text.trim_start_matches('-').replace('-', "_");
    let known = KEYS.into_iter().find(|key| **key == wanted);
    known.ok_or_else(|| Failure::usage(format!("--unset {text}: there is no such key")))
}

pub(super) async fn run(command: Command, config: &Config, output: &Output) -> Result {
    match command {
        Command::Add { name, values } => {
            let mut body = values.body()?;
            body.insert("name".to_owned(), json!(name));
            with_client(config, Missing::Create, async |client| {
                let view: View = client.call(Method::POST, &["providers"], body.into()).await?;
                changed(output, "Added", &view)
            })
            .await
        }
        Command::Set { name, values, unset } => {
            let mut body = values.body()?;
            for text in unset {
                let key = key(&text)?;
                if body.insert(key.to_owned(), Value::Null).is_some() {
                    return Err(Failure::usage(format!("{key} is both set and unset")));
                }
            }
            with_client(config, Missing::Refuse, async |client| {
                let path = ["providers", name.as_str()];
                let view: View = client.call(Method::PATCH, &path, body.into()).await?;
                changed(output, "Changed", &view)
            })
            .await
        }
        Command::List => {
            with_client(config, Missing::Refuse, async |client| {
                let page: Page<View> = client.get(&["providers"], &[]).await?;
                let headings = ["PROVIDER", "KIND", "DECLARED IN", "DOMAINS", "STATE", "WHERE"];
                let mut listing = Listing::new(output, &headings);
                listing.page(&page.items, row)?;
                listing.end("No providers yet. \"dovegate provider add NAME\" makes the first.")
            })
            .await
        }
        Command::Show { name } => {
            with_client(config, Missing::Refuse, async |client| {
                let view: View = client.get(&["providers", &name], &[]).await?;
                if output.json { output.value(&view) } else { show(output, &view) }
            })
            .await
        }
        Command::Remove { name } => {
            with_client(config, Missing::Refuse, async |client| {
                client.order(Method::DELETE, &["providers", &name], None).await?;
                output.done(format!(
                    "Removed provider {name}. Mailboxes keep it as their auth source, and app \
                     passwords go on working."
                ))
            })
            .await
        }
        Command::Test { name, token } => {
            let mut body = json!({});
            if let Some(token) = token.given()? {
                body["token"] = json!(secret_input::text(&token)?);
            }
            with_client(config, Missing::Refuse, async |client| {
                test(client, output, &name, body).await
            })
            .await
        }
    }
}

async fn test(client: &Client, output: &Output, name: &str, body: Value) -> Result {
    let report: Report = client.call(Method::POST, &["providers", name, "test"], body).await?;
    if output.json {
        output.value(&report)?;
    } else {
        output.show(probe_report::rendered(&report, output))?;
    }
    // What there is to say was said.
    if report.failed() { Err(Failure::new(Exit::Refused, "")) } else { Ok(()) }
}

fn changed(output: &Output, what: &str, view: &View) -> Result {
    if output.json {
        return output.value(view);
    }
    let name = &view.name;
    output.done(format!("{what} provider {name}."))?;
    for warning in &view.warnings {
        output.note(format!("Warning: {warning}."));
    }
    if view.domain_count == 0 {
        output.note(format!(
            "It speaks for no domain yet: \"dovegate domain set DOMAIN --provider {name}\" says for \
             which. \"dovegate provider test {name}\" tries it out."
        ));
    }
    Ok(())
}

fn row(view: &View) -> [String; 6] {
    let written = |key: &str| view.written.get(key).map(shown).unwrap_or_default();
    let place = ["server_url", "introspection_url", "userinfo_url"].map(written);
    [
        view.name.to_string(),
        written("kind"),
        origin(view.origin).to_owned(),
        view.domain_count.to_string(),
        state(view).to_owned(),
        place.into_iter().find(|url| !url.is_empty()).unwrap_or_default(),
    ]
}

fn origin(origin: Origin) -> &'static str {
    match origin {
        Origin::File => "dovegate.toml",
        Origin::Store => "the store",
    }
}

fn state(view: &View) -> &'static str {
    if !view.problems.is_empty() {
        "wrong settings"
    } else if view.status.down.is_some() {
        "down"
    } else if view.status.left_alone.is_some() {
        "left alone for a moment"
    } else if view.status.requests.values().all(|number| *number == 0) {
        "not asked yet"
    } else {
        "answers"
    }
}

/// A value as it would be written on the command line.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().map(shown).collect::<Vec<_>>().join(","),
        Value::Object(entry) => {
            let text = |key: &str| entry.get(key).map(shown);
            let by = |key: &str| text(key).map(|name| format!("{key}:{name}"));
            let whom = text("value").or_else(|| by("group")).or_else(|| by("role"));
            format!("{}={}", whom.unwrap_or_default(), text("template").unwrap_or_default())
        }
        other => other.to_string(),
    }
}

fn show(output: &Output, view: &View) -> Result {
    output.show(output.paint(Tone::Strong, view.name.as_str()))?;
    let mut fields = Fields::default();
    fields.add("declared in", origin(view.origin)).add("domains", domains(view));
    for key in KEYS {
        match view.written.get(key) {
            Some(value) => fields.add(key, shown(value)),
            None if key == "client_secret" && view.has_client_secret => fields.add(key, "set"),
            None => &mut fields,
        };
    }
    for problem in &view.problems {
        fields.add("problem", format!("{}: {}", problem.key, problem.reason));
    }
    for warning in &view.warnings {
        fields.add("warning", warning);
    }
    fields.add("state", state(view)).add("requests", requests(view));
    if view.status.failures > 0 {
        fields.add("failures", view.status.failures.to_string());
    }
    fields.add_some("last failure", view.status.down.as_ref());
    fields.add_some("changes of people", events(&view.status.events));
    if let Some(syncing) = &view.sync {
        fields
            .add_some("last sync", sync::last(syncing))
            .add_some("next sync", sync::next(syncing));
    }
    fields.show(output)
}

/// Whether it is heard of what happens to people.
fn events(state: &str) -> Option<&'static str> {
    match state {
        "watching" => Some("watched"),
        "not_recorded" => Some("not all recorded by the realm: see provider test"),
        "forbidden" => Some("not shown to our client: see provider test"),
        "failing" => Some("cannot be read just now"),
        _ => None,
    }
}

fn domains(view: &View) -> String {
    if view.domains.is_empty() {
        return "none".to_owned();
    }
    let names: Vec<&str> = view.domains.iter().map(DomainName::as_str).collect();
    let more = view.domain_count - view.domains.len();
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{more}", names.join(", "))
}

fn requests(view: &View) -> String {
    let requests = view.status.requests.iter().filter(|(_, number)| **number > 0);
    let requests: Vec<String> =
        requests.map(|(endpoint, number)| format!("{endpoint} {number}")).collect();
    requests.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mailbox::Provider;

    /// The reader answers an unknown key with the names of all known ones.
    #[test]
    fn every_key_has_an_option() {
        let odd = json!({"kind": "oidc", "no_such_key": 1});
        let error = serde_json::from_value::<Provider>(odd).unwrap_err().to_string();
        let known = error.split("expected").nth(1).unwrap();
        let known: Vec<&str> = known.split('`').skip(1).step_by(2).collect();
        assert_eq!(known, KEYS);
    }

    #[test]
    fn keys_to_unset_as_they_are_written_anywhere() {
        assert_eq!(key("ca_file").unwrap(), "ca_file");
        assert_eq!(key("--ca-file").unwrap(), "ca_file");
        assert!(key("cafile").is_err());
    }
}
