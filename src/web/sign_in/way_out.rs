//! Signing out: here, and at the provider, too (OpenID Connect RP-Initiated Logout 1.0).
//!
//! The ID token that shows the provider whom to sign out is posted there by the browser,
//! so that it stands in no address. The script of the pages does it at once; without it
//! there is a button.

use std::sync::Arc;

use axum::{
    extract::State as Shared,
    http::HeaderMap,
    response::{IntoResponse as _, Redirect, Response},
};
use serde::Deserialize;

use super::{cookie, provider};
use crate::{
    mailbox::ProviderName,
    secret::Secret,
    web::{
        State,
        headers::FormsLeadTo,
        page::{Frame, Section, render},
        sessions::SignedInBy,
        texts::Texts,
        trouble::Trouble,
        visit::{self, Posted, SESSION_COOKIE, Visit},
    },
};

/// The form that signs somebody out at a provider.
pub(super) struct Leave {
    pub(super) provider: ProviderName,
    pub(super) action: String,
    leads_to: String,
    pub(super) fields: [(String, String); 3],
    /// It is sent without being asked for.
    pub(super) at_once: bool,
}

impl Leave {
    /// Where the page's form may lead.
    pub(super) fn header(&self) -> FormsLeadTo {
        FormsLeadTo(self.leads_to.clone())
    }
}

/// The form for somebody who is signed in at this provider, if it has a way out.
pub(super) async fn leave(
    state: &State,
    visit: &Visit,
    provider: &ProviderName,
    id_token: &Secret,
    at_once: bool,
) -> Option<Leave> {
    if id_token.is_empty() {
        return None;
    }
    let redirect = provider::callback(visit, provider).ok()?;
    let (pipeline, name, id_token) =
        (Arc::clone(&state.pipeline), provider.clone(), id_token.clone());
    let asked = async move { pipeline.way_out(&name, &redirect, &id_token).await };
    let (url, fields) = state.logins.spawn(asked).await.ok()??;
    // Providers may send browsers on to where they have their people from, and browsers
    // hold the form to all of these addresses.
    let leads_to = match url.scheme() {
        "https" => "https:".to_owned(),
        _ => url.origin().ascii_serialization(),
    };
    Some(Leave { provider: provider.clone(), action: url.into(), leads_to, fields, at_once })
}

#[derive(askama::Template)]
#[template(path = "sign_in/signed_out.html")]
struct SignedOut {
    frame: Frame,
    why: String,
    leave: Option<Leave>,
}

#[derive(Deserialize)]
pub(super) struct Nothing {}

/// `POST /sign-out`: ends the session here, and leads to the provider's way out.
pub(super) async fn end(
    Shared(state): Shared<State>,
    visit: Visit,
    headers: HeaderMap,
    Posted(Nothing {}): Posted<Nothing>,
) -> Result<Response, Trouble> {
    let id = visit::cookie(&headers, SESSION_COOKIE).unwrap_or_default();
    let ended = state.sessions.end(id.as_bytes());
    let gone = [cookie::removed(SESSION_COOKIE)];
    let Some(SignedInBy::Provider { provider, id_token, .. }) = ended.as_ref().map(|one| &one.by)
    else {
        return Ok((gone, Redirect::to("/sign-in")).into_response());
    };
    let Some(leave) = leave(&state, &visit, provider, id_token, true).await else {
        return Ok((gone, Redirect::to("/sign-in")).into_response());
    };
    let t = Texts::english();
    let leads_to = leave.header();
    let why = t.with("signed-out-here", "provider", provider);
    // Nobody is signed in any more.
    let frame = Frame::new(&Visit { session: None, ..visit }, t.s("signed-out"), Section::None);
    let mut response =
        (gone, render(&SignedOut { frame, why, leave: Some(leave) })).into_response();
    response.extensions_mut().insert(leads_to);
    Ok(response)
}
