//! One token's check: the methods in their order, the conditions, the person.
//!
//! The first method that applies decides. The next one is tried only where a
//! method does not apply to such a token or cannot be asked, so that no token
//! that one method refuses passes by another.

use std::time::{Duration, Instant};

use super::{
    Answer, Checked, Outage, OutageCause, Provider, Refusal, Refused, Settings, Step, StepOutcome,
    Token,
    claims::Claims,
    conditions::{self, Stop, Type, refuse},
    http::Endpoint,
    introspection::{self, without_secret},
    token::{self, Jwt, Signed},
    told,
    userinfo::{self, Person},
    words::{beginning, printable, without},
};
use crate::{
    clock::Timestamp,
    mailbox::{
        Profile,
        provider::{Method, UnverifiedEmail},
    },
    secret::Secret,
};

/// Longest check altogether: Postfix gives up after 10 s.
const LIMIT: Duration = Duration::from_secs(9);

/// A check under way.
pub(super) struct Check<'a> {
    provider: &'a Provider,
    token: &'a Secret,
    now: Timestamp,
    began: Instant,
    steps: Vec<Step>,
}

/// Claims that the provider vouches for.
struct Vouched {
    claims: Claims,
    /// `typ` of a signed token's header.
    header_type: Option<String>,
}

/// What is known of a token beside its person.
struct About {
    expires: Option<Timestamp>,
    session: Option<String>,
    revocation_is_shown: bool,
}

impl<'a> Check<'a> {
    pub(super) fn new(provider: &'a Provider, token: &'a Secret, now: Timestamp) -> Self {
        Self { provider, token, now, began: Instant::now(), steps: Vec::new() }
    }

    /// The whole check.
    pub(super) async fn run(mut self) -> Checked {
        let mut answer = if let Some(text) = token::text(self.token.expose()) {
            self.methods(text).await
        } else {
            let refusal = Refusal::new(Refused::Malformed, "no token by its form (RFC 6750)");
            self.step("token", StepOutcome::Failed, &refusal.detail);
            Answer::Refused(refusal)
        };
        match &mut answer {
            Answer::Active(_) => {}
            Answer::Refused(Refusal { detail, .. })
            | Answer::Unavailable(Outage { detail, .. }) => {
                *detail = self.clean(detail);
            }
        }
        Checked { answer, steps: self.steps }
    }

    async fn methods(&mut self, text: &str) -> Answer {
        if let Some(refusal) = quirk_unsigned(text) {
            self.step("signature", StepOutcome::Failed, &refusal.detail);
            return Answer::Refused(refusal);
        }
        let (mut outage, mut not_applicable) = (None, None);
        for method in &self.settings().methods {
            let result = match method {
                Method::Introspection => self.by_introspection(text).await,
                Method::Userinfo => self.by_userinfo(text).await,
                Method::Jwt => self.by_signature(text).await,
            };
            match result {
                Ok(token) => return Answer::Active(token),
                Err(Stop::Refused(refusal)) => return Answer::Refused(refusal),
                Err(Stop::Unavailable(next)) => outage = outage.or(Some(next)),
                Err(Stop::NotApplicable(why)) => not_applicable = not_applicable.or(Some(why)),
            }
        }
        match (outage, not_applicable) {
            (Some(outage), _) => Answer::Unavailable(outage),
            (None, why) => {
                let why = why.unwrap_or_default();
                Answer::Refused(Refusal::new(Refused::Malformed, why))
            }
        }
    }

    async fn by_introspection(&mut self, text: &str) -> Result<Token, Stop> {
        let asked = self.introspect(text).await.map_err(|stop| self.more_exact(text, stop));
        let claims = self.noted("introspection", asked, |_| "active".to_owned())?;
        let vouched = Vouched { claims, header_type: None };
        let shown = self.conditions(&vouched, Method::Introspection)?;
        // Where it does not say what the token is, a refresh token may be active
        // as well; userinfo takes access tokens alone.
        let must_ask = shown == Type::Unsaid && !self.settings().conditions.untyped_tokens;
        self.person(text, &vouched.claims, must_ask, Method::Introspection).await
    }

    async fn introspect(&self, text: &str) -> Result<Claims, Stop> {
        let url = self.provider.endpoint(Endpoint::Introspection, self.deadline()).await?;
        let client = self.settings().client.as_ref().ok_or_else(|| {
            Outage::new(OutageCause::Settings, "introspection needs client_id and client_secret")
        })?;
        let request = introspection::request(&url, client, text);
        introspection::read(&self.provider.ask(request, self.deadline()).await?)
    }

    async fn by_userinfo(&mut self, text: &str) -> Result<Token, Stop> {
        let (subject, person) = self.userinfo(text).await?;
        // Who vouches for these very bytes vouches for what they say.
        let own = Jwt::parse(text).and_then(|jwt| jwt.claims().ok()).map(Claims);
        let expires = own.as_ref().and_then(|own| own.moment("exp").ok().flatten());
        let about = About {
            expires: expires.map(|expires| expires.max(self.now)),
            session: own.as_ref().and_then(session),
            revocation_is_shown: true,
        };
        self.finished(subject, &person, own.as_ref(), about)
    }

    async fn by_signature(&mut self, text: &str) -> Result<Token, Stop> {
        let Some(jwt) = Jwt::parse(text) else {
            let why = "the token is no JWT, so no signature can be checked".to_owned();
            self.step("signature", StepOutcome::NotApplicable, &why);
            return Err(Stop::NotApplicable(why));
        };
        let claims = self.provider.signed(&jwt, self.began, self.deadline()).await;
        let claims = self.noted("signature", claims, |_| {
            format!("good, by {}", printable(jwt.header_text("alg").unwrap_or_default()))
        })?;
        let header_type = jwt.header_text("typ").map(str::to_owned);
        let vouched = Vouched { claims, header_type };
        self.conditions(&vouched, Method::Jwt)?;
        self.person(text, &vouched.claims, false, Method::Jwt).await
    }

    /// Everything that claims must show, one step each.
    fn conditions(&mut self, vouched: &Vouched, method: Method) -> Result<Type, Stop> {
        let (claims, settings) = (&vouched.claims, &self.provider.settings());
        let wanted = &settings.conditions;
        self.noted("issuer", conditions::issuer(claims, settings, method), Clone::clone)?;
        let shown =
            conditions::token_type(claims, vouched.header_type.as_deref()).and_then(|shown| {
                if shown == Type::Unsaid {
                    conditions::unsaid_type(settings, method)?;
                }
                Ok(shown)
            });
        let shown = self.noted("type", shown, |shown| match shown {
            Type::Access(word) => word.clone(),
            Type::Unsaid => "not said".to_owned(),
        })?;
        self.noted("expiry", conditions::times(claims, self.now, method), Clone::clone)?;
        self.noted("audience", conditions::audience(claims, &wanted.audience), Clone::clone)?;
        self.noted("client", conditions::client(claims, &wanted.clients), Clone::clone)?;
        self.noted("scopes", conditions::scopes(claims, &wanted.scopes), Clone::clone)?;
        Ok(shown)
    }

    /// Whom the token speaks of; where it does not say, or `must_ask`, the same
    /// provider's userinfo does.
    async fn person(
        &mut self,
        text: &str,
        claims: &Claims,
        must_ask: bool,
        method: Method,
    ) -> Result<Token, Stop> {
        let mut about = About {
            expires: claims.moment("exp")?,
            session: session(claims),
            revocation_is_shown: method != Method::Jwt,
        };
        let subject = claims.name("sub")?.map(str::to_owned);
        let has_user = claims.name(&self.settings().user_claim)?.is_some();
        if let (Some(subject), true, false) = (&subject, has_user, must_ask) {
            return self.finished(subject.clone(), claims, None, about);
        }
        let (other, person) = self.userinfo(text).await?;
        about.revocation_is_shown = true;
        if subject.is_some_and(|subject| subject != other) {
            let detail = "userinfo speaks of another sub than the token";
            let outage = Outage::new(OutageCause::Malformed, detail);
            return self.noted("user", Err(outage), |_| String::new());
        }
        let speaks = person.name(&self.settings().user_claim)?.is_some();
        let (first, further) = if speaks { (&person, claims) } else { (claims, &person) };
        self.finished(other, first, Some(further), about)
    }

    /// The person of a sign-in: as userinfo has him, and `further` what the tokens say.
    pub(super) fn signed_in(
        &mut self,
        subject: String,
        person: &Claims,
        further: &Claims,
        session: Option<String>,
    ) -> Result<Token, Stop> {
        let about = About { expires: None, session, revocation_is_shown: true };
        let speaks = person.name(&self.settings().user_claim)?.is_some();
        let (first, further) = if speaks { (person, further) } else { (further, person) };
        self.finished(subject, first, Some(further), about)
    }

    /// Whom userinfo speaks of, and what it says.
    pub(super) async fn userinfo(&mut self, text: &str) -> Result<(String, Claims), Stop> {
        let asked = self.ask_userinfo(text).await.and_then(|person| {
            let subject = person.name("sub")?.map(str::to_owned);
            let nobody = || Outage::new(OutageCause::Malformed, "userinfo: it names no sub");
            Ok((subject.ok_or_else(nobody)?, person))
        });
        let asked = asked.map_err(|stop| self.more_exact(text, stop));
        self.noted("userinfo", asked, |(subject, _)| format!("sub {subject}"))
    }

    async fn ask_userinfo(&self, text: &str) -> Result<Claims, Stop> {
        let url = self.provider.endpoint(Endpoint::Userinfo, self.deadline()).await?;
        let reply = self.provider.ask(userinfo::request(&url, text), self.deadline()).await?;
        let signed = match userinfo::read(&reply)? {
            Person::Plain(claims) => return Ok(claims),
            Person::Signed(signed) => signed,
        };
        let jwt = Jwt::parse(&signed).ok_or_else(|| reply.malformed("no JWT"))?;
        let claims = match self.provider.signed(&jwt, self.began, self.deadline()).await {
            // What the provider says of the person is forged: that is no word on
            // the token.
            Err(Stop::Refused(refusal)) => return Err(reply.malformed(refusal.detail).into()),
            other => other?,
        };
        if let Err(Stop::Refused(refusal)) =
            conditions::issuer(&claims, self.settings(), Method::Userinfo)
        {
            return Err(reply.malformed(refusal.detail).into());
        }
        Ok(claims)
    }

    /// The user is whom `claims` name; what else is told of the person may stand in
    /// `further` as well.
    fn finished(
        &mut self,
        subject: String,
        claims: &Claims,
        further: Option<&Claims>,
        about: About,
    ) -> Result<Token, Stop> {
        let settings = self.provider.settings();
        let user = claims.name(&settings.user_claim)?.map(str::to_owned);
        let user_is_verified = settings.user_claim_is_trusted
            || settings.unverified_email == UnverifiedEmail::Accept
            || claims.email_is_verified();
        let words = match &user {
            Some(user) if user_is_verified => user.clone(),
            Some(user) => format!("{user}, not verified"),
            None => format!("no claim {}", settings.user_claim),
        };
        self.step("user", StepOutcome::Ok, words);
        let About { expires, session, revocation_is_shown } = about;
        let profile = Profile {
            subject: subject.clone(),
            enabled: true,
            email: user.clone(),
            email_is_verified: user_is_verified,
            ..told::of_person(settings, claims, further)
        };
        Ok(Token {
            subject,
            user,
            user_is_verified,
            profile: profile.into(),
            expires,
            session,
            revocation_is_shown,
        })
    }

    /// A refusal that gives no reason, made more exact by what the token says of
    /// itself. Only words: nobody has checked it, and it is refused anyway.
    fn more_exact(&self, text: &str, stop: Stop) -> Stop {
        match (stop, self.own_words(text)) {
            (Stop::Refused(refusal), Some((why, words))) if refusal.why == Refused::Inactive => {
                refuse(why, format!("{}; by its own words {words}", refusal.detail))
            }
            (stop, _) => stop,
        }
    }

    fn own_words(&self, text: &str) -> Option<(Refused, String)> {
        let jwt = Jwt::parse(text)?;
        let claims = Claims(jwt.claims().ok()?);
        let proves_nothing = || {
            let algorithm = jwt.header_text("alg").unwrap_or_default();
            refuse(Refused::Algorithm, format!("signed by algorithm \"{algorithm}\""))
        };
        let checks = [
            conditions::token_type(&claims, jwt.header_text("typ")).map(drop),
            conditions::issuer(&claims, self.settings(), Method::Userinfo).map(drop),
            if jwt.signed() == Signed::ProvesNothing { Err(proves_nothing()) } else { Ok(()) },
        ];
        for check in checks {
            if let Err(Stop::Refused(refusal)) = check {
                return Some((refusal.why, refusal.detail));
            }
        }
        let expires = claims.moment("exp").ok()??;
        // No leeway: the provider has refused it by its own clock.
        (expires <= self.now).then(|| (Refused::Expired, format!("it is over since {expires}")))
    }

    /// Notes what `result` came to as a step.
    fn noted<T, E: Into<Stop>>(
        &mut self,
        name: &'static str,
        result: Result<T, E>,
        found: impl Fn(&T) -> String,
    ) -> Result<T, Stop> {
        let result = result.map_err(Into::into);
        match &result {
            Ok(value) => self.step(name, StepOutcome::Ok, found(value)),
            Err(Stop::Refused(refusal)) => self.step(name, StepOutcome::Failed, &refusal.detail),
            Err(Stop::Unavailable(outage)) => self.step(name, StepOutcome::Failed, &outage.detail),
            Err(Stop::NotApplicable(why)) => self.step(name, StepOutcome::NotApplicable, why),
        }
        result
    }

    fn step(&mut self, name: &'static str, outcome: StepOutcome, detail: impl AsRef<str>) {
        let detail = self.clean(detail.as_ref());
        self.steps.push(Step { name, detail, outcome });
    }

    /// `text` fit for a log, without token and client secret.
    fn clean(&self, text: &str) -> String {
        let text = without(beginning(text), self.token.expose());
        let client = self.settings().client.as_ref();
        printable(&client.map_or(text.clone(), |client| without_secret(&text, client)))
    }

    fn settings(&self) -> &'a Settings {
        self.provider.settings()
    }

    fn deadline(&self) -> Instant {
        self.began + LIMIT
    }
}

/// The session of a token (OpenID Connect Back-Channel Logout 1.0 §2.1). It
/// decides nothing but what a logout makes be forgotten, so what is no name is
/// none.
fn session(claims: &Claims) -> Option<String> {
    claims.name("sid").ok().flatten().map(str::to_owned)
}

/// A token that says itself that nobody signed it is refused unasked: Keycloak
/// 26.2.5 fails over it (userinfo 500, introspection 400), which would be an
/// outage that anybody can bring about.
fn quirk_unsigned(text: &str) -> Option<Refusal> {
    let jwt = Jwt::parse(text).filter(Jwt::is_unsigned)?;
    let algorithm = jwt.header_text("alg").unwrap_or_default();
    let detail = format!("signed by algorithm \"{}\", which proves nothing", printable(algorithm));
    Some(Refusal::new(Refused::Algorithm, detail))
}
