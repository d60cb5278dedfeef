//! `/held-back`: accounts and networks that guessed, and are refused for a while.

use axum::{Json, extract::State as Shared, response::NoContent};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Caller, Error, Moment, Page, Paging, State,
    error::Code,
    extract::{Body, Params},
    page::bounded,
    rights::Territory,
};
use crate::{
    clock::Timestamp,
    verify::{HeldBack, Subject},
};

/// Somebody who is held back.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[schemars(rename = "HeldBack")]
pub struct View {
    /// An address or a network.
    pub subject: String,
    /// Until when.
    pub until: Moment,
}

impl From<HeldBack> for View {
    fn from(held: HeldBack) -> Self {
        Self { subject: held.subject.to_string(), until: held.until.into() }
    }
}

/// What to forget.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Lift {
    /// An address or a network.
    pub subject: String,
}

/// A network is everybody's who comes from there.
fn has(territory: &Territory, subject: &Subject) -> bool {
    match subject {
        Subject::Network(_) => territory.is_everything(),
        Subject::Account(address) => territory.has_mailbox(address),
    }
}

pub(super) async fn list(
    Shared(state): Shared<State>,
    territory: Territory,
    Params(paging): Params<Paging>,
) -> Json<Page<View>> {
    let held = state.pipeline.held_back(Timestamp::now());
    let held = held.into_iter().filter(|held| has(&territory, &held.subject));
    let mut views: Vec<View> = held.map(View::from).collect();
    views.sort_unstable_by(|one, other| one.subject.cmp(&other.subject));
    if let Some(after) = paging.after {
        views.retain(|view| view.subject > after);
    }
    let limit = bounded(paging.limit);
    views.truncate(limit);
    Json(Page::of(views, limit, |view| view.subject.clone()))
}

pub(super) async fn lift(
    Shared(state): Shared<State>,
    caller: Caller,
    territory: Territory,
    Body(Lift { subject }): Body<Lift>,
) -> Result<NoContent, Error> {
    let subject: Subject = subject.parse().map_err(Error::bad_request)?;
    if !has(&territory, &subject) || !state.pipeline.lift(&subject) {
        return Err(Error::new(Code::NotFound, format!("nothing is counted against {subject}")));
    }
    caller.changed("held-back lift", &subject);
    Ok(NoContent)
}
