//! Answers whose type tells their status, so that the description of the API can
//! be read off a handler.

use axum::{
    Json,
    body::Body,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;

/// What was made: 201.
pub(super) struct Created<T>(pub(super) T);

impl<T: Serialize> IntoResponse for Created<T> {
    fn into_response(self) -> Response {
        (StatusCode::CREATED, Json(self.0)).into_response()
    }
}

/// What has begun and goes on: 202.
pub(super) struct Accepted<T>(pub(super) T);

impl<T: Serialize> IntoResponse for Accepted<T> {
    fn into_response(self) -> Response {
        (StatusCode::ACCEPTED, Json(self.0)).into_response()
    }
}

/// What was told to stop, and does so: 202 without a body.
pub(super) struct Stopping;

impl IntoResponse for Stopping {
    fn into_response(self) -> Response {
        StatusCode::ACCEPTED.into_response()
    }
}

/// A stream of JSON lines.
pub(super) struct JsonLines(pub(super) Body);

impl IntoResponse for JsonLines {
    fn into_response(self) -> Response {
        ([(header::CONTENT_TYPE, "application/jsonl")], self.0).into_response()
    }
}
