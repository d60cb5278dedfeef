//! The connection test of a provider, and of a directory: every step by name.

use axum::{
    extract::{Path, State as Shared},
    http::Method,
    response::Response,
};
use serde::Deserialize;
use serde_json::Map;

use super::super::super::{
    State,
    page::{Frame, Section, render},
    texts::Texts,
    trouble::Trouble,
    visit::{Administrator, Posted},
};
use crate::api::provider_test::{Report, Step, StepOutcome};

#[derive(askama::Template)]
#[template(path = "admin/trial.html")]
struct Trial {
    frame: Frame,
    /// Where it is run again.
    action: String,
    back: String,
    /// A token can be tried, too.
    takes_token: bool,
    passed: bool,
    steps: Vec<Row>,
}

struct Row {
    name: String,
    /// What it came to.
    words: String,
    tone: &'static str,
    detail: String,
    hint: Option<String>,
    took: String,
}

fn row(t: &Texts, step: Step) -> Row {
    let (words, tone) = match step.outcome {
        StepOutcome::Ok => (t.s("step-ok"), "good"),
        StepOutcome::Warning => (t.s("step-warning"), "warn"),
        StepOutcome::Failed => (t.s("step-failed"), "bad"),
        StepOutcome::NotTried => (t.s("step-not-tried"), "soft"),
    };
    let took = step.milliseconds.map(|took| t.with("milliseconds", "number", &took));
    let Step { name, detail, hint, .. } = step;
    Row { name, words, tone, detail, hint, took: took.unwrap_or_default() }
}

#[derive(Deserialize)]
pub(super) struct Asked {
    #[serde(default)]
    token: String,
}

pub(super) async fn of_provider(
    Shared(state): Shared<State>,
    Path(name): Path<String>,
    administrator: Administrator,
    Posted(Asked { token }): Posted<Asked>,
) -> Result<Response, Trouble> {
    let token = token.trim();
    let body = if token.is_empty() {
        Map::new()
    } else {
        Map::from_iter([("token".to_owned(), token.into())])
    };
    let path = ["providers", name.as_str(), "test"];
    let asked = state.desk.ask(&administrator.caller, Method::POST, &path);
    let report: Report = asked.call(&body).await?;
    Ok(shown(&administrator, "providers", &name, report))
}

pub(super) async fn of_directory(
    Shared(state): Shared<State>,
    Path(name): Path<String>,
    administrator: Administrator,
    Posted(_): Posted<Asked>,
) -> Result<Response, Trouble> {
    let path = ["directories", name.as_str(), "test"];
    let asked = state.desk.ask(&administrator.caller, Method::POST, &path);
    let report: Report = asked.fetch().await?;
    Ok(shown(&administrator, "directories", &name, report))
}

fn shown(administrator: &Administrator, kind: &str, name: &str, report: Report) -> Response {
    let t = Texts::english();
    let title = t.with("trial-title", "name", &name);
    let passed = !report.failed();
    render(&Trial {
        frame: Frame::new(&administrator.visit, title, Section::Providers),
        action: format!("/admin/{kind}/{name}/test"),
        back: format!("/admin/{kind}/{name}"),
        takes_token: kind == "providers",
        passed,
        steps: report.steps.into_iter().map(|step| row(t, step)).collect(),
    })
}
