//! One login: asks the pipeline, holds the answer back until it is due, and
//! writes the one line of the log.

use std::{borrow::Cow, net::IpAddr, sync::Arc, time::Duration};

use tokio::time::{Instant, sleep_until};

use super::{hub::Hub, tally::Tally};
use crate::{
    clock::Timestamp,
    mailbox::{Address, AppPasswordId, ProviderName},
    protocol::AuthRequest,
    sasl::Credentials,
    verify::{Asked, Attempt, Cause, Decision, Reason, Rejected, Unavailable, Verdict, VerifiedBy},
    web::SeenSignIn,
};

/// Longest part of a name that no rule has checked, in the log.
const NAME_IN_LOG_BYTES: usize = 128;

/// Longest part of a provider's words in the log.
const DETAIL_IN_LOG_BYTES: usize = 200;

/// What a session wants to know.
pub(super) struct Question {
    /// What the mail server said about the user's connection.
    pub(super) request: Arc<AuthRequest>,
    /// What is to be checked, or what was wrong with the dialogue.
    pub(super) credentials: Result<Credentials, &'static str>,
    /// Name of the mechanism.
    pub(super) mechanism: &'static str,
    /// When it came in.
    pub(super) arrived: Instant,
    /// Whether its connection has no full seat.
    pub(super) is_above_limit: bool,
}

/// Answers a question when its answer is due.
pub(super) async fn login(hub: Arc<Hub>, question: Question) -> Verdict {
    let Question { request, credentials, mechanism, arrived, is_above_limit } = question;
    let line = LogLine {
        name: credentials.as_ref().ok().map(|credentials| name_in_log(credentials.name())),
        malformed: credentials.as_ref().err().map(|why| Cow::Borrowed(*why)),
        mechanism,
        connection: Connection::of(&request),
        arrived,
    };
    let decision = if is_above_limit {
        unavailable(Cause::Overloaded)
    } else {
        decide(&hub, &request, credentials, mechanism).await
    };
    line.write(&hub.logins, &decision);
    sleep_until(arrived + decision.answer_after).await;
    decision.verdict
}

async fn decide(
    hub: &Hub,
    request: &AuthRequest,
    credentials: Result<Credentials, &'static str>,
    mechanism: &'static str,
) -> Decision {
    let Some(core) = hub.core().await else { return unavailable(Cause::Store) };
    match credentials {
        Err(_) => core.pipeline.refuse(Reason::BadResponse),
        Ok(credentials) => {
            let attempt = Attempt {
                credentials,
                mechanism,
                protocol: request.protocol.clone(),
                rip: request.rip,
                session: request.session.clone(),
                no_penalty: request.no_penalty,
                arrived: Timestamp::now(),
            };
            core.pipeline.decide(attempt).await
        }
    }
}

/// From this length on a response may have been cut on its way.
const LONG_RESPONSE_CHARACTERS: usize = 1000;

/// The line of a login that ended before it began, told to the client already.
pub(super) fn log_not_base64(
    hub: &Hub,
    request: &AuthRequest,
    mechanism: &'static str,
    characters: usize,
) {
    let why = match characters {
        LONG_RESPONSE_CHARACTERS.. => Cow::Owned(format!(
            "no base64 after {characters} characters: cut by the mail server? \
             (Postfix: line_length_limit)"
        )),
        _ => Cow::Borrowed("no base64"),
    };
    let rejected = Rejected {
        user: None,
        reason: Reason::BadResponse,
        app_password: None,
        asked: None,
        fact: None,
    };
    let verdict = Verdict::Rejected(rejected);
    let decision = Decision { verdict, answer_after: Duration::ZERO, guess: false };
    let arrived = Instant::now();
    let connection = Connection::of(request);
    let line = LogLine { name: None, malformed: Some(why), mechanism, connection, arrived };
    line.write(&hub.logins, &decision);
}

/// The line of somebody who signed in to the pages, or did not.
pub(super) fn log_sign_in(tally: &Tally, seen: &SeenSignIn<'_>) {
    let line = LogLine {
        name: seen.name.map(|name| name_in_log(name.as_bytes())),
        malformed: None,
        mechanism: seen.mechanism,
        connection: Connection { protocol: "web", rip: Some(&seen.rip), session: None },
        arrived: seen.arrived,
    };
    match (seen.administrator_of, &seen.decision.verdict) {
        (Some(provider), Verdict::Rejected(rejected)) => {
            line.write_administrator(tally, provider, rejected.reason.name());
        }
        _ => line.write(tally, seen.decision),
    }
}

fn unavailable(cause: Cause) -> Decision {
    let verdict = Verdict::Unavailable(Unavailable { user: None, cause, asked: None });
    Decision { verdict, answer_after: Duration::ZERO, guess: false }
}

/// A name as it came: cut, since nothing has checked it.
fn name_in_log(name: &[u8]) -> String {
    let cut = &name[..name.len().min(NAME_IN_LOG_BYTES)];
    String::from_utf8_lossy(cut).into_owned()
}

/// What a mail server or a provider says, cut: it may be as long as a line.
fn text_in_log(text: &str, most_bytes: usize) -> &str {
    let mut end = text.len().min(most_bytes);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// The line of a login. Its fields are stable, and always there: `-` stands
/// for nothing. `contrib/fail2ban` reads it.
struct LogLine<'a> {
    name: Option<String>,
    /// What broke the dialogue.
    malformed: Option<Cow<'static, str>>,
    mechanism: &'static str,
    connection: Connection<'a>,
    arrived: Instant,
}

/// From where somebody logs in, and to what.
struct Connection<'a> {
    protocol: &'a str,
    rip: Option<&'a IpAddr>,
    session: Option<&'a str>,
}

impl<'a> Connection<'a> {
    fn of(request: &'a AuthRequest) -> Self {
        let AuthRequest { protocol, rip, session, .. } = request;
        Self { protocol, rip: rip.as_ref(), session: session.as_deref() }
    }
}

impl LogLine<'_> {
    /// Writes it, and counts the login: whatever the log says is counted once.
    fn write(&self, tally: &Tally, decision: &Decision) {
        let elapsed = self.arrived.elapsed();
        tally.count(&decision.verdict, self.connection.protocol, self.mechanism, elapsed);
        self.tell(&Told::by(&decision.verdict), decision.guess, elapsed);
    }

    /// The same of somebody who comes to administer, and whom no mailbox is opened.
    fn write_administrator(&self, tally: &Tally, provider: &ProviderName, why: &str) {
        let elapsed = self.arrived.elapsed();
        tally.count_administrator(self.connection.protocol, self.mechanism, elapsed);
        let detail = format!("to administer, without a mailbox ({why})");
        let told = Told {
            verifier: "sign_in",
            provider: Some(provider),
            detail: Some(&detail),
            ..Told::new("verified", "-", None)
        };
        self.tell(&told, false, elapsed);
    }

    fn tell(&self, told: &Told<'_>, guess: bool, elapsed: Duration) {
        let user = told.user.map(Address::as_str).or(self.name.as_deref());
        let Connection { protocol, rip, session } = self.connection;
        let detail = told.detail.or(self.malformed.as_deref()).unwrap_or("-");
        let elapsed_ms = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
        tracing::info!(
            verdict = told.verdict,
            reason = told.reason,
            user = user.unwrap_or("-"),
            service = text_in_log(protocol, NAME_IN_LOG_BYTES),
            mechanism = self.mechanism,
            rip = %or_dash(rip),
            session = text_in_log(session.unwrap_or("-"), NAME_IN_LOG_BYTES),
            verifier = told.verifier,
            cached = told.cached,
            stale = told.stale,
            app_password_id = %or_dash(told.app_password),
            guess,
            elapsed_ms,
            provider = told.provider.map_or("-", ProviderName::as_str),
            detail = text_in_log(detail, DETAIL_IN_LOG_BYTES),
            "login"
        );
    }
}

/// What a verdict says in the log.
struct Told<'a> {
    verdict: &'static str,
    reason: &'static str,
    user: Option<&'a Address>,
    verifier: &'static str,
    app_password: Option<&'a AppPasswordId>,
    cached: bool,
    stale: bool,
    provider: Option<&'a ProviderName>,
    detail: Option<&'a str>,
}

impl<'a> Told<'a> {
    fn by(verdict: &'a Verdict) -> Self {
        match verdict {
            Verdict::Verified(verified) => {
                let told = Self::new("verified", "-", Some(verified.user()));
                let told = Self { cached: verified.cached(), stale: verified.stale(), ..told };
                told.convinced_by(verified.by())
            }
            Verdict::Rejected(rejected) => {
                let told = Self::new("rejected", rejected.reason.name(), rejected.user.as_ref());
                let app_password = rejected.app_password.as_ref();
                let verifier = if app_password.is_some() { "app_password" } else { "-" };
                let told = Self { verifier, app_password, ..told };
                let told = told.after_asking(rejected.asked.as_deref());
                Self { detail: told.detail.or(rejected.fact.as_deref()), ..told }
            }
            Verdict::Unavailable(unavailable) => {
                let (cause, user) = (unavailable.cause.name(), unavailable.user.as_ref());
                let told = Self::new("unavailable", cause, user);
                told.after_asking(unavailable.asked.as_deref())
            }
        }
    }

    fn new(verdict: &'static str, reason: &'static str, user: Option<&'a Address>) -> Self {
        Self {
            verdict,
            reason,
            user,
            verifier: "-",
            app_password: None,
            cached: false,
            stale: false,
            provider: None,
            detail: None,
        }
    }

    fn convinced_by(self, by: &'a VerifiedBy) -> Self {
        match by {
            VerifiedBy::AppPassword(id) => {
                Self { verifier: "app_password", app_password: Some(id), ..self }
            }
            VerifiedBy::LocalPassword => Self { verifier: "local_password", ..self },
            VerifiedBy::Mailpassword(provider) => {
                Self { verifier: "mailpassword", provider: Some(provider), ..self }
            }
            VerifiedBy::Directory(provider) => {
                Self { verifier: "directory", provider: Some(provider), ..self }
            }
            VerifiedBy::Token(provider) => {
                Self { verifier: "token", provider: Some(provider), ..self }
            }
            VerifiedBy::SignIn(provider) => {
                Self { verifier: "sign_in", provider: Some(provider), ..self }
            }
            VerifiedBy::Certificate => Self { verifier: "certificate", ..self },
            VerifiedBy::AuthToken { .. } => Self { verifier: "auth_token", ..self },
        }
    }

    fn after_asking(self, asked: Option<&'a Asked>) -> Self {
        let Some(Asked { provider, verifier, detail, .. }) = asked else { return self };
        Self {
            verifier,
            provider: Some(provider),
            detail: Some(detail.as_str()).filter(|detail| !detail.is_empty()),
            ..self
        }
    }
}

/// Shows a value, or `-`.
fn or_dash<T: std::fmt::Display>(value: Option<&T>) -> OrDash<'_, T> {
    OrDash(value)
}

struct OrDash<'a, T>(Option<&'a T>);

impl<T: std::fmt::Display> std::fmt::Display for OrDash<'_, T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Some(value) => value.fmt(f),
            None => f.write_str("-"),
        }
    }
}
