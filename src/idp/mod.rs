//! Asks the identity provider, and believes nothing that it need not.
//!
//! A [`Provider`] is one identity provider, with one HTTP client for every call
//! to it. [`Provider::check_token`] says whether a bearer token is good by
//! everything that was configured; whose mailbox it opens is not decided here.
//!
//! Three answers, as everywhere: the provider vouches for the token, it refuses
//! it, or it cannot be asked. What is slow, down, malformed or our own fault is
//! never a refusal.

mod challenge;
mod check;
mod claims;
mod conditions;
mod discovery;
mod events;
mod figures;
mod hold;
mod http;
mod introspection;
mod json;
mod jwks;
mod kept;
mod keycloak;
mod listing;
mod logout;
mod memberships;
pub mod probe;
mod provider;
mod service_token;
pub mod settings;
mod sign_in;
mod signature;
mod token;
mod told;
mod userinfo;

pub use self::{
    events::{EventsState, Happened, Happening, Polled},
    figures::{BUCKETS_MILLIS, Figures, Times},
    keycloak::{LookedUp, Mailpassword, Person},
    listing::{Ids, Listing},
    logout::{Logout, LogoutRefused},
    memberships::Memberships,
    provider::{Provider, Status},
    settings::{Problem, Settings},
    sign_in::{Chance, Departure, NotSignedIn, Return, SignedIn},
};
pub use crate::remote::{Outage, OutageCause, breaker::BreakerState};
use crate::{
    clock::Timestamp,
    mailbox::Profile,
    remote::{breaker, tls, words},
};

/// What asking about a token came to, and what was seen on the way.
#[derive(Clone, Debug)]
pub struct Checked {
    /// The result.
    pub answer: Answer,
    /// What was asked and found, in this order: for `explain`. Holds nothing of
    /// the token but its claims.
    pub steps: Vec<Step>,
}

/// What a provider says of a token.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Answer {
    /// It vouches for it, and every configured condition was shown.
    Active(Token),
    /// It is not good.
    Refused(Refusal),
    /// It could not be asked.
    Unavailable(Outage),
}

/// Whom a good token speaks of.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Token {
    /// The provider's own id of the person (`sub`).
    pub subject: String,
    /// The configured user claim as it came; not canonical.
    pub user: Option<String>,
    /// Whether the user claim may be believed: the address is verified, or the
    /// claim is one that people cannot write.
    pub user_is_verified: bool,
    /// What it tells of the person, as far as his mailbox follows it.
    pub profile: Box<Profile>,
    /// Until when the token is good, where that is known.
    pub expires: Option<Timestamp>,
    /// The session that it belongs to at the provider (`sid`), where that is
    /// known.
    pub session: Option<String>,
    /// Whether a token that was revoked would have been refused: the provider
    /// itself was asked, and not its signature alone.
    pub revocation_is_shown: bool,
}

/// Why a token is not good.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Refusal {
    /// The reason.
    pub why: Refused,
    /// In words, for the log and `explain`: bounded, printable, nothing of the
    /// token but its claims.
    pub detail: String,
}

/// Reasons for which a token is not good.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Refused {
    /// No token at all by its form.
    Malformed,
    /// Over.
    Expired,
    /// Not active at the provider: revoked, signed out, unknown; it does not
    /// always say which.
    Inactive,
    /// Signed by a key that is not the provider's, or not truly signed.
    Signature,
    /// An algorithm that proves nothing (`none`, HS*).
    Algorithm,
    /// No access token (an ID token, a refresh token).
    Type,
    /// From another issuer.
    Issuer,
    /// For another audience.
    Audience,
    /// Of a client that is not among the allowed ones.
    Client,
    /// Without a required scope.
    Scope,
    /// The provider signed nobody in: he or it did not want to.
    Declined,
    /// A sign-in's code is over, was used before, or is another's.
    Code,
    /// An ID token of another sign-in.
    Nonce,
}

/// One thing that was asked or checked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Step {
    /// What: "token" (its form), "introspection", "userinfo", "signature",
    /// "issuer", "type", "expiry", "audience", "client", "scopes", "user".
    pub name: &'static str,
    /// What was found.
    pub detail: String,
    /// What it came to.
    pub outcome: StepOutcome,
}

/// What a step came to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum StepOutcome {
    /// Passed.
    Ok,
    /// The token is refused, or the provider cannot be asked.
    Failed,
    /// It had nothing to say.
    NotApplicable,
}

impl Refusal {
    /// One with its reason in words, made fit for a log.
    fn new(why: Refused, detail: impl AsRef<str>) -> Self {
        Self { why, detail: words::printable(detail.as_ref()) }
    }
}
