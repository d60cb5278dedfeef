//! Paths, and what holds for every request: who calls, how large, how long.

use std::time::Duration;

use axum::{
    Router,
    extract::{DefaultBodyLimit, Request},
    middleware::{self, Next},
    response::Response,
    routing::{delete, get, post, put},
};

use super::{
    Caller, Error, State, app_passwords, arrivals, auth_source, cache, directories, domains,
    error::Code, explain, held_back, login_log, mailboxes, provider_test, providers, status, sync,
    sync_log, templates, transfer,
};

/// Largest body of a request but an import's.
const MAX_BODY_BYTES: usize = 256 * 1024;
/// Longest work on one request; the body of an export is sent after it.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);

/// All of `/api/v1`.
pub fn router(state: State) -> Router {
    let resources = Router::new()
        .route("/status", get(status::show))
        .route("/domains", get(domains::list).post(domains::create))
        .route("/domains/{name}", get(domains::show).patch(domains::change).delete(domains::remove))
        .route("/domains/{name}/auth-source", post(auth_source::switch))
        .route("/directories", get(directories::list))
        .route("/directories/{name}", get(directories::show))
        .route("/directories/{name}/test", post(directories::test))
        .route("/providers", get(providers::list).post(providers::create))
        .route(
            "/providers/{name}",
            get(providers::show).patch(providers::change).delete(providers::remove),
        )
        .route("/providers/{name}/test", post(provider_test::test))
        .route("/providers/{name}/sync", get(sync::show).post(sync::start).delete(sync::stop))
        .route("/providers/{name}/sync/runs", get(sync::runs))
        .route("/providers/{name}/sync/runs/{run}", get(sync_log::run))
        .route("/providers/{name}/sync/logins", get(sync_log::logins))
        .route("/providers/{name}/sync/next", get(sync::next))
        .route("/providers/{name}/sync/plan", get(sync_log::plan))
        .route("/templates", get(templates::list).post(templates::create))
        .route(
            "/templates/{name}",
            get(templates::show).patch(templates::change).delete(templates::remove),
        )
        .route("/mailboxes", get(mailboxes::list).post(mailboxes::create))
        .route(
            "/mailboxes/{address}",
            get(mailboxes::show).patch(mailboxes::change).delete(mailboxes::remove),
        )
        .route(
            "/mailboxes/{address}/password",
            put(mailboxes::set_password).delete(mailboxes::remove_password),
        )
        .route(
            "/mailboxes/{address}/app-passwords",
            get(app_passwords::list).post(app_passwords::create),
        )
        .route("/mailboxes/{address}/app-passwords/{id}", delete(app_passwords::revoke))
        .route("/login-log", get(login_log::list))
        .route("/held-back", get(held_back::list))
        .route("/held-back/lift", post(held_back::lift))
        .route("/cache", get(cache::show))
        .route("/cache/flush", post(cache::flush))
        .route("/explain", post(explain::explain))
        .route("/export", get(transfer::export))
        .route(
            "/import",
            post(transfer::import).layer(DefaultBodyLimit::max(transfer::MAX_IMPORT_BYTES)),
        )
        .route(
            "/import/mailboxes",
            post(arrivals::take_in).layer(DefaultBodyLimit::max(arrivals::MAX_ARRIVALS_BYTES)),
        )
        .route(
            "/import/app-passwords",
            post(arrivals::take_in_app_passwords)
                .layer(DefaultBodyLimit::max(arrivals::MAX_ARRIVALS_BYTES)),
        )
        .method_not_allowed_fallback(method_not_allowed)
        .fallback(no_such_path)
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(middleware::from_fn(in_time))
        .layer(middleware::from_fn(from_somebody));
    Router::new().nest("/api/v1", resources).fallback(no_such_path).with_state(state)
}

async fn no_such_path(request: Request) -> Error {
    Error::new(Code::NotFound, format!("there is nothing at {}", request.uri().path()))
}

async fn method_not_allowed(request: Request) -> Error {
    let (method, path) = (request.method(), request.uri().path());
    Error::new(Code::MethodNotAllowed, format!("{path} does not take {method}"))
}

/// Refuses a request of which nobody said whose it is, before anything reads it.
async fn from_somebody(request: Request, next: Next) -> Result<Response, Error> {
    if request.extensions().get::<Caller>().is_none() {
        return Err(Error::new(Code::Forbidden, "it is not known who sent this request"));
    }
    Ok(next.run(request).await)
}

async fn in_time(request: Request, next: Next) -> Result<Response, Error> {
    tokio::time::timeout(REQUEST_TIMEOUT, next.run(request)).await.map_err(|_| {
        let seconds = REQUEST_TIMEOUT.as_secs();
        Error::new(Code::Timeout, format!("the request was not done after {seconds} s"))
    })
}
