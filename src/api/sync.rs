//! `/providers/{name}/sync`: runs over a provider's people, and their record.

use std::collections::BTreeMap;

use axum::{Json, extract::State as Shared};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Caller, Error, Moment, Page, State,
    answer::{Accepted, Stopping},
    error::Code,
    extract::{Body, Named},
    providers::name_of,
};
use crate::{
    idp::Problem,
    mailbox::ProviderName,
    provision::{AlreadyRunning, Order, Phase, Progress},
    store::{SyncOutcome, SyncRun},
};

/// A run.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[schemars(rename = "Sync")]
pub struct View {
    /// Whose people.
    pub provider: ProviderName,
    /// Its number; null of one that is only planned.
    pub run: Option<u64>,
    /// What it is at: `people`, `missing`, `withdrawing` or `ended`.
    pub phase: String,
    /// How many people there are, as far as that is known; null once it has ended.
    pub expected: Option<u64>,
    /// When it began.
    pub started: Moment,
    /// When it ended, or wrote something last.
    pub ended: Moment,
    /// `running`, `complete`, `cancelled`, `braked`, `failed` or `interrupted`.
    pub outcome: String,
    /// Why it was braked, or failed.
    pub reason: Option<String>,
    /// People who were listed.
    pub people: u64,
    /// Mailboxes that were as they should be.
    pub unchanged: u64,
    /// What was done, or would be: `created`, `updated`, `renamed`, `withdrawn`,
    /// `restored`, `missing`.
    pub done: BTreeMap<String, u64>,
    /// What was left out, by cause.
    pub skipped: BTreeMap<String, u64>,
    /// Lines that it wrote.
    pub lines: u64,
    /// Who began it: `hand` or `schedule`.
    pub by: String,
    /// What it may do: `all`, or `only_new`.
    pub scope: String,
}

/// How it goes with a provider's syncs.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
pub struct Syncing {
    /// Whether one is under way.
    pub under_way: bool,
    /// The last one that has ended; null if none has.
    pub last: Option<View>,
    /// When the last complete one ended; null if there was none.
    pub last_complete: Option<Moment>,
    /// When the next one begins by itself; null where none does.
    pub next: Option<Moment>,
}

impl View {
    fn of(run: SyncRun, phase: Phase, dry_run: bool) -> Self {
        let phase = match phase {
            Phase::People => "people",
            Phase::Missing => "missing",
            Phase::Withdrawing => "withdrawing",
            Phase::Ended => "ended",
        };
        let outcome = match run.outcome.name() {
            // Nobody is at it any more.
            "running" if phase == "ended" => "interrupted",
            outcome => outcome,
        };
        let reason = match run.outcome {
            SyncOutcome::Braked(reason) | SyncOutcome::Failed(reason) => Some(reason),
            _ => None,
        };
        let done = run.counts.done.into_iter();
        Self {
            provider: run.provider,
            run: (!dry_run).then_some(run.number),
            phase: phase.to_owned(),
            expected: None,
            started: run.started.into(),
            ended: run.ended.into(),
            outcome: outcome.to_owned(),
            reason,
            people: run.counts.people,
            unchanged: run.counts.unchanged,
            done: done.map(|(action, number)| (action.name().to_owned(), number)).collect(),
            skipped: run.counts.skipped,
            lines: run.lines,
            by: run.by.name().to_owned(),
            scope: run.scope.name().to_owned(),
        }
    }
}

impl State {
    /// How it goes with this provider's syncs; `None` if it cannot be asked who its
    /// people are.
    pub(super) async fn syncing(&self, name: &ProviderName) -> Result<Option<Syncing>, Error> {
        let sources = self.pipeline.sources();
        let Some(source) = sources.iter().find(|source| source.name == *name) else {
            return Ok(None);
        };
        let mut runs = self.store.sync_runs(name).await?;
        let under_way = self.syncs.is_under_way(name);
        let next = if under_way { None } else { self.syncs.next(source, &runs) };
        runs.pop_if(|run| under_way && run.outcome == SyncOutcome::Running);
        let complete = runs.iter().rfind(|run| run.outcome == SyncOutcome::Complete);
        Ok(Some(Syncing {
            under_way,
            last_complete: complete.map(|run| run.ended.into()),
            last: runs.pop().map(|run| View::of(run, Phase::Ended, false)),
            next: next.map(Moment::from),
        }))
    }
}

impl From<Progress> for View {
    fn from(progress: Progress) -> Self {
        let expected = progress.expected.filter(|_| progress.phase != Phase::Ended);
        Self { expected, ..Self::of(progress.run, progress.phase, progress.dry_run) }
    }
}

/// How to run.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "SyncStart")]
pub(super) struct Start {
    /// Nothing is changed.
    #[serde(default)]
    dry_run: bool,
    /// Percentage of the mailboxes that may be switched off.
    #[serde(default)]
    withdraw_limit: Option<u8>,
}

pub(super) async fn start(
    Shared(state): Shared<State>,
    caller: Caller,
    Named(name): Named<String>,
    Body(asked): Body<Start>,
) -> Result<Accepted<View>, Error> {
    let name = name_of(&name)?;
    if asked.withdraw_limit.is_some_and(|percent| percent > 100) {
        return Err(Error::bad_request("withdraw_limit: a percentage, 100 at most"));
    }
    state.usable_source(&name)?;
    let work = state.pipeline.sync(&name).ok_or_else(|| {
        let why = format!(
            "provider {name} cannot be asked who its people are: that needs kind keycloak, \
             client_id and client_secret"
        );
        Error::new(Code::Conflict, why)
    })?;
    let order =
        Order { dry_run: asked.dry_run, withdraw_limit: asked.withdraw_limit, ..Order::default() };
    let begun = state.syncs.start(work, order).await?;
    if !order.dry_run {
        caller.changed("sync run", &name);
    }
    Ok(Accepted(begun.into()))
}

impl State {
    /// Refuses a provider or directory whose settings are wrong.
    fn usable_source(&self, name: &ProviderName) -> Result<(), Error> {
        if let Some(report) = self.directory(name) {
            report.directory.map_err(|problems| unusable("directory", name, &problems))?;
        } else {
            let settings = self.report(name)?.settings;
            settings.map_err(|problems| unusable("provider", name, &problems))?;
        }
        Ok(())
    }
}

fn unusable(kind: &str, name: &ProviderName, problems: &[Problem]) -> Error {
    let problems: Vec<String> =
        problems.iter().map(|Problem { key, reason }| format!("{key}: {reason}")).collect();
    Error::new(Code::Conflict, format!("{kind} {name}: {}", problems.join("; ")))
}

impl From<AlreadyRunning> for Error {
    fn from(error: AlreadyRunning) -> Self {
        match error {
            AlreadyRunning::Running(_) => Self::new(Code::Conflict, error.to_string()),
            AlreadyRunning::Ending => Self::new(Code::Unavailable, error.to_string()),
            AlreadyRunning::Store(error) => error.into(),
        }
    }
}

/// The sync under way, else the last one.
pub(super) async fn show(
    Shared(state): Shared<State>,
    Named(name): Named<String>,
) -> Result<Json<View>, Error> {
    let name = name_of(&name)?;
    if let Some(progress) = state.syncs.progress(&name) {
        return Ok(Json(progress.into()));
    }
    state.known_source(&name)?;
    let last = state.store.sync_runs(&name).await?.pop();
    let last = last.ok_or_else(|| no_sync(&name))?;
    Ok(Json(View::of(last, Phase::Ended, false)))
}

fn no_sync(name: &ProviderName) -> Error {
    Error::new(Code::NotFound, format!("there was no sync of provider {name} yet"))
}

pub(super) async fn stop(
    Shared(state): Shared<State>,
    caller: Caller,
    Named(name): Named<String>,
) -> Result<Stopping, Error> {
    let name = name_of(&name)?;
    state.known_source(&name)?;
    if !state.syncs.stop(&name) {
        let why = format!("no sync of provider {name} is under way");
        return Err(Error::new(Code::Conflict, why));
    }
    caller.changed("sync stop", &name);
    Ok(Stopping)
}

/// All runs that are kept, latest first.
pub(super) async fn runs(
    Shared(state): Shared<State>,
    Named(name): Named<String>,
) -> Result<Json<Page<View>>, Error> {
    let name = name_of(&name)?;
    state.known_source(&name)?;
    let under_way = state.syncs.progress(&name).filter(|progress| !progress.dry_run);
    let under_way = under_way.filter(|progress| progress.phase != Phase::Ended);
    let runs = state.store.sync_runs(&name).await?.into_iter().rev();
    let views = runs.map(|run| match &under_way {
        Some(progress) if progress.run.number == run.number => progress.clone().into(),
        _ => View::of(run, Phase::Ended, false),
    });
    Ok(Json(Page::whole(views.collect())))
}

/// How it goes with this provider's syncs.
pub(super) async fn next(
    Shared(state): Shared<State>,
    Named(name): Named<String>,
) -> Result<Json<Syncing>, Error> {
    let name = name_of(&name)?;
    state.known_source(&name)?;
    let syncing = state.syncing(&name).await?;
    let none = || {
        let why = format!("the people of {name} cannot be listed, so it has no syncs");
        Error::new(Code::NotFound, why)
    };
    Ok(Json(syncing.ok_or_else(none)?))
}
