//! `dovegate mailbox`.

use axum::http::Method;
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{
    Client, Failure, Missing, Output, Result,
    output::Tone,
    secret_input::{self, HashArgs, PasswordArgs},
    table::{Fields, Listing},
    text::when,
    values::{KeyValue, OrDefault, ServiceArgs, field_changes, object, quota},
    with_client,
};
use crate::{
    api::{
        Page,
        mailboxes::{Detail, OwnerView, View, Withdrawn},
    },
    config::Config,
    mailbox::{
        Binding, MailboxState, Quota, TemplateName,
        policy::{Field, WithdrawnWhy},
    },
    secret::Secret,
};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Add a mailbox to a domain that exists
    #[command(
        long_about = "Add a mailbox to a domain that exists, within the domain's limits.\n\nWithout \
            a password only app passwords log in, until \"dovegate mailbox password\" sets one. On a \
            terminal the password is asked for unless the command line says where it comes from. \
            What is not named comes from the template, then from the domain.",
        after_help = "Examples:\n  \
            dovegate mailbox add ann@example.org --password-stdin < secret\n  \
            dovegate mailbox add bob@example.org --quota 5G --service imap,smtp\n  \
            dovegate mailbox add cleo@example.org --hash-stdin < hash"
    )]
    Add {
        /// Its address
        #[arg(value_name = "ADDRESS")]
        address: String,
        #[command(flatten)]
        password: PasswordArgs,
        #[command(flatten)]
        hash: HashArgs,
        /// Add it without a password, and do not ask for one
        #[arg(long, conflicts_with_all = ["password_stdin", "password_file", "hash_stdin", "hash_file"])]
        no_password: bool,
        #[command(flatten)]
        values: Values,
    },
    /// List mailboxes by domain and name
    #[command(after_help = "Examples:\n  dovegate mailbox list --domain example.org\n  \
        dovegate mailbox list 'a*@example.org' --json")]
    List {
        /// Only addresses that match; * and ? stand for anything and any character
        #[arg(value_name = "MASK")]
        mask: Option<String>,
        /// Only of this domain
        #[arg(long, value_name = "NAME")]
        domain: Option<String>,
    },
    /// Show a mailbox
    Show {
        /// Its address
        #[arg(value_name = "ADDRESS")]
        address: String,
    },
    /// Change a mailbox; what is not named stays
    #[command(after_help = "Examples:\n  \
        dovegate mailbox set ann@example.org --state receive_only\n  \
        dovegate mailbox set ann@example.org --no-services\n  \
        dovegate mailbox set ann@example.org --auth-source corp\n  \
        dovegate mailbox set ann@example.org --quota default --field quota_warning=80")]
    Set {
        /// Its address
        #[arg(value_name = "ADDRESS")]
        address: String,
        #[command(flatten)]
        values: Values,
        /// Leave it to the next login with a token to say whose it is at the provider
        #[arg(long)]
        unbind: bool,
        #[arg(
            long,
            help = "Values that shall follow the provider again: display_name, state, services, \
                quota, tags",
            value_name = "VALUE",
            value_delimiter = ','
        )]
        release: Vec<Field>,
    },
    /// Set the main password, asking for it unless told where it comes from
    #[command(after_help = "Examples:\n  dovegate mailbox password ann@example.org\n  \
        dovegate mailbox password ann@example.org --password-file /run/secrets/ann")]
    Password {
        /// Its address
        #[arg(value_name = "ADDRESS")]
        address: String,
        #[command(flatten)]
        password: PasswordArgs,
        #[command(flatten)]
        hash: HashArgs,
        /// Take the password away: only app passwords log in
        #[arg(long, conflicts_with_all = ["password_stdin", "password_file", "hash_stdin", "hash_file"])]
        remove: bool,
    },
    /// Remove a mailbox with its app passwords and login history; mail on disk stays
    Remove {
        /// Its address
        #[arg(value_name = "ADDRESS")]
        address: String,
    },
}

#[derive(Args, Debug)]
pub(super) struct Values {
    /// Name shown to people
    #[arg(long, value_name = "TEXT")]
    display_name: Option<String>,

    /// Template to apply
    #[arg(long, value_name = "NAME")]
    template: Option<TemplateName>,

    #[arg(
        long,
        value_name = "STATE",
        help = "active, receive_only (mail comes in, nobody logs in) or disabled [default: active]"
    )]
    state: Option<MailboxState>,

    /// Who says who she is: "local" for the password kept here, or the domain's provider
    /// [default: local]
    #[arg(long, value_name = "local|PROVIDER")]
    auth_source: Option<String>,

    #[command(flatten)]
    services: ServiceArgs,

    /// Storage limit such as 5G, "unlimited", or "default" for the domain's [default: default]
    #[arg(long, value_name = "SIZE")]
    quota: Option<OrDefault<Quota>>,

    /// Label (repeatable; replaces all)
    #[arg(long = "tag", value_name = "TAG")]
    tags: Vec<String>,

    /// No labels
    #[arg(long, conflicts_with = "tags")]
    no_tags: bool,

    /// Numeric user id for Dovecot, or "default" for userdb.uid
    #[arg(long, value_name = "NUMBER")]
    uid: Option<OrDefault<u32>>,

    /// Numeric group id for Dovecot, or "default" for userdb.gid
    #[arg(long, value_name = "NUMBER")]
    gid: Option<OrDefault<u32>>,

    /// Home folder; "default" makes it anew from userdb.home
    #[arg(long, value_name = "FOLDER")]
    home: Option<OrDefault<String>>,

    /// Mail location, or "default" for userdb.mail
    #[arg(long, value_name = "LOCATION")]
    mail: Option<OrDefault<String>>,

    /// Further userdb field, handed out as it is (repeatable)
    #[arg(long = "field", value_name = "KEY=VALUE")]
    fields: Vec<KeyValue>,

    /// Take a further userdb field away (repeatable)
    #[arg(long = "remove-field", value_name = "KEY")]
    remove_fields: Vec<String>,
}

impl Values {
    fn body(self) -> Value {
        let tags = (self.no_tags || !self.tags.is_empty()).then(|| json!(self.tags));
        object([
            ("display_name", self.display_name.map(|name| json!(name))),
            ("template", self.template.map(|template| json!(template))),
            ("state", self.state.map(|state| json!(state))),
            ("auth_source", self.auth_source.map(|source| json!(source))),
            ("services", self.services.services().map(|services| json!(services))),
            ("quota_bytes", self.quota.map(|quota| json!(quota.into_option()))),
            ("tags", tags),
            ("uid", self.uid.map(|uid| json!(uid.into_option()))),
            ("gid", self.gid.map(|gid| json!(gid.into_option()))),
            ("home", self.home.map(|home| json!(home.into_option()))),
            ("mail", self.mail.map(|mail| json!(mail.into_option()))),
            ("extra_fields", field_changes(self.fields, self.remove_fields)),
        ])
    }
}

/// The request's field for what the command line gives: a password or a hash.
fn secret_field(
    password: Option<Secret>,
    hash: Option<Secret>,
) -> Result<Option<(&'static str, Value)>> {
    let field = |name, secret: Secret| Ok(Some((name, json!(secret_input::text(&secret)?))));
    match (password, hash) {
        (Some(_), Some(_)) => Err(Failure::usage("either a password or a hash, not both of them")),
        (Some(password), None) => field("password", password),
        (None, Some(hash)) => field("hash", hash),
        (None, None) => Ok(None),
    }
}

pub(super) async fn run(command: Command, config: &Config, output: &Output) -> Result {
    match command {
        Command::Add { address, password, hash, no_password, values } => {
            let mut secret = secret_field(password.given()?, hash.given()?)?;
            if secret.is_none() && !no_password && secret_input::can_ask() {
                secret = secret_field(Some(password.chosen()?), None)?;
            }
            let mut body = values.body();
            body["address"] = json!(address);
            let has_password = secret.is_some();
            if let Some((name, value)) = secret {
                body[name] = value;
            }
            with_client(config, Missing::Refuse, async |client| {
                let view: View = client.call(Method::POST, &["mailboxes"], body).await?;
                added(output, &view, has_password)
            })
            .await
        }
        Command::Password { address, password, hash, remove } => {
            let body = match hash.given()? {
                _ if remove => None,
                Some(hash) => secret_field(password.given()?, Some(hash))?,
                None => secret_field(Some(password.chosen()?), None)?,
            };
            with_client(config, Missing::Refuse, async |client| {
                set_password(client, output, &address, body).await
            })
            .await
        }
        Command::List { mask, domain } => {
            with_client(config, Missing::Refuse, async |client| {
                list(client, output, mask, domain).await
            })
            .await
        }
        Command::Show { address } => {
            with_client(config, Missing::Refuse, async |client| {
                let detail: Detail = client.get(&["mailboxes", &address], &[]).await?;
                if output.json { output.value(&detail) } else { show(output, &detail) }
            })
            .await
        }
        Command::Set { address, values, unbind, release } => {
            let mut body = values.body();
            if !release.is_empty() {
                body["release"] = json!(release);
            }
            if unbind {
                body["bound"] = Value::Null;
            }
            with_client(config, Missing::Refuse, async |client| {
                let path = ["mailboxes", address.as_str()];
                let view: View = client.call(Method::PATCH, &path, body).await?;
                if output.json {
                    return output.value(&view);
                }
                output.done(format!("Changed mailbox {}.", view.address))
            })
            .await
        }
        Command::Remove { address } => {
            with_client(config, Missing::Refuse, async |client| {
                client.order(Method::DELETE, &["mailboxes", &address], None).await?;
                output.done(format!(
                    "Removed mailbox {address}, its app passwords and its login history. Its mail \
                     is still on disk."
                ))
            })
            .await
        }
    }
}

fn added(output: &Output, view: &View, has_password: bool) -> Result {
    if output.json {
        return output.value(view);
    }
    output.done(format!("Added mailbox {}.", view.address))?;
    // One whose provider says who may log in needs none.
    if !has_password && view.auth_source == "local" {
        output.note(format!(
            "It has no password yet: \"dovegate mailbox password {}\" sets one.",
            view.address
        ));
    }
    Ok(())
}

async fn set_password(
    client: &Client,
    output: &Output,
    address: &str,
    body: Option<(&'static str, Value)>,
) -> Result {
    let path = ["mailboxes", address, "password"];
    let Some((name, value)) = body else {
        client.order(Method::DELETE, &path, None).await?;
        return output
            .done(format!("{address} has no password any more; app passwords still log in."));
    };
    client.order(Method::PUT, &path, Some(json!({ name: value }))).await?;
    output.done(format!("Changed the password of {address}."))
}

async fn list(
    client: &Client,
    output: &Output,
    mask: Option<String>,
    domain: Option<String>,
) -> Result {
    let mut query = Vec::new();
    query.extend(mask.map(|mask| ("mask", mask)));
    query.extend(domain.map(|domain| ("domain", domain)));
    let mut listing =
        Listing::new(output, &["ADDRESS", "STATE", "SERVICES", "QUOTA", "PASSWORD", "NAME"]);
    let mut after = None;
    loop {
        let page: Page<View> = client.page(&["mailboxes"], &query, after).await?;
        listing.page(&page.items, row)?;
        after = page.next;
        if after.is_none() {
            let hint = if query.is_empty() {
                "No mailboxes yet. \"dovegate mailbox add ADDRESS\" makes the first."
            } else {
                "No such mailboxes."
            };
            return listing.end(hint);
        }
    }
}

fn row(view: &View) -> [String; 6] {
    [
        view.address.to_string(),
        view.state.to_string(),
        view.services.to_string(),
        quota(view.quota_bytes),
        view.password_scheme.clone().unwrap_or_else(|| "none".to_owned()),
        view.display_name.clone(),
    ]
}

fn names(fields: &[Field]) -> String {
    let names: Vec<&str> = fields.iter().map(|field| field.name()).collect();
    names.join(", ")
}

fn withdrawn(withdrawn: &Withdrawn) -> String {
    let why = match withdrawn.why {
        WithdrawnWhy::Missing => "the person is gone at the provider",
        WithdrawnWhy::Disabled => "the person is disabled at the provider",
    };
    format!("{why}, since {}", when(withdrawn.since))
}

fn bound(bound: &Binding) -> String {
    format!("{} at {}", bound.subject, bound.provider)
}

fn owner(owner: &OwnerView) -> String {
    match owner.asked {
        Some(asked) => format!("{} ({})", owner.state, when(asked)),
        None => format!("{} (not asked about yet)", owner.state),
    }
}

fn show(output: &Output, detail: &Detail) -> Result {
    let view = &detail.mailbox;
    let domain = if detail.domain_active { "" } else { " (but its domain is disabled)" };
    let own = if view.quota_bytes.is_none() { " (the domain's default)" } else { "" };
    let mut fields = Fields::default();
    fields
        .add("name", &view.display_name)
        .add("state", format!("{}{domain}", view.state))
        .add("password", view.password_scheme.as_deref().unwrap_or("none"))
        .add("auth source", &view.auth_source)
        .add_some("bound to", view.bound.as_ref().map(bound))
        .add_some("owner", detail.owner.as_ref().map(owner))
        .add("services", view.services.to_string())
        .add("app passwords", detail.app_passwords.to_string())
        .add("quota", format!("{}{own}", detail.effective_quota_bytes))
        .add_some("template", view.template.as_ref())
        .add("set by hand", names(&view.overrides))
        .add_some("switched off", view.withdrawn.as_ref().map(withdrawn))
        .add("tags", view.tags.join(", "))
        .add_some("uid", view.uid)
        .add_some("gid", view.gid)
        .add_some("home", view.home.as_ref())
        .add_some("mail", view.mail.as_ref());
    for (key, value) in &view.extra_fields {
        fields.add("field", format!("{key}={value}"));
    }
    fields.add("created", when(view.created)).add("changed", when(view.modified));
    output.show(output.paint(Tone::Strong, view.address.as_str()))?;
    fields.show(output)
}
