//! What stands in the way of a page, and the page that says so.

use std::sync::Arc;

use axum::{
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};
use url::form_urlencoded;

use super::{
    page::{Frame, Section, render},
    texts::Texts,
    visit::Visit,
};
use crate::api::Problem;

/// Why there is no such page, or nothing was done.
#[derive(Clone, Debug)]
pub(super) enum Trouble {
    /// Nobody is signed in; this page is wanted after it.
    SignIn(String),
    /// Whoever was signed in may not be any more.
    SignedOut,
    /// There is nothing, or nothing of his.
    NotFound,
    /// He may not.
    Forbidden,
    /// The form is not from a page of this session: an old one, or somebody else's.
    Stale,
    /// The form cannot be read.
    BadForm,
    /// The API refuses, in its words.
    Api(Arc<Problem>),
    /// Our fault; the log has it.
    Internal,
}

impl Trouble {
    fn status(&self) -> StatusCode {
        match self {
            Self::SignIn(_) | Self::SignedOut => StatusCode::SEE_OTHER,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Forbidden | Self::Stale => StatusCode::FORBIDDEN,
            Self::BadForm => StatusCode::BAD_REQUEST,
            Self::Api(problem) => {
                StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
            }
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// Headline and explanation.
    fn words(&self, t: &Texts) -> (String, String) {
        match self {
            Self::SignIn(_) | Self::SignedOut | Self::Forbidden => {
                (t.s("forbidden"), t.s("forbidden-why"))
            }
            Self::NotFound => (t.s("not-found"), t.s("not-found-why")),
            Self::Stale => (t.s("stale"), t.s("stale-why")),
            Self::BadForm => (t.s("bad-form"), t.s("bad-form-why")),
            Self::Api(problem) => (t.s("refused"), problem.detail.clone()),
            Self::Internal => (t.s("internal"), t.s("internal-why")),
        }
    }

    /// The page that says so.
    pub(super) fn page(&self, visit: &Visit) -> Response {
        let t = Texts::english();
        let (headline, why) = self.words(t);
        let frame = Frame::new(visit, headline, Section::None);
        let mut page = render(&TroublePage { frame, why });
        *page.status_mut() = self.status();
        page
    }
}

/// Without its page, which [`super::visit::accompany`] puts in: only there it is known
/// who is asking.
impl IntoResponse for Trouble {
    fn into_response(self) -> Response {
        if let Self::SignIn(next) = &self {
            let query =
                form_urlencoded::Serializer::new(String::new()).append_pair("next", next).finish();
            return Redirect::to(&format!("/sign-in?{query}")).into_response();
        }
        let mut response = self.status().into_response();
        response.extensions_mut().insert(self);
        response
    }
}

#[derive(askama::Template)]
#[template(path = "trouble.html")]
struct TroublePage {
    frame: Frame,
    why: String,
}
