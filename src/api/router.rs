//! Paths, and what holds for every request: who calls, how large, how long.

use std::time::Duration;

use axum::{
    Router,
    extract::{DefaultBodyLimit, Request},
    middleware::{self, Next},
    response::Response,
};

use super::{
    Caller, Error, State, app_passwords, arrivals, auth_source, cache, directories, domains,
    error::Code,
    explain, held_back, login_log, mailboxes, provider_test, providers,
    route::{Route, delete, get, patch, post, put},
    status, sync, sync_log, templates, transfer,
};

/// Largest body of a request but an import's.
const MAX_BODY_BYTES: usize = 256 * 1024;
/// Longest work on one request; the body of an export is sent after it.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);

/// All of `/api/v1`.
pub fn router(state: State) -> Router {
    let resources = Router::new();
    let resources = routes().into_iter().fold(resources, |router, route| route.add_to(router));
    let resources = resources
        .method_not_allowed_fallback(method_not_allowed)
        .fallback(no_such_path)
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(middleware::from_fn(in_time))
        .layer(middleware::from_fn(from_somebody));
    Router::new().nest("/api/v1", resources).fallback(no_such_path).with_state(state)
}

/// What there is, in the order of the paths: a line for each method of each path.
#[rustfmt::skip]
fn routes() -> Vec<Route> {
    vec![
        get("/status", status::show).says("Show how the server is"),
        get("/domains", domains::list).says("List the domains"),
        post("/domains", domains::create).says("Make a domain"),
        get("/domains/{name}", domains::show).says("Show a domain"),
        patch("/domains/{name}", domains::change).says("Change a domain"),
        delete("/domains/{name}", domains::remove).says("Remove a domain without mailboxes"),
        post("/domains/{name}/auth-source", auth_source::switch).says("Switch the auth source of many mailboxes, a page of them"),
        get("/directories", directories::list).says("List the directories"),
        get("/directories/{name}", directories::show).says("Show a directory"),
        post("/directories/{name}/test", directories::test).says("Try a directory out, step by step"),
        get("/providers", providers::list).says("List the identity providers"),
        post("/providers", providers::create).says("Add an identity provider"),
        get("/providers/{name}", providers::show).says("Show an identity provider"),
        patch("/providers/{name}", providers::change).says("Change an identity provider by a merge patch (RFC 7396)"),
        delete("/providers/{name}", providers::remove).says("Remove an identity provider that nobody follows"),
        post("/providers/{name}/test", provider_test::test).says("Try an identity provider out, step by step"),
        get("/providers/{name}/sync", sync::show).says("Show the sync under way, else the last one"),
        post("/providers/{name}/sync", sync::start).says("Start a sync, or plan one"),
        delete("/providers/{name}/sync", sync::stop).says("Stop the sync under way"),
        get("/providers/{name}/sync/runs", sync::runs).says("List the syncs, latest first"),
        get("/providers/{name}/sync/runs/{run}", sync_log::run).says("List the lines of a sync"),
        get("/providers/{name}/sync/logins", sync_log::logins).says("List what was done outside of syncs, latest first"),
        get("/providers/{name}/sync/next", sync::next).says("Show when the next sync is due, and the last ones"),
        get("/providers/{name}/sync/plan", sync_log::plan).says("List the lines of the last dry run"),
        get("/templates", templates::list).says("List the templates"),
        post("/templates", templates::create).says("Make a template"),
        get("/templates/{name}", templates::show).says("Show a template"),
        patch("/templates/{name}", templates::change).says("Change a template"),
        delete("/templates/{name}", templates::remove).says("Remove a template"),
        get("/mailboxes", mailboxes::list).says("List mailboxes, by address"),
        post("/mailboxes", mailboxes::create).says("Make a mailbox"),
        get("/mailboxes/{address}", mailboxes::show).says("Show a mailbox, and what else decides over it"),
        patch("/mailboxes/{address}", mailboxes::change).says("Change a mailbox"),
        delete("/mailboxes/{address}", mailboxes::remove).says("Remove a mailbox"),
        put("/mailboxes/{address}/password", mailboxes::set_password).says("Set the local password"),
        delete("/mailboxes/{address}/password", mailboxes::remove_password).says("Remove the local password"),
        get("/mailboxes/{address}/app-passwords", app_passwords::list).says("List the app passwords"),
        post("/mailboxes/{address}/app-passwords", app_passwords::create).says("Make an app password, whose text is shown this once"),
        delete("/mailboxes/{address}/app-passwords/{id}", app_passwords::revoke).says("Revoke an app password"),
        get("/login-log", login_log::list).says("List logins, latest first, equal ones in one row"),
        get("/held-back", held_back::list).says("List accounts and networks that are held back"),
        post("/held-back/lift", held_back::lift).says("Let an account or network in again"),
        get("/cache", cache::show).says("Show how full the caches are"),
        post("/cache/flush", cache::flush).says("Forget what is cached"),
        post("/explain", explain::explain).says("Explain what a login would come to, without effects"),
        get("/export", transfer::export).says("Stream everything as JSON lines, hashes included"),
        post("/import", transfer::import).says("Take over records of an export").up_to(transfer::MAX_IMPORT_BYTES),
        post("/import/mailboxes", arrivals::take_in).says("Take in mailboxes of another mail system").up_to(arrivals::MAX_ARRIVALS_BYTES),
        post("/import/app-passwords", arrivals::take_in_app_passwords).says("Take in app passwords of another mail system").up_to(arrivals::MAX_ARRIVALS_BYTES),
    ]
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
