//! The one HTTP client of a provider: every request goes through here, with its
//! limits of time, size and number, and past the breaker.
//!
//! No proxy, no redirects, no cookies, HTTP/1.1. What comes back is hostile
//! input: an answer is read up to [`MAX_BODY_BYTES`] and no further.

use std::{
    error::Error as _,
    io,
    sync::{
        Mutex, MutexGuard,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use reqwest::{
    Client,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue, WWW_AUTHENTICATE},
    redirect::Policy,
};
use serde_json::Value;
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::timeout_at,
};
use url::Url;

use super::{
    Outage, OutageCause, Settings, Status,
    breaker::{Breaker, Outcome},
    json::{self, Object},
    tls,
    words::printable,
};

/// Longest answer that is read: Keycloak's discovery document has 6 KB, a key
/// set of hundreds of keys 200 KB.
const MAX_BODY_BYTES: usize = 256 * 1024;
/// Requests to one provider at the same time.
const MAX_CONCURRENT: usize = 32;
/// Shorter than servers and proxies keep a connection that nobody uses.
const POOL_IDLE: Duration = Duration::from_secs(30);

/// What is asked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Endpoint {
    Discovery,
    Jwks,
    Introspection,
    Userinfo,
    Token,
    Users,
}

impl Endpoint {
    const ALL: [Self; 6] = [
        Self::Discovery,
        Self::Jwks,
        Self::Introspection,
        Self::Userinfo,
        Self::Token,
        Self::Users,
    ];

    /// Its name in logs, steps and counts.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Discovery => "discovery",
            Self::Jwks => "jwks",
            Self::Introspection => "introspection",
            Self::Userinfo => "userinfo",
            Self::Token => "token",
            Self::Users => "users",
        }
    }
}

/// One request.
pub(super) struct Request<'a> {
    pub(super) endpoint: Endpoint,
    pub(super) url: &'a Url,
    /// Media types that are understood.
    pub(super) accept: &'static str,
    pub(super) authorization: Option<HeaderValue>,
    /// Posted where there is one.
    pub(super) form: Option<String>,
}

impl<'a> Request<'a> {
    /// A GET for JSON.
    pub(super) fn get(endpoint: Endpoint, url: &'a Url) -> Self {
        Self { endpoint, url, accept: "application/json", authorization: None, form: None }
    }
}

/// One answer.
#[derive(Debug)]
pub(super) struct Reply {
    /// What was asked, and where, for words.
    pub(super) asked: String,
    pub(super) status: u16,
    /// Media type in lower case, without parameters.
    pub(super) media_type: Option<String>,
    pub(super) challenges: Vec<String>,
    pub(super) body: Vec<u8>,
}

impl Reply {
    /// The JSON object in it.
    pub(super) fn object(&self) -> Result<Object, Outage> {
        self.json(json::object)
    }

    /// The JSON list in it.
    pub(super) fn list(&self) -> Result<Vec<Value>, Outage> {
        self.json(json::list)
    }

    fn json<T>(&self, read: fn(&[u8]) -> Result<T, String>) -> Result<T, Outage> {
        let media_type = self.media_type.as_deref().unwrap_or("none");
        let is_json = media_type.starts_with("application/")
            && (media_type.ends_with("/json") || media_type.ends_with("+json"));
        if !is_json {
            return Err(self.malformed(format!("content type {media_type} in place of JSON")));
        }
        read(&self.body).map_err(|error| self.malformed(error))
    }

    /// An outage: this is not what the protocol asks for.
    pub(super) fn malformed(&self, what: impl AsRef<str>) -> Outage {
        Outage::new(OutageCause::Malformed, format!("{}: {}", self.asked, what.as_ref()))
    }

    /// An outage: nobody answers there.
    pub(super) fn no_such_endpoint(&self) -> Outage {
        let detail = format!("{}: status {}: there is no such endpoint", self.asked, self.status);
        Outage::new(OutageCause::Settings, detail)
    }

    /// An outage: an answer of this status says nothing of the token.
    pub(super) fn unusable(&self) -> Outage {
        let what = match self.status {
            300..=399 => "a redirect, which is not followed: is the URL right?",
            429 => "too many requests",
            500..=599 => "it cannot answer",
            _ => "no answer to our question",
        };
        let detail = format!("{}: status {}, {what}", self.asked, self.status);
        Outage::new(OutageCause::Status, detail)
    }
}

/// The client.
#[derive(Debug)]
pub(super) struct Http {
    client: Client,
    timeout: Duration,
    places: Semaphore,
    breaker: Mutex<Breaker>,
    counts: Counts,
    /// Sent in place of the host's own name to servers of this origin.
    host: Option<(url::Origin, HeaderValue)>,
}

#[derive(Debug, Default)]
struct Counts {
    requests: [AtomicU64; 6],
    failures: AtomicU64,
    down: Mutex<Option<String>>,
}

impl Http {
    /// A client by these settings.
    pub(super) fn new(settings: &Settings) -> Result<Self, Outage> {
        let no_client = |what: String| Outage::new(OutageCause::Tls, what);
        let tls = tls::client_config(&settings.tls)
            .map_err(|error| no_client(format!("ca_file: {error}")))?;
        let client = Client::builder()
            .tls_backend_preconfigured(tls)
            .connect_timeout(settings.connect_timeout)
            .redirect(Policy::none())
            .referer(false)
            .no_proxy()
            .http1_only()
            .retry(reqwest::retry::never())
            .pool_idle_timeout(POOL_IDLE)
            .user_agent(concat!("dovegate/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| no_client(format!("no HTTP client: {error}")))?;
        Ok(Self {
            client,
            timeout: settings.timeout,
            places: Semaphore::new(MAX_CONCURRENT),
            // As long as an answer may take: who waits in vain learns nothing
            // that the one before did not.
            breaker: Mutex::new(Breaker::new(settings.timeout)),
            counts: Counts::default(),
            host: settings
                .base
                .as_ref()
                .and_then(|base| host_header(base, settings.issuer.as_deref())),
        })
    }

    /// Asks, and waits no longer than the settings and `deadline` allow.
    pub(super) async fn ask(
        &self,
        request: Request<'_>,
        deadline: Instant,
    ) -> Result<Reply, Outage> {
        let asked = asked(&request);
        let now = Instant::now();
        if deadline <= now {
            let detail = format!("{asked}: no time is left after what was asked before");
            return Err(Outage::new(OutageCause::Slow, detail));
        }
        let turn = deadline.min(now + self.timeout).into();
        let (_place, mut admitted) = self.admit(&asked, turn).await?;
        // Who waited for a place has no less time for the answer: otherwise a crowd
        // makes a provider look slow that is not.
        let fair = Instant::now() + self.timeout;
        let limit = deadline.min(fair);
        let exchange = timeout_at(limit.into(), self.exchange(&request, &asked)).await;
        let in_time = exchange.is_ok() || limit == fair;
        let result = exchange.unwrap_or_else(|_| {
            let what = if in_time {
                format!("no answer within {}", seconds(self.timeout))
            } else {
                "no answer in the time that was left".to_owned()
            };
            Err(Outage::new(OutageCause::Slow, format!("{asked}: {what}")))
        });
        if in_time {
            admitted.outcome = outcome(&result);
        }
        self.note(&result);
        result
    }

    /// A request's place among those that are under way.
    async fn admit(
        &self,
        asked: &str,
        limit: tokio::time::Instant,
    ) -> Result<(SemaphorePermit<'_>, Admitted<'_>), Outage> {
        let down = || {
            let last = lock(&self.counts.down).clone().unwrap_or_default();
            Outage::new(
                OutageCause::Down,
                format!("not asked for a moment, since it failed: {last}"),
            )
        };
        if lock(&self.breaker).is_open(Instant::now()) {
            return Err(down());
        }
        let place = timeout_at(limit, self.places.acquire()).await.map_err(|_| {
            let detail = format!("{asked}: {MAX_CONCURRENT} requests are under way already");
            Outage::new(OutageCause::Busy, detail)
        })?;
        let place = place.expect("nobody closes the semaphore");
        // Those before may have opened it meanwhile.
        if !lock(&self.breaker).admits(Instant::now()) {
            return Err(down());
        }
        Ok((place, Admitted { breaker: &self.breaker, outcome: Outcome::GivenUp }))
    }

    /// Once more where the connection broke before an answer: servers close
    /// connections that nobody used for a while, sometimes at this very moment.
    async fn exchange(&self, request: &Request<'_>, asked: &str) -> Result<Reply, Outage> {
        match self.send(request, asked).await {
            Err(error) if error.is_request() && !error.is_connect() && !error.is_timeout() => {
                self.send(request, asked).await
            }
            first => first,
        }
        .map_err(|error| transport_outage(asked, error))?
    }

    /// The outer error is the connection's.
    async fn send(
        &self,
        request: &Request<'_>,
        asked: &str,
    ) -> Result<Result<Reply, Outage>, reqwest::Error> {
        self.counts.requests[request.endpoint as usize].fetch_add(1, Ordering::Relaxed);
        let mut response = self.prepared(request).send().await?;
        let header = |name| response.headers().get_all(name).iter();
        let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let media_type = header(CONTENT_TYPE).next().map(|value| {
            let value = text(value);
            printable(value.split(';').next().unwrap_or_default().trim()).to_ascii_lowercase()
        });
        let mut reply = Reply {
            asked: asked.to_owned(),
            status: response.status().as_u16(),
            media_type,
            challenges: header(WWW_AUTHENTICATE).take(8).map(text).collect(),
            body: Vec::new(),
        };
        while let Some(chunk) = response.chunk().await? {
            if reply.body.len() + chunk.len() > MAX_BODY_BYTES {
                return Ok(Err(reply.malformed("the answer is too large")));
            }
            reply.body.extend_from_slice(&chunk);
        }
        Ok(Ok(reply))
    }

    fn prepared(&self, request: &Request<'_>) -> reqwest::RequestBuilder {
        let url = request.url.clone();
        let mut builder = match &request.form {
            None => self.client.get(url),
            Some(form) => {
                let form_type = HeaderValue::from_static("application/x-www-form-urlencoded");
                self.client.post(url).header(CONTENT_TYPE, form_type).body(form.clone())
            }
        };
        builder = builder.header(ACCEPT, request.accept);
        if let Some((origin, host)) = &self.host
            && *origin == request.url.origin()
        {
            builder = builder.header(HOST, host);
        }
        if let Some(authorization) = &request.authorization {
            builder = builder.header(AUTHORIZATION, authorization);
        }
        builder
    }

    fn note(&self, result: &Result<Reply, Outage>) {
        let failure = match result {
            Ok(reply) if reply.status >= 500 || reply.status == 429 => {
                Some(reply.unusable().detail)
            }
            Ok(_) => None,
            Err(outage) => Some(outage.detail.clone()),
        };
        if failure.is_some() {
            self.counts.failures.fetch_add(1, Ordering::Relaxed);
        }
        *lock(&self.counts.down) = failure;
    }

    /// How it goes.
    pub(super) fn status(&self) -> Status {
        let count = |endpoint: Endpoint| {
            let sent = self.counts.requests[endpoint as usize].load(Ordering::Relaxed);
            (endpoint.name(), sent)
        };
        Status {
            requests: Endpoint::ALL.map(count).into(),
            failures: self.counts.failures.load(Ordering::Relaxed),
            down: lock(&self.counts.down).clone(),
        }
    }
}

/// Tells the breaker how a request ended, also one that nobody waits for any
/// more.
struct Admitted<'a> {
    breaker: &'a Mutex<Breaker>,
    outcome: Outcome,
}

impl Drop for Admitted<'_> {
    fn drop(&mut self) {
        lock(self.breaker).ended(self.outcome, Instant::now());
    }
}

/// Only what no token can bring about counts against the provider: otherwise
/// anybody could close it for all.
fn outcome(result: &Result<Reply, Outage>) -> Outcome {
    match result {
        // Many limit each person apart, so one who asks too often says nothing of
        // the others.
        Ok(reply) if reply.status == 429 => Outcome::GivenUp,
        Ok(reply) if matches!(reply.status, 502..=504) => Outcome::Failed,
        Ok(_) => Outcome::Answered,
        Err(outage) if outage.cause == OutageCause::Malformed => Outcome::Answered,
        Err(_) => Outcome::Failed,
    }
}

/// `Host` where people know the server by another name than we do: Keycloak
/// takes its issuer from it.
fn host_header(base: &Url, issuer: Option<&str>) -> Option<(url::Origin, HeaderValue)> {
    let issuer = Url::parse(issuer?).ok()?;
    let authority = |url: &Url| {
        let host = url.host_str().unwrap_or_default().to_owned();
        url.port().map_or(host.clone(), |port| format!("{host}:{port}"))
    };
    if authority(base) == authority(&issuer) {
        return None;
    }
    Some((base.origin(), HeaderValue::from_str(&authority(&issuer)).ok()?))
}

/// What is asked, and where: name and URL without a query.
fn asked(request: &Request<'_>) -> String {
    let mut url = request.url.clone();
    url.set_query(None);
    printable(&format!("{} at {url}", request.endpoint.name()))
}

fn seconds(time: Duration) -> String {
    crate::clock::Span(time).to_string()
}

/// Why no answer came.
fn transport_outage(asked: &str, error: reqwest::Error) -> Outage {
    let is_connect = error.is_connect();
    let is_timeout = error.is_timeout();
    let error = error.without_url();
    let mut deepest = error.to_string();
    let mut broken_handshake = false;
    let mut cause = error.source();
    while let Some(next) = cause {
        if let Some(bad) = next.downcast_ref::<rustls::Error>() {
            return Outage::new(OutageCause::Tls, format!("{asked}: {}", tls::words(bad)));
        }
        deepest = next.to_string();
        // What an I/O error wraps is not its source, but hides it.
        let io = next.downcast_ref::<io::Error>();
        broken_handshake |=
            is_connect && io.is_some_and(|io| io.kind() == io::ErrorKind::UnexpectedEof);
        let wrapped = io.and_then(io::Error::get_ref);
        cause = wrapped.map_or_else(|| next.source(), |wrapped| Some(wrapped));
    }
    let (cause, what) = match (is_connect, is_timeout) {
        (true, _) if broken_handshake => (OutageCause::Tls, "no TLS"),
        (true, true) => (OutageCause::Unreachable, "no connection in time"),
        (true, false) => (OutageCause::Unreachable, "no connection"),
        (false, true) => (OutageCause::Slow, "no answer in time"),
        (false, false) => {
            (OutageCause::Unreachable, "the connection broke before the whole answer")
        }
    };
    Outage::new(cause, format!("{asked}: {what} ({deepest})"))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no holder panics")
}
