//! `dovegate cache`.

use axum::http::Method;
use clap::Subcommand;
use serde_json::json;

use super::{Client, Failure, Output, Result, table::Fields};
use crate::{
    api::cache::{Flushed, View},
    config::Config,
};

#[derive(Debug, Subcommand)]
#[command(
    long_about = "Passwords and tokens that the running server verified a while ago.\n\nA slow hash \
    that verified once need not run again for a while ([passwords] verified_cache_time), nor must \
    an identity provider be asked about a token again (its token_cache), or for a minute about a person \
    whose main password it keeps. A change of password, \
    state or services takes effect at once and needs no flush; that a token was revoked, Dovegate \
    sees when its time in the cache is over."
)]
pub(super) enum Command {
    /// Forget verified passwords and tokens
    #[command(
        after_help = "Examples:\n  dovegate cache flush\n  dovegate cache flush '*@example.org'"
    )]
    Flush {
        /// Only of these users; * and ? stand for anything and any character
        #[arg(value_name = "MASK")]
        masks: Vec<String>,
    },
    /// Show how full the cache is, and how it does
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
            output.done(format!("Forgot {} verified passwords and tokens.", flushed.entries))
        }
        Command::Status => {
            let view: View = client.get(&["cache"], &[]).await?;
            if output.json {
                return output.value(&view);
            }
            Fields::default()
                .add(
                    "verified passwords",
                    format!("{} of at most {}", view.verified, view.capacity),
                )
                .add("wrong passwords", view.wrong.to_string())
                .add("hashes spared", view.hits.to_string())
                .add("hashes run", view.misses.to_string())
                .add("good tokens", view.tokens.to_string())
                .add("token answers spared", view.token_hits.to_string())
                .add("token answers needed", view.token_misses.to_string())
                .add("people known", view.people.to_string())
                .add("answers on people spared", view.people_hits.to_string())
                .add("answers on people needed", view.people_misses.to_string())
                .show(output)
        }
    }
}
