//! `dovegate app-password`.

use std::fmt::Write as _;

use axum::http::Method;
use clap::Subcommand;
use ipnet::IpNet;
use serde_json::json;

use super::{
    Missing, Output, Result,
    output::Tone,
    table::Listing,
    text::{clean, day, when},
    values::Expiry,
    with_client,
};
use crate::{
    api::{
        Page,
        app_passwords::{Created, View},
    },
    config::Config,
    mailbox::{Service, Services},
};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Make an app password and show it once
    #[command(
        long_about = "Make an app password and show it once: one for each device or program, so \
            that a lost phone costs one revocation and no change elsewhere.\n\nIt has its own \
            services, whatever the mailbox's main password may be used for.",
        after_help = "Examples:\n  \
            dovegate app-password create ann@example.org --name Phone --service imap,smtp --expires 1y\n  \
            dovegate app-password create ann@example.org --name Scanner --service smtp \
            --network 192.0.2.0/24"
    )]
    Create {
        /// Whose
        #[arg(value_name = "ADDRESS")]
        address: String,
        /// The owner's name for it, such as "Phone"
        #[arg(long, value_name = "TEXT")]
        name: String,
        /// Open only these services: imap, pop3, smtp, sieve, dav, eas, web (repeatable, or with
        /// commas) [default: all]
        #[arg(long = "service", value_name = "SERVICE", value_delimiter = ',')]
        services: Vec<Service>,
        /// Usable only from this network (repeatable) [default: everywhere]
        #[arg(long = "network", value_name = "CIDR", value_delimiter = ',', value_parser = network)]
        networks: Vec<IpNet>,
        /// Until when: 90d, 1y, a day (its end) or a time with its offset [default: for ever]
        #[arg(long, value_name = "WHEN")]
        expires: Option<Expiry>,
    },
    /// List the app passwords of a mailbox; their secrets are kept nowhere
    List {
        /// Whose
        #[arg(value_name = "ADDRESS")]
        address: String,
    },
    /// Revoke an app password at once
    Revoke {
        /// Whose
        #[arg(value_name = "ADDRESS")]
        address: String,
        /// Its first four characters, as "list" shows them
        #[arg(value_name = "ID")]
        id: String,
    },
}

/// A network, or one address.
fn network(text: &str) -> std::result::Result<IpNet, String> {
    let network =
        text.parse().or_else(|_| text.parse().map(|address: std::net::IpAddr| address.into()));
    network.map_err(|_| "expected a network such as 192.0.2.0/24 or 2001:db8::/32".to_owned())
}

pub(super) async fn run(command: Command, config: &Config, output: &Output) -> Result {
    with_client(config, Missing::Refuse, async |client| match command {
        Command::Create { address, name, services, networks, expires } => {
            let services =
                if services.is_empty() { Services::ALL } else { services.into_iter().collect() };
            let body = json!({
                "name": name,
                "services": services,
                "networks": networks,
                "expires": expires.map(|expires| expires.0),
            });
            let path = ["mailboxes", address.as_str(), "app-passwords"];
            let created: Created = client.call(Method::POST, &path, body).await?;
            if output.json { output.value(&created) } else { show_once(output, &created) }
        }
        Command::List { address } => {
            let path = ["mailboxes", address.as_str(), "app-passwords"];
            let page: Page<View> = client.get(&path, &[]).await?;
            let headings =
                ["ID", "NAME", "SERVICES", "NETWORKS", "CREATED", "EXPIRES", "LAST USED"];
            let mut listing = Listing::new(output, &headings);
            listing.page(&page.items, row)?;
            listing.end("No app passwords. \"dovegate app-password create\" makes one.")
        }
        Command::Revoke { address, id } => {
            let path = ["mailboxes", address.as_str(), "app-passwords", id.as_str()];
            client.order(Method::DELETE, &path, None).await?;
            output.done(format!("Revoked app password {} of {address}.", id.to_uppercase()))
        }
    })
    .await
}

/// The secret stands alone on its line, to be copied. `--quiet` shows it alone.
fn show_once(output: &Output, created: &Created) -> Result {
    if output.quiet {
        return output.show(&created.password);
    }
    let view = &created.view;
    let mut head = format!(
        "App password \"{}\" for {}: {}",
        clean(&view.name),
        created.address,
        view.services
    );
    if !view.networks.is_empty() {
        let _ = write!(head, "; from {}", networks(view));
    }
    if let Some(expires) = view.expires {
        let _ = write!(head, "; until {}", day(expires));
    }
    output.show(head)?;
    output.show(format!("\n    {}\n", output.paint(Tone::Strong, &created.password)))?;
    output.show("It is shown only now. Dashes and case don't matter.")
}

fn networks(view: &View) -> String {
    let networks: Vec<String> = view.networks.iter().map(ToString::to_string).collect();
    networks.join(", ")
}

fn row(view: &View) -> [String; 7] {
    let last_used = view.last_used.as_ref().map(|last| {
        let from = last.rip.map(|rip| format!(" from {rip}")).unwrap_or_default();
        format!("{} {}{from}", when(last.at), last.protocol)
    });
    [
        view.id.clone(),
        match &view.imported {
            None => view.name.clone(),
            Some(scheme) => format!("{} (imported, {scheme})", view.name),
        },
        view.services.to_string(),
        if view.networks.is_empty() { "all".to_owned() } else { networks(view) },
        day(view.created),
        view.expires.map_or_else(|| "never".to_owned(), day),
        last_used.unwrap_or_else(|| "never".to_owned()),
    ]
}
