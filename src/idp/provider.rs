//! One identity provider: its connections, and what it says of itself.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use url::Url;

use super::{
    Checked, Outage, OutageCause, Settings,
    breaker::BreakerState,
    check::Check,
    discovery,
    events::{EventsState, Feed},
    figures::{Figures, Times},
    http::{Endpoint, Http, Reply, Request},
    jwks::KeySet,
    kept::{Fetched, Kept},
    service_token::ServiceToken,
    settings::Endpoints,
};
use crate::{clock::Timestamp, secret::Secret};

/// One identity provider, with its connections and what is known of it.
#[derive(Debug)]
pub struct Provider {
    settings: Arc<Settings>,
    /// Every login by token may be told it, so it is made once.
    openid_configuration: Option<String>,
    http: Http,
    discovered: Kept<Endpoints>,
    keys: Kept<KeySet>,
    pub(super) service: ServiceToken,
    pub(super) feed: Feed,
}

/// How it goes with a provider since the start.
#[derive(Clone, Debug, Default)]
pub struct Status {
    /// Requests that were sent and have ended, by what was asked ("discovery",
    /// "jwks", "introspection", "userinfo", "token", "users", "events") and by how
    /// they ended (`answered`, `refused`, `limited`, `failed`, `unreachable`,
    /// `tls`, `slow`, `given_up`).
    pub requests: BTreeMap<&'static str, BTreeMap<&'static str, Times>>,
    /// Requests under way.
    pub in_flight: usize,
    /// Requests that wait for others to end.
    pub waiting: usize,
    /// Requests that were not sent: no place in time, or the provider is left
    /// alone.
    pub unsent: u64,
    /// Requests that came to no usable answer.
    pub failures: u64,
    /// The last of these, in words; none if the last request was answered.
    pub down: Option<String>,
    /// Whether it is asked.
    pub breaker: BreakerState,
    /// How much longer it wants to be left alone, at one endpoint at least.
    pub held: Option<Duration>,
    /// Whether it is heard of what happens to people.
    pub events: EventsState,
    /// How long ago it was last heard of all that happened; none if never.
    pub events_age: Option<Duration>,
}

impl Provider {
    /// A provider by these settings. Nothing is asked yet.
    ///
    /// # Errors
    /// TLS cannot be set up (the certificates in `ca_file`).
    pub fn new(settings: Settings) -> Result<Self, Outage> {
        Self::counting_in(settings, Arc::default())
    }

    /// The same, which goes on with these counters.
    ///
    /// # Errors
    /// As [`Provider::new`].
    pub fn counting_in(settings: Settings, figures: Arc<Figures>) -> Result<Self, Outage> {
        let http = Http::new(&settings, figures)?;
        Ok(Self {
            openid_configuration: openid_configuration(&settings),
            settings: Arc::new(settings),
            http,
            discovered: Kept::default(),
            keys: Kept::default(),
            service: ServiceToken::default(),
            feed: Feed::default(),
        })
    }

    /// Its settings.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Asks whether a token is good. Takes no longer than the settings' time
    /// limits allow (9 s for all requests together), and counts nothing but its
    /// requests.
    pub async fn check_token(&self, token: &Secret, now: Timestamp) -> Checked {
        Check::new(self, token, now).run().await
    }

    /// Address of its discovery document, where it has one, as people reach it.
    pub fn openid_configuration(&self) -> Option<&str> {
        self.openid_configuration.as_deref()
    }

    /// How it goes.
    pub fn status(&self) -> Status {
        Status {
            events: self.feed.state(),
            events_age: self.feed.age(Instant::now()),
            ..self.http.status()
        }
    }

    /// Sends one request.
    pub(super) async fn ask(
        &self,
        request: Request<'_>,
        deadline: Instant,
    ) -> Result<Reply, Outage> {
        self.http.ask(request, deadline).await
    }

    /// Where `endpoint` is: by the settings, else by discovery.
    pub(super) async fn endpoint(
        &self,
        endpoint: Endpoint,
        deadline: Instant,
    ) -> Result<Url, Outage> {
        if let Some(url) = pick(&self.settings.endpoints, endpoint) {
            return Ok(url.clone());
        }
        let missing = |said: &str| {
            let key = discovery::setting_of(endpoint);
            let detail = format!("{said} no {} endpoint: set {key}", endpoint.name());
            Outage::new(OutageCause::Settings, detail)
        };
        let base = self.settings.base.as_ref().ok_or_else(|| missing("the settings name"))?;
        let discovered = self.discovered(base, deadline).await?;
        pick(&discovered, endpoint).cloned().ok_or_else(|| missing("the provider names"))
    }

    /// All of them: as configured, and where there is a document, by that.
    pub(super) async fn endpoints(&self, deadline: Instant) -> Result<Endpoints, Outage> {
        let configured = self.settings.endpoints.clone();
        let Some(base) = &self.settings.base else { return Ok(configured) };
        let discovered = self.discovered(base, deadline).await?;
        Ok(configured.or((*discovered).clone()))
    }

    async fn discovered(&self, base: &Url, deadline: Instant) -> Result<Arc<Endpoints>, Outage> {
        let fetch = async || {
            let url = discovery::document_url(base);
            let reply = self.ask(Request::get(Endpoint::Discovery, &url), deadline).await?;
            discovery::read(&reply, &self.settings)
        };
        Ok(self.discovered.get(deadline, fetch).await?.value)
    }

    /// The keys that it signs with.
    pub(super) async fn keys(&self, deadline: Instant) -> Result<Fetched<KeySet>, Outage> {
        self.keys.get(deadline, async || self.fetch_keys(deadline).await).await
    }

    /// A newer key set than one that came at `seen`; see [`Kept::newer`].
    pub(super) async fn newer_keys(
        &self,
        seen: Instant,
        deadline: Instant,
    ) -> Result<Option<Fetched<KeySet>>, Outage> {
        self.keys.newer(seen, deadline, async || self.fetch_keys(deadline).await).await
    }

    async fn fetch_keys(&self, deadline: Instant) -> Result<KeySet, Outage> {
        let url = self.endpoint(Endpoint::Jwks, deadline).await?;
        let mut request = Request::get(Endpoint::Jwks, &url);
        request.accept = "application/jwk-set+json, application/json";
        KeySet::read(&self.ask(request, deadline).await?)
    }
}

fn openid_configuration(settings: &Settings) -> Option<String> {
    let base = settings.base.as_ref()?;
    let issuer = settings.issuer.as_ref().and_then(|issuer| Url::parse(issuer).ok());
    Some(discovery::document_url(issuer.as_ref().unwrap_or(base)).into())
}

fn pick(endpoints: &Endpoints, endpoint: Endpoint) -> Option<&Url> {
    match endpoint {
        Endpoint::Discovery
        | Endpoint::Token
        | Endpoint::Users
        | Endpoint::Listing
        | Endpoint::Events => None,
        Endpoint::Jwks => endpoints.jwks.as_ref(),
        Endpoint::Introspection => endpoints.introspection.as_ref(),
        Endpoint::Userinfo => endpoints.userinfo.as_ref(),
        Endpoint::Code => endpoints.token.as_ref(),
    }
}
