//! What is asked, and what comes back.

use std::time::Duration;

use reqwest::header::HeaderValue;
use serde_json::Value;
use url::Url;

use crate::idp::{
    Outage, OutageCause,
    json::{self, Object},
    words::printable,
};

/// Longest answer that is read: Keycloak's discovery document has 6 KB, a key
/// set of hundreds of keys 200 KB.
const MAX_BODY_BYTES: usize = 256 * 1024;
/// Hundreds of events with all that was changed in each; one poll reads them, and no
/// login.
const MAX_EVENTS_BYTES: usize = 2 * 1024 * 1024;

/// A page of people with all their attributes.
const MAX_PAGE_BYTES: usize = 4 * 1024 * 1024;
/// Longest wait for such a page. Nobody waits for it who logs in.
const PAGE_PATIENCE: Duration = Duration::from_secs(30);

/// What is asked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::idp) enum Endpoint {
    Discovery,
    Jwks,
    Introspection,
    Userinfo,
    Token,
    Code,
    Users,
    Listing,
    Events,
}

impl Endpoint {
    pub(in crate::idp) const ALL: [Self; 9] = [
        Self::Discovery,
        Self::Jwks,
        Self::Introspection,
        Self::Userinfo,
        Self::Token,
        Self::Code,
        Self::Users,
        Self::Listing,
        Self::Events,
    ];

    /// Its name in logs, steps and counts.
    pub(in crate::idp) fn name(self) -> &'static str {
        match self {
            Self::Discovery => "discovery",
            Self::Jwks => "jwks",
            Self::Introspection => "introspection",
            Self::Userinfo => "userinfo",
            Self::Token => "token",
            Self::Code => "code",
            Self::Users => "users",
            Self::Listing => "listing",
            Self::Events => "events",
        }
    }

    /// Longest answer that is read.
    pub(super) fn max_body_bytes(self) -> usize {
        match self {
            Self::Events => MAX_EVENTS_BYTES,
            Self::Listing => MAX_PAGE_BYTES,
            _ => MAX_BODY_BYTES,
        }
    }

    /// Longest wait for a whole answer, where the settings allow `timeout`.
    pub(super) fn timeout(self, timeout: Duration) -> Duration {
        match self {
            Self::Listing => PAGE_PATIENCE,
            _ => timeout,
        }
    }
}

/// One request.
pub(in crate::idp) struct Request<'a> {
    pub(in crate::idp) endpoint: Endpoint,
    pub(in crate::idp) url: &'a Url,
    /// Media types that are understood.
    pub(in crate::idp) accept: &'static str,
    pub(in crate::idp) authorization: Option<HeaderValue>,
    /// Posted where there is one.
    pub(in crate::idp) form: Option<String>,
}

impl<'a> Request<'a> {
    /// A GET for JSON.
    pub(in crate::idp) fn get(endpoint: Endpoint, url: &'a Url) -> Self {
        Self { endpoint, url, accept: "application/json", authorization: None, form: None }
    }

    /// What is asked, and where: name and URL without a query.
    pub(super) fn words(&self) -> String {
        let mut url = self.url.clone();
        url.set_query(None);
        printable(&format!("{} at {url}", self.endpoint.name()))
    }
}

/// One answer.
#[derive(Debug, Default)]
pub(in crate::idp) struct Reply {
    /// What was asked, and where, for words.
    pub(in crate::idp) asked: String,
    pub(in crate::idp) status: u16,
    /// Media type in lower case, without parameters.
    pub(in crate::idp) media_type: Option<String>,
    pub(in crate::idp) challenges: Vec<String>,
    /// How long it wants to be left alone, as far as it says so.
    pub(in crate::idp) retry_after: Option<Duration>,
    pub(in crate::idp) body: Vec<u8>,
    /// It was longer than is read, and nothing of it counts.
    pub(in crate::idp) is_cut: bool,
}

impl Reply {
    /// The JSON object in it.
    pub(in crate::idp) fn object(&self) -> Result<Object, Outage> {
        self.json(json::object)
    }

    /// The JSON list in it.
    pub(in crate::idp) fn list(&self) -> Result<Vec<Value>, Outage> {
        self.json(json::list)
    }

    fn json<T>(&self, read: fn(&[u8]) -> Result<T, String>) -> Result<T, Outage> {
        let media_type = self.media_type.as_deref().unwrap_or("none");
        let is_json = media_type.starts_with("application/")
            && (media_type.ends_with("/json") || media_type.ends_with("+json"));
        if !is_json {
            return Err(self.malformed(format!("content type {media_type} in place of JSON")));
        }
        read(self.whole_body()?).map_err(|error| self.malformed(error))
    }

    /// All of it.
    pub(in crate::idp) fn whole_body(&self) -> Result<&[u8], Outage> {
        if self.is_cut { Err(self.malformed("the answer is too large")) } else { Ok(&self.body) }
    }

    /// An outage: this is not what the protocol asks for.
    pub(in crate::idp) fn malformed(&self, what: impl AsRef<str>) -> Outage {
        Outage::new(OutageCause::Malformed, format!("{}: {}", self.asked, what.as_ref()))
    }

    /// An outage: nobody answers there.
    pub(in crate::idp) fn no_such_endpoint(&self) -> Outage {
        let detail = format!("{}: status {}: there is no such endpoint", self.asked, self.status);
        Outage::new(OutageCause::Settings, detail)
    }

    /// An outage: an answer of this status says nothing of the token.
    pub(in crate::idp) fn unusable(&self) -> Outage {
        let what = match self.status {
            300..=399 => "a redirect, which is not followed: is the URL right?",
            429 => "too many requests",
            500..=599 => "it cannot answer",
            _ => "no answer to our question",
        };
        let detail = format!("{}: status {}, {what}", self.asked, self.status);
        let cause = if self.status == 429 { OutageCause::Busy } else { OutageCause::Status };
        Outage::new(cause, detail)
    }
}
