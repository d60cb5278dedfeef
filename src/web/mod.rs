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
//! inputs.rs               fields of long forms
//! texts.rs  assets.rs     what pages say; what they load
//! inputs.rs               fields of long forms
//! shown.rs                moments and limits as people read them
//! settings.rs             `[web]`, and what of `[http]` is theirs
//! programs.rs             `/api/v1`, for who shows an admin token
//! backchannel_logout.rs   a provider says that somebody signed out
//! ```
//!
//! *Architecture invariant*: pages read and change nothing by themselves. They ask the
//! router of `api`, so what somebody may is decided in one place. Only signing in asks
//! `verify`.

mod admin;
mod assets;
mod backchannel_logout;
mod desk;
mod headers;
mod inputs;
mod page;
pub mod programs;
mod self_service;
mod sessions;
pub mod settings;
mod shown;
mod sign_in;
mod texts;
mod trouble;
mod visit;

use std::{net::IpAddr, sync::Arc};

use arc_swap::ArcSwap;
use axum::{
    Router,
    http::StatusCode,
    middleware,
    routing::{get, post},
};
use tokio::{runtime::Handle, time::Instant};

use self::{
    backchannel_logout::Checks,
    desk::Desk,
    sessions::Sessions,
    sign_in::{Pending, Waiting},
    trouble::Trouble,
};
pub use self::{settings::Settings, visit::Peer};
use crate::{
    api::{Bearers, Links},
    mailbox::ProviderName,
    verify::{Decision, Pipeline},
};

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
    witness: Witness,
    waiting: Waiting,
    bearers: Arc<Bearers>,
    links: Arc<Links>,
    pending: Pending,
}

/// Somebody who signed in, or did not: for the line in the log and the figures.
#[derive(Clone, Copy, Debug)]
pub struct SeenSignIn<'a> {
    /// Who he says he is, as far as anybody has said.
    pub name: Option<&'a str>,
    /// `FORM` or `OIDC`.
    pub mechanism: &'static str,
    /// The visitor's own address.
    pub rip: IpAddr,
    /// When it began.
    pub arrived: Instant,
    /// What came of it.
    pub decision: &'a Decision,
    /// He administers by the word of this provider, with a mailbox or without.
    pub administrator_of: Option<&'a ProviderName>,
}

/// Sees everybody who signs in, or does not.
pub type Witness = Arc<dyn Fn(&SeenSignIn<'_>) + Send + Sync>;

impl State {
    /// With the router of `api`, the runtime that serves logins, and who writes the line
    /// of each sign-in. A reload replaces the settings.
    pub fn new(
        pipeline: Arc<Pipeline>,
        api: Router,
        logins: Handle,
        settings: Arc<ArcSwap<Settings>>,
        witness: Witness,
        admission: Admission,
    ) -> Self {
        let desk = Desk::new(api, logins.clone());
        let (checks, sessions, waiting) = (Checks::default(), Arc::default(), Waiting::default());
        let Admission { bearers, links } = admission;
        Self {
            pipeline,
            logins,
            checks,
            settings,
            sessions,
            desk,
            witness,
            waiting,
            pending: Pending::default(),
            bearers,
            links,
        }
    }
}

/// Ways in that the API opens.
pub struct Admission {
    /// By an admin token.
    pub bearers: Arc<Bearers>,
    /// By a one-time address.
    pub links: Arc<Links>,
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
        .merge(programs::router())
        .merge(pages)
        .layer(middleware::from_fn_with_state(state.clone(), headers::add))
        .with_state(state)
}

/// Where there are no pages.
const NOTHING_HERE: (StatusCode, &str) = (StatusCode::NOT_FOUND, "there is nothing here\n");
