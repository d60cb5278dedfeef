//! Signing in with a browser: the authorization code flow of OpenID Connect Core 1.0
//! §3.1, with PKCE (RFC 7636) and the issuer in the answer (RFC 9207).
//!
//! A browser is sent away with a state, a nonce and the digest of a verifier, and brings
//! a code back, which is turned in for an ID token and an access token. The ID token says
//! who it is, and userinfo, asked with the access token, what he is like. Everything that
//! a browser brings may be somebody else's.
//!
//! `oauth2` would send the same two messages: by a client of its own for each, without
//! our limits and words, and with `chrono`.

use std::time::{Duration, Instant};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use url::Url;

use super::{
    Outage, OutageCause, Provider, Refusal, Refused, Token,
    check::Check,
    claims::{BadClaim, Claims},
    conditions::{self, Stop, refuse},
    http::{Endpoint, Reply},
    introspection::{self, without_secret},
    json::Object,
    settings::{self, same_issuer},
    token::{self, Jwt},
    told,
    words::{beginning, printable, without},
};
use crate::{clock::Timestamp, mailbox::provider::Method, secret::Secret};

/// Longest time for all requests that follow a browser's return.
const LIMIT: Duration = Duration::from_secs(9);
/// Longest code that is turned in; Keycloak's have 110 bytes.
const MAX_CODE_BYTES: usize = 4096;

/// A sign-in that a browser was sent away with: kept here until it is back, and good once.
#[derive(Clone, Debug)]
pub struct Departure {
    state: Secret,
    nonce: Secret,
    verifier: Secret,
    redirect: Url,
}

/// Three secrets of a [`Departure`], from a source that nobody can foresee.
pub type Chance = [[u8; 32]; 3];

/// What a browser brings back in its address.
#[derive(Clone, Debug, Default)]
pub struct Return {
    /// What is turned in; none where the provider signed nobody in.
    pub code: Option<Secret>,
    /// Who the provider says it is (RFC 9207).
    pub issuer: Option<String>,
    /// Why there is no code: a word of RFC 6749 §4.1.2.1.
    pub error: Option<String>,
    /// The same in words.
    pub error_description: Option<String>,
}

/// Somebody who signed in.
#[derive(Clone, Debug)]
pub struct SignedIn {
    /// Who it is, as a good bearer token would say it.
    pub person: Token,
    /// He has the role whose holders administer.
    pub is_administrator: bool,
    /// What shows the provider whom to sign out.
    pub id_token: Secret,
}

/// Why nobody is signed in.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum NotSignedIn {
    /// What the browser brought is not good, or the provider refused.
    Refused(Refusal),
    /// It cannot be told.
    Unavailable(Outage),
}

impl From<Stop> for NotSignedIn {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Refused(refusal) => Self::Refused(refusal),
            Stop::Unavailable(outage) => Self::Unavailable(outage),
            Stop::NotApplicable(why) => Self::Unavailable(Outage::new(OutageCause::Malformed, why)),
        }
    }
}

impl Departure {
    /// With these secrets, to be back at `redirect`.
    pub fn new(state: Secret, nonce: Secret, verifier: Secret, redirect: Url) -> Self {
        Self { state, nonce, verifier, redirect }
    }

    /// What a browser must bring back, for whoever keeps this.
    pub fn state(&self) -> &Secret {
        &self.state
    }
}

/// What was turned in a code for.
struct Tokens {
    id: String,
    access: Secret,
}

impl Provider {
    /// Where to send a browser so that its person signs in, and what is to be kept until
    /// it is back at `redirect`, unless the settings name another address. `hint` is the
    /// address that he typed.
    ///
    /// # Errors
    /// The provider does not say where, or the settings have no client.
    pub async fn send_off(
        &self,
        redirect: &Url,
        hint: Option<&str>,
        chance: Chance,
    ) -> Result<(Url, Departure), Outage> {
        let sign_in = self.sign_in()?;
        let mut url = self.authorization_page(Instant::now() + LIMIT).await?;
        let [state, nonce, verifier] = chance.map(|bytes| BASE64_URL_SAFE_NO_PAD.encode(bytes));
        let redirect = sign_in.redirect.as_ref().unwrap_or(redirect);
        url.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &sign_in.client_id)
            .append_pair("redirect_uri", redirect.as_str())
            .append_pair("scope", &sign_in.scopes.join(" "))
            .append_pair("state", &state)
            .append_pair("nonce", &nonce)
            .append_pair("code_challenge", &challenge(&verifier))
            .append_pair("code_challenge_method", "S256")
            .extend_pairs(hint.map(|hint| ("login_hint", hint)));
        let [state, nonce, verifier] = [state, nonce, verifier].map(|text| Secret::from(&*text));
        Ok((url, Departure::new(state, nonce, verifier, redirect.clone())))
    }

    /// The page of the provider where people sign in.
    pub(super) async fn authorization_page(&self, deadline: Instant) -> Result<Url, Outage> {
        let pages = self.endpoints(deadline).await?;
        pages.authorization.clone().ok_or_else(|| {
            let detail = "the provider names no authorization endpoint for browsers (by https, \
                          unless its issuer is http): set authorize_url";
            Outage::new(OutageCause::Settings, detail)
        })
    }

    /// Who it is that came back. Takes no longer than the settings' time limits allow
    /// (9 s for all requests together). Whose `returned` is, its state says, which
    /// whoever keeps the departures has looked at.
    ///
    /// # Errors
    /// Nobody is signed in, or it cannot be told.
    pub async fn welcome(
        &self,
        departure: &Departure,
        returned: &Return,
        now: Timestamp,
    ) -> Result<SignedIn, NotSignedIn> {
        let began = Instant::now();
        let signed_in = async {
            let code = self.code(returned, began + LIMIT).await?;
            let tokens = self.turn_in(departure, code, began + LIMIT).await?;
            let signed_in = self.signed_in(departure, &tokens, began, now).await;
            signed_in.map_err(|stop| {
                cleaned(stop.into(), &[tokens.id.as_bytes(), tokens.access.expose()])
            })
        };
        let code = returned.code.as_ref().map_or(&b""[..], Secret::expose);
        signed_in.await.map_err(|why| {
            let why = cleaned(why, &[code, departure.verifier.expose()]);
            self.settings()
                .client
                .as_ref()
                .map_or(why.clone(), |client| said_by(why, |text| without_secret(text, client)))
        })
    }

    /// Where a browser goes to be signed out at the provider, too, and the fields of the
    /// form that it posts there; none where the provider has no such page.
    pub async fn way_out(
        &self,
        redirect: &Url,
        id_token: &Secret,
    ) -> Option<(Url, [(String, String); 3])> {
        let sign_in = self.sign_in().ok()?;
        let pages = self.endpoints(Instant::now() + LIMIT).await.ok()?;
        // Where browsers may come back to is known of this address; few clients have
        // another one for the way out.
        let redirect = sign_in.redirect.as_ref().unwrap_or(redirect);
        let id_token = String::from_utf8(id_token.expose().to_vec()).ok()?;
        let fields = [
            ("id_token_hint".to_owned(), id_token),
            ("client_id".to_owned(), sign_in.client_id.clone()),
            ("post_logout_redirect_uri".to_owned(), redirect.to_string()),
        ];
        Some((pages.end_session.clone()?, fields))
    }

    fn sign_in(&self) -> Result<&settings::SignIn, Outage> {
        self.settings().sign_in.as_ref().ok_or_else(|| {
            Outage::new(OutageCause::Settings, "signing in with a browser needs client_id")
        })
    }

    /// The code, if this provider sent one.
    async fn code<'r>(
        &self,
        returned: &'r Return,
        deadline: Instant,
    ) -> Result<&'r Secret, NotSignedIn> {
        self.is_from_here(returned, deadline).await?;
        if let Some(error) = &returned.error {
            return Err(declined(error, returned.error_description.as_deref()));
        }
        let code = returned.code.as_ref();
        let code = code.filter(|code| (1..=MAX_CODE_BYTES).contains(&code.len()));
        code.ok_or_else(|| refuse(Refused::Code, "the browser brought no code back").into())
    }

    /// RFC 9207 §2.4: whose answer it is, where two providers could be mixed up.
    async fn is_from_here(&self, returned: &Return, deadline: Instant) -> Result<(), NotSignedIn> {
        let expected = self.settings().issuer.as_deref().unwrap_or_default();
        let detail = match &returned.issuer {
            Some(issuer) if same_issuer(issuer, expected) => return Ok(()),
            Some(issuer) => format!("the browser comes from {issuer}, not from {expected}"),
            None => {
                let names_itself = self.endpoints(deadline).await.map_err(Stop::from)?.names_itself;
                if !names_itself {
                    return Ok(());
                }
                "the browser does not say which provider it comes from, and this one has it say so"
                    .to_owned()
            }
        };
        Err(refuse(Refused::Issuer, detail).into())
    }

    /// RFC 6749 §4.1.3.
    async fn turn_in(
        &self,
        departure: &Departure,
        code: &Secret,
        deadline: Instant,
    ) -> Result<Tokens, Stop> {
        let url = self.endpoint(Endpoint::Code, deadline).await?;
        let text = |secret: &Secret| String::from_utf8_lossy(secret.expose()).into_owned();
        let (code, verifier) = (text(code), text(&departure.verifier));
        let sign_in = self.sign_in()?;
        let mut fields = vec![
            ("grant_type", "authorization_code"),
            ("code", &code),
            ("redirect_uri", departure.redirect.as_str()),
            ("code_verifier", &verifier),
        ];
        let request = if let Some(client) = &self.settings().client {
            introspection::by_client(Endpoint::Code, &url, client, &fields)
        } else {
            fields.push(("client_id", &sign_in.client_id));
            introspection::by_anybody(Endpoint::Code, &url, &fields)
        };
        tokens(&self.ask(request, deadline).await?)
    }

    /// Who the tokens are of.
    async fn signed_in(
        &self,
        departure: &Departure,
        tokens: &Tokens,
        began: Instant,
        now: Timestamp,
    ) -> Result<SignedIn, Stop> {
        let id = self.id_token(departure, &tokens.id, began, now).await?;
        let subject = id.name("sub")?.ok_or_else(|| malformed("the ID token names no sub"))?;
        let mut check = Check::new(self, &tokens.access, now);
        let access = std::str::from_utf8(tokens.access.expose()).unwrap_or_default();
        let (other, person) = check.userinfo(access).await?;
        // Core §5.3.2: what it says of somebody else must not be used.
        if other != subject {
            return Err(malformed("userinfo speaks of another sub than the ID token").into());
        }
        let session = id.name("sid").ok().flatten().map(str::to_owned);
        let further = further(access, id);
        let settings = self.settings();
        let role = settings.administrator_role.as_deref();
        let is_administrator =
            role.is_some_and(|role| told::has_role(settings, [&person, &further], role));
        let person = check.signed_in(other, &person, &further, session)?;
        Ok(SignedIn { person, is_administrator, id_token: Secret::from(&*tokens.id) })
    }

    /// Core §3.1.3.7. The access token's digest in it (`at_hash`) is not looked at: both
    /// came in one answer, and userinfo, asked with the one, names the person of the
    /// other.
    async fn id_token(
        &self,
        departure: &Departure,
        text: &str,
        began: Instant,
        now: Timestamp,
    ) -> Result<Claims, Stop> {
        let jwt = token::text(text.as_bytes()).and_then(Jwt::parse);
        let jwt = jwt.ok_or_else(|| malformed("the ID token is no JWT"))?;
        let settings = self.settings();
        if settings.issuer.is_none() {
            let detail = "an ID token cannot be checked without issuer: set it, or server_url";
            return Err(Outage::new(OutageCause::Settings, detail).into());
        }
        let claims = self.signed(&jwt, began, began + LIMIT).await?;
        is_id_token(&claims, jwt.header_text("typ"))?;
        conditions::issuer(&claims, settings, Method::Jwt)?;
        is_for(&claims, &self.sign_in()?.client_id)?;
        conditions::times(&claims, now, Method::Jwt)?;
        let nonce = claims.text("nonce")?.unwrap_or_default();
        if !departure.nonce.ct_eq(nonce.as_bytes()) {
            let detail = "the ID token is not of the sign-in that was begun here (nonce)";
            return Err(refuse(Refused::Nonce, detail));
        }
        Ok(claims)
    }
}

/// RFC 7636 §4.2.
fn challenge(verifier: &str) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes()))
}

/// Why the provider sent no code: by its own fault, by ours, or because it or the person
/// did not want to.
fn declined(error: &str, description: Option<&str>) -> NotSignedIn {
    let words = format!("{} {}", printable(error), printable(description.unwrap_or_default()));
    let detail = format!("the provider signed nobody in: {}", words.trim());
    let cause = match error {
        "server_error" | "temporarily_unavailable" => OutageCause::Status,
        "invalid_request"
        | "unauthorized_client"
        | "unsupported_response_type"
        | "invalid_scope" => OutageCause::Settings,
        _ => return refuse(Refused::Declined, detail).into(),
    };
    NotSignedIn::Unavailable(Outage::new(cause, detail))
}

/// RFC 6749 §5.1 and §5.2.
fn tokens(reply: &Reply) -> Result<Tokens, Stop> {
    match reply.status {
        200 => {}
        404 | 405 => return Err(reply.no_such_endpoint().into()),
        400 | 401 | 403 => return Err(not_turned_in(reply)),
        _ => return Err(reply.unusable().into()),
    }
    let said = reply.object()?;
    let text = |name: &str| said.get(name).and_then(Value::as_str);
    let id = text("id_token").ok_or_else(|| {
        let what = "it gives no ID token: is openid a scope that our client may have?";
        reply.malformed(what)
    })?;
    let is_bearer = text("token_type").is_some_and(|kind| kind.eq_ignore_ascii_case("bearer"));
    let access = text("access_token").filter(|_| is_bearer);
    let access = access.and_then(|access| token::text(access.as_bytes()));
    let access = access.ok_or_else(|| reply.malformed("it gives no bearer token"))?;
    Ok(Tokens { id: id.to_owned(), access: Secret::from(access) })
}

/// The code is not taken, or our client is not.
fn not_turned_in(reply: &Reply) -> Stop {
    let said = reply.object().unwrap_or_default();
    let word = |name: &str| said.get(name).and_then(Value::as_str).map(printable);
    let (error, description) = (word("error"), word("error_description").unwrap_or_default());
    let error = error.unwrap_or_default();
    let said = format!("{} (status {}: {error} {description})", reply.asked, reply.status);
    match error.as_str() {
        "invalid_grant" => {
            let detail = format!("{said}: the code is over, was used before, or is another's");
            refuse(Refused::Code, detail)
        }
        "invalid_client" | "unauthorized_client" => {
            let detail = format!("{said}: our client_id or client_secret is refused");
            Outage::new(OutageCause::Credentials, detail).into()
        }
        _ => Outage::new(OutageCause::Settings, format!("{said}: our question is refused")).into(),
    }
}

/// What it says that it is. Others are signed by the same keys.
fn is_id_token(claims: &Claims, header: Option<&str>) -> Result<(), Stop> {
    let header = header.filter(|word| !word.eq_ignore_ascii_case("jwt"));
    // Keycloak says it so.
    let own = claims.text("typ")?.filter(|word| !word.eq_ignore_ascii_case("id"));
    if let Some(word) = header.or(own) {
        return Err(refuse(Refused::Type, format!("no ID token, but {}", printable(word))));
    }
    if claims.has("events") {
        return Err(refuse(Refused::Type, "no ID token by its claim events"));
    }
    Ok(())
}

/// Whether it was made for our client: alone, or to be used by it.
fn is_for(claims: &Claims, client_id: &str) -> Result<(), Stop> {
    let audience = claims.list("aud")?;
    if !audience.contains(&client_id) {
        let detail = format!("the ID token is for {}, not for {client_id}", audience.join(" "));
        return Err(refuse(Refused::Audience, detail));
    }
    match claims.text("azp")? {
        Some(party) if party == client_id => Ok(()),
        None if audience.len() == 1 => Ok(()),
        party => {
            let detail = format!("the ID token is of {}", party.unwrap_or("nobody among many"));
            Err(refuse(Refused::Client, detail))
        }
    }
}

/// What the tokens say besides: the ID token, and what only the access token does. That
/// came from the provider in the same answer, and userinfo has just vouched for it.
fn further(access: &str, id: Claims) -> Claims {
    let own = Jwt::parse(access).and_then(|jwt| jwt.claims().ok());
    let is_same = |own: &Object| own.get("sub") == id.0.get("sub");
    let mut all = own.filter(is_same).unwrap_or_default();
    all.extend(id.0);
    Claims(all)
}

fn malformed(what: &str) -> Outage {
    Outage::new(OutageCause::Malformed, what)
}

impl From<BadClaim> for NotSignedIn {
    fn from(claim: BadClaim) -> Self {
        Stop::from(claim).into()
    }
}

/// With its words free of these secrets.
fn cleaned(why: NotSignedIn, secrets: &[&[u8]]) -> NotSignedIn {
    said_by(why, |text| {
        secrets.iter().fold(beginning(text).to_owned(), |text, secret| without(&text, secret))
    })
}

fn said_by(why: NotSignedIn, change: impl Fn(&str) -> String) -> NotSignedIn {
    match why {
        NotSignedIn::Refused(Refusal { why, detail }) => {
            NotSignedIn::Refused(Refusal::new(why, change(&detail)))
        }
        NotSignedIn::Unavailable(Outage { cause, detail }) => {
            let detail = printable(&change(&detail));
            NotSignedIn::Unavailable(Outage { cause, detail })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7636, appendix B.
    #[test]
    fn the_challenge_is_the_digest_of_the_verifier() {
        let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
        assert_eq!(challenge(verifier), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    }

    #[test]
    fn what_is_kept_does_not_show() {
        let [state, nonce, verifier] = ["wonder-state", "wonder-nonce", "wonder-verifier"];
        let [state, nonce, verifier] = [state, nonce, verifier].map(Secret::from);
        let redirect = Url::parse("https://auth.example.org/sign-in/corp/callback").unwrap();
        let shown = format!("{:?}", Departure::new(state, nonce, verifier, redirect));
        assert!(!shown.contains("wonder"), "{shown}");
        let back = Return { code: Some(Secret::from("wonderland")), ..Return::default() };
        assert!(!format!("{back:?}").contains("wonder"));
    }
}
