//! `dovegate login-log`.

use clap::Args;

use super::{
    Missing, Output, Result,
    table::Listing,
    text::when,
    values::{Since, Until},
    with_client,
};
use crate::{
    api::{MAX_PAGE, Page, login_log::View},
    config::Config,
};

#[derive(Args, Debug)]
#[command(
    long_about = "Show who logged in, and who could not, latest first. Equal logins (same person, \
        protocol, address and outcome) are one row with their number and the last time; a row is \
        within a span of time if any of them is.\n\nRows are kept for 31 days, 200 of one mailbox at \
        most, and its last success with each protocol for good. The server's own log has every \
        single login.",
    after_help = "Examples:\n  dovegate login-log ann@example.org\n  \
        dovegate login-log --failed --since 2h --rip 192.0.2.0/24\n  \
        dovegate login-log --service smtp --since 2026-11-01 --until 2026-11-15 --json"
)]
pub(super) struct LoginLog {
    /// Only of this mailbox
    #[arg(value_name = "ADDRESS")]
    address: Option<String>,

    /// Only since then: 2h, 7d (ago), 2026-11-22 (its beginning, here) or RFC 3339
    #[arg(long, value_name = "TIME")]
    since: Option<Since>,

    /// Only until then; of a day, its end
    #[arg(long, value_name = "TIME")]
    until: Option<Until>,

    /// Only refusals
    #[arg(long, conflicts_with = "outcome")]
    failed: bool,

    #[arg(
        long,
        value_name = "WORD",
        help = "Only this outcome: ok, or a reason such as wrong_password"
    )]
    outcome: Option<String>,

    /// Only this service: imap, pop3, smtp, sieve, dav, eas, web (or another protocol's name)
    #[arg(long, value_name = "SERVICE")]
    service: Option<String>,

    /// Only from this address or network
    #[arg(long, value_name = "IP|CIDR")]
    rip: Option<String>,

    /// Only with the app password of this id
    #[arg(long, value_name = "ID")]
    app_password: Option<String>,

    /// Most rows, at most 1000
    #[arg(long, value_name = "NUMBER", default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..=MAX_PAGE as u64))]
    limit: u64,
}

impl LoginLog {
    fn is_filtered(&self) -> bool {
        let words = [&self.address, &self.outcome, &self.service, &self.rip, &self.app_password];
        let times = self.since.is_some() || self.until.is_some();
        times || self.failed || words.into_iter().any(Option::is_some)
    }

    pub(super) async fn run(self, config: &Config, output: &Output) -> Result {
        let mut query = vec![("limit", self.limit.to_string())];
        let filtered = self.is_filtered();
        query.extend(self.address.map(|address| ("address", address)));
        query.extend(self.since.map(|Since(moment)| ("since", moment.0.to_string())));
        query.extend(self.until.map(|Until(moment)| ("until", moment.0.to_string())));
        query.extend(self.failed.then(|| ("failed", "true".to_owned())));
        query.extend(self.outcome.map(|outcome| ("outcome", outcome)));
        query.extend(self.service.map(|service| ("service", service)));
        query.extend(self.rip.map(|rip| ("rip", rip)));
        query.extend(self.app_password.map(|id| ("app_password", id)));
        with_client(config, Missing::Refuse, async |client| {
            let page: Page<View> = client.get(&["login-log"], &query).await?;
            let headings =
                ["LAST", "ADDRESS", "PROTOCOL", "FROM", "OUTCOME", "TIMES", "APP PASSWORD"];
            let mut listing = Listing::new(output, &headings);
            listing.page(&page.items, row)?;
            listing.end(if filtered { "No such logins." } else { "No logins yet." })
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
