//! Paths, and what holds for every request: who calls, how large, how long.

use std::time::Duration;

use axum::{
    Router,
    extract::{DefaultBodyLimit, Request},
    http::Method,
    middleware::{self, Next},
    response::Response,
    routing::get as get_open,
};

use super::{
    Caller, Error,
    Scope::{Links, Mailboxes, Operate, Read, Settings, Sync, Tokens, Transfer},
    State, admin_links, admin_tokens, app_passwords, arrivals, auth_source, cache, directories,
    domains,
    error::Code,
    explain, held_back, login_log, mailboxes, openapi, preview, provider_test, providers,
    rights::{
        Needs,
        Over::{Domain, Everything, Mailbox, Provider, Something},
        unknown,
    },
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
    let versioned = routes().iter().filter_map(|route| route.shown(&state)).collect();
    let resources = routes()
        .into_iter()
        .fold(resources, |router, route| route.add_to(router, &state, &versioned));
    let resources = resources
        .method_not_allowed_fallback(method_not_allowed)
        .fallback(no_such_path)
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(middleware::from_fn(in_time))
        .layer(middleware::from_fn(from_somebody));
    let open = Router::new()
        .route("/openapi.json", get_open(openapi::show))
        .method_not_allowed_fallback(method_not_allowed);
    Router::new().nest("/api/v1", open.merge(resources)).fallback(no_such_path).with_state(state)
}

/// Each method of each path, with what it needs of a caller.
pub fn needs() -> impl Iterator<Item = (Method, &'static str, Needs)> {
    routes().into_iter().map(|route| route.declared())
}

/// What there is, in the order of the paths: a line for each method of each path, with
/// what its caller must be allowed to do, and with what.
#[rustfmt::skip]
pub(super) fn routes() -> Vec<Route> {
    vec![
        get("/status", (Read, Everything), status::show).says("Show how the server is"),
        get("/domains", (Read, Something), domains::list).says("List the domains"),
        post("/domains", (Settings, Everything), domains::create).says("Make a domain"),
        get("/domains/{name}", (Read, Domain), domains::show).versioned(&["mailboxes", "used_quota_bytes"]).says("Show a domain"),
        patch("/domains/{name}", (Settings, Everything), domains::change).says("Change a domain"),
        delete("/domains/{name}", (Settings, Everything), domains::remove).says("Remove a domain without mailboxes"),
        post("/domains/{name}/auth-source", (Mailboxes, Domain), auth_source::switch).says("Switch the auth source of many mailboxes, a page of them"),
        get("/directories", (Read, Everything), directories::list).says("List the directories"),
        get("/directories/{name}", (Read, Everything), directories::show).says("Show a directory"),
        post("/directories/{name}/test", (Operate, Everything), directories::test).says("Try a directory out, step by step"),
        get("/providers", (Read, Something), providers::list).says("List the identity providers"),
        post("/providers", (Settings, Everything), providers::create).says("Add an identity provider"),
        get("/providers/{name}", (Read, Provider), providers::show).versioned(providers::VOLATILE).says("Show an identity provider"),
        patch("/providers/{name}", (Settings, Everything), providers::change).says("Change an identity provider by a merge patch (RFC 7396)"),
        delete("/providers/{name}", (Settings, Everything), providers::remove).says("Remove an identity provider that nobody follows"),
        post("/providers/{name}/test", (Operate, Provider), provider_test::test).says("Try an identity provider out, step by step"),
        post("/providers/{name}/preview", (Operate, Provider), preview::show).says("Show which mailbox somebody would get"),
        get("/providers/{name}/sync", (Read, Provider), sync::show).says("Show the sync under way, else the last one"),
        post("/providers/{name}/sync", (Sync, Provider), sync::start).says("Start a sync, or plan one"),
        delete("/providers/{name}/sync", (Sync, Provider), sync::stop).says("Stop the sync under way"),
        get("/providers/{name}/sync/runs", (Read, Provider), sync::runs).says("List the syncs, latest first"),
        get("/providers/{name}/sync/runs/{run}", (Read, Provider), sync_log::run).says("List the lines of a sync"),
        get("/providers/{name}/sync/logins", (Read, Provider), sync_log::logins).says("List what was done outside of syncs, latest first"),
        get("/providers/{name}/sync/next", (Read, Provider), sync::next).says("Show when the next sync is due, and the last ones"),
        get("/providers/{name}/sync/plan", (Read, Provider), sync_log::plan).says("List the lines of the last dry run"),
        get("/templates", (Read, Something), templates::list).says("List the templates"),
        post("/templates", (Settings, Everything), templates::create).says("Make a template"),
        get("/templates/{name}", (Read, Something), templates::show).versioned(&[]).says("Show a template"),
        patch("/templates/{name}", (Settings, Everything), templates::change).says("Change a template"),
        delete("/templates/{name}", (Settings, Everything), templates::remove).says("Remove a template"),
        get("/mailboxes", (Read, Something), mailboxes::list).says("List mailboxes, by address"),
        post("/mailboxes", (Mailboxes, Something), mailboxes::create).says("Make a mailbox"),
        get("/mailboxes/{address}", (Read, Mailbox), mailboxes::show).or_owner().versioned(mailboxes::VOLATILE).says("Show a mailbox, and what else decides over it"),
        patch("/mailboxes/{address}", (Mailboxes, Mailbox), mailboxes::change).says("Change a mailbox"),
        delete("/mailboxes/{address}", (Mailboxes, Mailbox), mailboxes::remove).says("Remove a mailbox"),
        put("/mailboxes/{address}/password", (Mailboxes, Mailbox), mailboxes::set_password).or_owner().says("Set the local password"),
        delete("/mailboxes/{address}/password", (Mailboxes, Mailbox), mailboxes::remove_password).says("Remove the local password"),
        get("/mailboxes/{address}/app-passwords", (Read, Mailbox), app_passwords::list).or_owner().says("List the app passwords"),
        post("/mailboxes/{address}/app-passwords", (Mailboxes, Mailbox), app_passwords::create).or_owner().says("Make an app password, whose text is shown this once"),
        delete("/mailboxes/{address}/app-passwords", (Mailboxes, Mailbox), app_passwords::revoke_all).or_owner().says("Revoke all app passwords"),
        delete("/mailboxes/{address}/app-passwords/{id}", (Mailboxes, Mailbox), app_passwords::revoke).or_owner().says("Revoke an app password"),
        get("/login-log", (Read, Something), login_log::list).or_owner().says("List logins, latest first, equal ones in one row"),
        get("/held-back", (Read, Something), held_back::list).says("List accounts and networks that are held back"),
        post("/held-back/lift", (Operate, Something), held_back::lift).says("Let an account or network in again"),
        get("/cache", (Read, Everything), cache::show).says("Show how full the caches are"),
        post("/cache/flush", (Operate, Something), cache::flush).says("Forget what is cached"),
        post("/explain", (Operate, Something), explain::explain).says("Explain what a login would come to, without effects"),
        get("/admin-tokens", (Tokens, Everything), admin_tokens::list).says("List the admin tokens"),
        post("/admin-tokens", (Tokens, Everything), admin_tokens::create).says("Make an admin token, whose text is shown this once"),
        delete("/admin-tokens/{id}", (Tokens, Everything), admin_tokens::revoke).says("Revoke an admin token"),
        post("/admin-links", (Links, Everything), admin_links::create).says("Make a one-time address by which somebody administers the pages"),
        get("/export", (Transfer, Everything), transfer::export).says("Stream everything as JSON lines, hashes included"),
        post("/import", (Transfer, Everything), transfer::import).says("Take over records of an export").up_to(transfer::MAX_IMPORT_BYTES),
        post("/import/mailboxes", (Transfer, Everything), arrivals::take_in).says("Take in mailboxes of another mail system").up_to(arrivals::MAX_ARRIVALS_BYTES),
        post("/import/app-passwords", (Transfer, Everything), arrivals::take_in_app_passwords).says("Take in app passwords of another mail system").up_to(arrivals::MAX_ARRIVALS_BYTES),
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
        return Err(unknown());
    }
    Ok(next.run(request).await)
}

async fn in_time(request: Request, next: Next) -> Result<Response, Error> {
    tokio::time::timeout(REQUEST_TIMEOUT, next.run(request)).await.map_err(|_| {
        let seconds = REQUEST_TIMEOUT.as_secs();
        Error::new(Code::Timeout, format!("the request was not done after {seconds} s"))
    })
}
