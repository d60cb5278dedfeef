//! `[http.internal]`: for the programs that watch this one. Asks nobody who
//! they are, and changes nothing.

use axum::{
    Router,
    http::{HeaderValue, StatusCode, header},
    middleware::map_response,
    response::Response,
    routing::get,
};

use super::{health, metrics};

/// What these paths work on.
#[derive(Clone)]
pub struct Internal {
    /// How the server is.
    pub health: health::Reporter,
    /// Where the numbers come from.
    pub metrics: metrics::Sources,
}

/// `/live`, `/ready` and `/metrics`.
pub fn internal_router(internal: Internal) -> Router {
    Router::new()
        .route("/live", get(health::live))
        .route("/ready", get(health::ready))
        .route("/metrics", get(metrics::show))
        .fallback(async || (StatusCode::NOT_FOUND, "there is nothing here\n"))
        .layer(map_response(not_stored))
        .with_state(internal)
}

async fn not_stored(mut response: Response) -> Response {
    let no_store = HeaderValue::from_static("no-store");
    response.headers_mut().insert(header::CACHE_CONTROL, no_store);
    response
}
