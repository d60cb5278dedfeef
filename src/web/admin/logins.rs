//! The login log: who logged in or was refused, by what and from where.

use std::net::IpAddr;

use axum::{
    Router,
    extract::{Query, State as Shared},
    response::Response,
    routing::get,
};

use super::{
    super::{
        State,
        inputs::{Control, Filled, Input},
        page::{Faults, Frame, Section, render, render_again},
        shown::{When, end_of_day, start_of_day},
        texts::Texts,
        trouble::Trouble,
        visit::Administrator,
    },
    ways::{asking, choice, line, of_kind, refusal, services, way},
};
use crate::{
    api::{
        Page,
        login_log::{Filter, View},
    },
    verify::Reason,
};

pub(super) fn router() -> Router<State> {
    Router::new().route("/admin/logins", get(list))
}

/// Rows of the page.
const MOST: usize = 200;

/// Equal logins as a row.
pub(super) struct Login {
    pub(super) who: Option<Who>,
    pub(super) is_ok: bool,
    /// In, or why not.
    pub(super) outcome: String,
    /// By which service, and from where.
    pub(super) what: String,
    pub(super) app_password: Option<String>,
    pub(super) count: u64,
    pub(super) first: When,
    pub(super) last: When,
}

/// Whose login it was.
pub(super) struct Who {
    pub(super) address: String,
    pub(super) way: String,
    /// Why it was refused, step by step.
    pub(super) explain: String,
}

impl Login {
    pub(super) fn new(t: &Texts, view: View) -> Self {
        let is_ok = view.outcome == "ok";
        let rip = view.rip.map(|rip| rip.to_string()).unwrap_or_default();
        let who = view.address.map(|address| Who {
            way: way(&["admin", "mailboxes", address.as_str()]),
            explain: asking(
                "/admin/explain",
                &[("address", address.as_str()), ("service", &view.protocol), ("rip", &rip)],
            ),
            address: address.to_string(),
        });
        Self {
            who,
            is_ok,
            outcome: outcome_words(t, &view.outcome),
            what: by_and_from(&view.protocol, view.rip),
            app_password: view.app_password,
            count: view.count,
            first: When::new(view.first),
            last: When::new(view.last),
        }
    }
}

/// A protocol, and an address where it is known.
pub(super) fn by_and_from(protocol: &str, rip: Option<IpAddr>) -> String {
    let t = Texts::english();
    match rip {
        Some(rip) => {
            t.of("login-from", &[("service", protocol.to_owned()), ("rip", rip.to_string())])
        }
        None => protocol.to_owned(),
    }
}

fn outcome_words(t: &Texts, outcome: &str) -> String {
    if outcome == "ok" { t.s("login-ok") } else { outcome.replace('_', " ") }
}

#[derive(askama::Template)]
#[template(path = "admin/logins.html")]
struct List {
    frame: Frame,
    main: Vec<Input>,
    more: Vec<Input>,
    is_more: bool,
    faults: Faults,
    logins: Vec<Login>,
    /// There may be more of them.
    is_full: bool,
}

fn fields(t: &Texts, filled: &Filled) -> (Vec<Input>, Vec<Input>) {
    let none = String::new;
    let any = || (String::new(), t.s("any"));
    let outcomes = [("ok".to_owned(), t.s("login-ok")), ("failed".to_owned(), t.s("login-failed"))];
    let reasons = Reason::ALL.iter().map(|reason| reason.name());
    let reasons = reasons.map(|name| (name.to_owned(), outcome_words(t, name)));
    let outcomes = [any()].into_iter().chain(outcomes).chain(reasons);
    let services = [any()].into_iter().chain(services(t));
    let main = vec![
        line("address", t.s("login-address"), none(), filled),
        choice("outcome", t.s("login-outcome"), none(), outcomes, filled),
        choice("service", t.s("login-service"), none(), services, filled),
    ];
    let more = vec![
        line("rip", t.s("login-rip"), t.s("login-rip-help"), filled),
        of_kind("date", "since", t.s("login-since"), none(), filled),
        of_kind("date", "until", t.s("login-until"), none(), filled),
        line("app_password", t.s("login-app-password"), t.s("login-app-password-help"), filled),
    ];
    (main, more)
}

/// What was typed, as the API takes it.
fn read(t: &Texts, filled: &Filled) -> Result<Filter, Faults> {
    let mut faults = Faults::default();
    let given = |key: &str| Some(filled.text(key).to_owned()).filter(|text| !text.is_empty());
    let since = given("since").map(|day| start_of_day(&day));
    let until = given("until").map(|day| end_of_day(&day));
    for (key, day) in [("since", since), ("until", until)] {
        if day == Some(None) {
            faults.add(key, t.s("date-wrong"));
        }
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    let failed = filled.text("outcome") == "failed";
    let filter = Filter {
        address: given("address"),
        since: since.flatten(),
        until: until.flatten(),
        outcome: given("outcome").filter(|_| !failed),
        failed,
        service: given("service"),
        rip: given("rip"),
        app_password: given("app_password"),
        limit: Some(MOST),
    };
    Ok(filter)
}

async fn found(
    state: &State,
    administrator: &Administrator,
    filled: &Filled,
) -> Result<Result<Vec<View>, Faults>, Trouble> {
    let t = Texts::english();
    let filter = match read(t, filled) {
        Ok(filter) => filter,
        Err(faults) => return Ok(Err(faults)),
    };
    let caller = &administrator.caller;
    match state.desk.look_up::<Page<View>>(caller, &["login-log"], &filter).await {
        Ok(page) => Ok(Ok(page.items)),
        Err(Trouble::NotFound) => Ok(Err(Faults::one("address", t.s("mailbox-unknown")))),
        Err(trouble) => Ok(Err(refusal(trouble, &["address", "outcome", "rip", "app_password"])?)),
    }
}

async fn list(
    Shared(state): Shared<State>,
    Query(filled): Query<Filled>,
    administrator: Administrator,
) -> Result<Response, Trouble> {
    let t = Texts::english();
    let (main, more) = fields(t, &filled);
    let is_more =
        ["rip", "since", "until", "app_password"].iter().any(|key| !filled.text(key).is_empty());
    let mut page = List {
        frame: Frame::new(&administrator.visit, t.s("logins"), Section::Logins),
        main,
        more,
        is_more,
        faults: Faults::default(),
        logins: Vec::new(),
        is_full: false,
    };
    match found(&state, &administrator, &filled).await? {
        Ok(views) => {
            page.is_full = views.len() == MOST;
            page.logins = views.into_iter().map(|view| Login::new(t, view)).collect();
            Ok(render(&page))
        }
        Err(faults) => {
            page.faults = faults;
            Ok(render_again(&page))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_becomes_a_filter() {
        let t = Texts::english();
        let typed = |text| -> Filled { serde_html_form::from_str(text).unwrap() };
        let filter = read(t, &typed("address=&outcome=failed&since=2026-11-01&rip=")).unwrap();
        assert!(filter.failed && filter.outcome.is_none() && filter.address.is_none());
        assert!(filter.since.is_some() && filter.until.is_none());
        let filter = read(t, &typed("outcome=held_back&service=web")).unwrap();
        assert_eq!((filter.failed, filter.outcome.as_deref()), (false, Some("held_back")));
        assert!(read(t, &typed("since=yesterday")).unwrap_err().at("since").is_some());
    }
}
