//! `/admin`: for administrators.

use axum::{Router, response::Response, routing::get};

use super::{
    State,
    page::{Frame, Section, render},
    texts::Texts,
    visit::Administrator,
};

/// The pages for administrators.
pub(super) fn router() -> Router<State> {
    Router::new().route("/admin", get(overview))
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
