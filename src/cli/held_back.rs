//! `dovegate held-back`.

use axum::http::Method;
use clap::Subcommand;
use serde_json::json;

use super::{Client, Missing, Output, Result, table::Listing, text::when, with_client};
use crate::{
    api::{Page, held_back::View},
    config::Config,
};

#[derive(Debug, Subcommand)]
#[command(
    long_about = "Accounts and networks that guessed at passwords.\n\nDistinct wrong passwords \
    are counted for each account and for each network (/32 and /64); above the limits of [abuse] \
    they are refused for a while. App passwords and other credentials that nobody can guess go on \
    working for a held-back account."
)]
pub(super) enum Command {
    /// List who is held back, and until when
    List,
    /// Let an account or a network in again, and forget what was counted against it
    #[command(after_help = "Examples:\n  dovegate held-back lift ann@example.org\n  \
        dovegate held-back lift 192.0.2.1")]
    Lift {
        /// An address, a network or an address of one, as "list" shows it
        #[arg(value_name = "ADDRESS|NETWORK")]
        subject: String,
    },
}

pub(super) async fn run(command: Command, config: &Config, output: &Output) -> Result {
    with_client(config, Missing::Refuse, async |client| match command {
        Command::List => list(client, output).await,
        Command::Lift { subject } => {
            let body = json!({ "subject": subject });
            client.order(Method::POST, &["held-back", "lift"], Some(body)).await?;
            output.done(format!("{subject} is not held back any more."))
        }
    })
    .await
}

async fn list(client: &Client, output: &Output) -> Result {
    let mut listing = Listing::new(output, &["WHO", "HELD BACK UNTIL"]);
    let mut after = None;
    loop {
        let page: Page<View> = client.page(&["held-back"], &[], after).await?;
        listing.page(&page.items, |view| [view.subject.clone(), when(view.until)])?;
        after = page.next;
        if after.is_none() {
            return listing.end("Nobody is held back.");
        }
    }
}
