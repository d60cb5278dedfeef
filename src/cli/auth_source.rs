//! `dovegate domain auth-source`: who checks the main passwords of a domain's
//! mailboxes, changed page by page.

use std::collections::BTreeMap;

use axum::http::Method;
use clap::Args;
use futures_util::FutureExt as _;
use serde_json::json;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{Client, Failure, Output, Result, client::to_json, output::Tone, text::grouped};
use crate::api::{
    Page,
    auth_source::{Note, Order, Outcome, Switched},
};

/// Addresses that are named in a line.
const NAMED: usize = 5;
/// Mailboxes of which more is said with `--json`.
const MOST_NOTED: usize = 10_000;

#[derive(Args, Debug)]
pub(super) struct AuthSource {
    /// The domain
    #[arg(value_name = "DOMAIN")]
    domain: String,

    /// "local" for the passwords kept here, or who speaks for the domain
    #[arg(value_name = "local|PROVIDER")]
    source: String,

    /// Only addresses that match; * and ? stand for anything and any character
    #[arg(long, value_name = "MASK")]
    mask: Option<String>,

    /// Only mailboxes that have this auth source now
    #[arg(long, value_name = "local|PROVIDER")]
    from: Option<String>,

    /// Forget whose they are at a provider: the next login there says it anew
    #[arg(long)]
    unbind: bool,

    /// Change nothing, and say what would be changed
    #[arg(long)]
    dry_run: bool,
}

/// What came of all of them.
#[derive(Default)]
struct Told {
    counts: BTreeMap<Outcome, u64>,
    notes: BTreeMap<Note, (u64, Vec<String>)>,
    refusals: Vec<String>,
    noted: Vec<Switched>,
}

impl Told {
    fn add(&mut self, page: Vec<Switched>) {
        for one in page {
            *self.counts.entry(one.outcome).or_default() += 1;
            for note in &one.notes {
                let (number, named) = self.notes.entry(*note).or_default();
                *number += 1;
                if named.len() < NAMED {
                    named.push(one.address.to_string());
                }
            }
            if let Some(reason) = one.reason.as_ref().filter(|_| self.refusals.len() < NAMED) {
                self.refusals.push(format!("{}: {reason}", one.address));
            }
            let says_more = !one.notes.is_empty() || one.reason.is_some();
            if says_more && self.noted.len() < MOST_NOTED {
                self.noted.push(one);
            }
        }
    }

    fn of(&self, outcome: Outcome) -> u64 {
        self.counts.get(&outcome).copied().unwrap_or_default()
    }

    fn all(&self) -> u64 {
        self.counts.values().sum()
    }
}

impl AuthSource {
    pub(super) async fn run(self, client: &Client, output: &Output) -> Result {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut told = Told::default();
        let walked = self.walk(client, output, &mut interrupt, &mut told).await;
        output.progress_done();
        // What was done before a failure stands, so it is said.
        let broken_off = match walked {
            Ok(broken_off) => broken_off,
            Err(failure) if told.of(Outcome::Changed) == 0 => return Err(failure),
            Err(failure) => {
                self.say(output, &told, true)?;
                return Err(failure);
            }
        };
        self.say(output, &told, broken_off)?;
        match told.of(Outcome::Refused) {
            _ if broken_off => Err(Failure::refused(
                "broken off; what was changed stands, and the same command goes on",
            )),
            0 => Ok(()),
            refused => Err(Failure::refused(format!(
                "{} could not be changed: {}",
                grouped(refused),
                told.refusals.join("; ")
            ))),
        }
    }

    /// Page by page; whether somebody broke it off between two of them.
    async fn walk(
        &self,
        client: &Client,
        output: &Output,
        interrupt: &mut Signal,
        told: &mut Told,
    ) -> Result<bool> {
        let mut order = Order {
            source: self.source.clone(),
            mask: self.mask.clone(),
            from: self.from.clone(),
            unbind: self.unbind,
            dry_run: self.dry_run,
            after: None,
        };
        let path = ["domains", self.domain.as_str(), "auth-source"];
        loop {
            let page: Page<Switched> = client.call(Method::POST, &path, to_json(&order)?).await?;
            told.add(page.items);
            order.after = page.next;
            if order.after.is_none() {
                return Ok(false);
            }
            output.progress(&format!("  {}: {} mailboxes", self.domain, grouped(told.all())));
            if interrupt.recv().now_or_never().is_some() {
                return Ok(true);
            }
        }
    }

    fn say(&self, output: &Output, told: &Told, broken_off: bool) -> Result {
        if output.json {
            let notes = told.notes.iter().map(|(note, (number, _))| (json!(note), number));
            let notes: serde_json::Map<_, _> = notes
                .filter_map(|(note, number)| Some((note.as_str()?.to_owned(), json!(number))))
                .collect();
            return output.value(&json!({
                "domain": self.domain,
                "source": self.source,
                "dry_run": self.dry_run,
                "complete": !broken_off,
                "changed": told.of(Outcome::Changed),
                "unchanged": told.of(Outcome::Unchanged),
                "left_out": told.of(Outcome::LeftOut),
                "refused": told.of(Outcome::Refused),
                "notes": notes,
                "noted": told.noted,
            }));
        }
        if output.quiet {
            return Ok(());
        }
        output.show(self.lines(output, told).join("\n"))
    }

    fn lines(&self, output: &Output, told: &Told) -> Vec<String> {
        let (domain, source) = (&self.domain, &self.source);
        let verb = if self.dry_run { "would be changed" } else { "changed" };
        let head = format!("{domain}: {} mailboxes, to {source}", grouped(told.all()));
        let mut lines = vec![format!("  {}", output.paint(Tone::Strong, &head))];
        let line = |what: &str, number: u64, rest: &str| {
            format!("  {what:18} {:>9}  {rest}", grouped(number)).trim_end().to_owned()
        };
        lines.push(line(verb, told.of(Outcome::Changed), ""));
        for (what, outcome) in [
            ("unchanged", Outcome::Unchanged),
            ("left out", Outcome::LeftOut),
            ("refused", Outcome::Refused),
        ] {
            let number = told.of(outcome);
            if number > 0 {
                lines.push(line(what, number, ""));
            }
        }
        for (note, (number, named)) in &told.notes {
            let mut rest = named.join(", ");
            if *number > NAMED as u64 {
                rest.push_str(", …");
            }
            let (what, why) = self.words(*note);
            lines.push(line(what, *number, &rest));
            lines.push(format!("  {:18} {:>9}  {why}", "", ""));
        }
        if self.dry_run {
            lines.push("  Nothing was changed.".to_owned());
        }
        lines
    }

    fn words(&self, note: Note) -> (&'static str, String) {
        match note {
            Note::NoPassword => (
                "without password",
                "only app passwords log in until \"dovegate mailbox password\" sets one".to_owned(),
            ),
            Note::Unbound if self.source == "local" => {
                ("nobody's", "the next login at a provider says whose it is".to_owned())
            }
            Note::Unbound => {
                ("nobody's", format!("the next login at {} says whose it is", self.source))
            }
            Note::SwitchedOff => (
                "stay switched off",
                "by the provider before; \"dovegate mailbox set --state active\" lets them in"
                    .to_owned(),
            ),
        }
    }
}
