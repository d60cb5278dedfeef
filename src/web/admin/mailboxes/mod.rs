//! Mailboxes: one among many, its state, and who checks its password.
//!
//! ```text
//! show.rs             one of them
//! form.rs             a new one, and changes
//! steps.rs            state, auth source, password, removal
//! app_passwords.rs    its app passwords
//! ```

mod app_passwords;
mod form;
mod show;
mod steps;

use axum::{
    Router,
    extract::{Query, State as Shared},
    response::Response,
    routing::{get, post},
};
use serde::{Deserialize, Serialize};

use super::{
    super::{
        State,
        inputs::{Control, Filled, Input},
        page::{Faults, Frame, Section, render},
        texts::Texts,
        trouble::Trouble,
        visit::Administrator,
    },
    ways::{
        asking, choice, domains, line, quota_words, source_words, sources, state_words, states, way,
    },
};
use crate::{
    api::{
        Page,
        mailboxes::{Filter, View},
    },
    mailbox::MailboxState,
};

pub(super) fn router() -> Router<State> {
    let one = "/admin/mailboxes/{address}";
    let at = |page: &str| format!("{one}/{page}");
    Router::new()
        .route("/admin/mailboxes", get(list))
        .route("/admin/add-mailbox", get(form::blank).post(form::create))
        .route(one, get(show::show))
        .route(&at("edit"), get(form::edit).post(form::change))
        .route(&at("state"), post(steps::set_state))
        .route(&at("auth-source"), post(steps::set_source))
        .route(&at("unbind"), post(steps::unbind))
        .route(&at("password"), get(steps::ask_password).post(steps::set_password))
        .route(&at("remove-password"), post(steps::remove_password))
        .route(&at("remove"), get(steps::ask_removal).post(steps::remove))
        .route(&at("app-passwords"), get(app_passwords::ask).post(app_passwords::create))
        .route(&at("app-passwords/{id}/revoke"), post(app_passwords::revoke))
}

/// Mailboxes of one page.
const AT_A_TIME: usize = 50;

/// What is looked for; a field that was left empty asks for nothing.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
struct Wanted {
    #[serde(default, skip_serializing_if = "String::is_empty")]
    text: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    domain: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    state: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    auth_source: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    after: String,
}

impl Wanted {
    fn is_filter(&self) -> bool {
        [&self.text, &self.domain, &self.state, &self.auth_source].iter().any(|one| !one.is_empty())
    }

    fn filter(&self) -> Filter {
        let given = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
        // Who types a star knows masks.
        let is_mask = self.text.contains(['*', '?']);
        Filter {
            domain: given(&self.domain),
            mask: given(&self.text).filter(|_| is_mask),
            text: given(&self.text).filter(|_| !is_mask),
            state: self.state.parse::<MailboxState>().ok(),
            auth_source: given(&self.auth_source),
            after: given(&self.after),
            limit: Some(AT_A_TIME),
        }
    }

    fn filled(&self) -> Filled {
        let mut filled = Filled::default();
        for (key, value) in [
            ("text", &self.text),
            ("domain", &self.domain),
            ("state", &self.state),
            ("auth_source", &self.auth_source),
        ] {
            filled.set(key, value.as_str());
        }
        filled
    }
}

#[derive(askama::Template)]
#[template(path = "admin/mailboxes.html")]
struct List {
    frame: Frame,
    inputs: Vec<Input>,
    faults: Faults,
    mailboxes: Vec<Row>,
    is_filter: bool,
    first: Option<String>,
    next: Option<String>,
}

struct Row {
    address: String,
    way: String,
    name: String,
    state: String,
    is_active: bool,
    source: String,
    quota: String,
}

impl Row {
    fn new(t: &Texts, view: View) -> Self {
        Self {
            way: way(&["admin", "mailboxes", view.address.as_str()]),
            address: view.address.to_string(),
            name: view.display_name,
            state: state_words(t, view.state),
            is_active: view.state == MailboxState::Active,
            source: source_words(t, &view.auth_source),
            quota: quota_words(t, view.quota_bytes),
        }
    }
}

async fn list(
    Shared(state): Shared<State>,
    Query(wanted): Query<Wanted>,
    administrator: Administrator,
) -> Result<Response, Trouble> {
    let t = Texts::english();
    let caller = &administrator.caller;
    let page: Page<View> = state.desk.look_up(caller, &["mailboxes"], &wanted.filter()).await?;
    let filled = wanted.filled();
    let any = || (String::new(), t.s("any"));
    let domains = domains(&state, &administrator).await?;
    let domains = domains.into_iter().map(|name| (name.to_string(), name.to_string()));
    let sources = sources(&state, &administrator, None).await?;
    let none = String::new;
    let inputs = vec![
        line("text", t.s("mailbox-search"), t.s("mailbox-search-help"), &filled),
        choice(
            "domain",
            t.s("mailbox-domain"),
            none(),
            [any()].into_iter().chain(domains),
            &filled,
        ),
        choice(
            "state",
            t.s("mailbox-state"),
            none(),
            [any()].into_iter().chain(states(t)),
            &filled,
        ),
        choice(
            "auth_source",
            t.s("mailbox-source"),
            none(),
            [any()].into_iter().chain(sources),
            &filled,
        ),
    ];
    let is_later = !wanted.after.is_empty();
    let to = |after| asking("/admin/mailboxes", &Wanted { after, ..wanted.clone() });
    Ok(render(&List {
        frame: Frame::new(&administrator.visit, t.s("mailboxes"), Section::Mailboxes),
        inputs,
        faults: Faults::default(),
        mailboxes: page.items.into_iter().map(|view| Row::new(t, view)).collect(),
        is_filter: wanted.is_filter(),
        first: is_later.then(|| to(String::new())),
        next: page.next.map(to),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_field_asks_for_nothing() {
        let wanted: Wanted =
            serde_html_form::from_str("text=+&state=&domain=&auth_source=").unwrap();
        let filter = wanted.filter();
        assert!(filter.text.is_none() && filter.mask.is_none() && filter.state.is_none());
        let wanted: Wanted = serde_html_form::from_str("text=smi&state=disabled").unwrap();
        assert_eq!(wanted.filter().text.as_deref(), Some("smi"));
        assert_eq!(wanted.filter().state, Some(MailboxState::Disabled));
        let wanted = Wanted { text: "a*".to_owned(), ..Wanted::default() };
        assert_eq!((wanted.filter().mask.as_deref(), wanted.filter().text), (Some("a*"), None));
    }
}
