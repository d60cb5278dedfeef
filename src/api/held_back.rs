//! `/held-back`: accounts and networks that guessed, and are refused for a while.

use axum::{Json, extract::State as Shared, http::StatusCode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Caller, Error, Moment, Page, Paging, State,
    error::Code,
    extract::{Body, Params},
    page::bounded,
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

pub(super) async fn list(
    Shared(state): Shared<State>,
    Params(paging): Params<Paging>,
) -> Json<Page<View>> {
    let held = state.pipeline.held_back(Timestamp::now());
    let mut views: Vec<View> = held.into_iter().map(View::from).collect();
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
    Body(Lift { subject }): Body<Lift>,
) -> Result<StatusCode, Error> {
    let subject: Subject = subject.parse().map_err(Error::bad_request)?;
    if !state.pipeline.lift(&subject) {
        return Err(Error::new(Code::NotFound, format!("nothing is counted against {subject}")));
    }
    caller.changed("held-back lift", &subject);
    Ok(StatusCode::NO_CONTENT)
}
