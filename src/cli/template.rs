//! `dovegate template`.

use axum::http::Method;
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{
    Missing, Output, Result,
    output::Tone,
    table::{Fields, Listing},
    text::when,
    values::{KeyValue, OrDefault, ServiceArgs, field_changes, object, quota},
    with_client,
};
use crate::{
    api::{Page, templates::View},
    config::Config,
    mailbox::{MailboxState, Quota},
};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Add a template
    #[command(
        after_help = "Example:\n  dovegate template add staff --quota 10G --service imap,smtp \
        --tag staff"
    )]
    Add {
        /// Its name
        #[arg(value_name = "NAME")]
        name: String,
        #[command(flatten)]
        values: Values,
    },
    /// List the templates
    List,
    /// Show a template
    Show {
        /// Its name
        #[arg(value_name = "NAME")]
        name: String,
    },
    /// Change a template; what is not named stays. Mailboxes keep what they got
    Set {
        /// Its name
        #[arg(value_name = "NAME")]
        name: String,
        #[command(flatten)]
        values: Values,
    },
    /// Remove a template; mailboxes keep what they got from it
    Remove {
        /// Its name
        #[arg(value_name = "NAME")]
        name: String,
    },
}

#[derive(Args, Debug)]
pub(super) struct Values {
    /// Storage limit such as 5G, "unlimited", or "default" for the domain's [default: default]
    #[arg(long, value_name = "SIZE")]
    quota: Option<OrDefault<Quota>>,

    #[arg(
        long,
        value_name = "STATE",
        help = "State of a new mailbox: active, receive_only or disabled [default: active]"
    )]
    state: Option<MailboxState>,

    #[command(flatten)]
    services: ServiceArgs,

    /// Label that a mailbox gets (repeatable; replaces all)
    #[arg(long = "tag", value_name = "TAG")]
    tags: Vec<String>,

    /// No labels
    #[arg(long, conflicts_with = "tags")]
    no_tags: bool,

    /// Whether people may make app passwords [default: true]
    #[arg(long, value_name = "BOOL")]
    app_passwords_allowed: Option<bool>,

    /// Whether a local password must be changed at the next sign-in on the web [default: false]
    #[arg(long, value_name = "BOOL")]
    force_password_change: Option<bool>,

    /// Further field, handed out as it is (repeatable)
    #[arg(long = "field", value_name = "KEY=VALUE")]
    fields: Vec<KeyValue>,

    /// Take a further field away (repeatable)
    #[arg(long = "remove-field", value_name = "KEY")]
    remove_fields: Vec<String>,
}

impl Values {
    fn body(self, name: Option<&str>) -> Value {
        let tags = (self.no_tags || !self.tags.is_empty()).then(|| json!(self.tags));
        object([
            ("name", name.map(|name| json!(name))),
            ("quota_bytes", self.quota.map(|quota| json!(quota.into_option()))),
            ("state", self.state.map(|state| json!(state))),
            ("services", self.services.services().map(|services| json!(services))),
            ("tags", tags),
            ("app_passwords_allowed", self.app_passwords_allowed.map(|allowed| json!(allowed))),
            ("force_password_change", self.force_password_change.map(|force| json!(force))),
            ("further", field_changes(self.fields, self.remove_fields)),
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
            let view: View = client.call(Method::POST, &["templates"], body).await?;
            changed(output, "Added", &view)
        }
        Command::List => {
            let page: Page<View> = client.get(&["templates"], &[]).await?;
            let mut listing =
                Listing::new(output, &["TEMPLATE", "REVISION", "QUOTA", "STATE", "SERVICES"]);
            listing.page(&page.items, row)?;
            listing.end("No templates yet. \"dovegate template add NAME\" makes the first.")
        }
        Command::Show { name } => {
            let view: View = client.get(&["templates", &name], &[]).await?;
            if output.json { output.value(&view) } else { show(output, &view) }
        }
        Command::Set { name, values } => {
            let body = values.body(None);
            let view: View = client.call(Method::PATCH, &["templates", &name], body).await?;
            changed(output, "Changed", &view)
        }
        Command::Remove { name } => {
            client.order(Method::DELETE, &["templates", &name], None).await?;
            output.done(format!("Removed template {name}. Mailboxes keep what they got from it."))
        }
    })
    .await
}

fn changed(output: &Output, what: &str, view: &View) -> Result {
    if output.json {
        return output.value(view);
    }
    output.done(format!("{what} template {}, revision {}.", view.name, view.revision))
}

fn row(view: &View) -> [String; 5] {
    [
        view.name.to_string(),
        view.revision.to_string(),
        quota(view.quota_bytes),
        view.state.to_string(),
        view.services.to_string(),
    ]
}

fn show(output: &Output, view: &View) -> Result {
    let yes = |value| if value { "yes" } else { "no" };
    let mut fields = Fields::default();
    fields
        .add("revision", view.revision.to_string())
        .add("quota", quota(view.quota_bytes))
        .add("state", view.state.name())
        .add("services", view.services.to_string())
        .add("tags", view.tags.join(", "))
        .add("people make app passwords", yes(view.app_passwords_allowed))
        .add("password must be changed", yes(view.force_password_change));
    for (key, value) in &view.further {
        fields.add("field", format!("{key}={value}"));
    }
    fields.add("created", when(view.created)).add("changed", when(view.modified));
    output.show(output.paint(Tone::Strong, view.name.as_str()))?;
    fields.show(output)
}
