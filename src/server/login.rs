//! One login: asks the pipeline, holds the answer back until it is due, and
//! writes the one line of the log.

use std::sync::Arc;

use tokio::time::{Instant, sleep_until};

use super::hub::Hub;
use crate::{
    clock::Timestamp,
    mailbox::Address,
    protocol::AuthRequest,
    sasl::Credentials,
    verify::{Attempt, Cause, Decision, Reason, Unavailable, Verdict, VerifiedBy},
};

/// Longest part of a name that no rule has checked, in the log.
const NAME_IN_LOG_BYTES: usize = 128;

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
        mechanism,
        request: &request,
        arrived,
    };
    let decision = if is_above_limit {
        unavailable(Cause::Overloaded)
    } else {
        decide(&hub, &request, credentials, mechanism).await
    };
    hub.logins.count(&decision.verdict);
    line.write(&decision);
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
        Err(why) => {
            tracing::debug!(mechanism, why, "malformed dialogue");
            core.pipeline.refuse(Reason::BadResponse)
        }
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

fn unavailable(cause: Cause) -> Decision {
    let verdict = Verdict::Unavailable(Unavailable { user: None, cause, asked: None });
    Decision { verdict, answer_after: std::time::Duration::ZERO, guess: false }
}

/// A name as it came: cut, since nothing has checked it.
fn name_in_log(name: &[u8]) -> String {
    let cut = &name[..name.len().min(NAME_IN_LOG_BYTES)];
    String::from_utf8_lossy(cut).into_owned()
}

/// What a mail server says, cut like a name: it may be as long as a line.
fn text_in_log(text: &str) -> &str {
    let mut end = text.len().min(NAME_IN_LOG_BYTES);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// The line of a login. Its fields are stable, and always there: `-` stands
/// for nothing. `contrib/fail2ban` reads it.
struct LogLine<'a> {
    name: Option<String>,
    mechanism: &'static str,
    request: &'a AuthRequest,
    arrived: Instant,
}

impl LogLine<'_> {
    fn write(&self, decision: &Decision) {
        let (user, word, reason, app_password, by, (cached, stale)) = match &decision.verdict {
            Verdict::Verified(verified) => {
                let id = match verified.by() {
                    VerifiedBy::AppPassword(id) => Some(*id),
                    _ => None,
                };
                let by = verifier(verified.by());
                (
                    Some(verified.user()),
                    "verified",
                    "-",
                    id,
                    by,
                    (verified.cached(), verified.stale()),
                )
            }
            Verdict::Rejected(rejected) => {
                let id = rejected.app_password;
                let by = if id.is_some() { "app_password" } else { "-" };
                (rejected.user.as_ref(), "rejected", rejected.reason.name(), id, by, (false, false))
            }
            Verdict::Unavailable(unavailable) => {
                let cause = unavailable.cause.name();
                (unavailable.user.as_ref(), "unavailable", cause, None, "-", (false, false))
            }
        };
        let user = user.map(Address::as_str).or(self.name.as_deref());
        let elapsed_ms = u64::try_from(self.arrived.elapsed().as_millis()).unwrap_or(u64::MAX);
        tracing::info!(
            verdict = word,
            reason,
            user = user.unwrap_or("-"),
            service = text_in_log(&self.request.protocol),
            mechanism = self.mechanism,
            rip = %or_dash(self.request.rip.as_ref()),
            session = text_in_log(self.request.session.as_deref().unwrap_or("-")),
            verifier = by,
            cached,
            stale,
            app_password_id = %or_dash(app_password.as_ref()),
            guess = decision.guess,
            elapsed_ms,
            "login"
        );
    }
}

fn verifier(by: &VerifiedBy) -> &'static str {
    match by {
        VerifiedBy::AppPassword(_) => "app_password",
        VerifiedBy::LocalPassword => "local_password",
        VerifiedBy::Token(_) => "token",
        VerifiedBy::Certificate => "certificate",
        VerifiedBy::AuthToken { .. } => "auth_token",
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
