//! `dovegate login-log`.

use clap::Args;

use super::{Missing, Output, Result, table::Listing, text::when, with_client};
use crate::{
    api::{MAX_PAGE, Page, login_log::View},
    config::Config,
};

#[derive(Args, Debug)]
#[command(
    long_about = "Show who logged in, and who could not, latest first. Equal logins (same person, \
        protocol, address and outcome) are one row with their number and the last time.\n\nThe \
        server's own log has every single one.",
    after_help = "Examples:\n  dovegate login-log ann@example.org\n  dovegate login-log --limit 500 --json"
)]
pub(super) struct LoginLog {
    /// Only of this mailbox
    #[arg(value_name = "ADDRESS")]
    address: Option<String>,

    /// Most rows, at most 1000
    #[arg(long, value_name = "NUMBER", default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..=MAX_PAGE as u64))]
    limit: u64,
}

impl LoginLog {
    pub(super) async fn run(self, config: &Config, output: &Output) -> Result {
        let mut query = vec![("limit", self.limit.to_string())];
        query.extend(self.address.map(|address| ("address", address)));
        with_client(config, Missing::Refuse, async |client| {
            let page: Page<View> = client.get(&["login-log"], &query).await?;
            let headings =
                ["LAST", "ADDRESS", "PROTOCOL", "FROM", "OUTCOME", "TIMES", "APP PASSWORD"];
            let mut listing = Listing::new(output, &headings);
            listing.page(&page.items, row)?;
            listing.end("No logins yet.")
        })
        .await
    }
}

fn row(view: &View) -> [String; 7] {
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    [
        when(view.last),
        or_dash(view.address.as_ref().map(ToString::to_string)),
        view.protocol.clone(),
        or_dash(view.rip.map(|rip| rip.to_string())),
        view.outcome.clone(),
        view.count.to_string(),
        or_dash(view.app_password.clone()),
    ]
}
