//! Who asks for a page: from where, and as whom he is signed in.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
};

use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Request, State as Shared},
    http::{HeaderMap, Method, header, request::Parts},
    middleware::Next,
    response::{IntoResponse as _, Redirect, Response},
};
use ipnet::IpNet;
use serde::de::DeserializeOwned;
use url::form_urlencoded;

use super::{
    NOTHING_HERE, State,
    sessions::{Limits, Own, Session},
    settings::Settings,
    sign_in::removed,
    trouble::Trouble,
};
use crate::{
    api::{Caller, caller::Reach},
    clock::Timestamp,
};

/// The cookie with the id of a session. Its name makes browsers take it from this very
/// host alone, by TLS, for every path (RFC 6265bis §4.1.3.2).
pub(super) const SESSION_COOKIE: &str = "__Host-dovegate";

/// The other end of a connection; whoever serves the router puts it into the request.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub SocketAddr);

/// One request for a page.
#[derive(Clone)]
pub(super) struct Visit {
    /// The visitor's own address, behind a proxy of ours the one that it names.
    pub(super) rip: IpAddr,
    /// Path and query that are asked for.
    pub(super) path: String,
    /// The settings as they were when he came.
    pub(super) settings: Arc<Settings>,
    /// Who is signed in.
    pub(super) session: Option<Arc<Session>>,
}

impl Settings {
    pub(super) fn limits(&self) -> Limits {
        Limits { idle: self.session_idle, lifetime: self.session_lifetime }
    }
}

/// Finds out who asks, refuses what was sent from another site's page, and makes a page
/// of what went wrong.
pub(super) async fn accompany(
    Shared(state): Shared<State>,
    mut request: Request,
    next: Next,
) -> Response {
    let settings = state.settings.load_full();
    if settings.public_url.is_none() {
        return NOTHING_HERE.into_response();
    }
    let headers = request.headers();
    let id = cookie(headers, SESSION_COOKIE).map(str::to_owned);
    let find =
        |id: &String| state.sessions.find(id.as_bytes(), settings.limits(), Timestamp::now());
    let session = id.as_ref().and_then(find);
    let peer = request.extensions().get::<Peer>().map(|Peer(address)| address.ip());
    // A form cannot be sent again by whoever has signed in meanwhile.
    let is_page = matches!(*request.method(), Method::GET | Method::HEAD);
    let path = request.uri().path_and_query().filter(|_| is_page);
    let path = path.map_or("/", |path| path.as_str()).to_owned();
    let rip = visitor(peer, headers, &settings.trusted_networks);
    let is_ours = is_from_our_page(request.method(), headers, &settings);
    let visit = Visit { rip, path, settings, session };
    let response = if is_ours {
        request.extensions_mut().insert(visit.clone());
        next.run(request).await
    } else {
        Trouble::Stale.into_response()
    };
    match response.extensions().get::<Trouble>() {
        Some(Trouble::SignedOut) => {
            if let Some(id) = id {
                state.sessions.end(id.as_bytes());
            }
            ([removed(SESSION_COOKIE)], Redirect::to("/sign-in")).into_response()
        }
        Some(trouble) => trouble.page(&visit),
        None => response,
    }
}

/// The visitor's address: the last one of the list that no trusted proxy is itself.
pub(super) fn visitor(peer: Option<IpAddr>, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let is_trusted = |ip: &IpAddr| trusted.iter().any(|network| network.contains(ip));
    let peer = peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |ip| ip.to_canonical());
    if !is_trusted(&peer) {
        return peer;
    }
    let lists = headers.get_all("x-forwarded-for").iter().rev();
    let texts = lists.filter_map(|list| list.to_str().ok()).flat_map(|list| list.rsplit(','));
    let mut nearest = peer;
    for text in texts {
        let Ok(ip) = text.trim().parse::<IpAddr>() else { break };
        nearest = ip.to_canonical();
        if !is_trusted(&nearest) {
            break;
        }
    }
    nearest
}

/// Browsers say which site's page sends a form.
fn is_from_our_page(method: &Method, headers: &HeaderMap, settings: &Settings) -> bool {
    if matches!(*method, Method::GET | Method::HEAD) {
        return true;
    }
    let Some(url) = &settings.public_url else { return false };
    headers.get(header::ORIGIN).is_some_and(|origin| origin.as_bytes() == url.origin().as_bytes())
}

/// The value of a cookie.
pub(super) fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let lines = headers.get_all(header::COOKIE).iter();
    let pairs = lines.filter_map(|line| line.to_str().ok()).flat_map(|line| line.split(';'));
    let mut values =
        pairs.filter_map(|pair| pair.trim().split_once('=')).filter(|(known, _)| *known == name);
    values.next().map(|(_, value)| value)
}

impl<S: Sync> FromRequestParts<S> for Visit {
    type Rejection = Trouble;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Trouble> {
        parts.extensions.get::<Self>().cloned().ok_or(Trouble::Internal)
    }
}

/// Somebody who is signed in to his own mailbox.
pub(super) struct Person {
    pub(super) visit: Visit,
    pub(super) session: Arc<Session>,
    pub(super) own: Own,
}

impl Person {
    /// With whose rights he asks for what is his.
    pub(super) fn caller(&self) -> Caller {
        Caller::person(self.own.address.clone(), self.own.id).as_of(self.own.generation)
    }
}

impl<S: Sync> FromRequestParts<S> for Person {
    type Rejection = Trouble;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Trouble> {
        let visit = Visit::from_request_parts(parts, state).await?;
        let session = signed_in(&visit)?;
        let own = session.mailbox.clone().ok_or(Trouble::Forbidden)?;
        Ok(Self { visit, session, own })
    }
}

/// Somebody who is signed in and administers something.
pub(super) struct Administrator {
    pub(super) visit: Visit,
    pub(super) session: Arc<Session>,
    /// With whose rights he asks.
    pub(super) caller: Caller,
}

impl Administrator {
    /// Whether he administers the whole server, and not some domains of it.
    pub(super) fn has_everything(&self) -> bool {
        self.caller.rights().reach == Reach::Everything
    }
}

impl<S: Sync> FromRequestParts<S> for Administrator {
    type Rejection = Trouble;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Trouble> {
        let visit = Visit::from_request_parts(parts, state).await?;
        let session = signed_in(&visit)?;
        let caller = session.administrator.clone().ok_or(Trouble::Forbidden)?;
        Ok(Self { visit, session, caller })
    }
}

fn signed_in(visit: &Visit) -> Result<Arc<Session>, Trouble> {
    visit.session.clone().ok_or_else(|| Trouble::SignIn(visit.path.clone()))
}

/// A form of somebody who is signed in, from a page of his session.
pub(super) struct Posted<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Posted<T> {
    type Rejection = Trouble;

    async fn from_request(request: Request, state: &S) -> Result<Self, Trouble> {
        let session = request.extensions().get::<Visit>().and_then(|visit| visit.session.clone());
        let session = session.ok_or(Trouble::Stale)?;
        let form = Bytes::from_request(request, state).await.map_err(|_| Trouble::BadForm)?;
        let shown = form_urlencoded::parse(&form).find(|(name, _)| name == "csrf");
        if !shown.is_some_and(|(_, shown)| session.csrf.ct_eq(shown.as_bytes())) {
            return Err(Trouble::Stale);
        }
        serde_html_form::from_bytes(&form).map(Self).map_err(|_| Trouble::BadForm)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
        lines.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn a_trusted_proxy_says_for_whom_it_asks() {
        let trusted = ["127.0.0.0/8".parse().unwrap(), "10.0.0.0/8".parse().unwrap()];
        let check = |peer: &str, forwarded: &[&str], expected: &str| {
            let lines: Vec<_> = forwarded.iter().map(|list| ("x-forwarded-for", *list)).collect();
            let found = visitor(Some(peer.parse().unwrap()), &headers(&lines), &trusted);
            assert_eq!(found, expected.parse::<IpAddr>().unwrap(), "{peer} {forwarded:?}");
        };
        check("127.0.0.1", &[], "127.0.0.1");
        check("127.0.0.1", &["203.0.113.9"], "203.0.113.9");
        check("127.0.0.1", &["198.51.100.1, 203.0.113.9"], "203.0.113.9");
        check("127.0.0.1", &["203.0.113.9, 10.1.1.1"], "203.0.113.9");
        check("127.0.0.1", &["198.51.100.1", "203.0.113.9"], "203.0.113.9");
        check("127.0.0.1", &["203.0.113.9, made up"], "127.0.0.1");
        check("::ffff:127.0.0.1", &["2001:db8::1"], "2001:db8::1");
        check("203.0.113.7", &["198.51.100.1"], "203.0.113.7");
    }

    #[test]
    fn cookies() {
        let sent = headers(&[("cookie", "a=b; __Host-dovegate=c=d"), ("cookie", "e=f")]);
        assert_eq!(cookie(&sent, SESSION_COOKIE), Some("c=d"));
        assert_eq!(cookie(&sent, "e"), Some("f"));
        assert_eq!(cookie(&sent, "dovegate"), None);
    }
}
