//! `provider test`: tries a provider out step by step, from the name of its host
//! to a token, and says what to do about the step that fails.
//!
//! It uses a [`Provider`] of its own, so that neither the connections nor the
//! figures of the one that serves logins are touched, and nothing is believed
//! because it was true an hour ago.

mod connection;
mod hints;
mod sign_in;
mod with_token;
mod withdrawal;

use std::time::{Duration, Instant};

use url::Url;

use self::connection::{Place, certificate_error, rustls_error};
use super::{
    Outage, OutageCause, Provider, Settings,
    conditions::Stop,
    discovery,
    http::{Endpoint, Reply, Request},
    introspection::{self, without_secret},
    json::Object,
    jwks::KeySet,
    settings::{Endpoints, same_issuer},
    tls, userinfo,
    words::printable,
};
use crate::{
    clock::Timestamp,
    mailbox::provider::{Kind, Method},
    remote::{Tls, connect::connect},
    secret::Secret,
};

/// Longest try altogether.
const LIMIT: Duration = Duration::from_secs(20);
/// A token that no provider ever gave out.
const MADE_UP: &str = "dovegate-tries-a-token-that-nobody-gave-out";
/// A certificate that ends sooner is worth a word.
const SOON_DAYS: i64 = 14;

/// One step of a try.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Tried {
    /// What: "resolve", "tcp", "TLS", "discovery", "issuer", "JWKS", "client",
    /// "introspection", "userinfo", "users", "events", "logout", "app passwords", "sign-in",
    /// "token size", "warning"; with a token further ones that begin with "token".
    pub name: String,
    /// What it came to.
    pub outcome: TriedOutcome,
    /// What was found. Holds no secret, and nothing of a token but its claims.
    pub detail: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// How long it took, where something was asked.
    pub took: Option<Duration>,
}

/// What a step came to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TriedOutcome {
    /// Good.
    Ok,
    /// Works, and an administrator should know something of it.
    Warning,
    /// Does not work.
    Failed,
    /// Nothing could be asked, or there is nothing to ask.
    NotTried,
}

/// Tries a provider out, with `token` as far as a login would. Takes 20 s at most.
pub async fn probe(settings: Settings, token: Option<&Secret>, now: Timestamp) -> Vec<Tried> {
    let deadline = Instant::now() + LIMIT;
    let tls = settings.tls.clone();
    let provider = match Provider::new(settings) {
        Ok(provider) => provider,
        Err(outage) => return vec![Tried::failed("TLS", outage.detail, hints::CA_FILE)],
    };
    let mut probe = Probe {
        provider: &provider,
        now,
        deadline,
        tried: Vec::new(),
        in_the_dark: false,
        token_url: None,
        signs_out: false,
    };
    if probe.connection(&tls).await {
        probe.questions().await;
        probe.token(token).await;
    } else {
        for name in ["discovery", "issuer", "JWKS", "client", "introspection", "userinfo"] {
            probe.skip(name, "there is no connection");
        }
        probe.skip_withdrawal("there is no connection");
    }
    probe.warnings();
    probe.tried
}

impl Tried {
    fn new(name: impl Into<String>, outcome: TriedOutcome, detail: impl Into<String>) -> Self {
        let (name, detail) = (name.into(), detail.into());
        Self { name, outcome, detail, hint: None, took: None }
    }

    fn failed(name: &str, detail: String, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..Self::new(name, TriedOutcome::Failed, detail) }
    }

    fn hint(mut self, hint: impl Into<Option<String>>) -> Self {
        self.hint = hint.into();
        self
    }

    fn since(mut self, began: Instant) -> Self {
        self.took = Some(began.elapsed());
        self
    }
}

struct Probe<'a> {
    provider: &'a Provider,
    now: Timestamp,
    deadline: Instant,
    tried: Vec<Tried>,
    /// Discovery had no answer, so endpoints may be missing for that alone.
    in_the_dark: bool,
    /// Where our client may get a token of its own.
    token_url: Option<Url>,
    /// Discovery names back-channel logout.
    signs_out: bool,
}

impl<'a> Probe<'a> {
    fn settings(&self) -> &'a Settings {
        self.provider.settings()
    }

    fn skip(&mut self, name: &str, why: &str) {
        self.tried.push(Tried::new(name, TriedOutcome::NotTried, why));
    }

    /// Where it is asked first.
    fn first_url(&self) -> Option<&'a Url> {
        let settings = self.settings();
        let endpoints = &settings.endpoints;
        let given = [&settings.base, &endpoints.introspection, &endpoints.userinfo];
        given.into_iter().chain([&endpoints.jwks]).flatten().next()
    }

    /// Name, port and certificate; whether questions can be asked.
    async fn connection(&mut self, tls: &Tls) -> bool {
        let Some(place) = self.first_url().and_then(Place::of) else { return false };
        let (deadline, patience) = (self.deadline, self.settings().connect_timeout);
        let until = || deadline.min(Instant::now() + patience);
        let began = Instant::now();
        let addresses = match place.addresses(until()).await {
            Ok(addresses) => addresses,
            Err(error) => {
                let detail = format!("{}: {error}", place.host());
                self.tried.push(Tried::failed("resolve", detail, hints::RESOLVE).since(began));
                self.skip("tcp", "there is no address");
                self.skip("TLS", "there is no address");
                return false;
            }
        };
        let all: Vec<String> = addresses.iter().map(|address| address.ip().to_string()).collect();
        let detail = format!("{} → {}", place.host(), all.join(", "));
        self.tried.push(Tried::new("resolve", TriedOutcome::Ok, detail).since(began));
        let began = Instant::now();
        let (stream, address) = match connect(&addresses, until()).await {
            Ok(connected) => connected,
            Err((error, address)) => {
                let at = address.map_or_else(|| place.host(), |address| address.ip().to_string());
                let detail = format!("port {} of {at}: {error}", place.port);
                let hint = hints::tcp(&error);
                self.tried.push(Tried::failed("tcp", detail, hint).since(began));
                self.skip("TLS", "there is no connection");
                return false;
            }
        };
        let detail = format!("port {} of {}", address.port(), address.ip());
        self.tried.push(Tried::new("tcp", TriedOutcome::Ok, detail).since(began));
        if !place.is_tls {
            self.skip("TLS", "the URL says http");
            return true;
        }
        let tried = self.tls(&place, stream, address, tls).await;
        let works = tried.outcome != TriedOutcome::Failed;
        self.tried.push(tried);
        works
    }

    async fn tls(
        &self,
        place: &Place,
        stream: tokio::net::TcpStream,
        address: std::net::SocketAddr,
        tls: &Tls,
    ) -> Tried {
        let began = Instant::now();
        let until = self.deadline.min(began + self.settings().timeout);
        let error = match place.handshake(stream, tls, until).await {
            Ok(certificate) => {
                let words = certificate.as_ref().map(|shown| shown.words(self.now));
                let words = words.unwrap_or_else(|| "no certificate".to_owned());
                let soon = certificate.is_some_and(|shown| shown.days_left(self.now) < SOON_DAYS);
                let tried = match (tls.ignore_errors, soon) {
                    (true, _) => Tried::new(
                        "TLS",
                        TriedOutcome::Warning,
                        format!("not checked (ignore_ssl_errors): {words}"),
                    ),
                    (false, true) => Tried::new("TLS", TriedOutcome::Warning, words)
                        .hint("It ends soon: have it renewed.".to_owned()),
                    (false, false) => Tried::new("TLS", TriedOutcome::Ok, words),
                };
                return tried.since(began);
            }
            Err(error) => error,
        };
        let words = rustls_error(&error).map_or_else(|| format!("no TLS: {error}"), tls::words);
        let Some(bad) = certificate_error(&error) else {
            return Tried::failed("TLS", printable(&words), hints::NO_TLS).since(began);
        };
        // Once more, to see the certificate that was not believed.
        let anybody = Tls { ca_pem: None, ignore_errors: true };
        let shown = match connect(&[address], until).await {
            Ok((stream, _)) => place.handshake(stream, &anybody, until).await.ok().flatten(),
            Err(_) => None,
        };
        let detail = match &shown {
            None => words,
            Some(shown) => match hints::reason(bad, shown) {
                None => shown.words(self.now),
                Some(reason) => format!("{}, {reason}", shown.words(self.now)),
            },
        };
        let hint = hints::certificate(bad, shown.as_ref(), place, self.settings());
        Tried::failed("TLS", detail, hint).since(began)
    }

    /// Everything that is asked with no token of anybody's.
    async fn questions(&mut self) {
        let found = self.discovery().await;
        self.in_the_dark = found.is_none();
        let endpoints = found.unwrap_or_else(|| self.settings().endpoints.clone());
        self.keys(endpoints.jwks.as_ref()).await;
        self.introspection(endpoints.introspection.as_ref()).await;
        self.userinfo(endpoints.userinfo.as_ref()).await;
        self.users().await;
        self.mapping().await;
        self.events().await;
        self.logout();
        self.app_passwords();
        self.sign_in(&endpoints);
    }

    /// The document, its issuer, and the endpoints that hold in the end; none if
    /// one of them is not as it should be.
    async fn discovery(&mut self) -> Option<Endpoints> {
        let settings = self.settings();
        let configured = settings.endpoints.clone();
        let Some(base) = &settings.base else {
            self.skip("discovery", "there is no server_url: the endpoints are configured");
            self.skip("issuer", "there is no server_url");
            return Some(configured);
        };
        let began = Instant::now();
        let url = discovery::document_url(base);
        let asked = self.provider.ask(Request::get(Endpoint::Discovery, &url), self.deadline).await;
        let (reply, document) = match asked.and_then(|reply| Ok((document(&reply)?, reply))) {
            Ok((document, reply)) => (reply, document),
            Err(outage) => {
                let hint = self.discovery_hint(base, &outage).await;
                self.tried.push(self.outage("discovery", &outage).hint(hint).since(began));
                self.skip("issuer", "there is no document");
                return None;
            }
        };
        let found = printable(url.path());
        self.tried.push(Tried::new("discovery", TriedOutcome::Ok, found).since(began));
        if !self.issuer(&document) {
            return None;
        }
        self.signs_out =
            document.get("backchannel_logout_supported").is_some_and(|said| said == true);
        match discovery::read(&reply, settings) {
            Ok(found) => {
                self.token_url.clone_from(&found.token);
                Some(configured.or(found))
            }
            Err(outage) => {
                let tried =
                    self.outage("discovery", &outage).hint(hints::outage(&outage, settings));
                self.tried.push(tried);
                None
            }
        }
    }

    /// Whether the provider calls itself what tokens are expected to say.
    fn issuer(&mut self, document: &Object) -> bool {
        let named = document.get("issuer").and_then(|issuer| issuer.as_str());
        let expected = self.settings().issuer.as_deref();
        let (Some(named), Some(expected)) = (named, expected) else {
            let detail = "the document names none".to_owned();
            self.tried.push(Tried::failed("issuer", detail, hints::WRONG_DOCUMENT));
            return false;
        };
        let shown = printable(named);
        if same_issuer(named, expected) {
            self.tried.push(Tried::new("issuer", TriedOutcome::Ok, shown));
            return true;
        }
        let detail = format!("the provider calls itself {shown}, and {expected} is expected");
        let hint = hints::issuer(&shown, self.settings());
        self.tried.push(Tried::failed("issuer", detail, hint));
        false
    }

    /// What a missing document may come from. Where a Keycloak has no such page,
    /// it is tried with and without the `/auth` of old releases.
    async fn discovery_hint(&self, base: &Url, outage: &Outage) -> Option<String> {
        let settings = self.settings();
        if outage.cause != OutageCause::Settings {
            return hints::outage(outage, settings);
        }
        if settings.kind != Kind::Keycloak {
            return Some(hints::OIDC_DOCUMENT.to_owned());
        }
        let other = hints::other_prefix(base)?;
        let url = discovery::document_url(&other);
        let asked = self.provider.ask(Request::get(Endpoint::Discovery, &url), self.deadline).await;
        let is_there = asked.is_ok_and(|reply| document(&reply).is_ok());
        Some(if is_there { hints::prefix(&other) } else { hints::realm(settings) })
    }

    async fn keys(&mut self, url: Option<&Url>) {
        let needed = self.settings().methods.contains(&Method::Jwt);
        let Some(url) = url else {
            return self.missing("JWKS", needed, "jwks_url");
        };
        let began = Instant::now();
        let asked = self.provider.ask(Request::get(Endpoint::Jwks, url), self.deadline).await;
        let tried = match asked.and_then(|reply| KeySet::read(&reply)) {
            Ok(keys) if keys.len() == 0 => Tried::new(
                "JWKS",
                if needed { TriedOutcome::Failed } else { TriedOutcome::Warning },
                "no key that signs tokens in a way that is known here",
            ),
            Ok(keys) if keys.len() == 1 => Tried::new("JWKS", TriedOutcome::Ok, "1 key"),
            Ok(keys) => Tried::new("JWKS", TriedOutcome::Ok, format!("{} keys", keys.len())),
            Err(outage) => self.where_needed(needed, "JWKS", &outage),
        };
        self.tried.push(tried.since(began));
    }

    /// Our client's credentials, and what introspection says of a token that
    /// nobody gave out.
    async fn introspection(&mut self, url: Option<&Url>) {
        let settings = self.settings();
        let needed = settings.methods.contains(&Method::Introspection);
        let Some(client) = &settings.client else {
            self.skip("client", "there is no client_secret");
            self.skip("introspection", "it needs client_id and client_secret");
            return;
        };
        let Some(url) = url else {
            self.skip("client", "there is nobody to ask");
            return self.missing("introspection", needed, "introspection_url");
        };
        let began = Instant::now();
        let request = introspection::request(url, client, MADE_UP);
        let asked = self.provider.ask(request, self.deadline).await.map_err(Stop::from);
        let id = printable(&client.id);
        match asked.and_then(|reply| introspection::read(&reply)) {
            Err(Stop::Unavailable(outage)) if outage.cause == OutageCause::Credentials => {
                let tried = self.outage("client", &outage).hint(hints::client(settings));
                self.tried.push(tried.since(began));
                self.skip("introspection", "our client is refused");
            }
            Err(Stop::Unavailable(outage)) => {
                self.skip("client", "introspection does not answer");
                let tried = self.where_needed(needed, "introspection", &outage);
                self.tried.push(tried.since(began));
            }
            Err(Stop::Refused(_) | Stop::NotApplicable(_)) => {
                let detail = format!("\"{id}\" may ask");
                self.tried.push(Tried::new("client", TriedOutcome::Ok, detail).since(began));
                let detail = "a made-up token is called inactive";
                self.tried.push(Tried::new("introspection", TriedOutcome::Ok, detail));
            }
            Ok(_) => {
                self.tried.push(Tried::new("client", TriedOutcome::Ok, id).since(began));
                let detail = "a made-up token is called active".to_owned();
                self.tried.push(Tried::failed("introspection", detail, hints::ACTIVE));
            }
        }
    }

    async fn userinfo(&mut self, url: Option<&Url>) {
        let needed = self.settings().methods.contains(&Method::Userinfo);
        let Some(url) = url else {
            return self.missing("userinfo", needed, "userinfo_url");
        };
        let began = Instant::now();
        let request = userinfo::request(url, MADE_UP);
        let asked = self.provider.ask(request, self.deadline).await.map_err(Stop::from);
        let tried = match asked.and_then(|reply| userinfo::read(&reply)) {
            Err(Stop::Refused(_)) => {
                Tried::new("userinfo", TriedOutcome::Ok, "a made-up token is refused")
            }
            Err(Stop::Unavailable(outage)) => self.where_needed(needed, "userinfo", &outage),
            Err(Stop::NotApplicable(why)) => {
                Tried::new("userinfo", TriedOutcome::NotTried, printable(&why))
            }
            Ok(_) => {
                let detail = "a made-up token is answered with a person".to_owned();
                Tried::failed("userinfo", detail, hints::ACTIVE)
            }
        };
        self.tried.push(tried.since(began));
    }

    /// There is no such endpoint.
    fn missing(&mut self, name: &str, needed: bool, key: &str) {
        if self.in_the_dark {
            self.skip(name, "discovery does not say where");
        } else if needed {
            let detail = "no endpoint is known".to_owned();
            let hint = format!("Discovery has to name it, or {key} has to be set.");
            self.tried.push(Tried::failed(name, detail, hint));
        } else {
            self.skip(name, "no endpoint is known, and none is needed");
        }
    }

    fn outage(&self, name: &str, outage: &Outage) -> Tried {
        let detail = self.clean(&outage.detail);
        // "discovery at https://…" would say the step's name again.
        let rest = detail.split_once(" at ").filter(|(asked, _)| name.eq_ignore_ascii_case(asked));
        Tried::new(name, TriedOutcome::Failed, rest.map_or(detail.as_str(), |(_, rest)| rest))
    }

    /// An outage of something that may not be needed.
    fn where_needed(&self, needed: bool, name: &str, outage: &Outage) -> Tried {
        let mut tried = self.outage(name, outage).hint(hints::outage(outage, self.settings()));
        if !needed {
            tried.outcome = TriedOutcome::Warning;
        }
        tried
    }

    /// What others wrote, without our client's secret.
    fn clean(&self, text: &str) -> String {
        let client = self.settings().client.as_ref();
        client.map_or_else(|| text.to_owned(), |client| without_secret(text, client))
    }

    fn warnings(&mut self) {
        for warning in self.settings().warnings() {
            self.tried.push(Tried::new("warning", TriedOutcome::Warning, warning));
        }
    }
}

/// The discovery document, if it is one.
fn document(reply: &Reply) -> Result<Object, Outage> {
    match reply.status {
        200 => reply.object(),
        404 | 405 => {
            let detail =
                format!("{}: status {}: there is no such document", reply.asked, reply.status);
            Err(Outage::new(OutageCause::Settings, detail))
        }
        _ => Err(reply.unusable()),
    }
}
