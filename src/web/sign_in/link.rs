//! One-time addresses for administrators, as `dovegate admin link` makes them.
//!
//! Looking at one is without effect: scanners of mail look at what stands in a message.
//! The button uses it up.

use axum::{
    extract::{Path, State as Shared},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse as _, Redirect, Response},
};

use super::cookie;
use crate::{
    api::Caller,
    clock::Timestamp,
    web::{
        State,
        page::{Frame, Section, render},
        sessions::{NewSession, SignedInBy},
        texts::Texts,
        trouble::Trouble,
        visit::{self, SESSION_COOKIE, Visit},
    },
};

#[derive(askama::Template)]
#[template(path = "sign_in/link.html")]
struct Page {
    frame: Frame,
    /// What the button sends; none where it was used, or is too old.
    secret: Option<String>,
}

impl Page {
    fn new(visit: &Visit, secret: Option<String>) -> Self {
        let frame = Frame::new(visit, Texts::english().s("link"), Section::None);
        Self { frame, secret }
    }
}

/// What we make them of.
fn is_secret(text: &str) -> bool {
    text.len() <= 64
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

/// `GET /admin-link/{secret}`.
pub(super) async fn show(visit: Visit, Path(secret): Path<String>) -> Result<Response, Trouble> {
    if !is_secret(&secret) {
        return Err(Trouble::NotFound);
    }
    Ok(render(&Page::new(&visit, Some(secret))))
}

/// `POST /admin-link/{secret}`: a new session under a new id, whatever the browser had.
pub(super) async fn redeem(
    Shared(state): Shared<State>,
    visit: Visit,
    headers: HeaderMap,
    Path(secret): Path<String>,
) -> Response {
    let now = Timestamp::now();
    let Some(made_by) = state.links.redeem(secret.as_bytes(), now) else {
        tracing::warn!(rip = %visit.rip, "a one-time address was refused");
        let mut response = render(&Page::new(&visit, None));
        *response.status_mut() = StatusCode::GONE;
        return response;
    };
    tracing::info!(rip = %visit.rip, made_by, "an administrator signed in by a one-time address");
    if let Some(id) = visit::cookie(&headers, SESSION_COOKIE) {
        state.sessions.end(id.as_bytes());
    }
    let new = NewSession {
        mailbox: None,
        name: Texts::english().s("link-name"),
        by: SignedInBy::Link,
        administrator: Some(Caller::link(made_by)),
    };
    let id = state.sessions.begin(new, visit.settings.limits(), now);
    ([cookie::set(SESSION_COOKIE, &id, None)], Redirect::to("/admin")).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_ours() {
        assert!(is_secret("aZ09-_"));
        for odd in ["a b", "a/b", "\"><script>", "ä", &"a".repeat(65)] {
            assert!(!is_secret(odd), "{odd}");
        }
    }
}
