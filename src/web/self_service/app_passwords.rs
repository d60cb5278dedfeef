//! App passwords: made, looked at, revoked.

use std::net::IpAddr;

use axum::{
    extract::{Path, State as Shared},
    http::Method,
    response::{IntoResponse as _, Redirect, Response},
};
use ipnet::IpNet;
use serde::Deserialize;

use super::logins::{self, Row, service_of};
use crate::{
    api::{
        Moment, Page,
        app_passwords::{Created, New, View},
    },
    clock::Timestamp,
    mailbox::{Service, Services},
    secret::Secret,
    web::{
        State,
        page::{Faults, Frame, Section, render, render_again},
        sessions::Made,
        shown::{self, When, end_of_day},
        texts::Texts,
        trouble::Trouble,
        visit::{Person, Posted},
    },
};

/// Most logins that stand beside an app password.
const LATEST: usize = 20;

/// An app password as its owner sees it.
pub(super) struct Shown {
    pub(super) id: String,
    pub(super) name: String,
    /// What it opens, in words.
    pub(super) services: String,
    /// Where it may be used from; empty is everywhere.
    pub(super) networks: String,
    pub(super) created: When,
    pub(super) expires: Option<When>,
    pub(super) is_over: bool,
    pub(super) last_used: Option<LastUsed>,
    /// It came along from another mail system.
    pub(super) is_imported: bool,
}

/// The last login with an app password.
pub(super) struct LastUsed {
    pub(super) at: When,
    pub(super) service: String,
    pub(super) rip: String,
}

impl Shown {
    pub(super) fn new(t: &Texts, view: View) -> Self {
        let services: Vec<_> = view.services.iter().map(|one| shown::service(t, one)).collect();
        let networks: Vec<_> = view.networks.iter().map(ToString::to_string).collect();
        Self {
            services: if view.services == Services::ALL {
                t.s("opens-everything")
            } else {
                services.join(", ")
            },
            networks: networks.join(", "),
            created: When::new(view.created),
            is_over: view.expires.is_some_and(|expires| expires.0 <= Timestamp::now()),
            expires: view.expires.map(When::new),
            last_used: view.last_used.map(|last| LastUsed {
                at: When::new(last.at),
                service: service_of(t, &last.protocol),
                rip: last.rip.map(|rip| rip.to_string()).unwrap_or_default(),
            }),
            is_imported: view.imported.is_some(),
            id: view.id,
            name: view.name,
        }
    }
}

/// All of somebody's own.
pub(super) async fn all(state: &State, person: &Person) -> Result<Vec<View>, Trouble> {
    let path = ["mailboxes", person.own.address.as_str(), "app-passwords"];
    let page: Page<View> = state.desk.get(&person.caller(), &path).await?;
    Ok(page.items)
}

/// What app passwords are called, by id.
pub(super) fn names(known: &[View]) -> impl Fn(&str) -> Option<String> + use<> {
    let names: Vec<_> = known.iter().map(|view| (view.id.clone(), view.name.clone())).collect();
    move |id| names.iter().find(|(known, _)| known == id).map(|(_, name)| name.clone())
}

/// What somebody typed; a browser sends each service that is marked.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Typed {
    name: String,
    service: Vec<String>,
    expires: String,
    networks: String,
}

/// A service that can be marked.
struct Choice {
    service: Service,
    label: String,
    is_marked: bool,
}

#[derive(askama::Template)]
#[template(path = "self_service/new_app_password.html")]
struct NewPage {
    frame: Frame,
    faults: Faults,
    typed: Typed,
    choices: Vec<Choice>,
    /// What stands under "more" has something in it, or wrong with it.
    is_more: bool,
}

impl NewPage {
    fn new(person: &Person, typed: Typed, faults: Faults) -> Self {
        let t = Texts::english();
        let choice = |service: Service| Choice {
            service,
            label: shown::service(t, service),
            is_marked: typed.service.iter().any(|marked| marked == service.name()),
        };
        Self {
            frame: Frame::new(&person.visit, t.s("app-password-new"), Section::Own),
            choices: Service::ALL.into_iter().map(choice).collect(),
            is_more: [&typed.expires, &typed.networks].iter().any(|typed| !typed.is_empty()),
            faults,
            typed,
        }
    }
}

/// `GET /app-passwords/new`: what a phone needs is marked.
pub(super) async fn ask(person: Person) -> Response {
    let service = vec![Service::Imap.to_string(), Service::Smtp.to_string()];
    let typed = Typed { service, ..Typed::default() };
    render(&NewPage::new(&person, typed, Faults::default()))
}

/// `POST /app-passwords`.
pub(super) async fn create(
    Shared(state): Shared<State>,
    person: Person,
    Posted(typed): Posted<Typed>,
) -> Result<Response, Trouble> {
    let again = |typed, faults| render_again(&NewPage::new(&person, typed, faults));
    let new = match meant(Texts::english(), &typed) {
        Ok(new) => new,
        Err(faults) => return Ok(again(typed, faults)),
    };
    let path = ["mailboxes", person.own.address.as_str(), "app-passwords"];
    let asked = state.desk.ask(&person.caller(), Method::POST, &path);
    let Created { password, view, .. } = match asked.call(&new).await {
        Ok(created) => created,
        Err(Trouble::Api(problem)) => {
            return Ok(again(typed, Faults::one("", problem.detail.clone())));
        }
        Err(trouble) => return Err(trouble),
    };
    let made = Made { view, text: Secret::new(password), at: Timestamp::now() };
    person.session.keep_made(Some(made));
    // Elsewhere, so that loading the page again makes no other.
    Ok(Redirect::to("/app-passwords/made").into_response())
}

/// The request for what was typed.
fn meant(t: &Texts, typed: &Typed) -> Result<New, Faults> {
    let mut faults = Faults::default();
    if typed.name.trim().is_empty() {
        faults.add("name", t.s("app-password-no-name"));
    }
    let services: Services =
        typed.service.iter().filter_map(|marked| marked.parse::<Service>().ok()).collect();
    if services == Services::NONE {
        faults.add("service", t.s("app-password-no-service"));
    }
    let expires = typed.expires.trim();
    let expires = if expires.is_empty() { None } else { Some(end_of_day(expires)) };
    let is_past = |moment: Moment| moment.0 <= Timestamp::now();
    if expires.is_some_and(|moment| moment.is_none_or(is_past)) {
        faults.add("expires", t.s("app-password-bad-expiry"));
    }
    let mut networks = Vec::new();
    for text in typed.networks.split([',', ' ', '\r', '\n']).filter(|text| !text.is_empty()) {
        match network(text) {
            Some(network) => networks.push(network),
            None => faults.add("networks", t.with("app-password-bad-network", "network", &text)),
        }
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    let name = typed.name.trim().to_owned();
    Ok(New { name, services, networks, expires: expires.flatten() })
}

/// A network, or one address.
fn network(text: &str) -> Option<IpNet> {
    text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
}

#[derive(askama::Template)]
#[template(path = "self_service/app_password.html")]
struct OnePage {
    frame: Frame,
    one: Shown,
    logins: Vec<Row>,
}

/// `GET /app-passwords/one/{id}`.
pub(super) async fn show(
    Shared(state): Shared<State>,
    person: Person,
    Path(id): Path<String>,
) -> Result<Response, Trouble> {
    let t = Texts::english();
    let known = all(&state, &person).await?;
    let name_of = names(&known);
    let one = known.into_iter().find(|view| view.id == id).ok_or(Trouble::NotFound)?;
    let logins = logins::rows(&state, &person, Some(&id), LATEST, &name_of).await?;
    let one = Shown::new(t, one);
    let frame = Frame::new(&person.visit, one.name.clone(), Section::Own);
    Ok(render(&OnePage { frame, one, logins }))
}

#[derive(Deserialize)]
pub(super) struct Nothing {}

/// `POST /app-passwords/one/{id}/revoke`.
pub(super) async fn revoke(
    Shared(state): Shared<State>,
    person: Person,
    Path(id): Path<String>,
    Posted(Nothing {}): Posted<Nothing>,
) -> Result<Response, Trouble> {
    let known = all(&state, &person).await?;
    let name = names(&known)(&id).ok_or(Trouble::NotFound)?;
    let path = ["mailboxes", person.own.address.as_str(), "app-passwords", &id];
    state.desk.ask(&person.caller(), Method::DELETE, &path).done().await?;
    person.session.say(Texts::english().with("app-password-revoked", "name", &name));
    Ok(Redirect::to("/").into_response())
}

#[derive(askama::Template)]
#[template(path = "self_service/all_app_passwords.html")]
struct AllPage {
    frame: Frame,
    all: Vec<Shown>,
}

/// `GET /app-passwords/all`: what would be revoked.
pub(super) async fn ask_all(
    Shared(state): Shared<State>,
    person: Person,
) -> Result<Response, Trouble> {
    let t = Texts::english();
    let known = all(&state, &person).await?;
    if known.is_empty() {
        return Ok(Redirect::to("/").into_response());
    }
    let frame = Frame::new(&person.visit, t.s("app-passwords-revoke-all"), Section::Own);
    let all = known.into_iter().map(|view| Shown::new(t, view)).collect();
    Ok(render(&AllPage { frame, all }))
}

/// `POST /app-passwords/all/revoke`.
pub(super) async fn revoke_all(
    Shared(state): Shared<State>,
    person: Person,
    Posted(Nothing {}): Posted<Nothing>,
) -> Result<Response, Trouble> {
    let known = all(&state, &person).await?;
    let path = ["mailboxes", person.own.address.as_str(), "app-passwords"];
    state.desk.ask(&person.caller(), Method::DELETE, &path).done().await?;
    person.session.say(Texts::english().count("app-passwords-revoked", known.len()));
    Ok(Redirect::to("/").into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(name: &str, service: &[&str], expires: &str, networks: &str) -> Typed {
        Typed {
            name: name.to_owned(),
            service: service.iter().map(|one| (*one).to_owned()).collect(),
            expires: expires.to_owned(),
            networks: networks.to_owned(),
        }
    }

    fn faults(typed: &Typed) -> Vec<String> {
        let faults = meant(Texts::english(), typed).unwrap_err();
        faults.all().iter().map(|fault| fault.field.clone()).collect()
    }

    #[test]
    fn what_is_typed_is_what_is_asked_for() {
        let typed =
            typed(" Phone ", &["imap", "smtp"], "2100-01-01", "10.0.0.0/8\r\n2001:db8::1, ");
        let new = meant(Texts::english(), &typed).unwrap();
        assert_eq!(new.name, "Phone");
        assert_eq!(new.services.to_string(), "imap, smtp");
        let networks: Vec<_> = new.networks.iter().map(ToString::to_string).collect();
        assert_eq!(networks, ["10.0.0.0/8", "2001:db8::1/128"]);
        assert!(new.expires.is_some());
    }

    #[test]
    fn what_is_wrong_stands_beside_its_field() {
        assert_eq!(faults(&typed("", &[], "", "")), ["name", "service"]);
        assert_eq!(faults(&typed("a", &["gopher"], "", "")), ["service"]);
        assert_eq!(faults(&typed("a", &["imap"], "2001-01-01", "")), ["expires"]);
        assert_eq!(
            faults(&typed("a", &["imap"], "soon", "10.0.0.0/33 x")),
            ["expires", "networks", "networks"]
        );
    }
}
