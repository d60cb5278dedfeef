//! `/live` and `/ready`: whether to restart us, and whether to send us logins.

use std::sync::Arc;

use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};

use super::Internal;

/// How the server is, as far as a supervisor of it goes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Health {
    /// The store is open and logins are answered. A provider that is down
    /// changes nothing: who needs none gets in, and another server would not
    /// reach it either.
    Ready,
    /// It finishes what is pending, and takes nothing new.
    Stopping,
    /// What serves logins has not given a sign of life for long.
    Stuck,
}

/// Asks the running server how it is.
pub type Reporter = Arc<dyn Fn() -> Health + Send + Sync>;

pub(super) async fn live(State(internal): State<Internal>) -> Response {
    match (internal.health)() {
        Health::Ready | Health::Stopping => "live\n".into_response(),
        Health::Stuck => (StatusCode::SERVICE_UNAVAILABLE, "stuck\n").into_response(),
    }
}

pub(super) async fn ready(State(internal): State<Internal>) -> Response {
    let word = match (internal.health)() {
        Health::Ready => return "ready\n".into_response(),
        Health::Stopping => "stopping\n",
        Health::Stuck => "stuck\n",
    };
    (StatusCode::SERVICE_UNAVAILABLE, word).into_response()
}
