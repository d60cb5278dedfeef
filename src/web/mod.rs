//! `[http]`: what people and identity providers reach from outside.
//!
//! ```text
//! headers.rs              what every answer says to browsers
//! visit.rs                who asks: from where, as whom; forms of our own pages alone
//! sessions.rs             who is signed in
//! sign_in/                the ways in, and out again
//! self_service/           `/`: one's own mailbox
//! admin/                  `/admin`
//! desk.rs                 the way to `/api/v1`, with the rights of whoever is signed in
//! page.rs  trouble.rs     what all pages have in common; what stands in the way of one
//! texts.rs  assets.rs     what pages say; what they load
//! shown.rs                moments and limits as people read them
//! settings.rs             `[web]`, and what of `[http]` is theirs
//! backchannel_logout.rs   a provider says that somebody signed out
//! ```
//!
//! *Architecture invariant*: pages read and change nothing by themselves. They ask the
//! router of `api`, so what somebody may is decided in one place. Only signing in asks
//! `verify`.

#![allow(dead_code)]

mod admin;
mod assets;
mod backchannel_logout;
mod desk;
mod headers;
mod page;
mod self_service;
mod sessions;
pub mod settings;
mod shown;
mod sign_in;
mod texts;
mod trouble;
mod visit;

use std::sync::Arc;

use arc_swap::ArcSwap;
use axum::{
    Router,
    http::StatusCode,
    middleware,
    routing::{get, post},
};
use tokio::runtime::Handle;

use self::{backchannel_logout::Checks, desk::Desk, sessions::Sessions, trouble::Trouble};
pub use self::{settings::Settings, visit::Peer};
use crate::verify::Pipeline;

/// What these paths work on.
#[derive(Clone)]
pub struct State {
    pipeline: Arc<Pipeline>,
    /// Where logins are served: whoever asks a provider does it there, since its
    /// connections live where they were made.
    logins: Handle,
    checks: Checks,
    settings: Arc<ArcSwap<Settings>>,
    sessions: Arc<Sessions>,
    desk: Desk,
}

impl State {
    /// With the router of `api`, and the runtime that serves logins. A reload replaces
    /// the settings.
    pub fn new(
        pipeline: Arc<Pipeline>,
        api: Router,
        logins: Handle,
        settings: Arc<ArcSwap<Settings>>,
    ) -> Self {
        let desk = Desk::new(api, logins.clone());
        let (checks, sessions) = (Checks::default(), Arc::default());
        Self { pipeline, logins, checks, settings, sessions, desk }
    }
}

/// Everything outside.
pub fn router(state: State) -> Router {
    let pages = Router::new()
        .merge(sign_in::router())
        .merge(self_service::router())
        .merge(admin::router())
        .fallback(async || Trouble::NotFound)
        .layer(middleware::from_fn_with_state(state.clone(), visit::accompany));
    Router::new()
        .route("/backchannel-logout/{provider}", post(backchannel_logout::take))
        .route("/assets/{name}", get(assets::serve))
        .merge(pages)
        .layer(middleware::from_fn_with_state(state.clone(), headers::add))
        .with_state(state)
}

/// Where there are no pages.
const NOTHING_HERE: (StatusCode, &str) = (StatusCode::NOT_FOUND, "there is nothing here\n");
