//! `dovegate sync log`.

use clap::Args;
use serde::Serialize;

use super::{Client, Output, Result, sync, table::Listing, text::when};
use crate::api::{
    Page, directories, providers,
    sync::{Syncing, View},
    sync_log::Line,
};

#[derive(Args, Debug)]
#[command(
    long_about = "Show the last runs, latest first, or what was done.\n\nOf each provider 20 runs are kept \
        that changed something, 20 that did not, 10,000 lines of each, and the last 1,000 lines of \
        logins and events. With a filter, the lines of all runs that are kept are searched.",
    after_help = "Examples:\n  dovegate sync log\n  dovegate sync log corp --run 7\n  \
        dovegate sync log corp --action withdrawn\n  \
        dovegate sync log --mask 'ann@*'\n  dovegate sync log corp --logins --cause limit"
)]
pub(super) struct SyncLog {
    /// Only of this provider or directory
    #[arg(value_name = "NAME")]
    name: Option<String>,

    /// What this run did, line by line
    #[arg(long, value_name = "NUMBER", requires = "name", conflicts_with = "logins")]
    run: Option<u64>,

    /// What was done at logins and by events, outside of runs
    #[arg(long)]
    logins: bool,

    /// Only this: created, updated, renamed, withdrawn, restored, missing, skipped
    #[arg(long, value_name = "ACTION")]
    action: Option<String>,

    #[arg(
        long,
        value_name = "WORD",
        help = "Only what was left out for this cause, such as limit or no_template"
    )]
    cause: Option<String>,

    /// Only of addresses like this ("*" and "?" stand for others)
    #[arg(long, value_name = "MASK")]
    mask: Option<String>,
}

/// A line, and where it stands.
#[derive(Serialize)]
struct Found {
    provider: String,
    /// None outside of runs.
    run: Option<u64>,
    #[serde(flatten)]
    line: Line,
    #[serde(skip)]
    when: String,
}

impl SyncLog {
    pub(super) async fn show(self, client: &Client, output: &Output) -> Result {
        let names = match &self.name {
            Some(name) => vec![name.clone()],
            None => every(client).await?,
        };
        let filtered = self.action.is_some() || self.cause.is_some() || self.mask.is_some();
        match self.run {
            None if !filtered && !self.logins => runs(client, output, &names).await,
            Some(run) if !filtered => {
                let name = names.first().map_or("", String::as_str);
                self.lines_of(client, output, name, run).await
            }
            _ => self.search(client, output, &names).await,
        }
    }

    fn query(&self) -> Vec<(&'static str, String)> {
        let values = [("action", &self.action), ("cause", &self.cause), ("mask", &self.mask)];
        values.into_iter().filter_map(|(name, value)| Some((name, value.clone()?))).collect()
    }

    async fn lines_of(&self, client: &Client, output: &Output, name: &str, run: u64) -> Result {
        let mut listing = Listing::new(output, &["ACTION", "ADDRESS", "DETAIL"]);
        let number = run.to_string();
        let path = ["providers", name, "sync", "runs", &number];
        let mut after = None;
        loop {
            let page: Page<Line> = client.page(&path, &[], after).await?;
            listing.page(&page.items, |line| {
                [line.action.clone(), whose(line), line.detail.clone()]
            })?;
            after = page.next;
            if after.is_none() {
                return listing.end("That run changed nothing.");
            }
        }
    }

    /// Lines of several runs, or of none.
    async fn search(&self, client: &Client, output: &Output, names: &[String]) -> Result {
        let headings = ["WHEN", "PROVIDER", "RUN", "ACTION", "ADDRESS", "DETAIL"];
        let mut listing = Listing::new(output, &headings);
        for name in names {
            if self.logins {
                let path = ["providers", name, "sync", "logins"];
                self.found(client, &mut listing, name, &path, None).await?;
                continue;
            }
            let page: Page<View> = client.get(&["providers", name, "sync", "runs"], &[]).await?;
            let wanted = |view: &&View| self.run.is_none_or(|run| view.run == Some(run));
            for view in page.items.iter().filter(wanted) {
                let number = view.run.unwrap_or_default().to_string();
                let path = ["providers", name, "sync", "runs", &number];
                self.found(client, &mut listing, name, &path, Some(view)).await?;
            }
        }
        listing.end("No such lines.")
    }

    async fn found(
        &self,
        client: &Client,
        listing: &mut Listing<'_>,
        name: &str,
        path: &[&str],
        view: Option<&View>,
    ) -> Result {
        let mut after = None;
        loop {
            let page: Page<Line> = client.page(path, &self.query(), after).await?;
            let found = page.items.into_iter().map(|line| Found {
                provider: name.to_owned(),
                run: view.and_then(|view| view.run),
                when: line.at.or(view.map(|view| view.started)).map(when).unwrap_or_default(),
                line,
            });
            listing.page(&found.collect::<Vec<_>>(), row)?;
            after = page.next;
            if after.is_none() {
                return Ok(());
            }
        }
    }
}

fn row(found: &Found) -> [String; 6] {
    [
        found.when.clone(),
        found.provider.clone(),
        found.run.map_or_else(|| "-".to_owned(), |run| run.to_string()),
        found.line.action.clone(),
        whose(&found.line),
        found.line.detail.clone(),
    ]
}

fn whose(line: &Line) -> String {
    let address = line.address.as_ref().map(ToString::to_string);
    address.unwrap_or_else(|| line.person.clone())
}

/// Everybody who can have syncs.
async fn every(client: &Client) -> Result<Vec<String>> {
    let providers: Page<providers::View> = client.get(&["providers"], &[]).await?;
    let directories: Page<directories::View> = client.get(&["directories"], &[]).await?;
    let providers = providers.items.iter().map(|view| view.name.to_string());
    Ok(providers.chain(directories.items.iter().map(|view| view.name.to_string())).collect())
}

async fn runs(client: &Client, output: &Output, names: &[String]) -> Result {
    let headings =
        ["PROVIDER", "RUN", "BEGAN", "BY", "OUTCOME", "PEOPLE", "CHANGED", "SKIPPED", "UNCHANGED"];
    let mut listing = Listing::new(output, &headings);
    for name in names {
        let page: Page<View> = client.get(&["providers", name, "sync", "runs"], &[]).await?;
        listing.page(&page.items, run_row)?;
    }
    listing.end("No syncs yet. \"dovegate sync run NAME\" does the first.")?;
    for name in names {
        // One whose people cannot be listed has none.
        let syncing: Result<Syncing> = client.get(&["providers", name, "sync", "next"], &[]).await;
        let next = syncing.ok().and_then(|syncing| sync::next(&syncing));
        if let Some(next) = next.filter(|_| !output.json) {
            output.note(format!("The next sync of {name}: {next}."));
        }
    }
    Ok(())
}

fn run_row(view: &View) -> [String; 9] {
    let number = |number: u64| number.to_string();
    [
        view.provider.to_string(),
        view.run.map(number).unwrap_or_default(),
        when(view.started),
        view.by.clone(),
        view.outcome.clone(),
        number(view.people),
        number(view.done.values().sum()),
        number(view.skipped.values().sum()),
        number(view.unchanged),
    ]
}
