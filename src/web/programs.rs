//! `/api/v1` for programs: the router of `api`, for who shows an admin token. Cookies
//! count for nothing here, so no page of somebody else can have a browser ask.

use axum::{
    Router,
    extract::{Request, State as Shared},
    http::{Extensions, HeaderMap, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse as _, Response},
    routing::any,
};

use super::{
    State,
    visit::{Peer, visitor},
};
use crate::{
    api::{Caller, Code, Error},
    clock::Timestamp,
    secret::Secret,
};

/// Largest body of a request: the API's own limit. What is larger (an import) goes by the
/// admin socket, where no stranger can have us read it.
pub const MAX_BODY_BYTES: usize = 256 << 10;

/// Where programs ask.
pub(super) fn router() -> Router<State> {
    // Below it, and itself: nothing there is a page.
    let api = Router::new().route("/api/v1", any(pass)).route("/api/v1/", any(pass));
    api.route("/api/v1/{*rest}", any(pass))
}

/// Hands a request on, with the rights of its token.
async fn pass(Shared(state): Shared<State>, request: Request) -> Response {
    let mut extensions = Extensions::new();
    if !is_for_everybody(&request) {
        let peer = request.extensions().get::<Peer>().copied();
        let caller = match admitted(&state, request.headers(), peer).await {
            Ok(caller) => caller,
            Err(refusal) => return refused(refusal),
        };
        extensions.insert(caller);
    }
    let (mut head, body) = request.into_parts();
    // What this router has found in the path is no name to the next one.
    head.extensions = extensions;
    state.desk.pass(Request::from_parts(head, body)).await
}

/// The description of the API says nothing of what is kept here.
fn is_for_everybody(request: &Request) -> bool {
    request.method() == Method::GET && request.uri().path() == "/api/v1/openapi.json"
}

async fn admitted(state: &State, headers: &HeaderMap, peer: Option<Peer>) -> Result<Caller, Error> {
    let token = bearer(headers).ok_or_else(|| {
        let why = "this needs an admin token, as \"Authorization: Bearer dga_…\"";
        Error::new(Code::Unauthorized, why)
    })?;
    let peer = peer.map(|Peer(address)| address.ip());
    let rip = visitor(peer, headers, &state.settings.load().trusted_networks);
    state.bearers.caller(&token, rip, Timestamp::now()).await
}

/// The token of the one `Authorization` field (RFC 6750 §2.1).
fn bearer(headers: &HeaderMap) -> Option<Secret> {
    let mut fields = headers.get_all(header::AUTHORIZATION).iter();
    let (field, None) = (fields.next()?, fields.next()) else { return None };
    let (scheme, token) = field.as_bytes().split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| Secret::new(token.trim_ascii()))
}

/// RFC 6750 §3.
fn refused(refusal: Error) -> Response {
    let mut response = refusal.into_response();
    if response.status() == StatusCode::UNAUTHORIZED {
        let challenge = HeaderValue::from_static("Bearer realm=\"dovegate\"");
        response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_bearer_token() {
        let read = |fields: &[&str]| {
            let fields = fields.iter().map(|field| (header::AUTHORIZATION, field.parse().unwrap()));
            bearer(&fields.collect()).map(|token| token.expose().to_vec())
        };
        assert_eq!(read(&["Bearer dga_a_b"]), Some(b"dga_a_b".to_vec()));
        assert_eq!(read(&["bEARER  dga_a_b "]), Some(b"dga_a_b".to_vec()));
        for none in [&[][..], &["Basic YTpi"], &["Bearer"], &["Bearer a", "Bearer b"]] {
            assert_eq!(read(none), None, "{none:?}");
        }
    }
}
