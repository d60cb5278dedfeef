//! The one HTTP client of a provider: every request goes through here, with its
//! limits of time, size and number, and past the breaker.
//!
//! No proxy, no redirects, no cookies, HTTP/1.1. What comes back is hostile
//! input, and each answer is read up to a bound and no further.

mod message;

use std::{
    error::Error as _,
    io,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use reqwest::{
    Client,
    header::{
        ACCEPT, AUTHORIZATION, CONTENT_TYPE, DATE, HOST, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE,
    },
    redirect::Policy,
};
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::timeout_at,
};
use url::Url;

use super::{
    Outage, OutageCause, Settings, Status,
    breaker::{Breaker, Outcome},
    figures::{Ended, Figures},
    hold::{Hold, Holds, retry_after},
    tls,
    words::printable,
};
pub(super) use message::{Endpoint, Reply, Request};

/// What is spoken there, for TLS.
pub(super) const HTTP: &[&str] = &["http/1.1"];
/// Requests to one provider at the same time.
const MAX_CONCURRENT: usize = 32;
/// Shorter than servers and proxies keep a connection that nobody uses.
const POOL_IDLE: Duration = Duration::from_secs(30);

/// The client.
#[derive(Debug)]
pub(super) struct Http {
    client: Client,
    timeout: Duration,
    places: Semaphore,
    breaker: Mutex<Breaker>,
    holds: Holds,
    figures: Arc<Figures>,
    counts: Counts,
    /// Sent in place of the host's own name to servers of this origin.
    host: Option<(url::Origin, HeaderValue)>,
}

#[derive(Debug, Default)]
struct Counts {
    /// Who waits for a place.
    waiting: AtomicUsize,
    down: Mutex<Option<String>>,
}

impl Http {
    /// A client by these settings, which counts its requests there.
    pub(super) fn new(settings: &Settings, figures: Arc<Figures>) -> Result<Self, Outage> {
        let no_client = |what: String| Outage::new(OutageCause::Tls, what);
        let tls = tls::client_config(&settings.tls, HTTP)
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
            holds: Holds::default(),
            figures,
            counts: Counts::default(),
            host: settings
                .base
                .as_ref()
                .and_then(|base| host_header(base, settings.issuer.as_deref())),
        })
    }

    /// Asks, and waits no longer than the settings and `deadline` allow. What was
    /// too much (429) is sent once more, later, where there is time for it: nobody
    /// has taken it in.
    pub(super) async fn ask(
        &self,
        request: Request<'_>,
        deadline: Instant,
    ) -> Result<Reply, Outage> {
        let asked = request.words();
        let first = self.ask_once(&request, &asked, deadline).await?;
        let now = Instant::now();
        self.holds.note(request.endpoint, &first, now);
        let hold = self.holds.on(request.endpoint, now);
        if first.status != 429 || hold.is_some_and(|hold| hold.until >= deadline) {
            return Ok(first);
        }
        let second = self.ask_once(&request, &asked, deadline).await?;
        self.holds.note(request.endpoint, &second, Instant::now());
        Ok(second)
    }

    async fn ask_once(
        &self,
        request: &Request<'_>,
        asked: &str,
        deadline: Instant,
    ) -> Result<Reply, Outage> {
        let mut admitted = match self.admit(request.endpoint, asked, deadline).await {
            Ok(admitted) => admitted,
            Err(outage) => {
                self.figures.unsent.fetch_add(1, Ordering::Relaxed);
                return Err(outage);
            }
        };
        // Who waited for a place has no less time for the answer: otherwise a crowd
        // makes a provider look slow that is not.
        let timeout = request.endpoint.timeout(self.timeout);
        let fair = Instant::now() + timeout;
        let limit = deadline.min(fair);
        let exchange = timeout_at(limit.into(), self.exchange(request, &mut admitted));
        let exchange = exchange.await;
        let in_time = exchange.is_ok() || limit == fair;
        let result = match exchange {
            Ok(result) => result.map_err(|error| transport_outage(asked, error)),
            Err(_) if in_time => {
                let what = format!("no answer within {}", seconds(timeout));
                Err(Outage::new(OutageCause::Slow, format!("{asked}: {what}")))
            }
            Err(_) => {
                let detail = format!("{asked}: no answer in the time that was left");
                Err(Outage::new(OutageCause::Slow, detail))
            }
        };
        admitted.ended = ended(&result);
        if in_time {
            admitted.outcome = outcome(request.endpoint, &result);
        }
        self.note(&result);
        result
    }

    /// A request's place among those that are under way. A crowd waits for its
    /// places as long as each of its logins may take.
    async fn admit(
        &self,
        endpoint: Endpoint,
        asked: &str,
        deadline: Instant,
    ) -> Result<Admitted<'_>, Outage> {
        if deadline <= Instant::now() {
            let detail = format!("{asked}: no time is left after what was asked before");
            return Err(Outage::new(OutageCause::Slow, detail));
        }
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
        let place = loop {
            self.wait_for_hold(endpoint, asked, deadline).await?;
            let place = self.place(asked, deadline).await?;
            // Those before may have been told to come back later meanwhile.
            if self.holds.on(endpoint, Instant::now()).is_none() {
                break place;
            }
        };
        // Or they may have opened it.
        if !lock(&self.breaker).admits(Instant::now()) {
            return Err(down());
        }
        Ok(Admitted {
            http: self,
            endpoint,
            sent: Instant::now(),
            outcome: Outcome::GivenUp,
            ended: Ended::GivenUp,
            _place: place,
        })
    }

    /// Waits until the provider wants to hear of us again, where there is time.
    async fn wait_for_hold(
        &self,
        endpoint: Endpoint,
        asked: &str,
        deadline: Instant,
    ) -> Result<(), Outage> {
        while let Some(Hold { until, cause }) = self.holds.on(endpoint, Instant::now()) {
            // Who is away is away; who has too much to do only wants less at once.
            if cause != OutageCause::Busy || until >= deadline {
                let left = seconds(until.saturating_duration_since(Instant::now()));
                let detail = format!("{asked}: not asked for another {left}, as it told us");
                return Err(Outage::new(cause, detail));
            }
            tokio::time::sleep_until(until.into()).await;
        }
        Ok(())
    }

    async fn place(&self, asked: &str, deadline: Instant) -> Result<SemaphorePermit<'_>, Outage> {
        if let Ok(place) = self.places.try_acquire() {
            return Ok(place);
        }
        let _waiting = Waiting::new(&self.counts.waiting);
        let place = timeout_at(deadline.into(), self.places.acquire()).await.map_err(|_| {
            let detail = format!("{asked}: {MAX_CONCURRENT} requests are under way already");
            Outage::new(OutageCause::Busy, detail)
        })?;
        Ok(place.expect("nobody closes the semaphore"))
    }

    /// Once more where the connection broke before an answer: servers close
    /// connections that nobody used for a while, sometimes at this very moment.
    /// Nothing that is asked here changes anything, so twice is as good as once; where a
    /// sign-in's code was taken in, the sign-in is lost with or without the second time.
    async fn exchange(
        &self,
        request: &Request<'_>,
        admitted: &mut Admitted<'_>,
    ) -> Result<Reply, reqwest::Error> {
        match self.send(request).await {
            Err(error) if error.is_request() && !error.is_connect() && !error.is_timeout() => {
                let took = admitted.sent.elapsed();
                self.figures.note(request.endpoint, Ended::Unreachable, took);
                admitted.sent = Instant::now();
                self.send(request).await
            }
            first => first,
        }
    }

    async fn send(&self, request: &Request<'_>) -> Result<Reply, reqwest::Error> {
        let mut response = self.prepared(request).send().await?;
        let mut reply = head(&response, request);
        while let Some(chunk) = response.chunk().await? {
            if reply.body.len() + chunk.len() > request.endpoint.max_body_bytes() {
                reply.body = Vec::new();
                reply.is_cut = true;
                break;
            }
            reply.body.extend_from_slice(&chunk);
        }
        Ok(reply)
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
            self.figures.failures.fetch_add(1, Ordering::Relaxed);
        }
        *lock(&self.counts.down) = failure;
    }

    /// How it goes.
    pub(super) fn status(&self) -> Status {
        let (counts, now) = (&self.counts, Instant::now());
        Status {
            requests: self.figures.requests(),
            in_flight: MAX_CONCURRENT - self.places.available_permits(),
            waiting: counts.waiting.load(Ordering::Relaxed),
            unsent: self.figures.unsent.load(Ordering::Relaxed),
            failures: self.figures.failures.load(Ordering::Relaxed),
            down: lock(&counts.down).clone(),
            breaker: lock(&self.breaker).state(now),
            held: self.holds.left(now),
            ..Status::default()
        }
    }
}

/// A request that may go out. Tells breaker and figures how it ended, also where
/// nobody waits for it any more.
struct Admitted<'a> {
    http: &'a Http,
    endpoint: Endpoint,
    sent: Instant,
    outcome: Outcome,
    ended: Ended,
    _place: SemaphorePermit<'a>,
}

impl Drop for Admitted<'_> {
    fn drop(&mut self) {
        let now = Instant::now();
        lock(&self.http.breaker).ended(self.outcome, now);
        self.http.figures.note(self.endpoint, self.ended, now - self.sent);
    }
}

/// Counts somebody who waits.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn new(number: &'a AtomicUsize) -> Self {
        number.fetch_add(1, Ordering::Relaxed);
        Self(number)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// An answer without its body.
fn head(response: &reqwest::Response, request: &Request<'_>) -> Reply {
    let header = |name| response.headers().get_all(name).iter();
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let first = |name| header(name).next().map(text);
    let media_type = first(CONTENT_TYPE).map(|value| {
        printable(value.split(';').next().unwrap_or_default().trim()).to_ascii_lowercase()
    });
    let date = first(DATE);
    Reply {
        asked: request.words(),
        status: response.status().as_u16(),
        media_type,
        challenges: header(WWW_AUTHENTICATE).take(8).map(text).collect(),
        retry_after: first(RETRY_AFTER).and_then(|value| retry_after(&value, date.as_deref())),
        body: Vec::new(),
        is_cut: false,
    }
}

fn ended(result: &Result<Reply, Outage>) -> Ended {
    match result {
        Ok(reply) => match reply.status {
            200..=299 => Ended::Answered,
            429 => Ended::Limited,
            503 if reply.retry_after.is_some() => Ended::Limited,
            500..=599 => Ended::Failed,
            _ => Ended::Refused,
        },
        Err(outage) => match outage.cause {
            OutageCause::Tls => Ended::Tls,
            OutageCause::Slow => Ended::Slow,
            _ => Ended::Unreachable,
        },
    }
}

/// Only what no token can bring about counts against the provider: otherwise
/// anybody could close it for all. Nor does it count that events are slow: a realm
/// may have millions of them, and no login needs any.
fn outcome(endpoint: Endpoint, result: &Result<Reply, Outage>) -> Outcome {
    let failed = if endpoint == Endpoint::Events { Outcome::GivenUp } else { Outcome::Failed };
    match result {
        // Many limit each person apart, so one who asks too often says nothing of
        // the others.
        Ok(reply) if reply.status == 429 => Outcome::GivenUp,
        Ok(reply) if matches!(reply.status, 502..=504) => failed,
        Ok(_) => Outcome::Answered,
        Err(outage) if outage.cause == OutageCause::Slow => failed,
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
