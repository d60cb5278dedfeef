//! `/admin`: for administrators.
//!
//! ```text
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
mod tokens;
mod ways;

use axum::{Router, response::Response, routing::get};

use super::{
    State,
    page::{Frame, Section, render},
    texts::Texts,
    visit::Administrator,
};

/// The pages for administrators.
pub(super) fn router() -> Router<State> {
    Router::new()
        .route("/admin", get(overview))
        .merge(domains::router())
        .merge(mailboxes::router())
        .merge(logins::router())
        .merge(explain::router())
        .merge(held_back::router())
        .merge(tokens::router())
}

#[derive(askama::Template)]
#[template(path = "admin/overview.html")]
struct Overview {
    frame: Frame,
}

async fn overview(administrator: Administrator) -> Response {
    let title = Texts::english().s("overview");
    render(&Overview { frame: Frame::new(&administrator.visit, title, Section::Overview) })
}
