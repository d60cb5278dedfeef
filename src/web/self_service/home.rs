//! What somebody has, and what happened lately.

use axum::{extract::State as Shared, response::Response};

use super::{
    app_passwords::{self, Shown},
    logins::{self, Row},
    servers::{Server, servers},
};
use crate::{
    api::mailboxes::Detail,
    web::{
        State,
        page::{Frame, Section, render},
        shown,
        texts::Texts,
        trouble::Trouble,
        visit::Person,
    },
};

/// Most logins that stand here; there is a page for all of them.
const LATEST: usize = 5;

#[derive(askama::Template)]
#[template(path = "self_service/home.html")]
struct Home {
    frame: Frame,
    address: String,
    quota: String,
    /// What the main password opens, in words.
    services: String,
    /// Where the main password is changed.
    password_is: String,
    is_local: bool,
    app_passwords: Vec<Shown>,
    servers: Vec<Server>,
    logins: Vec<Row>,
}

/// `GET /`.
pub(super) async fn show(
    Shared(state): Shared<State>,
    person: Person,
) -> Result<Response, Trouble> {
    let t = Texts::english();
    let detail = mailbox(&state, &person).await?;
    let known = app_passwords::all(&state, &person).await?;
    let name_of = app_passwords::names(&known);
    let logins = logins::rows(&state, &person, None, LATEST, &name_of).await?;
    let is_local = detail.mailbox.auth_source == "local";
    let services: Vec<_> =
        detail.mailbox.services.iter().map(|service| shown::service(t, service)).collect();
    let home = Home {
        frame: Frame::new(&person.visit, t.s("own-mailbox"), Section::Own),
        address: person.own.address.to_string(),
        quota: shown::quota(detail.effective_quota_bytes),
        services: if services.is_empty() { t.s("opens-nothing") } else { services.join(", ") },
        password_is: if is_local {
            t.s("password-is-here")
        } else {
            t.with("password-is-at", "source", &detail.mailbox.auth_source)
        },
        is_local: is_local && detail.mailbox.password_scheme.is_some(),
        app_passwords: known.into_iter().map(|view| Shown::new(t, view)).collect(),
        servers: servers(t, &person.visit.settings.client),
        logins,
    };
    Ok(render(&home))
}

/// Somebody's own mailbox.
pub(super) async fn mailbox(state: &State, person: &Person) -> Result<Detail, Trouble> {
    state.desk.get(&person.caller(), &["mailboxes", person.own.address.as_str()]).await
}
