//! Domains: how full each is, its limits, and who speaks for it.
//!
//! ```text
//! form.rs      a new one, and changes
//! switch.rs    another auth source for many mailboxes
//! ```

mod form;
mod switch;

use axum::{
    Router,
    extract::{Path, Query, State as Shared},
    http::Method,
    response::{IntoResponse as _, Redirect, Response},
    routing::{get, post},
};

use super::{
    super::{
        State,
        inputs::Filled,
        page::{Frame, Section, render},
        shown::{When, quota},
        texts::Texts,
        trouble::Trouble,
        visit::{Administrator, Posted},
    },
    ways::{asking, way},
};
use crate::{
    api::{Page, Paging, domains::View},
    mailbox::limits::size,
};

pub(super) fn router() -> Router<State> {
    Router::new()
        .route("/admin/domains", get(list))
        .route("/admin/add-domain", get(form::blank).post(form::create))
        .route("/admin/domains/{name}", get(show))
        .route("/admin/domains/{name}/edit", get(form::edit).post(form::change))
        .route("/admin/domains/{name}/auth-source", get(switch::ask).post(switch::carry_out))
        .route("/admin/domains/{name}/remove", post(remove))
}

/// How much there is of something, and of how much.
struct Fill {
    words: String,
    /// What a bar shows; none where there is no limit.
    bar: Option<Bar>,
}

struct Bar {
    used: u64,
    most: u64,
    /// Where it is nearly full.
    high: u64,
}

impl Fill {
    fn new(words: String, used: u64, most: u64) -> Self {
        let bar = Bar { used: used.min(most), most, high: most - most / 10 };
        Self { words, bar: (most > 0).then_some(bar) }
    }

    fn mailboxes(t: &Texts, domain: &View) -> Self {
        let used = domain.mailboxes;
        let Some(most) = domain.max_mailboxes else {
            return Self { words: t.count("domain-mailboxes", used), bar: None };
        };
        let values = [("used", used.to_string()), ("most", most.to_string())];
        Self::new(t.of("domain-mailboxes-of", &values), used, most)
    }

    fn quota(t: &Texts, domain: &View) -> Self {
        let (used, most) = (domain.used_quota_bytes, domain.total_quota_bytes);
        if most.is_unlimited() {
            return Self { words: t.with("domain-quota", "used", &size(used)), bar: None };
        }
        let values = [("used", size(used)), ("most", quota(most))];
        Self::new(t.of("domain-quota-of", &values), used, most.bytes)
    }
}

#[derive(askama::Template)]
#[template(path = "admin/domains.html")]
struct List {
    frame: Frame,
    domains: Vec<Row>,
    next: Option<String>,
    may_change: bool,
}

struct Row {
    name: String,
    way: String,
    active: bool,
    provider: Option<String>,
    mailboxes: Fill,
    quota: Fill,
}

impl Row {
    fn new(t: &Texts, view: &View) -> Self {
        Self {
            name: view.name.to_string(),
            way: way(&["admin", "domains", view.name.as_str()]),
            active: view.active,
            provider: view.provider.as_ref().map(ToString::to_string),
            mailboxes: Fill::mailboxes(t, view),
            quota: Fill::quota(t, view),
        }
    }
}

async fn list(
    Shared(state): Shared<State>,
    Query(paging): Query<Paging>,
    administrator: Administrator,
) -> Result<Response, Trouble> {
    let t = Texts::english();
    let page: Page<View> = state.desk.look_up(&administrator.caller, &["domains"], &paging).await?;
    let next = page.next.map(|after| asking("/admin/domains", &[("after", after)]));
    Ok(render(&List {
        frame: Frame::new(&administrator.visit, t.s("domains"), Section::Domains),
        domains: page.items.iter().map(|view| Row::new(t, view)).collect(),
        next,
        may_change: administrator.has_everything(),
    }))
}

#[derive(askama::Template)]
#[template(path = "admin/domain.html")]
struct Show {
    frame: Frame,
    domain: Row,
    default_quota: String,
    max_quota: String,
    created: When,
    modified: When,
    is_empty: bool,
    /// Its mailboxes.
    mailboxes: String,
    may_change: bool,
}

async fn show(
    Shared(state): Shared<State>,
    Path(name): Path<String>,
    administrator: Administrator,
) -> Result<Response, Trouble> {
    let t = Texts::english();
    let view: View = state.desk.get(&administrator.caller, &["domains", &name]).await?;
    let name = view.name.as_str();
    Ok(render(&Show {
        frame: Frame::new(&administrator.visit, name.to_owned(), Section::Domains),
        domain: Row::new(t, &view),
        default_quota: quota(view.default_quota_bytes),
        max_quota: quota(view.max_quota_bytes),
        created: When::new(view.created),
        modified: When::new(view.modified),
        is_empty: view.mailboxes == 0,
        mailboxes: asking("/admin/mailboxes", &[("domain", name)]),
        may_change: administrator.has_everything(),
    }))
}

async fn remove(
    Shared(state): Shared<State>,
    Path(name): Path<String>,
    administrator: Administrator,
    Posted(_): Posted<Filled>,
) -> Result<Response, Trouble> {
    let asked = state.desk.ask(&administrator.caller, Method::DELETE, &["domains", &name]);
    asked.done().await?;
    administrator.session.say(Texts::english().with("domain-removed", "name", &name));
    Ok(Redirect::to("/admin/domains").into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_never_more_than_full() {
        let bar = Fill::new(String::new(), 12, 10).bar.unwrap();
        assert_eq!((bar.used, bar.most, bar.high), (10, 10, 9));
        assert!(Fill::new(String::new(), 12, 0).bar.is_none());
    }
}
