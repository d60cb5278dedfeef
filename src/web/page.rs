//! What all pages have in common: the frame around them, and forms with faults.

use std::sync::Arc;

use askama::Template;
use axum::{
    http::StatusCode,
    response::{Html, IntoResponse as _, Response},
};

use super::{assets, sessions::Session, texts::Texts, visit::Visit};
use crate::{api::Problem, mailbox::Scope};

/// Which part of the pages one belongs to: marked where one goes from part to part.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Section {
    /// None.
    None,
    /// One's own mailbox.
    Own,
    /// Where administrators begin.
    Overview,
    /// Domains.
    Domains,
    /// Mailboxes.
    Mailboxes,
    /// Templates.
    Templates,
    /// Providers and directories.
    Providers,
    /// Login log.
    Logins,
    /// Explain.
    Explain,
    /// Held back.
    HeldBack,
    /// Tokens of programs.
    Tokens,
}

/// What stands around every page.
pub(super) struct Frame {
    /// What is said, in the reader's language.
    pub(super) t: &'static Texts,
    /// What the pages are called.
    pub(super) site: String,
    /// What this page is called.
    pub(super) title: String,
    /// Where it belongs.
    pub(super) section: Section,
    /// Who is signed in.
    pub(super) session: Option<Arc<Session>>,
    /// Said once, of what was done before.
    pub(super) notice: Option<String>,
}

impl Frame {
    /// The frame of a page with this title.
    pub(super) fn new(visit: &Visit, title: String, section: Section) -> Self {
        Self {
            t: Texts::english(),
            site: visit.settings.title.clone(),
            title,
            section,
            session: visit.session.clone(),
            notice: visit.session.as_ref().and_then(|session| session.take_notice()),
        }
    }

    /// What the window is called.
    pub(super) fn window(&self) -> String {
        format!("{} – {}", self.title, self.site)
    }

    /// Where something that pages load is.
    pub(super) fn asset(name: &str) -> String {
        assets::address(name)
    }

    /// The secret that each form has in it; empty where nobody is signed in.
    pub(super) fn csrf(&self) -> &str {
        let secret = self.session.as_ref().map(|session| session.csrf.expose());
        secret.and_then(|secret| std::str::from_utf8(secret).ok()).unwrap_or_default()
    }

    pub(super) fn administers(&self) -> bool {
        self.session.as_ref().is_some_and(|session| session.is_administrator())
    }

    /// From part to part: address, name, and whether this page belongs to it.
    pub(super) fn ways(&self) -> Vec<(&'static str, String, bool)> {
        let t = self.t;
        let all = [
            (Section::Own, "/", t.s("own-mailbox")),
            (Section::Overview, "/admin", t.s("overview")),
            (Section::Domains, "/admin/domains", t.s("domains")),
            (Section::Mailboxes, "/admin/mailboxes", t.s("mailboxes")),
            (Section::Templates, "/admin/templates", t.s("templates")),
            (Section::Providers, "/admin/providers", t.s("providers")),
            (Section::Logins, "/admin/logins", t.s("logins")),
            (Section::Explain, "/admin/explain", t.s("explain")),
            (Section::HeldBack, "/admin/held-back", t.s("held-back")),
            (Section::Tokens, "/admin/tokens", t.s("tokens")),
        ];
        let has_mailbox = self.session.as_ref().is_some_and(|session| session.mailbox.is_some());
        let may = |scope| {
            let caller = self.session.as_ref().and_then(|session| session.administrator.as_ref());
            caller.is_some_and(|caller| caller.rights().scopes.contains(&scope))
        };
        let is_his = |section| match section {
            Section::Own => has_mailbox,
            Section::Tokens => may(Scope::Tokens),
            _ => true,
        };
        let ways = all.into_iter().filter(|(section, ..)| is_his(*section));
        ways.map(|(section, address, name)| (address, name, section == self.section)).collect()
    }

    /// Who is signed in, by name.
    pub(super) fn who(&self) -> Option<&str> {
        self.session.as_ref().map(|session| session.name.as_str())
    }
}

/// A page.
pub(super) fn render(page: &impl Template) -> Response {
    match page.render() {
        Ok(text) => Html(text).into_response(),
        Err(error) => {
            tracing::error!(%error, "a page cannot be shown");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// A page with a form that was refused: what is typed stays.
pub(super) fn render_again(page: &impl Template) -> Response {
    let mut response = render(page);
    if response.status().is_success() {
        *response.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
    }
    response
}

/// What is wrong with a form, by field: said beside it and in a summary on top.
#[derive(Clone, Debug, Default)]
pub(super) struct Faults(Vec<Fault>);

/// One thing that is wrong.
#[derive(Clone, Debug)]
pub(super) struct Fault {
    /// Id of the field; empty where it is none's in particular.
    pub(super) field: String,
    /// What is wrong, and the way out.
    pub(super) text: String,
}

impl Faults {
    /// One of no field in particular, or of this one.
    pub(super) fn one(field: &str, text: String) -> Self {
        Self(vec![Fault { field: field.to_owned(), text }])
    }

    /// What the API says: "key: reason" in each line, where `fields` has the key.
    pub(super) fn of(problem: &Problem, fields: &[&str]) -> Self {
        let faults = problem.detail.lines().map(|line| match line.split_once(": ") {
            Some((key, reason)) if fields.contains(&key) => {
                Fault { field: key.to_owned(), text: reason.to_owned() }
            }
            _ => Fault { field: String::new(), text: line.to_owned() },
        });
        Self(faults.collect())
    }

    /// Adds one.
    pub(super) fn add(&mut self, field: &str, text: String) {
        self.0.push(Fault { field: field.to_owned(), text });
    }

    /// Whether nothing is wrong.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All of them, for the summary.
    pub(super) fn all(&self) -> &[Fault] {
        &self.0
    }

    /// That of a field.
    pub(super) fn at(&self, field: &str) -> Option<&str> {
        self.0.iter().find(|fault| fault.field == field).map(|fault| fault.text.as_str())
    }
}
