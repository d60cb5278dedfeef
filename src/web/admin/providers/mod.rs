//! Identity providers, and directories beside them.
//!
//! ```text
//! fields.rs     keys as fields of a form
//! form.rs       one is added or changed
//! mapping.rs    which template somebody gets
//! preview.rs    what a person would get
//! trial.rs      the connection test, step by step
//! directories.rs
//! ```

mod directories;
mod fields;
mod form;
mod mapping;
mod preview;
mod trial;

use axum::{
    Router,
    extract::{Path, State as Shared},
    http::Method,
    response::{IntoResponse as _, Redirect, Response},
    routing::{get, post},
};

use super::super::{
    State,
    page::{Frame, Section, render},
    texts::Texts,
    trouble::Trouble,
    visit::{Administrator, Posted},
};
use crate::api::{
    Page,
    directories::View as DirectoryView,
    providers::{Origin, Status, View},
};

pub(super) use self::directories::state_words as directory_words;

pub(super) fn router() -> Router<State> {
    Router::new()
        .route("/admin/providers", get(list))
        .route("/admin/providers/{name}", get(show))
        .route("/admin/providers/{name}/remove", get(ask_to_remove).post(remove))
        .route("/admin/providers/{name}/test", post(trial::of_provider))
        .merge(form::router())
        .merge(mapping::router())
        .merge(preview::router())
        .merge(directories::router())
}

/// How it goes with one, in a word and a tone.
struct Health {
    words: String,
    tone: &'static str,
}

fn health(t: &Texts, problems: usize, status: &Status) -> Health {
    let (words, tone) = if problems > 0 {
        (t.s("provider-is-wrong"), "bad")
    } else if status.down.is_some() {
        (t.s("provider-is-down"), "bad")
    } else if status.left_alone.is_some() {
        (t.s("provider-is-left-alone"), "warn")
    } else if status.requests.values().sum::<u64>() == 0 {
        (t.s("provider-is-unasked"), "soft")
    } else {
        (t.s("provider-is-up"), "good")
    };
    Health { words, tone }
}

#[derive(askama::Template)]
#[template(path = "admin/providers.html")]
struct List {
    frame: Frame,
    providers: Vec<Row>,
    directories: Vec<directories::Row>,
    may_add: bool,
}

struct Row {
    name: String,
    kind: String,
    domains: usize,
    health: Health,
    in_file: bool,
}

fn row(t: &Texts, view: &View) -> Row {
    Row {
        name: view.name.to_string(),
        kind: kind_words(t, view),
        domains: view.domain_count,
        health: health(t, view.problems.len(), &view.status),
        in_file: view.origin == Origin::File,
    }
}

fn kind_words(t: &Texts, view: &View) -> String {
    match view.written.get("kind").and_then(serde_json::Value::as_str) {
        Some("keycloak") => t.s("provider-kind-keycloak"),
        Some("oidc") => t.s("provider-kind-oidc"),
        _ => t.s("provider-kind-unknown"),
    }
}

async fn list(
    Shared(state): Shared<State>,
    administrator: Administrator,
) -> Result<Response, Trouble> {
    let t = Texts::english();
    let caller = administrator.caller.clone();
    let page: Page<View> = state.desk.get(&caller, &["providers"]).await?;
    let may_add = administrator.has_everything();
    let directories = if may_add {
        let page: Page<DirectoryView> = state.desk.get(&caller, &["directories"]).await?;
        page.items
    } else {
        Vec::new()
    };
    Ok(render(&List {
        frame: Frame::new(&administrator.visit, t.s("providers"), Section::Providers),
        providers: page.items.iter().map(|view| row(t, view)).collect(),
        directories: directories.iter().map(|view| directories::Row::of(t, view)).collect(),
        may_add,
    }))
}

#[derive(askama::Template)]
#[template(path = "admin/provider.html")]
struct Show {
    frame: Frame,
    name: String,
    kind: String,
    health: Health,
    /// What the last request that failed came to.
    down: Option<String>,
    /// It is asked where browsers and tokens go.
    server: Option<String>,
    problems: Vec<String>,
    warnings: Vec<String>,
    domains: Vec<String>,
    more_domains: usize,
    events: String,
    in_file: bool,
    may_change: bool,
    has_sync: bool,
}

pub(super) fn events_words(t: &Texts, events: &str) -> String {
    match events {
        "watching" => t.s("events-watching"),
        "not_recorded" => t.s("events-not-recorded"),
        "forbidden" => t.s("events-forbidden"),
        "failing" => t.s("events-failing"),
        _ => t.s("events-not-asked"),
    }
}

async fn show(
    Shared(state): Shared<State>,
    Path(name): Path<String>,
    administrator: Administrator,
) -> Result<Response, Trouble> {
    let t = Texts::english();
    let view: View = state.desk.get(&administrator.caller, &["providers", &name]).await?;
    let text = |key: &str| view.written.get(key).and_then(serde_json::Value::as_str);
    let realm = text("realm").map(|realm| format!(" · {realm}")).unwrap_or_default();
    let problems = view.problems.iter();
    Ok(render(&Show {
        frame: Frame::new(&administrator.visit, name.clone(), Section::Providers),
        kind: kind_words(t, &view),
        health: health(t, view.problems.len(), &view.status),
        down: view.status.down.clone(),
        server: text("server_url").map(|url| format!("{url}{realm}")),
        problems: problems.map(|one| format!("{}: {}", one.key, one.reason)).collect(),
        more_domains: view.domain_count.saturating_sub(view.domains.len()),
        events: events_words(t, &view.status.events),
        in_file: view.origin == Origin::File,
        may_change: administrator.has_everything() && view.origin == Origin::Store,
        has_sync: view.sync.is_some(),
        domains: view.domains.iter().map(ToString::to_string).collect(),
        warnings: view.warnings,
        name,
    }))
}

#[derive(askama::Template)]
#[template(path = "admin/provider_remove.html")]
struct Remove {
    frame: Frame,
    name: String,
    domains: usize,
}

async fn ask_to_remove(
    Shared(state): Shared<State>,
    Path(name): Path<String>,
    administrator: Administrator,
) -> Result<Response, Trouble> {
    let view: View = state.desk.get(&administrator.caller, &["providers", &name]).await?;
    let title = Texts::english().with("provider-remove-title", "name", &name);
    let frame = Frame::new(&administrator.visit, title, Section::Providers);
    Ok(render(&Remove { frame, name, domains: view.domain_count }))
}

#[derive(serde::Deserialize)]
struct Nothing {}

async fn remove(
    Shared(state): Shared<State>,
    Path(name): Path<String>,
    administrator: Administrator,
    Posted(Nothing {}): Posted<Nothing>,
) -> Result<Response, Trouble> {
    let asked = state.desk.ask(&administrator.caller, Method::DELETE, &["providers", &name]);
    asked.done().await?;
    administrator.session.say(Texts::english().with("provider-removed", "name", &name));
    Ok(Redirect::to("/admin/providers").into_response())
}
