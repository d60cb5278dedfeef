//! What a provider says of itself (OpenID Connect Discovery 1.0): its endpoints.
//!
//! It is believed about endpoints only as far as a token and a client secret
//! may go there: never in clear where we ask by TLS, and in clear to no other
//! host than the one that was configured.

use serde_json::Value;
use url::Url;

use super::{
    Outage, OutageCause, Settings,
    http::{Endpoint, Reply},
    json::Object,
    settings::{Endpoints, same_issuer},
};

/// Where the document is, below the issuer.
const WELL_KNOWN: &str = ".well-known/openid-configuration";

/// Address of the document of the issuer at `base`.
pub(super) fn document_url(base: &Url) -> Url {
    let mut url = base.clone();
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().extend(WELL_KNOWN.split('/'));
    }
    url
}

/// Endpoints by the document in `reply`.
///
/// # Errors
/// It is no such document, or that of another issuer.
pub(super) fn read(reply: &Reply, settings: &Settings) -> Result<Endpoints, Outage> {
    match reply.status {
        200 => {}
        404 | 405 => {
            let detail = format!(
                "{}: status {}: there is no such document; is server_url right (realm, path, the \
                 /auth of old Keycloaks)?",
                reply.asked, reply.status
            );
            return Err(Outage::new(OutageCause::Settings, detail));
        }
        _ => return Err(reply.unusable()),
    }
    let document = reply.object()?;
    let issuer = document.get("issuer").and_then(|issuer| issuer.as_str());
    let issuer = issuer.ok_or_else(|| reply.malformed("it names no issuer"))?;
    if let Some(expected) = &settings.issuer
        && !same_issuer(issuer, expected)
    {
        let detail = format!(
            "the provider calls itself {issuer}, and {expected} is expected: mend server_url, or \
             set issuer to what tokens name"
        );
        return Err(Outage::new(OutageCause::Settings, detail));
    }
    Ok(Endpoints {
        introspection: endpoint(&document, "introspection_endpoint", reply, settings)?,
        userinfo: endpoint(&document, "userinfo_endpoint", reply, settings)?,
        jwks: endpoint(&document, "jwks_uri", reply, settings)?,
        // Nobody's token depends on these.
        authorization: page(&document, "authorization_endpoint", reply, settings),
        token: endpoint(&document, "token_endpoint", reply, settings).ok().flatten(),
        end_session: page(&document, "end_session_endpoint", reply, settings),
        names_itself: document.get(NAMES_ITSELF).and_then(Value::as_bool).unwrap_or_default(),
    })
}

/// RFC 9207 §3.
const NAMES_ITSELF: &str = "authorization_response_iss_parameter_supported";

/// An address of the document to which browsers are sent: as it stands there, since
/// people need not reach the server where we do. Not one where their passwords would
/// go in clear.
fn page(document: &Object, member: &str, reply: &Reply, settings: &Settings) -> Option<Url> {
    let url = url(document, member, reply).ok().flatten()?;
    let issuer = settings.issuer.as_deref().unwrap_or_default();
    (url.scheme() == "https" || issuer.starts_with("http://")).then_some(url)
}

fn url(document: &Object, member: &str, reply: &Reply) -> Result<Option<Url>, Outage> {
    let Some(text) = document.get(member) else { return Ok(None) };
    let url = text.as_str().and_then(|text| Url::parse(text).ok());
    let malformed = || reply.malformed(format!("{member} is no URL"));
    url.filter(is_plain).map(Some).ok_or_else(malformed)
}

/// One endpoint of the document.
fn endpoint(
    document: &Object,
    member: &str,
    reply: &Reply,
    settings: &Settings,
) -> Result<Option<Url>, Outage> {
    let Some(url) = url(document, member, reply)? else { return Ok(None) };
    let Some(base) = &settings.base else { return Ok(Some(url)) };
    let url = at_our_address(url, base, settings.issuer.as_deref());
    if url.scheme() == "http" && (base.scheme() != "http" || url.host() != base.host()) {
        let detail = format!(
            "{}: {member} is {url}, where tokens would go in clear; set it by hand if that is \
             meant, or issuer if people know the server by another address",
            reply.asked
        );
        return Err(Outage::new(OutageCause::Settings, detail));
    }
    Ok(Some(url))
}

fn is_plain(url: &Url) -> bool {
    matches!(url.scheme(), "http" | "https")
        && url.has_host()
        && url.username().is_empty()
        && url.password().is_none()
        && url.fragment().is_none()
}

/// Endpoints at the address that people use are asked where we were told to ask.
fn at_our_address(url: Url, base: &Url, issuer: Option<&str>) -> Url {
    let issuer = issuer.and_then(|issuer| Url::parse(issuer).ok());
    if issuer.is_none_or(|issuer| issuer.origin() != url.origin()) {
        return url;
    }
    let mut ours = base.clone();
    ours.set_path(url.path());
    ours.set_query(url.query());
    ours
}

/// Key of the setting that stands in for discovery's word.
pub(super) fn setting_of(endpoint: Endpoint) -> &'static str {
    match endpoint {
        Endpoint::Discovery
        | Endpoint::Token
        | Endpoint::Users
        | Endpoint::Listing
        | Endpoint::Events => "server_url",
        Endpoint::Jwks => "jwks_url",
        Endpoint::Introspection => "introspection_url",
        Endpoint::Userinfo => "userinfo_url",
        Endpoint::Code => "token_url",
    }
}
