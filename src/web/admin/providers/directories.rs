//! Directories: declared in `dovegate.toml` alone, so they are looked at and tried out.

use axum::{
    Router,
    extract::{Path, State as Shared},
    response::Response,
    routing::{get, post},
};

use super::{
    super::super::{
        State,
        page::{Frame, Section, render},
        shown::When,
        texts::Texts,
        trouble::Trouble,
        visit::Administrator,
    },
    trial,
};
use crate::api::directories::View;

pub(super) fn router() -> Router<State> {
    Router::new()
        .route("/admin/directories/{name}", get(show))
        .route("/admin/directories/{name}/test", post(trial::of_directory))
}

pub(super) struct Row {
    pub(super) name: String,
    pub(super) kind: String,
    pub(super) domains: usize,
    pub(super) words: String,
    pub(super) tone: &'static str,
}

impl Row {
    pub(super) fn of(t: &Texts, view: &View) -> Self {
        let (words, tone) = state_words(t, &view.state);
        Self {
            name: view.name.to_string(),
            kind: kind_words(t, view),
            domains: view.domains.len(),
            words,
            tone,
        }
    }
}

fn kind_words(t: &Texts, view: &View) -> String {
    match view.kind.as_deref() {
        Some("passwd-file") => t.s("directory-kind-file"),
        Some("ldap") => t.s("directory-kind-ldap"),
        _ => t.s("provider-kind-unknown"),
    }
}

pub(in super::super) fn state_words(t: &Texts, state: &str) -> (String, &'static str) {
    match state {
        "answers" => (t.s("directory-answers"), "good"),
        "kept" => (t.s("directory-kept"), "warn"),
        "failing" => (t.s("directory-failing"), "bad"),
        "wrong_settings" => (t.s("provider-is-wrong"), "bad"),
        _ => (t.s("directory-unread"), "soft"),
    }
}

#[derive(askama::Template)]
#[template(path = "admin/directory.html")]
struct Show {
    frame: Frame,
    name: String,
    kind: String,
    words: String,
    tone: &'static str,
    at: Option<String>,
    domains: Vec<String>,
    entries: Option<u64>,
    read: Option<When>,
    failing_since: Option<When>,
    problems: Vec<String>,
    more_problems: u64,
}

async fn show(
    Shared(state): Shared<State>,
    Path(name): Path<String>,
    administrator: Administrator,
) -> Result<Response, Trouble> {
    let t = Texts::english();
    let view: View = state.desk.get(&administrator.caller, &["directories", &name]).await?;
    let (words, tone) = state_words(t, &view.state);
    Ok(render(&Show {
        frame: Frame::new(&administrator.visit, name.clone(), Section::Providers),
        kind: kind_words(t, &view),
        words,
        tone,
        read: view.read.map(When::new),
        failing_since: view.failing_since.map(When::new),
        domains: view.domains.iter().map(ToString::to_string).collect(),
        at: view.at,
        entries: view.entries,
        problems: view.problems,
        more_problems: view.more_problems,
        name,
    }))
}
