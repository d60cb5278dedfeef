//! The ways in, and out again.
//!
//! ```text
//! cookie.rs      the cookie of a session
//! link.rs        one-time addresses for administrators
//! password.rs    the form for a password
//! waiting.rs     how many answers are held back at a time
//! provider.rs    to a provider and back   pending.rs   who is on the way
//! way_out.rs     signing out, here and there
//! ```

mod cookie;
mod link;
mod password;
mod pending;
mod provider;
mod waiting;
mod way_out;

use axum::{
    Router,
    extract::{Query, State as Shared},
    response::{IntoResponse as _, Redirect, Response},
    routing::{get, post},
};
use serde::Deserialize;

pub(super) use self::{cookie::removed, password::Typed, pending::Pending, waiting::Waiting};
use super::{
    State,
    page::{Faults, Frame, Section, render},
    texts::Texts,
    visit::Visit,
};

/// Signing in and out.
pub(super) fn router() -> Router<State> {
    Router::new()
        .route("/sign-in", get(begin).post(password::take))
        .route("/sign-in/{provider}", get(provider::begin))
        .route("/sign-in/{provider}/callback", get(provider::end))
        // Not below `/sign-in`, where each name is a provider's.
        .route("/admin-link/{secret}", get(link::show).post(link::redeem))
        .route("/sign-out", post(way_out::end))
}

/// Longest path that somebody is sent on to: it is kept while he is at a provider.
const MAX_NEXT_BYTES: usize = 1024;

/// Where somebody wants to go after it.
#[derive(Deserialize)]
struct Wanted {
    next: Option<String>,
}

impl Wanted {
    /// Only to a page of ours: "//host" and "/\host" lead elsewhere.
    fn path(self) -> String {
        let is_ours = |path: &String| {
            let rest = path.strip_prefix('/');
            rest.is_some_and(|rest| !rest.starts_with(['/', '\\']))
                && path.len() <= MAX_NEXT_BYTES
                && path.bytes().all(|byte| byte.is_ascii_graphic())
        };
        self.next.filter(is_ours).unwrap_or_else(|| "/".to_owned())
    }
}

/// One field: by the address's domain it is known how one signs in.
#[derive(askama::Template)]
#[template(path = "sign_in/begin.html")]
struct Begin {
    frame: Frame,
    faults: Faults,
    address: String,
    next: String,
}

async fn begin(
    Shared(state): Shared<State>,
    visit: Visit,
    Query(wanted): Query<Wanted>,
) -> Response {
    let next = wanted.path();
    if visit.session.is_some() {
        return Redirect::to(&next).into_response();
    }
    if !state.pipeline.has_providers() {
        // There is nothing to choose.
        return render(&password::Page::empty(&visit, next));
    }
    let frame = frame(&visit);
    render(&Begin { frame, faults: Faults::default(), address: String::new(), next })
}

/// The frame of all these pages.
fn frame(visit: &Visit) -> Frame {
    Frame::new(visit, Texts::english().s("sign-in"), Section::None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_sent_elsewhere() {
        let check = |next: &str, path: &str| {
            assert_eq!(Wanted { next: Some(next.to_owned()) }.path(), path, "{next}");
        };
        check("/admin?x=y", "/admin?x=y");
        for elsewhere in [
            "https://example.com",
            "//example.com",
            "/\\example.com",
            "/\t/example.com",
            "",
            "admin",
            &format!("/{}", "a".repeat(MAX_NEXT_BYTES)),
        ] {
            check(elsewhere, "/");
        }
        assert_eq!(Wanted { next: None }.path(), "/");
    }
}
