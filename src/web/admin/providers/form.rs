//! A provider is added or changed.

use axum::{
    Router,
    extract::{Path, State as Shared},
    http::Method,
    response::{IntoResponse as _, Redirect, Response},
    routing::get,
};

use super::{
    super::super::{
        State,
        inputs::{Control, Filled},
        page::{Faults, Frame, Section, render, render_again},
        texts::Texts,
        trouble::Trouble,
        visit::{Administrator, Posted},
    },
    super::ways::refusal,
    fields::{self, Shown},
};
use crate::{
    api::providers::{Origin, View},
    mailbox::{ProviderName, provider::Kind},
};

pub(super) fn router() -> Router<State> {
    Router::new()
        .route("/admin/add-provider", get(which))
        .route("/admin/add-provider/{kind}", get(blank).post(create))
        .route("/admin/providers/{name}/settings", get(edit).post(change))
}

#[derive(askama::Template)]
#[template(path = "admin/provider_kind.html")]
struct Which {
    frame: Frame,
}

async fn which(administrator: Administrator) -> Response {
    let title = Texts::english().s("provider-new");
    render(&Which { frame: Frame::new(&administrator.visit, title, Section::Providers) })
}

#[derive(askama::Template)]
#[template(path = "admin/provider_form.html")]
struct Form {
    frame: Frame,
    /// Where it is sent.
    action: String,
    /// Where one goes without sending it.
    back: String,
    /// What is typed as its name, where it is a new one.
    name: Option<String>,
    groups: Vec<Shown>,
    faults: Faults,
    in_file: bool,
}

impl Form {
    fn blank(administrator: &Administrator, kind: Kind, filled: &Filled, faults: Faults) -> Self {
        let t = Texts::english();
        let title = match kind {
            Kind::Keycloak => t.s("provider-new-keycloak"),
            Kind::Oidc => t.s("provider-new-oidc"),
        };
        Self {
            frame: Frame::new(&administrator.visit, title, Section::Providers),
            action: format!("/admin/add-provider/{}", word(kind)),
            back: "/admin/providers".to_owned(),
            name: Some(filled.text("name").to_owned()),
            groups: fields::shown(t, kind, filled, &faults),
            faults,
            in_file: false,
        }
    }

    fn of(administrator: &Administrator, view: &View, filled: &Filled, faults: Faults) -> Self {
        let t = Texts::english();
        let title = t.with("provider-settings-title", "name", &view.name);
        let kind = kind_of(view);
        Self {
            frame: Frame::new(&administrator.visit, title, Section::Providers),
            action: format!("/admin/providers/{}/settings", view.name),
            back: format!("/admin/providers/{}", view.name),
            name: None,
            groups: fields::shown(t, kind, filled, &faults),
            faults,
            in_file: view.origin == Origin::File || !administrator.has_everything(),
        }
    }
}

fn word(kind: Kind) -> &'static str {
    match kind {
        Kind::Keycloak => "keycloak",
        Kind::Oidc => "oidc",
    }
}

fn kind_of(view: &View) -> Kind {
    let is_keycloak = view.written.get("kind").is_some_and(|kind| kind == word(Kind::Keycloak));
    if is_keycloak { Kind::Keycloak } else { Kind::Oidc }
}

fn kind_named(word: &str) -> Result<Kind, Trouble> {
    match word {
        "keycloak" => Ok(Kind::Keycloak),
        "oidc" => Ok(Kind::Oidc),
        _ => Err(Trouble::NotFound),
    }
}

async fn blank(
    Path(kind): Path<String>,
    administrator: Administrator,
) -> Result<Response, Trouble> {
    let kind = kind_named(&kind)?;
    Ok(render(&Form::blank(&administrator, kind, &fields::untouched(), Faults::default())))
}

async fn create(
    Shared(state): Shared<State>,
    Path(kind): Path<String>,
    administrator: Administrator,
    Posted(filled): Posted<Filled>,
) -> Result<Response, Trouble> {
    let t = Texts::english();
    let kind = kind_named(&kind)?;
    let again = |faults| render_again(&Form::blank(&administrator, kind, &filled, faults));
    let name = filled.text("name");
    if name.parse::<ProviderName>().is_err() {
        return Ok(again(Faults::one("name", t.s("provider-name-wrong"))));
    }
    let mut keys = match fields::patch(t, kind, &filled) {
        Ok(patch) => patch,
        Err(faults) => return Ok(again(faults)),
    };
    keys.insert("name".to_owned(), name.into());
    keys.insert("kind".to_owned(), word(kind).into());
    let asked = state.desk.ask(&administrator.caller, Method::POST, &["providers"]);
    match asked.order(&keys).await {
        Ok(()) => {
            administrator.session.say(t.with("provider-added", "name", &name));
            Ok(Redirect::to(&format!("/admin/providers/{name}")).into_response())
        }
        Err(trouble) => Ok(again(refusal(trouble, &fields::keys())?)),
    }
}

async fn edit(
    Shared(state): Shared<State>,
    Path(name): Path<String>,
    administrator: Administrator,
) -> Result<Response, Trouble> {
    let view: View = state.desk.get(&administrator.caller, &["providers", &name]).await?;
    let filled = fields::filled_with(&view.written, view.has_client_secret);
    Ok(render(&Form::of(&administrator, &view, &filled, Faults::default())))
}

async fn change(
    Shared(state): Shared<State>,
    Path(name): Path<String>,
    administrator: Administrator,
    Posted(filled): Posted<Filled>,
) -> Result<Response, Trouble> {
    let t = Texts::english();
    let caller = administrator.caller.clone();
    let view: View = state.desk.get(&caller, &["providers", &name]).await?;
    let again = |faults| render_again(&Form::of(&administrator, &view, &filled, faults));
    let patch = match fields::patch(t, kind_of(&view), &filled) {
        Ok(patch) => patch,
        Err(faults) => return Ok(again(faults)),
    };
    let asked = state.desk.ask(&caller, Method::PATCH, &["providers", &name]);
    match asked.order(&patch).await {
        Ok(()) => {
            administrator.session.say(t.with("provider-changed", "name", &name));
            Ok(Redirect::to(&format!("/admin/providers/{name}")).into_response())
        }
        Err(trouble) => Ok(again(refusal(trouble, &fields::keys())?)),
    }
}
