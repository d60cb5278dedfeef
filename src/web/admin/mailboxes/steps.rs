//! What is done with a mailbox by a button: state, auth source, password, removal.

use axum::{
    extract::{Path, State as Shared},
    http::Method,
    response::{IntoResponse as _, Redirect, Response},
};
use serde_json::{Value, json};

use super::{
    super::{
        super::{
            State,
            inputs::{Control, Filled, Input},
            page::{Faults, Frame, Section, render, render_again},
            texts::Texts,
            trouble::Trouble,
            visit::{Administrator, Posted},
        },
        ways::{of_kind, refusal, source_words, way},
    },
    show::show_again,
};
use crate::api::mailboxes::Detail;

/// Back to its page, where it is said what was done.
fn done(administrator: &Administrator, address: &str, words: String) -> Response {
    administrator.session.say(words);
    Redirect::to(&way(&["admin", "mailboxes", address])).into_response()
}

/// Changes one thing of it.
async fn change(
    state: &State,
    administrator: &Administrator,
    address: &str,
    change: Value,
    words: String,
) -> Result<Response, Trouble> {
    let asked = state.desk.ask(&administrator.caller, Method::PATCH, &["mailboxes", address]);
    match asked.order(&change).await {
        Ok(()) => Ok(done(administrator, address, words)),
        Err(trouble) => {
            let faults = refusal(trouble, &["auth_source"])?;
            show_again(state, administrator, address, faults).await
        }
    }
}

pub(super) async fn set_state(
    Shared(state): Shared<State>,
    Path(address): Path<String>,
    administrator: Administrator,
    Posted(filled): Posted<Filled>,
) -> Result<Response, Trouble> {
    let wanted = json!({ "state": filled.text("state") });
    let words = Texts::english().s("mailbox-state-changed");
    change(&state, &administrator, &address, wanted, words).await
}

pub(super) async fn set_source(
    Shared(state): Shared<State>,
    Path(address): Path<String>,
    administrator: Administrator,
    Posted(filled): Posted<Filled>,
) -> Result<Response, Trouble> {
    let t = Texts::english();
    let source = filled.text("auth_source");
    let words = t.with("mailbox-source-changed", "source", &source_words(t, source));
    change(&state, &administrator, &address, json!({ "auth_source": source }), words).await
}

pub(super) async fn unbind(
    Shared(state): Shared<State>,
    Path(address): Path<String>,
    administrator: Administrator,
    Posted(_): Posted<Filled>,
) -> Result<Response, Trouble> {
    let words = Texts::english().s("mailbox-unbound");
    change(&state, &administrator, &address, json!({ "bound": null }), words).await
}

#[derive(askama::Template)]
#[template(path = "admin/mailbox_password.html")]
struct Password {
    frame: Frame,
    way: String,
    input: Input,
    is_there: bool,
    faults: Faults,
}

async fn password_page(
    state: &State,
    administrator: &Administrator,
    address: &str,
    faults: Faults,
) -> Result<Password, Trouble> {
    let t = Texts::english();
    let detail: Detail = state.desk.get(&administrator.caller, &["mailboxes", address]).await?;
    let address = detail.mailbox.address.as_str();
    let title = t.with("mailbox-password-title", "address", &address);
    let (label, help) = (t.s("mailbox-password"), t.s("mailbox-password-help"));
    Ok(Password {
        frame: Frame::new(&administrator.visit, title, Section::Mailboxes),
        way: way(&["admin", "mailboxes", address]),
        input: of_kind("password", "password", label, help, &Filled::default()),
        is_there: detail.mailbox.password_scheme.is_some(),
        faults,
    })
}

pub(super) async fn ask_password(
    Shared(state): Shared<State>,
    Path(address): Path<String>,
    administrator: Administrator,
) -> Result<Response, Trouble> {
    Ok(render(&password_page(&state, &administrator, &address, Faults::default()).await?))
}

pub(super) async fn set_password(
    Shared(state): Shared<State>,
    Path(address): Path<String>,
    administrator: Administrator,
    Posted(filled): Posted<Filled>,
) -> Result<Response, Trouble> {
    // Not "text", which drops spaces at the ends.
    let typed = filled.all("password").next().unwrap_or_default();
    let path = ["mailboxes", &address, "password"];
    let asked = state.desk.ask(&administrator.caller, Method::PUT, &path);
    if let Err(trouble) = asked.order(&json!({ "password": typed })).await {
        let mut faults = Faults::default();
        for fault in refusal(trouble, &[])?.all() {
            faults.add("password", fault.text.clone());
        }
        let page = password_page(&state, &administrator, &address, faults).await?;
        return Ok(render_again(&page));
    }
    let words = Texts::english().s("mailbox-password-set");
    Ok(done(&administrator, &address, words))
}

pub(super) async fn remove_password(
    Shared(state): Shared<State>,
    Path(address): Path<String>,
    administrator: Administrator,
    Posted(_): Posted<Filled>,
) -> Result<Response, Trouble> {
    let path = ["mailboxes", &address, "password"];
    state.desk.ask(&administrator.caller, Method::DELETE, &path).done().await?;
    let words = Texts::english().s("mailbox-password-removed");
    Ok(done(&administrator, &address, words))
}

#[derive(askama::Template)]
#[template(path = "admin/mailbox_remove.html")]
struct Removal {
    frame: Frame,
    way: String,
}

pub(super) async fn ask_removal(
    Shared(state): Shared<State>,
    Path(address): Path<String>,
    administrator: Administrator,
) -> Result<Response, Trouble> {
    let detail: Detail = state.desk.get(&administrator.caller, &["mailboxes", &address]).await?;
    let address = detail.mailbox.address.as_str();
    let title = Texts::english().with("mailbox-remove-title", "address", &address);
    Ok(render(&Removal {
        frame: Frame::new(&administrator.visit, title, Section::Mailboxes),
        way: way(&["admin", "mailboxes", address]),
    }))
}

pub(super) async fn remove(
    Shared(state): Shared<State>,
    Path(address): Path<String>,
    administrator: Administrator,
    Posted(_): Posted<Filled>,
) -> Result<Response, Trouble> {
    let asked = state.desk.ask(&administrator.caller, Method::DELETE, &["mailboxes", &address]);
    asked.done().await?;
    administrator.session.say(Texts::english().with("mailbox-removed", "address", &address));
    Ok(Redirect::to("/admin/mailboxes").into_response())
}
