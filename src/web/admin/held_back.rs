//! Who is held back after guesses, and what is remembered for a while.

use axum::{
    Router,
    extract::{Query, State as Shared},
    http::Method,
    response::{IntoResponse as _, Redirect, Response},
    routing::{get, post},
};
use serde_json::json;

use super::{
    super::{
        State,
        inputs::{Control, Filled, Input},
        page::{Faults, Frame, Section, render},
        shown::When,
        texts::Texts,
        trouble::Trouble,
        visit::{Administrator, Posted},
    },
    ways::{asking, lines},
};
use crate::{
    api::{
        Page, Paging,
        cache::{self, Flush, Flushed},
        held_back::View,
    },
    mailbox::limits::size,
};

pub(super) fn router() -> Router<State> {
    Router::new()
        .route("/admin/held-back", get(list))
        .route("/admin/held-back/lift", post(lift))
        .route("/admin/caches", get(caches))
        .route("/admin/caches/flush", post(flush))
}

#[derive(askama::Template)]
#[template(path = "admin/held_back.html")]
struct List {
    frame: Frame,
    held: Vec<Held>,
    next: Option<String>,
}

struct Held {
    subject: String,
    kind: String,
    until: When,
}

async fn list(
    Shared(state): Shared<State>,
    Query(paging): Query<Paging>,
    administrator: Administrator,
) -> Result<Response, Trouble> {
    let t = Texts::english();
    let page: Page<View> =
        state.desk.look_up(&administrator.caller, &["held-back"], &paging).await?;
    let next = page.next.map(|after| asking("/admin/held-back", &[("after", after)]));
    let kind = |subject: &str| {
        if subject.contains('@') { t.s("held-account") } else { t.s("held-network") }
    };
    let held = page.items.into_iter().map(|view| Held {
        kind: kind(&view.subject),
        subject: view.subject,
        until: When::new(view.until),
    });
    Ok(render(&List {
        frame: Frame::new(&administrator.visit, t.s("held-back"), Section::HeldBack),
        held: held.collect(),
        next,
    }))
}

async fn lift(
    Shared(state): Shared<State>,
    administrator: Administrator,
    Posted(filled): Posted<Filled>,
) -> Result<Response, Trouble> {
    let t = Texts::english();
    let subject = filled.text("subject");
    let asked = state.desk.ask(&administrator.caller, Method::POST, &["held-back", "lift"]);
    match asked.order(&json!({ "subject": subject })).await {
        // By now the time may be over.
        Ok(()) | Err(Trouble::NotFound) => {}
        Err(trouble) => return Err(trouble),
    }
    administrator.session.say(t.with("held-lifted", "subject", &subject));
    Ok(Redirect::to("/admin/held-back").into_response())
}

#[derive(askama::Template)]
#[template(path = "admin/caches.html")]
struct Caches {
    frame: Frame,
    /// None to who does not administer everything.
    all: Option<Vec<Cache>>,
    masks: Input,
    faults: Faults,
}

struct Cache {
    name: String,
    entries: u64,
    size: String,
    hits: String,
}

impl Cache {
    fn new(t: &Texts, cache: cache::OneCache) -> Self {
        let all = cache.hits + cache.misses;
        let share = [
            ("percent", (cache.hits * 100).checked_div(all).unwrap_or_default().to_string()),
            ("all", all.to_string()),
        ];
        Self {
            hits: if all == 0 { t.s("cache-unasked") } else { t.of("cache-hits-of", &share) },
            name: name_words(t, cache.name),
            entries: cache.entries,
            size: t
                .of("cache-of", &[("bytes", size(cache.bytes)), ("most", size(cache.max_bytes))]),
        }
    }
}

/// What a cache holds; one that is new is called by its own name.
fn name_words(t: &Texts, name: String) -> String {
    match name.as_str() {
        "verified" => t.s("cache-verified"),
        "wrong" => t.s("cache-wrong"),
        "people" => t.s("cache-people"),
        "unknown" => t.s("cache-unknown"),
        "tokens" => t.s("cache-tokens"),
        "refused_tokens" => t.s("cache-refused-tokens"),
        _ => name,
    }
}

async fn caches(
    Shared(state): Shared<State>,
    administrator: Administrator,
) -> Result<Response, Trouble> {
    let t = Texts::english();
    let all = if administrator.has_everything() {
        let view: cache::View = state.desk.get(&administrator.caller, &["cache"]).await?;
        Some(view.caches.into_iter().map(|cache| Cache::new(t, cache)).collect())
    } else {
        None
    };
    let help = if all.is_some() { t.s("cache-masks-help") } else { t.s("cache-masks-own-help") };
    Ok(render(&Caches {
        frame: Frame::new(&administrator.visit, t.s("caches"), Section::HeldBack),
        all,
        masks: lines("masks", t.s("cache-masks"), help, &Filled::default()),
        faults: Faults::default(),
    }))
}

async fn flush(
    Shared(state): Shared<State>,
    administrator: Administrator,
    Posted(filled): Posted<Filled>,
) -> Result<Response, Trouble> {
    let masks = filled.words("masks");
    let asked = state.desk.ask(&administrator.caller, Method::POST, &["cache", "flush"]);
    let flushed: Flushed = asked.call(&Flush { masks }).await?;
    administrator.session.say(Texts::english().count("cache-flushed", flushed.entries));
    Ok(Redirect::to("/admin/caches").into_response())
}
