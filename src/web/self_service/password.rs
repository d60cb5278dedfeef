//! One's own local password. Whoever changes it is signed out everywhere, and signs in
//! with the new one: a session that somebody else began with the old one is over.

use axum::{
    extract::State as Shared,
    http::Method,
    response::{IntoResponse as _, Redirect, Response},
};
use serde::Deserialize;
use serde_json::json;

use super::home::mailbox;
use crate::{
    secret::Secret,
    web::{
        State,
        page::{Faults, Frame, Section, render, render_again},
        sessions::Own,
        sign_in::Typed,
        texts::Texts,
        trouble::Trouble,
        visit::{Person, Posted},
    },
};

#[derive(askama::Template)]
#[template(path = "self_service/password.html")]
struct Page {
    frame: Frame,
    faults: Faults,
    address: String,
}

impl Page {
    fn new(person: &Person, faults: Faults) -> Self {
        let frame = Frame::new(&person.visit, Texts::english().s("password-change"), Section::Own);
        Self { frame, faults, address: person.own.address.to_string() }
    }
}

/// `GET /password`.
pub(super) async fn show(
    Shared(state): Shared<State>,
    person: Person,
) -> Result<Response, Trouble> {
    let mailbox = mailbox(&state, &person).await?.mailbox;
    if mailbox.auth_source != "local" {
        return Err(Trouble::NotFound);
    }
    Ok(render(&Page::new(&person, Faults::default())))
}

/// What somebody typed.
#[derive(Deserialize)]
pub(super) struct Change {
    current: Typed,
    password: Typed,
    again: Typed,
}

/// `POST /password`.
pub(super) async fn change(
    Shared(state): Shared<State>,
    person: Person,
    Posted(change): Posted<Change>,
) -> Result<Response, Trouble> {
    let t = Texts::english();
    let Change { current, password, again } = change;
    let again_typed = |faults| Ok(render_again(&Page::new(&person, faults)));
    if !password.0.ct_eq(again.0.expose()) {
        return again_typed(Faults::one("again", t.s("password-not-the-same")));
    }
    let path = ["mailboxes", person.own.address.as_str(), "password"];
    let body = json!({ "current": text(&current.0)?, "password": text(&password.0)? });
    match state.desk.ask(&person.caller(), Method::PUT, &path).order(&body).await {
        Ok(()) => {}
        Err(Trouble::Api(problem)) => {
            return again_typed(Faults::of(&problem, &["current", "password"]));
        }
        Err(trouble) => return Err(trouble),
    }
    let is_his = |own: &Own| own.id == person.own.id;
    state.sessions.end_all(|session| session.mailbox.as_ref().is_some_and(is_his));
    Ok(Redirect::to("/sign-in").into_response())
}

fn text(secret: &Secret) -> Result<&str, Trouble> {
    std::str::from_utf8(secret.expose()).map_err(|_| Trouble::BadForm)
}
