//! Errors as the caller meets them: `application/problem+json` (RFC 9457).
//!
//! Each has one message for the caller and, where that would tell too much or
//! too little, another one for the log.

use std::{borrow::Cow, fmt};

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{store, verify};

/// A refusal or a failure.
#[derive(Debug)]
pub struct Error {
    problem: Box<Problem>,
    internal: Option<String>,
}

/// The body of an error (RFC 9457 §3).
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
pub struct Problem {
    /// Always `about:blank`: `code` tells the kinds apart.
    #[serde(rename = "type")]
    pub kind: Cow<'static, str>,
    /// The status in words.
    pub title: String,
    /// HTTP status.
    pub status: u16,
    /// Stable word for programs.
    pub code: Code,
    /// What happened, for people.
    pub detail: String,
    /// Kind of the thing that is missing or there already: "domain" …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub what: Option<Cow<'static, str>>,
    /// Its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// Kinds of errors.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// The request itself is wrong.
    BadRequest,
    /// The request is too large.
    TooLarge,
    /// The caller did not show who he is, or is that no more.
    Unauthorized,
    /// The caller may not.
    Forbidden,
    /// What was named is not there.
    NotFound,
    /// The path is there, the method is not.
    MethodNotAllowed,
    /// What was to be made is there already.
    Exists,
    /// A limit of the domain stands in the way.
    Limit,
    /// Something else stands in the way.
    Conflict,
    /// It was changed since the caller read it.
    Changed,
    /// We cannot at the moment.
    Unavailable,
    /// It took too long.
    Timeout,
    /// Our fault.
    Internal,
}

impl Code {
    fn status(self) -> StatusCode {
        match self {
            Self::BadRequest => StatusCode::BAD_REQUEST,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::Exists | Self::Limit | Self::Conflict => StatusCode::CONFLICT,
            Self::Changed => StatusCode::PRECONDITION_FAILED,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::Timeout => StatusCode::GATEWAY_TIMEOUT,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl Error {
    /// An error whose one message is for everybody.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        let status = code.status();
        let problem = Problem {
            kind: Cow::Borrowed("about:blank"),
            title: status.canonical_reason().unwrap_or_default().to_owned(),
            status: status.as_u16(),
            code,
            detail: detail.into(),
            what: None,
            name: None,
        };
        Self { problem: Box::new(problem), internal: None }
    }

    /// The request is wrong for the reason given.
    pub fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(Code::BadRequest, detail)
    }

    /// `what` of this `name` is not there.
    pub fn not_found(what: &'static str, name: impl Into<String>) -> Self {
        store::Error::NotFound { what, name: name.into() }.into()
    }

    /// `what` of this `name` is there already.
    pub fn exists(what: &'static str, name: impl Into<String>) -> Self {
        store::Error::Exists { what, name: name.into() }.into()
    }

    /// What happened, for people.
    pub(super) fn detail(self) -> String {
        self.problem.detail
    }

    /// Adds what the log says instead of the caller's message.
    #[must_use]
    pub fn log(mut self, internal: impl Into<String>) -> Self {
        self.internal = Some(internal.into());
        self
    }

    fn about(mut self, what: &'static str, name: String) -> Self {
        self.problem.what = Some(Cow::Borrowed(what));
        self.problem.name = Some(name);
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.internal.as_ref().unwrap_or(&self.problem.detail))
    }
}

impl std::error::Error for Error {}

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Self {
        let detail = error.to_string();
        match error {
            store::Error::NotFound { what, name } => {
                Self::new(Code::NotFound, detail).about(what, name)
            }
            store::Error::Exists { what, name } => {
                Self::new(Code::Exists, detail).about(what, name)
            }
            store::Error::Limit(_) => Self::new(Code::Limit, detail),
            store::Error::Conflict(_) => Self::new(Code::Conflict, detail),
            store::Error::Locked { .. } => Self::new(Code::Unavailable, detail),
            store::Error::Schema { .. } | store::Error::Damaged { .. } => {
                Self::new(Code::Internal, detail)
            }
            store::Error::Engine(_) => {
                Self::new(Code::Unavailable, "the store failed; the log says how").log(detail)
            }
        }
    }
}

impl From<verify::Error> for Error {
    fn from(error: verify::Error) -> Self {
        match error {
            verify::Error::Store(error) => error.into(),
            verify::Error::Password(error) => Self::bad_request(error.to_string()),
            verify::Error::Unavailable(_) | verify::Error::Interrupted => {
                Self::new(Code::Unavailable, error.to_string())
            }
        }
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        if let Some(internal) = &self.internal {
            tracing::error!(status = self.problem.status, error = internal, "request failed");
        }
        let status = self.problem.code.status();
        let mut response = (status, Json(self.problem)).into_response();
        let json = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(header::CONTENT_TYPE, json);
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(error: store::Error, status: u16, code: Code) {
        let error = Error::from(error);
        assert_eq!((error.problem.status, error.problem.code), (status, code));
    }

    #[test]
    fn store_errors_have_their_status() {
        let name = || "example.org".to_owned();
        check(store::Error::NotFound { what: "domain", name: name() }, 404, Code::NotFound);
        check(store::Error::Exists { what: "domain", name: name() }, 409, Code::Exists);
        check(store::Error::Conflict(name()), 409, Code::Conflict);
        check(store::Error::Locked { path: name() }, 503, Code::Unavailable);
    }

    #[test]
    fn what_the_engine_says_stays_in_the_log() {
        let error = Error::from(store::Error::Engine("sector 7 of /dev/sda".into()));
        assert!(!error.problem.detail.contains("sda"));
        assert!(error.to_string().contains("sector 7"));
    }
}
