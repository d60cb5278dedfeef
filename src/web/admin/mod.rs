//! `/admin`: for administrators.
//!
//! ```text
//! overview.rs     what is wrong now
//! providers/      identity providers and directories
//! sync.rs         their people: plan, progress, log
//! templates.rs    what a mailbox gets when it is made
//! domains/        domains
//! mailboxes/      mailboxes
//! logins.rs       the login log
//! explain.rs      why somebody can log in or cannot
//! held_back.rs    who is held back; caches
//! tokens.rs       admin tokens
//! ways.rs         addresses of pages, and fields, of all of these
//! ```

mod domains;
mod explain;
mod held_back;
mod logins;
mod mailboxes;
mod overview;
mod providers;
mod sync;
mod templates;
mod tokens;
mod ways;

use axum::{Router, routing::get};

use super::State;

/// The pages for administrators.
pub(super) fn router() -> Router<State> {
    Router::new()
        .route("/admin", get(overview::show))
        .merge(providers::router())
        .merge(sync::router())
        .merge(templates::router())
        .merge(domains::router())
        .merge(mailboxes::router())
        .merge(logins::router())
        .merge(explain::router())
        .merge(held_back::router())
        .merge(tokens::router())
}
