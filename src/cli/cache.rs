//! `dovegate cache`.

use axum::http::Method;
use clap::Subcommand;
use serde_json::json;

use super::{Client, Failure, Output, Result, table::Listing, text::bytes};
use crate::{
    api::cache::{Flushed, OneCache, View},
    config::Config,
};

#[derive(Debug, Subcommand)]
#[command(
    long_about = "What the running server remembers of logins.\n\nA slow hash that ran once need not \
    run again for a while ([passwords] verified_cache_time), nor must an identity provider be asked \
    again about a token (its token_cache), about a person whose main password it keeps \
    (mailpassword_cache) or about an address that it does not know (unknown_cache). A change of \
    password, state or services here takes effect at once and needs no flush. What is changed at a \
    provider counts when its time in the cache is over, or when the provider tells (event_interval)."
)]
pub(super) enum Command {
    /// Forget verified passwords, and what providers said of people and tokens
    #[command(
        after_help = "Examples:\n  dovegate cache flush\n  dovegate cache flush '*@example.org'"
    )]
    Flush {
        /// Only of these users; * and ? stand for anything and any character
        #[arg(value_name = "MASK")]
        masks: Vec<String>,
    },
    /// Show how full the caches are, and how they do
    #[command(
        long_about = "How full the caches are, and how they do: right passwords (verified) and \
        wrong ones, people and unknown addresses of the Mailpassword Flow, tokens and refused tokens.\n\n\
        A hit is an answer from the cache. A miss is a hash that ran, or a question to a provider, \
        for what the cache might have held; those that came to nothing count under people and \
        tokens. Stale are logins by an answer that was not fresh any more, while a provider could \
        not be asked."
    )]
    Status,
}

pub(super) async fn run(command: Command, config: &Config, output: &Output) -> Result {
    // A cache of our own would be empty: there is nothing to see without a server.
    let Some(client) = Client::server(config)? else {
        let socket = config.admin_socket().display();
        let message = format!("no server answers at {socket}, and only a running one has a cache");
        return Err(Failure::refused(message));
    };
    match command {
        Command::Flush { masks } => {
            let body = json!({ "masks": masks });
            let flushed: Flushed = client.call(Method::POST, &["cache", "flush"], body).await?;
            if output.json {
                return output.value(&flushed);
            }
            output
                .done(format!("Forgot {} verified passwords, people and tokens.", flushed.entries))
        }
        Command::Status => {
            let view: View = client.get(&["cache"], &[]).await?;
            if output.json { output.value(&view) } else { show(output, &view.caches) }
        }
    }
}

fn show(output: &Output, caches: &[OneCache]) -> Result {
    let headings =
        ["CACHE", "ENTRIES", "AT MOST", "SIZE", "AT MOST", "HITS", "MISSES", "RATIO", "STALE"];
    let mut listing = Listing::new(output, &headings);
    listing.page(caches, |cache| {
        let ratio = cache.hit_ratio.map(|ratio| format!("{:.1} %", ratio * 100.0));
        [
            cache.name.replace('_', " "),
            cache.entries.to_string(),
            cache.max_entries.to_string(),
            bytes(cache.bytes),
            bytes(cache.max_bytes),
            cache.hits.to_string(),
            cache.misses.to_string(),
            ratio.unwrap_or_default(),
            cache.stale.to_string(),
        ]
    })?;
    listing.end("No caches.")
}
