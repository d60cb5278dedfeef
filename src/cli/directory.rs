//! `dovegate directory`.

use axum::http::Method;
use clap::Subcommand;
use serde_json::json;

use super::{
    Failure, Output, Result, client::Missing, failure::Exit, probe_report, table::Listing,
    text::when, with_client,
};
use crate::{
    api::{Page, directories::View, provider_test::Report},
    config::Config,
    mailbox::DomainName,
};

#[derive(Debug, Subcommand)]
#[command(
    long_about = "Directories: a file of Dovecot's or docker-mailserver's, or an LDAP server, whose \
    people have the mailboxes of its domains, and whose passwords log them in.\n\nThey are declared \
    in the settings alone, as [directory.NAME]. \"dovegate sync run NAME\" takes over who is in \
    one; a file that changes is taken over by itself."
)]
pub(super) enum Command {
    /// Show all directories, and how they do
    List,
    /// Try a directory out: its settings, what is wrong with it, its domains and people
    #[command(
        after_help = "Example:\n  dovegate directory test accounts\n\nExit status 1 if something \
        does not work."
    )]
    Test {
        /// Its name
        name: String,
    },
}

pub(super) async fn run(command: Command, config: &Config, output: &Output) -> Result {
    with_client(config, Missing::Refuse, async |client| match command {
        Command::List => {
            let page: Page<View> = client.get(&["directories"], &[]).await?;
            if output.json { output.value(&page.items) } else { list(output, &page.items) }
        }
        Command::Test { name } => {
            let path = ["directories", name.as_str(), "test"];
            let report: Report = client.call(Method::POST, &path, json!({})).await?;
            if output.json {
                output.value(&report)?;
            } else {
                output.show(probe_report::rendered(&report, output))?;
            }
            if report.failed() { Err(Failure::new(Exit::Refused, "")) } else { Ok(()) }
        }
    })
    .await
}

fn list(output: &Output, views: &[View]) -> Result {
    let headings = ["DIRECTORY", "KIND", "DOMAINS", "PEOPLE", "READ", "STATE"];
    let mut listing = Listing::new(output, &headings);
    listing.page(views, |view| {
        let domains: Vec<&str> = view.domains.iter().map(DomainName::as_str).collect();
        [
            view.name.to_string(),
            view.kind.clone().unwrap_or_default(),
            domains.join(", "),
            view.entries.map(|entries| entries.to_string()).unwrap_or_default(),
            view.read.map(when).unwrap_or_default(),
            state(view),
        ]
    })?;
    listing.end("No directories. They are declared in the settings: [directory.NAME].")?;
    for view in views {
        for problem in &view.problems {
            output.show(format!("{}: {problem}", view.name))?;
        }
        if view.more_problems > 0 {
            output.show(format!("{}: and {} more", view.name, view.more_problems))?;
        }
    }
    Ok(())
}

/// In words.
pub(super) fn state(view: &View) -> String {
    let since = view.failing_since.map(when).unwrap_or_default();
    match view.state.as_str() {
        "kept" => format!("cannot be read since {since}; its last good state holds"),
        "failing" => format!("cannot be read since {since}"),
        "unread" => "not asked yet".to_owned(),
        "wrong_settings" => "wrong settings".to_owned(),
        other => other.to_owned(),
    }
}
