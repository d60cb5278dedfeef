//! Userinfo (OpenID Connect Core §5.3): asked with the token itself. Its 401 and
//! its 403 with an error of RFC 6750 speak of the token; the reason stands in
//! `WWW-Authenticate` alone.

use reqwest::header::HeaderValue;
use url::Url;

use super::{
    Refused,
    challenge::Challenge,
    claims::Claims,
    conditions::{Stop, refuse},
    http::{Endpoint, Reply, Request},
    words::printable,
};

/// The request with `token`.
pub(super) fn request<'a>(url: &'a Url, token: &str) -> Request<'a> {
    let mut bearer = HeaderValue::try_from(format!("Bearer {token}"))
        .expect("a token by RFC 6750 is plain ASCII");
    bearer.set_sensitive(true);
    let mut request = Request::get(Endpoint::Userinfo, url);
    request.authorization = Some(bearer);
    request.accept = "application/json, application/jwt";
    request
}

/// A good answer.
pub(super) enum Person {
    /// Claims as they are.
    Plain(Claims),
    /// Claims in a signed token, which is still to be checked.
    Signed(String),
}

/// The person, or what else came.
pub(super) fn read(reply: &Reply) -> Result<Person, Stop> {
    match reply.status {
        200 => {}
        401 | 403 => return Err(refused(reply)),
        404 | 405 => return Err(reply.no_such_endpoint().into()),
        _ => return Err(reply.unusable().into()),
    }
    if reply.media_type.as_deref() == Some("application/jwt") {
        let text =
            std::str::from_utf8(reply.whole_body()?).map_err(|_| reply.malformed("no JWT"))?;
        return Ok(Person::Signed(text.trim().to_owned()));
    }
    Ok(Person::Plain(Claims(reply.object()?)))
}

/// Whether a 401 or 403 is the provider's word on the token.
fn refused(reply: &Reply) -> Stop {
    let challenges: Vec<_> =
        reply.challenges.iter().flat_map(|text| Challenge::read(text)).collect();
    let in_header = |name| challenges.iter().find_map(|challenge| challenge.bearer(name));
    let body = reply.object().ok();
    let in_body = |name| body.as_ref().and_then(|object| object.get(name)?.as_str());
    let said = |name| in_header(name).or_else(|| in_body(name));
    let error = said("error");
    let of_a_proxy = !challenges.is_empty() && challenges.iter().all(Challenge::is_of_a_proxy);
    if of_a_proxy || (reply.status == 403 && !error.is_some_and(is_of_a_token)) {
        return reply.unusable().into();
    }
    let description = said("error_description").unwrap_or_default();
    let error = error.unwrap_or("no reason given");
    let why = if error == "insufficient_scope" { Refused::Scope } else { Refused::Inactive };
    refuse(why, format!("userinfo says {}: {}", printable(error), printable(description)))
}

/// Errors of RFC 6750 §3.1 that speak of a token.
fn is_of_a_token(error: &str) -> bool {
    matches!(error, "invalid_token" | "insufficient_scope")
}
