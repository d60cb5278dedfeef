//! `[http]`: what people and identity providers reach from outside, through a
//! proxy that does TLS.
//!
//! ```text
//! backchannel_logout.rs   a provider says that somebody signed out
//! ```

mod backchannel_logout;

use std::sync::Arc;

use axum::{
    Router,
    http::{HeaderValue, StatusCode, header},
    middleware::map_response,
    response::Response,
    routing::post,
};
use tokio::runtime::Handle;

use self::backchannel_logout::Checks;
use crate::verify::Pipeline;

/// What these paths work on.
#[derive(Clone)]
pub struct State {
    pipeline: Arc<Pipeline>,
    /// Where logins are served: whoever asks a provider does it there, since its
    /// connections live where they were made.
    logins: Handle,
    checks: Checks,
}

impl State {
    /// With the runtime that serves logins.
    pub fn new(pipeline: Arc<Pipeline>, logins: Handle) -> Self {
        Self { pipeline, logins, checks: Checks::default() }
    }
}

/// Everything outside.
pub fn router(state: State) -> Router {
    Router::new()
        .route("/backchannel-logout/{provider}", post(backchannel_logout::take))
        .fallback(async || (StatusCode::NOT_FOUND, "there is nothing here\n"))
        .layer(map_response(with_headers))
        .with_state(state)
}

/// Nothing here is to be kept, nor taken for what it does not say it is.
async fn with_headers(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
