//! Syncs of a provider's or a directory's people: the last and the next one, a plan,
//! progress, and the log.

use std::collections::BTreeMap;

use axum::{
    Router,
    extract::{Path, Query, State as Shared},
    http::Method,
    response::{IntoResponse as _, Redirect, Response},
    routing::{get, post},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    super::{
        State,
        inputs::Choice,
        page::{Faults, Frame, Section, render, render_again},
        shown::When,
        texts::Texts,
        trouble::Trouble,
        visit::{Administrator, Posted},
    },
    ways::way,
};
use crate::api::{
    Page,
    sync::{Syncing, View},
    sync_log::Line,
};

pub(super) fn router() -> Router<State> {
    Router::new()
        .route("/admin/sync/{name}", get(show))
        .route("/admin/sync/{name}/start", post(start))
        .route("/admin/sync/{name}/stop", post(stop))
        .route("/admin/sync/{name}/plan", get(plan))
        .route("/admin/sync/{name}/logins", get(logins))
        .route("/admin/sync/{name}/runs/{run}", get(run))
}

/// Lines on one page of a log.
const LINES: usize = 100;

/// What lines say was done, with the texts for it.
const ACTIONS: [(&str, &str); 7] = [
    ("created", "sync-created"),
    ("updated", "sync-updated"),
    ("renamed", "sync-renamed"),
    ("withdrawn", "sync-withdrawn"),
    ("restored", "sync-restored"),
    ("missing", "sync-missing"),
    ("skipped", "sync-skipped"),
];

/// How runs end, with the texts for it and their tone.
const OUTCOMES: [(&str, &str, &str); 6] = [
    ("running", "sync-outcome-running", "soft"),
    ("complete", "sync-outcome-complete", "good"),
    ("cancelled", "sync-outcome-cancelled", "warn"),
    ("braked", "sync-outcome-braked", "bad"),
    ("failed", "sync-outcome-failed", "bad"),
    ("interrupted", "sync-outcome-interrupted", "warn"),
];

pub(super) fn outcome(t: &Texts, outcome: &str) -> (String, &'static str) {
    let known = OUTCOMES.iter().find(|(name, ..)| *name == outcome);
    known.map_or_else(|| (outcome.to_owned(), "soft"), |(_, text, tone)| (t.s(text), *tone))
}

fn action(t: &Texts, action: &str) -> String {
    let known = ACTIONS.iter().find(|(name, _)| *name == action);
    known.map_or_else(|| action.to_owned(), |(_, text)| t.s(text))
}

/// A run as it is shown.
struct Run {
    /// Where its lines are.
    address: Option<String>,
    /// It is only planned.
    is_plan: bool,
    is_under_way: bool,
    by: String,
    words: String,
    tone: &'static str,
    reason: Option<String>,
    ended: When,
    /// What was done, and how often.
    counts: Vec<(String, u64)>,
    /// Why people were left out, and how many.
    skipped: Vec<(String, u64)>,
    /// How far it is: words, people, of how many.
    phase: String,
    people: u64,
    expected: u64,
}

impl Run {
    fn of(t: &Texts, view: &View) -> Self {
        let (words, tone) = outcome(t, &view.outcome);
        let name = &view.provider;
        let number = view.run.map(|run| format!("/admin/sync/{name}/runs/{run}"));
        let is_plan = view.run.is_none();
        let plan = is_plan.then(|| format!("/admin/sync/{name}/plan"));
        Self {
            address: number.or(plan).filter(|_| view.lines > 0),
            is_plan,
            is_under_way: view.phase != "ended",
            by: if view.by == "schedule" { t.s("sync-by-itself") } else { t.s("sync-by-hand") },
            words,
            tone,
            reason: view.reason.clone(),
            ended: When::new(view.ended),
            counts: counts(t, view),
            skipped: skipped(&view.skipped),
            phase: match view.phase.as_str() {
                "missing" => t.s("sync-phase-missing"),
                "withdrawing" => t.s("sync-phase-withdrawing"),
                _ => t.s("sync-phase-people"),
            },
            people: view.people,
            expected: view.expected.unwrap_or_default(),
        }
    }
}

fn counts(t: &Texts, view: &View) -> Vec<(String, u64)> {
    let done = ACTIONS.iter().filter_map(|(name, text)| {
        let number = view.done.get(*name).copied()?;
        Some((t.s(text), number))
    });
    let all = [(t.s("sync-people"), view.people)].into_iter().chain(done);
    let left_out = view.skipped.values().sum::<u64>();
    let left_out = (left_out > 0).then(|| (t.s("sync-skipped"), left_out));
    all.chain([(t.s("sync-unchanged"), view.unchanged)]).chain(left_out).collect()
}

fn skipped(causes: &BTreeMap<String, u64>) -> Vec<(String, u64)> {
    causes.iter().map(|(cause, number)| (cause.replace('_', " "), *number)).collect()
}

#[derive(askama::Template)]
#[template(path = "admin/sync.html")]
struct Show {
    frame: Frame,
    name: String,
    faults: Faults,
    /// The one under way, or the plan that was made last.
    current: Option<Run>,
    last: Option<Run>,
    next: Option<When>,
    last_complete: Option<When>,
    runs: Vec<Run>,
}

async fn show(
    Shared(state): Shared<State>,
    Path(name): Path<String>,
    administrator: Administrator,
) -> Result<Response, Trouble> {
    Ok(render(&page(&state, &administrator, name, Faults::default()).await?))
}

async fn page(
    state: &State,
    administrator: &Administrator,
    name: String,
    faults: Faults,
) -> Result<Show, Trouble> {
    let t = Texts::english();
    let caller = &administrator.caller;
    let syncing: Syncing = state.desk.get(caller, &["providers", &name, "sync", "next"]).await?;
    let current = match state.desk.get::<View>(caller, &["providers", &name, "sync"]).await {
        Ok(view) => Some(view),
        Err(Trouble::NotFound) => None,
        Err(trouble) => return Err(trouble),
    };
    let runs: Page<View> = state.desk.get(caller, &["providers", &name, "sync", "runs"]).await?;
    // One that has ended stands among the others.
    let current = current.map(|view| Run::of(t, &view));
    let current = current.filter(|run| run.is_under_way || run.is_plan);
    let title = t.with("sync-title", "name", &name);
    Ok(Show {
        frame: Frame::new(&administrator.visit, title, Section::Providers),
        name,
        faults,
        current,
        last: syncing.last.as_ref().map(|view| Run::of(t, view)),
        next: syncing.next.map(When::new),
        last_complete: syncing.last_complete.map(When::new),
        runs: runs.items.iter().map(|view| Run::of(t, view)).collect(),
    })
}

#[derive(Deserialize)]
struct Start {
    #[serde(default)]
    plan: Option<String>,
    #[serde(default)]
    withdraw_limit: String,
}

async fn start(
    Shared(state): Shared<State>,
    Path(name): Path<String>,
    administrator: Administrator,
    Posted(Start { plan, withdraw_limit }): Posted<Start>,
) -> Result<Response, Trouble> {
    let mut body = Map::from_iter([("dry_run".to_owned(), Value::from(plan.is_some()))]);
    let withdraw_limit = withdraw_limit.trim();
    if !withdraw_limit.is_empty() {
        let percent = withdraw_limit.parse::<u8>().ok().filter(|percent| *percent <= 100);
        let Some(percent) = percent else {
            let wrong = Faults::one("withdraw_limit", Texts::english().s("sync-limit-wrong"));
            return Ok(render_again(&page(&state, &administrator, name, wrong).await?));
        };
        body.insert("withdraw_limit".to_owned(), percent.into());
    }
    let path = ["providers", name.as_str(), "sync"];
    state.desk.ask(&administrator.caller, Method::POST, &path).order(&body).await?;
    Ok(Redirect::to(&format!("/admin/sync/{name}")).into_response())
}

#[derive(Deserialize)]
struct Nothing {}

async fn stop(
    Shared(state): Shared<State>,
    Path(name): Path<String>,
    administrator: Administrator,
    Posted(Nothing {}): Posted<Nothing>,
) -> Result<Response, Trouble> {
    let path = ["providers", name.as_str(), "sync"];
    let stopped = state.desk.ask(&administrator.caller, Method::DELETE, &path).done().await;
    match stopped {
        Ok(()) => administrator.session.say(Texts::english().s("sync-stopping")),
        // It ended by itself meanwhile.
        Err(Trouble::Api(problem)) => administrator.session.say(problem.detail.clone()),
        Err(trouble) => return Err(trouble),
    }
    Ok(Redirect::to(&format!("/admin/sync/{name}")).into_response())
}

/// Which lines of a log are wanted.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
struct Wanted {
    #[serde(default, skip_serializing_if = "String::is_empty")]
    action: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    cause: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    mask: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    after: String,
}

#[derive(Serialize)]
struct Asked<'w> {
    #[serde(flatten)]
    lines: &'w Wanted,
    limit: usize,
}

#[derive(askama::Template)]
#[template(path = "admin/sync_lines.html")]
struct Log {
    frame: Frame,
    /// This page without a query.
    address: String,
    back: String,
    actions: Vec<Choice>,
    wanted: Wanted,
    lines: Vec<Row>,
    /// The query of the next page.
    next: Option<String>,
    /// Lines have a time each.
    has_times: bool,
}

struct Row {
    at: Option<When>,
    action: String,
    cause: Option<String>,
    address: Option<String>,
    /// Where the mailbox is.
    mailbox: String,
    person: String,
    detail: String,
}

/// Asks for lines at this path, and shows them.
async fn lines(
    state: &State,
    administrator: &Administrator,
    name: &str,
    path: &[&str],
    title: String,
    wanted: Wanted,
) -> Result<Response, Trouble> {
    let t = Texts::english();
    let whole = [&["providers", name, "sync"], path].concat();
    let query = Asked { lines: &wanted, limit: LINES };
    let page: Page<Line> = state.desk.look_up(&administrator.caller, &whole, &query).await?;
    let next = page.next.and_then(|after| {
        let next = Wanted { after, ..wanted.clone() };
        serde_html_form::to_string(next).ok()
    });
    let row = |line: &Line| Row {
        at: line.at.map(When::new),
        action: action(t, &line.action),
        cause: line.cause.as_ref().map(|cause| cause.replace('_', " ")),
        address: line.address.as_ref().map(ToString::to_string),
        mailbox: line
            .address
            .as_ref()
            .map(|one| way(&["admin", "mailboxes", one.as_str()]))
            .unwrap_or_default(),
        person: line.person.clone(),
        detail: line.detail.clone(),
    };
    let all = Choice::new("", t.s("sync-any-action"), &wanted.action);
    let actions = ACTIONS.iter().map(|(name, text)| Choice::new(name, t.s(text), &wanted.action));
    Ok(render(&Log {
        frame: Frame::new(&administrator.visit, title, Section::Providers),
        address: format!("/admin/sync/{name}/{}", path.join("/")),
        back: format!("/admin/sync/{name}"),
        actions: std::iter::once(all).chain(actions).collect(),
        has_times: page.items.iter().any(|line| line.at.is_some()),
        lines: page.items.iter().map(row).collect(),
        wanted,
        next,
    }))
}

async fn run(
    Shared(state): Shared<State>,
    Path((name, run)): Path<(String, String)>,
    Query(wanted): Query<Wanted>,
    administrator: Administrator,
) -> Result<Response, Trouble> {
    let t = Texts::english();
    let title = t.of("sync-run-title", &[("name", name.clone()), ("run", run.clone())]);
    lines(&state, &administrator, &name, &["runs", &run], title, wanted).await
}

async fn plan(
    Shared(state): Shared<State>,
    Path(name): Path<String>,
    Query(wanted): Query<Wanted>,
    administrator: Administrator,
) -> Result<Response, Trouble> {
    let title = Texts::english().with("sync-plan-title", "name", &name);
    lines(&state, &administrator, &name, &["plan"], title, wanted).await
}

async fn logins(
    Shared(state): Shared<State>,
    Path(name): Path<String>,
    Query(wanted): Query<Wanted>,
    administrator: Administrator,
) -> Result<Response, Trouble> {
    let title = Texts::english().with("sync-logins-title", "name", &name);
    lines(&state, &administrator, &name, &["logins"], title, wanted).await
}
