//! OpenID Connect Back-Channel Logout 1.0: whether a logout token is the
//! provider's, meant for us and of this moment (§2.6). Anybody may send one, so
//! nothing in it is believed before its signature is checked.
//!
//! Whether its `jti` was seen before is for whoever keeps them to say.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::{
    Outage, OutageCause, Provider,
    claims::{BadClaim, Claims},
    conditions::{self, LEEWAY_MILLIS, Stop},
    token::{self, Jwt, Signed},
    words::{beginning, printable, without},
};
use crate::{clock::Timestamp, mailbox::provider::Method, secret::Secret};

/// Longest check altogether: keys may have to be fetched.
const LIMIT: Duration = Duration::from_secs(9);
/// How old a logout token may be: providers send it at once, and §2.6 leaves the
/// time to us.
const MAX_AGE: Duration = Duration::from_secs(300);
/// Member of `events` that makes a token one (§2.4).
const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// A logout token that is good. At least one of subject and session is there.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Logout {
    /// Whose sessions ended (`sub`).
    pub subject: Option<String>,
    /// Which one ended (`sid`); all of the person's where there is none.
    pub session: Option<String>,
    /// Its own id (`jti`), by which it is taken once.
    pub id: String,
    /// Until when it would be taken again if nobody remembered its id.
    pub expires: Timestamp,
}

/// Why a logout token is not taken.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum LogoutRefused {
    /// It is not good. In words that hold nothing of the token but its claims.
    Bad(String),
    /// It cannot be told.
    Unavailable(Outage),
}

impl From<BadClaim> for LogoutRefused {
    fn from(BadClaim(what): BadClaim) -> Self {
        bad(what)
    }
}

impl From<Stop> for LogoutRefused {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Refused(refusal) => bad(refusal.detail),
            Stop::NotApplicable(why) => bad(why),
            Stop::Unavailable(outage) => Self::Unavailable(outage),
        }
    }
}

impl Provider {
    /// Whether `token` is a logout token of this provider's for our client, or for one
    /// whose tokens open mailboxes: a provider tells each client of the sessions that
    /// it began, and ours begins none where mail programs have clients of their own. Takes
    /// no longer than the settings' time limits allow (9 s for all requests
    /// together).
    ///
    /// # Errors
    /// It is not, or that cannot be told.
    pub async fn check_logout_token(
        &self,
        token: &Secret,
        now: Timestamp,
    ) -> Result<Logout, LogoutRefused> {
        let checked = self.logout(token, now).await;
        let clean = |text: &str| printable(&without(beginning(text), token.expose()));
        checked.map_err(|refused| match refused {
            LogoutRefused::Bad(what) => LogoutRefused::Bad(clean(&what)),
            LogoutRefused::Unavailable(Outage { cause, detail }) => {
                LogoutRefused::Unavailable(Outage { cause, detail: clean(&detail) })
            }
        })
    }

    async fn logout(&self, token: &Secret, now: Timestamp) -> Result<Logout, LogoutRefused> {
        let settings = self.settings();
        let unset = |key: &str| {
            let detail = format!("a logout token cannot be checked without {key}: set it");
            LogoutRefused::Unavailable(Outage::new(OutageCause::Settings, detail))
        };
        let audience = settings.logout_audience();
        if audience.is_empty() {
            return Err(unset("client_id"));
        }
        if settings.issuer.is_none() {
            return Err(unset("issuer"));
        }
        let jwt = token::text(token.expose()).and_then(Jwt::parse);
        let jwt = jwt.ok_or_else(|| bad("no JWT"))?;
        header(&jwt)?;
        let began = Instant::now();
        let claims = self.signed(&jwt, began, began + LIMIT).await?;
        conditions::issuer(&claims, settings, Method::Jwt)?;
        read(&claims, &audience, now)
    }
}

/// What can be refused without asking for keys.
fn header(jwt: &Jwt<'_>) -> Result<(), LogoutRefused> {
    if jwt.signed() == Signed::Unsupported {
        return Err(bad("it is signed in a way that is not known here"));
    }
    let Some(word) = jwt.header.get("typ") else { return Ok(()) };
    let word = word.as_str().unwrap_or_default().to_ascii_lowercase();
    let word = word.strip_prefix("application/").unwrap_or(&word);
    if matches!(word, "logout+jwt" | "jwt") {
        return Ok(());
    }
    Err(bad("its header says that it is another kind of token"))
}

/// Everything but signature and issuer.
fn read(claims: &Claims, ours: &[&str], now: Timestamp) -> Result<Logout, LogoutRefused> {
    let audience = claims.list("aud")?;
    if !audience.iter().any(|client| ours.contains(client)) {
        let detail = format!("it is for {}, not for {}", audience.join(" "), ours.join(" "));
        return Err(bad(detail));
    }
    let expires = times(claims, now)?;
    let name = |claim| claims.name(claim).map(|name| name.map(str::to_owned));
    let (subject, session) = (name("sub")?, name("sid")?);
    if subject.is_none() && session.is_none() {
        return Err(bad("it names neither sub nor sid"));
    }
    let event = claims.0.get("events").and_then(Value::as_object);
    if !event.and_then(|events| events.get(EVENT)).is_some_and(Value::is_object) {
        return Err(bad("its events do not say that it is a logout token"));
    }
    // An ID token may have one, and must not pass for this.
    if claims.has("nonce") {
        return Err(bad("it has a nonce, which a logout token must not have"));
    }
    let id = name("jti")?.ok_or_else(|| bad("it has no jti"))?;
    Ok(Logout { subject, session, id, expires })
}

/// Until when it may be taken.
fn times(claims: &Claims, now: Timestamp) -> Result<Timestamp, LogoutRefused> {
    let moment = |claim: &str| {
        let moment = claims.moment(claim)?;
        moment.ok_or_else(|| BadClaim(format!("it does not say {claim}")))
    };
    let leeway = Duration::from_millis(LEEWAY_MILLIS);
    let (issued, expires) = (moment("iat")?, moment("exp")?);
    if issued > now.after(leeway) {
        return Err(bad(format!("it is of {issued}, which is to come by our clock ({now})")));
    }
    let last = expires.min(issued.after(MAX_AGE)).after(leeway);
    if last <= now {
        return Err(bad(format!(
            "it is of {issued}, good until {expires}, and too old by our clock ({now})"
        )));
    }
    Ok(last)
}

fn bad(what: impl Into<String>) -> LogoutRefused {
    LogoutRefused::Bad(what.into())
}
