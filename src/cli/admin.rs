//! `dovegate admin`.

use axum::http::Method;
use clap::Subcommand;
use serde_json::{Value, json};

use super::{
    Client, Missing, Output, Result,
    output::Tone,
    table::Listing,
    text::{clean, day, when},
    values::ExpiryOrNever,
    with_client,
};
use crate::{
    api::{
        Page, admin_links,
        admin_tokens::{Created, View},
    },
    config::Config,
    mailbox::{AdminTokenId, DomainName, Scope},
};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Tokens by which programs use the API
    #[command(subcommand)]
    Token(Token),
    /// Make a one-time address that opens the pages for administrators
    #[command(
        long_about = "Make a one-time address that opens the pages for administrators: for the \
            first sign-in, and for when no identity provider answers.\n\nWhoever has it \
            administers everything. It is good for ten minutes and once, and needs a running \
            server with [http] public_url."
    )]
    Link,
}

#[derive(Debug, Subcommand)]
pub(super) enum Token {
    /// Make a token and show it once
    #[command(
        long_about = "Make a token and show it once. A program sends it with each request to \
            /api/v1 on [http], as \"Authorization: Bearer …\".\n\nScopes: read (look at \
            everything but hashes), mailboxes (mailboxes and app passwords), settings (domains, \
            templates, providers), sync, operate (caches, held-back accounts, tests, explain), \
            transfer (export and import, hashes included). None includes another one.",
        after_help = "Examples:\n  \
            dovegate admin token create --name Panel --scope read,mailboxes --domain example.org\n  \
            dovegate admin token create --name Backup --scope transfer --expires never"
    )]
    Create {
        /// A name for it, such as "Panel"
        #[arg(long, value_name = "TEXT")]
        name: String,
        /// What it may be used for (repeatable, or with commas)
        #[arg(long = "scope", value_name = "SCOPE", value_delimiter = ',', required = true)]
        scopes: Vec<Scope>,
        /// Only for this domain (repeatable) [default: the whole server]
        #[arg(long = "domain", value_name = "DOMAIN", value_delimiter = ',', value_parser = domain)]
        domains: Vec<DomainName>,
        /// Until when: 90d, 1y, a day (its end), a time with its offset, or never [default: 90d]
        #[arg(long, value_name = "WHEN")]
        expires: Option<ExpiryOrNever>,
    },
    /// List the tokens; their secrets are kept nowhere
    List,
    /// Revoke a token at once
    Revoke {
        /// Its number, which "list" shows and the token has in it
        #[arg(value_name = "ID")]
        id: AdminTokenId,
    },
}

fn domain(text: &str) -> std::result::Result<DomainName, String> {
    DomainName::parse(text).map_err(|_| "not a valid domain name".to_owned())
}

pub(super) async fn run(command: Command, config: &Config, output: &Output) -> Result {
    with_client(config, Missing::Refuse, async |client| match command {
        Command::Token(Token::Create { name, scopes, domains, expires }) => {
            let mut body = json!({ "name": name, "scopes": scopes });
            if !domains.is_empty() {
                body["domains"] = json!(domains);
            }
            if let Some(ExpiryOrNever(expires)) = expires {
                body["expires"] = expires.map_or(Value::Null, |expires| json!(expires));
            }
            let created: Created = client.call(Method::POST, &["admin-tokens"], body).await?;
            if output.json { output.value(&created) } else { show_once(output, &created) }
        }
        Command::Token(Token::List) => list(client, output).await,
        Command::Token(Token::Revoke { id }) => {
            client.order(Method::DELETE, &["admin-tokens", id.as_str()], None).await?;
            output.done(format!("Revoked admin token {id}."))
        }
        Command::Link => {
            let path = ["admin-links"];
            let made: admin_links::Created = client.call(Method::POST, &path, json!({})).await?;
            if output.json {
                return output.value(&made);
            }
            output.show(&made.url)?;
            output.done("It opens the pages for administrators, once, within ten minutes.")
        }
    })
    .await
}

/// The secret stands alone on its line, to be copied. `--quiet` shows it alone.
fn show_once(output: &Output, created: &Created) -> Result {
    if output.quiet {
        return output.show(&created.token);
    }
    let view = &created.view;
    let until =
        view.expires.map_or_else(|| "for ever".to_owned(), |end| format!("until {}", day(end)));
    let head = format!(
        "Admin token \"{}\": {}; {}; {until}",
        clean(&view.name),
        scopes(view),
        reach(view)
    );
    output.show(head)?;
    output.show(format!("\n    {}\n", output.paint(Tone::Strong, &created.token)))?;
    output.show("It is shown only now.")
}

async fn list(client: &Client, output: &Output) -> Result {
    let page: Page<View> = client.get(&["admin-tokens"], &[]).await?;
    let headings = ["ID", "NAME", "SCOPES", "DOMAINS", "CREATED", "EXPIRES", "LAST USED"];
    let mut listing = Listing::new(output, &headings);
    listing.page(&page.items, row)?;
    listing.end("No admin tokens. \"dovegate admin token create\" makes one.")
}

fn row(view: &View) -> [String; 7] {
    let expires = match view.expires {
        None => "never".to_owned(),
        Some(expired) if view.expired => format!("expired {}", day(expired)),
        Some(expires) => day(expires),
    };
    let last = view.last_used.as_ref();
    [
        view.id.to_string(),
        view.name.clone(),
        scopes(view),
        reach(view),
        day(view.created),
        expires,
        last.map_or_else(
            || "never".to_owned(),
            |last| format!("{} from {}", when(last.at), last.rip),
        ),
    ]
}

fn scopes(view: &View) -> String {
    view.scopes.iter().map(|scope| scope.name()).collect::<Vec<_>>().join(",")
}

fn reach(view: &View) -> String {
    let Some(domains) = &view.domains else { return "all".to_owned() };
    domains.iter().map(DomainName::as_str).collect::<Vec<_>>().join(",")
}
