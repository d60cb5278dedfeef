//! `dovegate sync`.

use std::{collections::BTreeMap, time::Duration};

use axum::http::Method;
use clap::Subcommand;
use serde_json::{Value, json};
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{
    Client, Missing, Output, Result,
    failure::{Exit, Failure},
    output::Tone,
    sync_log::SyncLog,
    text::{grouped, span, when},
    with_client,
};
use crate::{
    api::{
        Page,
        sync::{Syncing, View},
        sync_log::Line,
    },
    clock::Timestamp,
    config::Config,
};

/// How often a run is asked how far it is.
const LOOK: Duration = Duration::from_millis(200);
/// Width of the bar.
const BAR: usize = 20;

#[derive(Debug, Subcommand)]
#[command(
    long_about = "Bring mailboxes up to date by what a provider says of its people.\n\nMailboxes \
    of the provider's domains that have it as their auth source are changed by template; with \
    import_users they are made for people who have none. Who is disabled there, or missing in two \
    complete runs, receives mail but cannot log in until he is back. What an administrator has set \
    stays: \"dovegate mailbox show\" lists it, \"dovegate mailbox set --release\" gives it back."
)]
pub(super) enum Command {
    /// Run over everybody whom a provider has
    #[command(
        long_about = "Run over everybody whom a provider has, and wait for the end. Ctrl-C breaks \
            the run off; what it did stands, and the next one finishes it.",
        after_help = "Examples:\n  dovegate sync run corp --dry-run\n  dovegate sync run corp"
    )]
    Run {
        /// The provider
        #[arg(value_name = "NAME")]
        name: String,
        /// Change nothing, and say what would be changed; with --json line by line
        #[arg(long)]
        dry_run: bool,
        #[arg(
            long,
            help = "How many of a hundred mailboxes may be switched off [default: the provider's \
                withdraw_limit]",
            value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(0..=100)
        )]
        withdraw_limit: Option<u8>,
    },
    /// Break a run off that is under way
    Stop {
        /// The provider
        #[arg(value_name = "NAME")]
        name: String,
    },
    /// Show the last runs, or what was done
    Log(SyncLog),
}

pub(super) async fn run(command: Command, config: &Config, output: &Output) -> Result {
    with_client(config, Missing::Refuse, async |client| match command {
        Command::Run { name, dry_run, withdraw_limit } => {
            let body = json!({ "dry_run": dry_run, "withdraw_limit": withdraw_limit });
            go(client, output, &name, body).await
        }
        Command::Stop { name } => {
            client.order(Method::DELETE, &["providers", &name, "sync"], None).await?;
            output.done(format!("The sync of {name} is breaking off."))
        }
        Command::Log(log) => log.show(client, output).await,
    })
    .await
}

async fn go(client: &Client, output: &Output, name: &str, body: Value) -> Result {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let path = ["providers", name, "sync"];
    let begun: View = client.call(Method::POST, &path, body).await?;
    let ended = follow(client, output, &path, &mut interrupt).await;
    output.progress_done();
    let ended = ended?;
    if output.json {
        let mut value = serde_json::to_value(&ended)
            .map_err(|error| Failure::refused(format!("cannot write JSON: {error}")))?;
        if begun.run.is_none() {
            value["plan"] = json!(planned(client, name).await?);
        }
        output.value(&value)?;
    } else {
        output.show(said(output, &ended))?;
    }
    outcome(&ended)
}

/// Waits for the end of a run, and breaks it off at the first Ctrl-C.
async fn follow(
    client: &Client,
    output: &Output,
    path: &[&str],
    interrupt: &mut Signal,
) -> Result<View> {
    let mut stopping = false;
    loop {
        let view: View = client.get(path, &[]).await?;
        if view.phase == "ended" {
            return Ok(view);
        }
        output.progress(&bar(&view, stopping));
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            _ = interrupt.recv() => {
                stopping = true;
                // It may have ended by itself meanwhile.
                let _ = client.order(Method::DELETE, path, None).await;
            }
        }
    }
}

fn bar(view: &View, stopping: bool) -> String {
    let name = &view.provider;
    let people = grouped(view.people);
    match (stopping, view.phase.as_str(), view.expected.filter(|expected| *expected > 0)) {
        (true, ..) => format!("  {name}: breaking off after {people} people"),
        (_, "missing", _) => format!("  {name}: {people} people, asking for those who are missing"),
        (_, "withdrawing", _) => format!("  {name}: {people} people, switching off"),
        (_, _, None) => format!("  {name}: {people} people"),
        (_, _, Some(expected)) => {
            let share = |of: u64| view.people.min(expected) * of / expected;
            let full = usize::try_from(share(BAR as u64)).unwrap_or(BAR);
            let bar = format!("{}{}", "█".repeat(full), "░".repeat(BAR - full));
            format!("  {name}: {people} of {} people {bar} {} %", grouped(expected), share(100))
        }
    }
}

/// What a run did, in a few lines.
fn said(output: &Output, view: &View) -> String {
    let seconds = view.ended.0.since(view.started.0).as_secs();
    let planned = view.run.is_none();
    let head = format!("{}: {} people, {}", view.provider, grouped(view.people), span(seconds));
    let mut lines = vec![format!("  {}", output.paint(Tone::Strong, &head))];
    let did = |action: &str| if planned { format!("would be {action}") } else { action.to_owned() };
    let known = ["created", "updated", "renamed", "restored", "missing", "withdrawn"];
    for action in known {
        let Some(number) = view.done.get(action) else { continue };
        let words = if action == "missing" { "missing".to_owned() } else { did(action) };
        lines.push(format!("  {words:20} {:>9}", grouped(*number)));
    }
    lines.push(format!("  {:20} {:>9}", "unchanged", grouped(view.unchanged)));
    let skipped: u64 = view.skipped.values().sum();
    if skipped > 0 {
        let causes = causes(&view.skipped);
        lines.push(format!("  {:20} {:>9}  {causes}", "skipped", grouped(skipped)));
    }
    if planned {
        let again = format!("dovegate sync run {} --dry-run --json", view.provider);
        lines.push(format!("  Nothing was changed. Details: {again}"));
    } else if view.lines > 0 {
        let number = view.run.unwrap_or_default();
        lines.push(format!("  Details: dovegate sync log {} --run {number}", view.provider));
    }
    lines.join("\n")
}

/// How the last sync that has ended came out, in a line.
pub(super) fn last(syncing: &Syncing) -> Option<String> {
    let view = syncing.last.as_ref()?;
    let by = if view.by == "schedule" { ", by itself" } else { "" };
    let ended = format!("{} {}{by}", when(view.ended), view.outcome);
    let reason = view.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
    let before = syncing.last_complete.filter(|_| view.outcome != "complete");
    let before = before.map(|before| format!("; the last complete one {}", when(before)));
    Some(format!("{ended}{reason}{}", before.unwrap_or_default()))
}

/// When the next one begins, in a few words.
pub(super) fn next(syncing: &Syncing) -> Option<String> {
    if syncing.under_way {
        return Some("under way".to_owned());
    }
    let next = syncing.next?;
    let seconds = next.0.since(Timestamp::now()).as_secs();
    Some(if seconds == 0 {
        "now".to_owned()
    } else {
        format!("{} (in {})", when(next), span(seconds))
    })
}

fn causes(skipped: &BTreeMap<String, u64>) -> String {
    let causes: Vec<String> = skipped
        .iter()
        .map(|(cause, number)| format!("{} {}", grouped(*number), cause.replace('_', " ")))
        .collect();
    causes.join(", ")
}

/// What the exit code says of a run.
fn outcome(view: &View) -> Result {
    let reason = view.reason.clone().unwrap_or_default();
    match view.outcome.as_str() {
        "complete" => Ok(()),
        "cancelled" => {
            Err(Failure::refused("broken off; what was done stands, and the next run goes on"))
        }
        "braked" => Err(Failure::refused(reason).hint(
            "If that is meant, \"dovegate sync run NAME --withdraw-limit PERCENT\" allows it for \
             one run.",
        )),
        "failed" => Err(Failure::new(Exit::Temporary, reason)),
        other => Err(Failure::new(Exit::Temporary, format!("the run ended {other}"))),
    }
}

async fn planned(client: &Client, name: &str) -> Result<Vec<Line>> {
    let mut all = Vec::new();
    let mut after = None;
    loop {
        let page: Page<Line> =
            client.page(&["providers", name, "sync", "plan"], &[], after).await?;
        all.extend(page.items);
        after = page.next;
        if after.is_none() {
            return Ok(all);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Moment;

    fn view(people: u64, expected: Option<u64>) -> View {
        View {
            provider: "corp".parse().unwrap(),
            run: None,
            phase: "people".to_owned(),
            expected,
            started: Moment(Timestamp(0)),
            ended: Moment(Timestamp(18_000)),
            outcome: "running".to_owned(),
            reason: None,
            people,
            unchanged: 9841,
            done: [("created".to_owned(), 48)].into(),
            skipped: [("domain_unknown".to_owned(), 6), ("no_template".to_owned(), 2)].into(),
            lines: 48,
            by: "hand".to_owned(),
            scope: "all".to_owned(),
        }
    }

    #[test]
    fn the_bar_says_how_far_it_is() {
        let bar = |people, expected| bar(&view(people, expected), false);
        assert_eq!(bar(500, None), "  corp: 500 people");
        assert_eq!(
            bar(5_006, Some(10_012)),
            "  corp: 5,006 of 10,012 people ██████████░░░░░░░░░░ 50 %"
        );
        // More came meanwhile; or nobody is there.
        assert!(bar(12, Some(10)).ends_with("████ 100 %"));
        assert_eq!(bar(0, Some(0)), "  corp: 0 people");
    }

    #[test]
    fn a_plan_reads_as_one() {
        let said = said(&Output::plain(80), &view(10_012, None));
        assert_eq!(
            said,
            "  corp: 10,012 people, 18 s\n\
            \x20 would be created            48\n\
            \x20 unchanged                9,841\n\
            \x20 skipped                      8  6 domain unknown, 2 no template\n\
            \x20 Nothing was changed. Details: dovegate sync run corp --dry-run --json"
        );
    }

    #[test]
    fn only_a_complete_run_is_done() {
        for (word, exit) in [
            ("cancelled", Exit::Refused),
            ("braked", Exit::Refused),
            ("failed", Exit::Temporary),
            ("interrupted", Exit::Temporary),
        ] {
            let ended = View { outcome: word.to_owned(), ..view(1, None) };
            assert_eq!(outcome(&ended).unwrap_err().exit, exit, "{word}");
        }
        let complete = View { outcome: "complete".to_owned(), ..view(1, None) };
        assert!(outcome(&complete).is_ok());
    }
}
