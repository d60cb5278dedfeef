//! One's own logins, and what became of them, in words.

use axum::{extract::State as Shared, response::Response};

use crate::{
    api::{
        Page,
        login_log::{Filter, View},
    },
    mailbox::Service,
    web::{
        State,
        page::{Frame, Section, render},
        shown::{self, When},
        texts::Texts,
        trouble::Trouble,
        visit::Person,
    },
};

/// Most rows of the page.
const MOST: usize = 200;

/// A row of equal logins.
pub(super) struct Row {
    /// The last of them.
    pub(super) last: When,
    /// What it was for.
    pub(super) service: String,
    /// From where.
    pub(super) rip: String,
    /// With which app password, or else.
    pub(super) with: String,
    /// What became of it.
    pub(super) outcome: String,
    /// Whether that was what one wishes for.
    pub(super) is_ok: bool,
    /// How many.
    pub(super) count: u64,
}

/// What a mail server's protocol is called on the pages.
pub(super) fn service_of(t: &Texts, protocol: &str) -> String {
    match Service::from_protocol(protocol) {
        Some(service) => shown::service(t, service),
        None => protocol.to_owned(),
    }
}

/// What became of a login, to its owner: which reason it was in full is in the
/// administrator's log.
fn outcome(t: &Texts, outcome: &str) -> String {
    match outcome {
        "ok" => t.s("own-outcome-ok"),
        "wrong_password" | "app_password_wrong" | "bad_password" => t.s("own-outcome-wrong"),
        "held_back" => t.s("own-outcome-held-back"),
        "app_password_service" | "service_not_allowed" => t.s("own-outcome-service"),
        "app_password_network" => t.s("own-outcome-network"),
        "app_password_expired" | "token_expired" => t.s("own-outcome-expired"),
        _ => t.s("own-outcome-refused"),
    }
}

impl Row {
    /// One row of the API's; `name_of` knows what app passwords are called.
    fn new(t: &Texts, view: &View, name_of: &(dyn Fn(&str) -> Option<String> + Sync)) -> Self {
        let id = view.app_password.as_deref();
        Self {
            last: When::new(view.last),
            service: service_of(t, &view.protocol),
            rip: view.rip.map_or_else(|| t.s("own-login-no-address"), |rip| rip.to_string()),
            with: id.map_or_else(
                || t.s("own-login-without"),
                |id| name_of(id).unwrap_or_else(|| t.with("own-login-revoked", "id", &id)),
            ),
            is_ok: view.outcome == "ok",
            outcome: outcome(t, &view.outcome),
            count: view.count,
        }
    }
}

/// Somebody's own logins, the latest first: all of them, or those with one app password.
pub(super) async fn rows(
    state: &State,
    person: &Person,
    app_password: Option<&str>,
    limit: usize,
    name_of: &(dyn Fn(&str) -> Option<String> + Sync),
) -> Result<Vec<Row>, Trouble> {
    let filter = Filter {
        address: Some(person.own.address.to_string()),
        app_password: app_password.map(str::to_owned),
        limit: Some(limit),
        ..Filter::default()
    };
    let page: Page<View> = state.desk.look_up(&person.caller(), &["login-log"], &filter).await?;
    let t = Texts::english();
    Ok(page.items.iter().map(|view| Row::new(t, view, name_of)).collect())
}

#[derive(askama::Template)]
#[template(path = "self_service/logins.html")]
struct Logins {
    frame: Frame,
    rows: Vec<Row>,
}

/// `GET /logins`.
pub(super) async fn show(
    Shared(state): Shared<State>,
    person: Person,
) -> Result<Response, Trouble> {
    let known = super::app_passwords::all(&state, &person).await?;
    let name_of = super::app_passwords::names(&known);
    let rows = rows(&state, &person, None, MOST, &name_of).await?;
    let frame = Frame::new(&person.visit, Texts::english().s("own-logins"), Section::Own);
    Ok(render(&Logins { frame, rows }))
}
