//! `/`: one's own mailbox.

use axum::{Router, response::Response, routing::get};

use super::{
    State,
    page::{Frame, Section, render},
    visit::Person,
};

/// The pages for everybody who has a mailbox.
pub(super) fn router() -> Router<State> {
    Router::new().route("/", get(home))
}

#[derive(askama::Template)]
#[template(path = "self_service/home.html")]
struct Home {
    frame: Frame,
    address: String,
}

async fn home(person: Person) -> Response {
    let title = person.visit.settings.title.clone();
    let frame = Frame::new(&person.visit, title, Section::Own);
    render(&Home { frame, address: person.own.address.to_string() })
}
