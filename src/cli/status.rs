//! `dovegate status`.

use super::{
    Client, Failure, Output, Result, directory,
    output::Tone,
    sync,
    table::{Fields, Listing},
    text::{bytes, span, when},
};
use crate::{
    api::cache::OneCache,
    api::directories::View,
    api::status::{ProviderFigures, ServerReport, Status, Withdrawals},
    clock::Timestamp,
    config::Config,
};

pub(super) async fn run(config: &Config, output: &Output) -> Result {
    let Some(client) = Client::server(config)? else {
        let socket = config.admin_socket().display();
        return Err(Failure::refused(format!("not running: no server answers at {socket}"))
            .hint("\"dovegate serve\" starts it; --config or --data name another one."));
    };
    let status: Status = client.get(&["status"], &[]).await?;
    if output.json { output.value(&status) } else { show(output, &status) }
}

fn show(output: &Output, status: &Status) -> Result {
    let head = format!("dovegate {}, running as process {}", status.version, status.pid);
    output.show(output.paint(Tone::Strong, &head))?;
    let mut fields = Fields::default();
    if let Some(server) = &status.server {
        fields.add("since", since(server));
        fields.add("logins", logins(server));
    }
    fields
        .add("held back", status.held_back.to_string())
        .add("caches", caches(&status.caches))
        .add_some("withdrawn", withdrawn(&status.withdrawals))
        .add_some("state", status.store_bytes.map(bytes))
        .show(output)?;
    providers(output, &status.providers)?;
    directories(output, &status.directories)?;
    let Some(server) = &status.server else { return Ok(()) };
    output.show("")?;
    let mut listing = Listing::new(output, &["LISTENER", "INSTANCE", "CONNECTIONS", "WHERE"]);
    listing.page(&server.listeners, |listener| {
        [
            listener.kind.clone(),
            listener.instance.clone(),
            listener.connections.to_string(),
            listener.address.clone(),
        ]
    })?;
    listing.end("No listeners.")
}

/// What they hold; how they do, `dovegate cache status` shows.
fn caches(caches: &[OneCache]) -> String {
    let held = |name: &str| {
        let one = caches.iter().find(|cache| cache.name == name);
        one.map_or(0, |cache| cache.entries)
    };
    format!(
        "{} verified passwords, {} people, {} tokens",
        held("verified"),
        held("people"),
        held("tokens")
    )
}

/// What became of those who may not go on; nothing where there were none.
fn withdrawn(withdrawals: &Withdrawals) -> Option<String> {
    let Withdrawals { withdrawn, waiting, done, failed, dropped } = *withdrawals;
    let followed =
        [(done, "followed up"), (failed, "failed"), (waiting, "waiting"), (dropped, "dropped")];
    let followed: Vec<String> = followed
        .into_iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, what)| format!("{number} {what}"))
        .collect();
    match (withdrawn, followed.is_empty()) {
        (0, _) => None,
        (_, true) => Some(withdrawn.to_string()),
        (_, false) => Some(format!("{withdrawn} ({})", followed.join(", "))),
    }
}

fn providers(output: &Output, providers: &[ProviderFigures]) -> Result {
    if providers.is_empty() {
        return Ok(());
    }
    output.show("")?;
    let mut listing = Listing::new(output, &["PROVIDER", "REQUESTS", "FAILURES", "STATE"]);
    listing.page(providers, |figures| {
        let requests: u64 = figures.status.requests.values().sum();
        let state = match &figures.status.down {
            _ if figures.problems > 0 => "wrong settings".to_owned(),
            Some(down) => format!("down: {down}"),
            None if requests == 0 => "not asked yet".to_owned(),
            None => "answers".to_owned(),
        };
        let numbers = [requests, figures.status.failures].map(|number| number.to_string());
        let [requests, failures] = numbers;
        [figures.name.to_string(), requests, failures, state]
    })?;
    listing.end("No providers.")?;
    syncs(output, providers)
}

fn syncs(output: &Output, providers: &[ProviderFigures]) -> Result {
    let synced: Vec<[String; 3]> = providers
        .iter()
        .filter_map(|figures| {
            let syncing = figures.sync.as_ref()?;
            let (last, next) = (sync::last(syncing), sync::next(syncing));
            let or_none = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
            let is_any = last.is_some() || next.is_some();
            is_any.then(|| [figures.name.to_string(), or_none(next), or_none(last)])
        })
        .collect();
    if synced.is_empty() {
        return Ok(());
    }
    output.show("")?;
    let mut listing = Listing::new(output, &["SYNC", "NEXT", "LAST"]);
    listing.page(&synced, Clone::clone)?;
    listing.end("No syncs.")
}

fn directories(output: &Output, directories: &[View]) -> Result {
    if directories.is_empty() {
        return Ok(());
    }
    output.show("")?;
    let mut listing = Listing::new(output, &["DIRECTORY", "PEOPLE", "STATE"]);
    listing.page(directories, |view| {
        let people = view.entries.map(|entries| entries.to_string()).unwrap_or_default();
        [view.name.to_string(), people, directory::state(view)]
    })?;
    listing.end("No directories.")
}

fn since(server: &ServerReport) -> String {
    let up = Timestamp::now().since(server.started.0).as_secs();
    format!("{} ({})", when(server.started), span(up))
}

fn logins(server: &ServerReport) -> String {
    let logins = server.logins;
    format!(
        "{} accepted, {} refused, {} temporary failures",
        logins.verified, logins.rejected, logins.unavailable
    )
}
