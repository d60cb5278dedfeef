//! What a token must show beside being good: the checks one by one, each over
//! claims that the provider vouches for.

use super::{
    Outage, OutageCause, Refusal, Refused, Settings,
    claims::{BadClaim, Claims},
    settings::same_issuer,
};
use crate::{
    clock::Timestamp,
    mailbox::provider::{Kind, Method},
};

/// How far the provider's clock and ours may be apart.
pub(super) const LEEWAY_MILLIS: u64 = 30_000;

/// Why there is no token yet.
#[derive(Clone, Debug)]
pub(super) enum Stop {
    /// It is not good: nobody else is asked.
    Refused(Refusal),
    /// It cannot be told this way: the next way is tried.
    Unavailable(Outage),
    /// This way is none for such a token.
    NotApplicable(String),
}

impl From<Outage> for Stop {
    fn from(outage: Outage) -> Self {
        Self::Unavailable(outage)
    }
}

impl From<BadClaim> for Stop {
    fn from(BadClaim(what): BadClaim) -> Self {
        Self::Unavailable(Outage::new(OutageCause::Malformed, what))
    }
}

/// A refusal.
pub(super) fn refuse(why: Refused, detail: impl AsRef<str>) -> Stop {
    Stop::Refused(Refusal::new(why, detail))
}

/// Result of one check: what was found.
pub(super) type Found = Result<String, Stop>;

/// The issuer, where it is shown. A signature alone shows nothing else of where
/// a token comes from, so there it must be.
pub(super) fn issuer(claims: &Claims, settings: &Settings, method: Method) -> Found {
    match (claims.text("iss")?, &settings.issuer) {
        (Some(issuer), Some(expected)) if !same_issuer(issuer, expected) => {
            Err(refuse(Refused::Issuer, format!("issued by {issuer}, expected {expected}")))
        }
        (Some(issuer), _) => Ok(issuer.to_owned()),
        (None, _) if method == Method::Jwt => {
            Err(refuse(Refused::Issuer, "the token names no issuer"))
        }
        (None, _) => Ok("not named; the provider itself was asked".to_owned()),
    }
}

/// What a token is, as far as it says so.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Type {
    /// An access token, by this word.
    Access(String),
    /// It does not say.
    Unsaid,
}

/// The type of a token: `typ` of header and claims, `token_type` of an
/// introspection (RFC 7662 §2.2), `token_use` of some providers. Keycloak calls
/// refresh and ID tokens active, too, and says the type in `typ`/`token_type`.
pub(super) fn token_type(claims: &Claims, header_type: Option<&str>) -> Result<Type, Stop> {
    // RFC 8705, RFC 9449: worth something only with a proof of the key's holder.
    if claims.has("cnf") {
        return Err(refuse(
            Refused::Type,
            "the token is bound to a key (cnf), which no mail program shows",
        ));
    }
    let header = header_type.filter(|word| !word.eq_ignore_ascii_case("jwt"));
    let words = [header, claims.text("typ")?, claims.text("token_type")?];
    let mut shown = None;
    for word in words.into_iter().flatten() {
        let plain = word.to_ascii_lowercase();
        if !matches!(plain.as_str(), "bearer" | "at+jwt" | "application/at+jwt") {
            return Err(refuse(Refused::Type, format!("no access token, but {word}")));
        }
        shown = Some(word.to_owned());
    }
    if let Some(word) = claims.text("token_use")? {
        if !matches!(word, "access" | "access_token") {
            return Err(refuse(Refused::Type, format!("no access token, but {word}")));
        }
        shown = Some(word.to_owned());
    }
    if let Some(word) = shown {
        return Ok(Type::Access(word));
    }
    // Marks of an ID token (OpenID Connect Core §2, §3.3.2.11).
    if let Some(mark) =
        ["nonce", "at_hash", "c_hash", "s_hash"].iter().find(|mark| claims.has(mark))
    {
        return Err(refuse(Refused::Type, format!("no access token by its claim {mark}")));
    }
    Ok(Type::Unsaid)
}

/// Whether a token that does not say what it is may pass by `method`.
pub(super) fn unsaid_type(settings: &Settings, method: Method) -> Result<(), Stop> {
    match (settings.kind, method) {
        (Kind::Keycloak, _) => Err(refuse(
            Refused::Type,
            "the token does not say that it is an access token, and Keycloak's do",
        )),
        (Kind::Oidc, Method::Jwt) if !settings.conditions.untyped_tokens => {
            let detail = "the token does not say that it is an access token (untyped_tokens = true \
                          takes such ones)";
            Err(refuse(Refused::Type, detail))
        }
        (Kind::Oidc, _) => Ok(()),
    }
}

/// Times, by a clock that may differ from the provider's. `exp` past is a
/// refusal only where nobody but us has looked at it: a provider that calls the
/// token good means by that that it is not over, so one of the clocks is wrong.
pub(super) fn times(claims: &Claims, now: Timestamp, method: Method) -> Found {
    let skewed = |what: String| {
        let detail =
            format!("{what} by our clock, which says {now}: compare it with the provider's");
        Stop::Unavailable(Outage::new(OutageCause::Malformed, detail))
    };
    let latest = Timestamp(now.0.saturating_add(LEEWAY_MILLIS));
    for (name, what) in [("nbf", "not valid before"), ("iat", "issued at")] {
        if let Some(from) = claims.moment(name)?
            && from > latest
        {
            return Err(skewed(format!("the token is {what} {from}, which is to come")));
        }
    }
    let Some(expires) = claims.moment("exp")? else {
        return match method {
            Method::Jwt => {
                Err(BadClaim("the token does not say when it is over".to_owned()).into())
            }
            _ => Ok("not said".to_owned()),
        };
    };
    if expires.0.saturating_add(LEEWAY_MILLIS) > now.0 {
        return Ok(format!("until {expires}"));
    }
    match method {
        Method::Jwt => Err(refuse(Refused::Expired, format!("over since {expires}"))),
        _ => Err(skewed(format!("the provider calls a token good that is over since {expires}"))),
    }
}

/// One of the audiences, where some are required.
pub(super) fn audience(claims: &Claims, wanted: &[String]) -> Found {
    let shown = claims.list("aud")?;
    if wanted.is_empty() || shown.iter().any(|one| wanted.iter().any(|other| one == other)) {
        return Ok(words(&shown));
    }
    Err(refuse(Refused::Audience, format!("for {}, not for {}", words(&shown), wanted.join(" "))))
}

/// The client that got the token, where some are required. `azp` and
/// `client_id` are two names of it; where both stand there, both must do.
pub(super) fn client(claims: &Claims, wanted: &[String]) -> Found {
    let shown = [claims.text("azp")?, claims.text("client_id")?];
    let mut shown: Vec<&str> = shown.into_iter().flatten().collect();
    shown.dedup();
    let allowed = |one: &&str| wanted.iter().any(|other| one == other);
    if wanted.is_empty() || (!shown.is_empty() && shown.iter().all(allowed)) {
        return Ok(words(&shown));
    }
    Err(refuse(
        Refused::Client,
        format!("of client {}, not of {}", words(&shown), wanted.join(" ")),
    ))
}

/// All scopes that are required.
pub(super) fn scopes(claims: &Claims, wanted: &[String]) -> Found {
    let shown = claims.scopes()?;
    match wanted.iter().find(|scope| !shown.contains(&scope.as_str())) {
        None => Ok(words(&shown)),
        Some(missing) => Err(refuse(
            Refused::Scope,
            format!("without scope {missing}; it has {}", words(&shown)),
        )),
    }
}

fn words(shown: &[&str]) -> String {
    if shown.is_empty() { "none".to_owned() } else { shown.join(" ") }
}
