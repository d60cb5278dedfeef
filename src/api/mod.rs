//! HTTP for administrators and programs: `/api/v1`.
//!
//! [`router()`] is the one way to the state for everything that administers it:
//! the server serves it on its admin socket, and the command line calls it in
//! its own process when no server runs. Who calls is a [`Caller`], which
//! whoever serves the router puts into the request's extensions; a request
//! without one is refused.
//!
//! No answer carries a hash, a digest or a secret. The one exception is the
//! text of an app password in the answer to its creation.

pub mod admin_links;
pub mod admin_tokens;
mod answer;
pub mod app_passwords;
pub mod arrivals;
pub mod auth_source;
pub mod bearer;
pub mod cache;
pub mod caller;
pub mod directories;
pub mod domains;
pub mod error;
pub mod explain;
mod extract;
pub mod health;
pub mod held_back;
mod internal;
pub mod links;
pub mod login_log;
pub mod mailboxes;
pub mod metrics;
mod moment;
mod openapi;
mod own_password;
mod page;
mod passwords;
pub mod preview;
mod provider_keys;
pub mod provider_test;
pub mod providers;
pub mod rights;
mod route;
mod router;
pub mod status;
pub mod sync;
pub mod sync_log;
pub mod templates;
mod text;
pub mod transfer;
mod version;

use std::{path::PathBuf, sync::Arc};

use arc_swap::ArcSwap;

pub use self::{
    bearer::Bearers,
    caller::{Caller, Scope},
    error::{Code, Error, Problem},
    internal::{Internal, internal_router},
    links::Links,
    moment::Moment,
    page::{MAX_PAGE, Page, Paging},
    router::{needs, router},
};
use crate::{mailbox::userdb, password::Caps, provision::Syncs, store::Store, verify::Pipeline};

/// What the router works on.
#[derive(Clone)]
pub struct State {
    /// The state itself.
    pub store: Arc<dyn Store>,
    /// For `explain`, the caches, the abuse counters and new hashes.
    pub pipeline: Arc<Pipeline>,
    /// Settings of this room; a reload replaces them.
    pub settings: Arc<ArcSwap<Settings>>,
    /// Syncs under way; whoever serves the router ends them with it.
    pub syncs: Arc<Syncs>,
    /// One-time addresses for administrators; `None` in a process that serves nobody.
    pub links: Option<Arc<Links>>,
    /// What the running server says of itself; `None` in a process that serves
    /// nobody.
    pub server: Option<status::Reporter>,
}

/// Settings of this room.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Patterns from which a new mailbox gets its home.
    pub userdb: userdb::Settings,
    /// The dearest hashes that an administrator may bring.
    pub caps: Caps,
    /// Where people reach the pages; `None` where there are none.
    pub public_url: Option<String>,
    /// The store's folder, for its size.
    pub store_dir: Option<PathBuf>,
}
