//! `dovegate domain`.

use axum::http::Method;
use clap::{Args, Subcommand};
use serde_json::json;

use super::{
    Client, Missing, Output, Result,
    auth_source::AuthSource,
    output::Tone,
    table::{Fields, Listing},
    text::{bytes, when},
    values::{Limit, OrNone, object},
    with_client,
};
use crate::{
    api::{Page, domains::View},
    config::Config,
    mailbox::{ProviderName, Quota},
};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Add a domain
    #[command(after_help = "Example:\n  dovegate domain add example.org --max-mailboxes 100 \
        --default-quota 5G --max-quota 10G --total-quota 1T")]
    Add {
        /// Its name; Unicode is taken
        #[arg(value_name = "NAME")]
        name: String,
        #[command(flatten)]
        values: Values,
    },
    /// List the domains
    List,
    /// Show a domain and how full it is
    Show {
        /// Its name
        #[arg(value_name = "NAME")]
        name: String,
    },
    /// Change a domain; what is not named stays
    #[command(after_help = "Examples:\n  dovegate domain set example.org --active false\n  \
        dovegate domain set example.org --provider corp")]
    Set {
        /// Its name
        #[arg(value_name = "NAME")]
        name: String,
        #[command(flatten)]
        values: Values,
    },
    /// Switch who checks the main passwords of its mailboxes
    #[command(
        long_about = "Switch who checks the main passwords of a domain's mailboxes, or of those \
            that --mask and --from name.\n\nLocal passwords and app passwords stay, and a login \
            goes by the new source at once. Whose a mailbox is at a provider is remembered while \
            it is local, so that the way back finds the same person; at another provider the next \
            login says it anew.\n\n500 are changed at a time. Ctrl-C ends it between two of these; \
            what was changed stands, and the same command goes on.",
        after_help = "Examples:\n  \
            dovegate domain auth-source example.org corp --from local --dry-run\n  \
            dovegate domain auth-source example.org local --mask 'a*'"
    )]
    AuthSource(AuthSource),
    /// Remove a domain that has no mailboxes
    Remove {
        /// Its name
        #[arg(value_name = "NAME")]
        name: String,
    },
}

/// Sizes are numbers with K, M, G or T (powers of 1024), or "unlimited".
#[derive(Args, Debug)]
pub(super) struct Values {
    /// Whether its mailboxes may log in, and mail is taken for them [default: true]
    #[arg(long, value_name = "BOOL")]
    active: Option<bool>,

    /// Identity provider whose tokens open its mailboxes, or "none" [default: none]
    #[arg(long, value_name = "NAME")]
    provider: Option<OrNone<ProviderName>>,

    /// Most mailboxes, or "unlimited" [default: unlimited]
    #[arg(long, value_name = "NUMBER")]
    max_mailboxes: Option<Limit>,

    /// Quota of a mailbox that names none, such as 5G [default: unlimited]
    #[arg(long, value_name = "SIZE")]
    default_quota: Option<Quota>,

    /// Largest quota of one mailbox [default: unlimited]
    #[arg(long, value_name = "SIZE")]
    max_quota: Option<Quota>,

    /// Most that all quotas may be together [default: unlimited]
    #[arg(long, value_name = "SIZE")]
    total_quota: Option<Quota>,
}

impl Values {
    fn body(&self, name: Option<&str>) -> serde_json::Value {
        object([
            ("name", name.map(|name| json!(name))),
            ("active", self.active.map(|active| json!(active))),
            ("provider", self.provider.as_ref().map(|name| json!(name.as_option()))),
            ("max_mailboxes", self.max_mailboxes.map(|limit| json!(limit.0))),
            ("default_quota_bytes", self.default_quota.map(|quota| json!(quota))),
            ("max_quota_bytes", self.max_quota.map(|quota| json!(quota))),
            ("total_quota_bytes", self.total_quota.map(|quota| json!(quota))),
        ])
    }
}

pub(super) async fn run(command: Command, config: &Config, output: &Output) -> Result {
    let missing = match command {
        Command::Add { .. } => Missing::Create,
        _ => Missing::Refuse,
    };
    with_client(config, missing, async |client| match command {
        Command::Add { name, values } => {
            let body = values.body(Some(&name));
            let view: View = client.call(Method::POST, &["domains"], body).await?;
            changed(output, "Added", &view)
        }
        Command::List => list(client, output).await,
        Command::Show { name } => {
            let view: View = client.get(&["domains", &name], &[]).await?;
            if output.json { output.value(&view) } else { show(output, &view) }
        }
        Command::Set { name, values } => {
            let body = values.body(None);
            let view: View = client.call(Method::PATCH, &["domains", &name], body).await?;
            changed(output, "Changed", &view)
        }
        Command::AuthSource(command) => command.run(client, output).await,
        Command::Remove { name } => {
            client.order(Method::DELETE, &["domains", &name], None).await?;
            output.done(format!("Removed domain {name}."))
        }
    })
    .await
}

fn changed(output: &Output, what: &str, view: &View) -> Result {
    if output.json {
        output.value(view)
    } else {
        output.done(format!("{what} domain {}.", view.name))
    }
}

async fn list(client: &Client, output: &Output) -> Result {
    let mut listing = Listing::new(
        output,
        &["DOMAIN", "STATE", "PROVIDER", "MAILBOXES", "QUOTA USED", "DEFAULT QUOTA"],
    );
    let mut after = None;
    loop {
        let page: Page<View> = client.page(&["domains"], &[], after).await?;
        listing.page(&page.items, |view| {
            [
                view.name.to_string(),
                state(view).to_owned(),
                provider(view).to_owned(),
                of(view.mailboxes, view.max_mailboxes),
                of_bytes(view.used_quota_bytes, view.total_quota_bytes),
                view.default_quota_bytes.to_string(),
            ]
        })?;
        after = page.next;
        if after.is_none() {
            return listing.end("No domains yet. \"dovegate domain add NAME\" makes the first.");
        }
    }
}

fn state(view: &View) -> &'static str {
    if view.active { "active" } else { "disabled" }
}

fn provider(view: &View) -> &str {
    view.provider.as_ref().map_or("none", ProviderName::as_str)
}

fn of(number: u64, most: Option<u64>) -> String {
    most.map_or_else(|| number.to_string(), |most| format!("{number} of {most}"))
}

fn of_bytes(used: u64, most: Quota) -> String {
    if most.is_unlimited() { bytes(used) } else { format!("{} of {most}", bytes(used)) }
}

fn show(output: &Output, view: &View) -> Result {
    output.show(output.paint(Tone::Strong, view.name.as_str()))?;
    Fields::default()
        .add("state", state(view))
        .add("provider", provider(view))
        .add("mailboxes", of(view.mailboxes, view.max_mailboxes))
        .add("default quota", view.default_quota_bytes.to_string())
        .add("largest quota", view.max_quota_bytes.to_string())
        .add("quota used", of_bytes(view.used_quota_bytes, view.total_quota_bytes))
        .add("created", when(view.created))
        .add("changed", when(view.modified))
        .show(output)
}
