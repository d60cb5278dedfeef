//! An app password that was just made: shown until its owner says that he has it, ten
//! minutes at most, and in the session that made it alone.

use axum::{
    extract::{Path, State as Shared},
    http::header,
    response::{IntoResponse as _, Redirect, Response},
};
use qrcode::{QrCode, render::svg};
use serde::Deserialize;

use super::{
    app_passwords::Shown,
    home::mailbox,
    profile,
    servers::{Server, servers},
};
use crate::{
    clock::Timestamp,
    web::{
        State,
        page::{Frame, Section, render},
        sessions::Made,
        texts::Texts,
        trouble::Trouble,
        visit::{Person, Posted},
    },
};

/// What the profile is called: a name without a dot would be another page's.
const PROFILE: &str = "dovegate.mobileconfig";

#[derive(askama::Template)]
#[template(path = "self_service/made.html")]
struct Page {
    frame: Frame,
    address: String,
    text: String,
    /// The same as SVG for a camera.
    code: String,
    one: Shown,
    servers: Vec<Server>,
    /// Where the profile is, if there can be one.
    profile: Option<String>,
}

/// `GET /app-passwords/made`.
pub(super) async fn show(person: Person) -> Response {
    let Some(made) = person.session.made(Timestamp::now()) else {
        return Redirect::to("/").into_response();
    };
    let t = Texts::english();
    let client = &person.visit.settings.client;
    let text = text(&made);
    let page = Page {
        frame: Frame::new(
            &person.visit,
            t.with("app-password-made", "name", &made.view.name),
            Section::Own,
        ),
        address: person.own.address.to_string(),
        code: code(&text),
        text,
        profile: profile::is_possible(client, made.view.services)
            .then(|| format!("/app-passwords/made/{PROFILE}")),
        servers: servers(t, client),
        one: Shown::new(t, made.view),
    };
    render(&page)
}

fn text(made: &Made) -> String {
    String::from_utf8_lossy(made.text.expose()).into_owned()
}

/// An app password is far below what a code can hold.
fn code(text: &str) -> String {
    let code = QrCode::new(text).expect("24 characters and their dashes fit");
    code.render::<svg::Color<'_>>().min_dimensions(192, 192).build()
}

#[derive(Deserialize)]
pub(super) struct Nothing {}

/// `POST /app-passwords/made`: its owner has it.
pub(super) async fn forget(person: Person, Posted(Nothing {}): Posted<Nothing>) -> Response {
    person.session.keep_made(None);
    Redirect::to("/").into_response()
}

/// `GET /app-passwords/made/dovegate.mobileconfig`.
pub(super) async fn profile(
    Shared(state): Shared<State>,
    person: Person,
    Path(file): Path<String>,
) -> Result<Response, Trouble> {
    let made = person.session.made(Timestamp::now()).filter(|_| file == PROFILE);
    let made = made.ok_or(Trouble::NotFound)?;
    let settings = &person.visit.settings;
    if !profile::is_possible(&settings.client, made.view.services) {
        return Err(Trouble::NotFound);
    }
    let mailbox = mailbox(&state, &person).await?.mailbox;
    let account = profile::Account {
        title: &settings.title,
        address: mailbox.address.as_str(),
        name: &mailbox.display_name,
        app_password: &made.view,
        text: &text(&made),
    };
    let profile = profile::write(&settings.client, &account).ok_or(Trouble::Internal)?;
    let headers = [
        (header::CONTENT_TYPE, "application/x-apple-aspen-config"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"dovegate.mobileconfig\""),
    ];
    Ok((headers, profile).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_runs_and_styles_nothing() {
        let code = code("7K2M-9QXT-4HWD-3VBN-8RJC-5FYZ");
        assert!(code.contains("<svg") && code.contains("viewBox"), "{code}");
        assert!(!code.contains("style") && !code.contains("script"), "{code}");
    }
}
