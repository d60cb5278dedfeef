//! `POST /backchannel-logout/{provider}`: `OpenID` Connect Back-Channel Logout
//! 1.0, §2.5 to §2.8. Anybody may send one, so what is not good costs those who
//! log in as good as nothing.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{
    Json,
    body::Bytes,
    extract::{Path, State as Shared},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::sleep,
};
use url::form_urlencoded;

use super::State;
use crate::{
    clock::Timestamp,
    mailbox::ProviderName,
    secret::Secret,
    verify::{SignOutRefused, SignedOut},
};

/// How long a provider's turn goes on after a token that was not taken: checks run
/// where logins are served, and this bounds what made-up tokens cost there to a
/// hundred signatures a second.
const AFTER_REFUSAL: Duration = Duration::from_millis(10);

/// Whose token is being checked: one of each provider at a time, so that one
/// that hangs holds up no other.
#[derive(Clone, Default)]
pub(super) struct Checks(Arc<Mutex<BTreeMap<ProviderName, Arc<Turns>>>>);

/// The turns of one provider's tokens.
struct Turns {
    one: Arc<Semaphore>,
    /// The log has it that they cannot be checked: anybody can bring that about by
    /// the name of a key, and it is said once until one is good.
    is_said: AtomicBool,
}

impl Checks {
    /// Called for providers that there are.
    fn of(&self, provider: &ProviderName) -> Arc<Turns> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let turns = all.entry(provider.clone()).or_insert_with(|| {
            Turns { one: Semaphore::new(1).into(), is_said: AtomicBool::new(false) }.into()
        });
        Arc::clone(turns)
    }
}

impl Turns {
    async fn next(&self) -> OwnedSemaphorePermit {
        let one = Arc::clone(&self.one).acquire_owned().await;
        one.expect("the semaphores are never closed")
    }
}

/// Takes a logout token.
pub(super) async fn take(
    Shared(state): Shared<State>,
    Path(provider): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let Ok(provider) = provider.parse::<ProviderName>() else { return unknown() };
    if !is_form(&headers) {
        let what = "expected application/x-www-form-urlencoded";
        return refusal(StatusCode::UNSUPPORTED_MEDIA_TYPE, "invalid_request", what);
    }
    let token = match logout_token(&body) {
        Ok(token) => token,
        Err(why) => return refusal(StatusCode::BAD_REQUEST, "invalid_request", why),
    };
    match check(&state, provider, token).await {
        Ok(_) => StatusCode::OK.into_response(),
        Err(SignOutRefused::UnknownProvider) => unknown(),
        Err(SignOutRefused::Bad(why)) => refusal(StatusCode::BAD_REQUEST, "invalid_request", &why),
        Err(SignOutRefused::Unavailable(_)) => {
            let what = "it cannot be checked now; the log says why";
            refusal(StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable", what)
        }
    }
}

async fn check(
    state: &State,
    provider: ProviderName,
    token: Secret,
) -> Result<SignedOut, SignOutRefused> {
    if !state.pipeline.has_provider(&provider) {
        return Err(SignOutRefused::UnknownProvider);
    }
    let turns = state.checks.of(&provider);
    let turn = turns.next().await;
    let pipeline = Arc::clone(&state.pipeline);
    let name = provider.clone();
    let task = async move { pipeline.sign_out(&name, &token, Timestamp::now()).await };
    let outcome = state.logins.spawn(task).await.unwrap_or_else(|error| {
        tracing::error!(%error, "a logout token could not be checked");
        Err(SignOutRefused::Unavailable(String::new()))
    });
    match &outcome {
        Ok(signed_out) => {
            turns.is_said.store(false, Ordering::Relaxed);
            end_sessions(state, &provider, signed_out);
        }
        Err(SignOutRefused::UnknownProvider) => {}
        Err(SignOutRefused::Bad(why)) => tracing::debug!(%provider, why, "logout token refused"),
        Err(SignOutRefused::Unavailable(why)) if turns.is_said.swap(true, Ordering::Relaxed) => {
            tracing::debug!(%provider, why, "a logout token could not be checked");
        }
        Err(SignOutRefused::Unavailable(why)) => {
            tracing::warn!(%provider, why, "a logout token could not be checked");
        }
    }
    if outcome.is_err() {
        tokio::spawn(async move {
            sleep(AFTER_REFUSAL).await;
            drop(turn);
        });
    }
    outcome
}

/// Who signed out there is signed out of the pages, too: in the sessions that came from
/// that one, and from those that did not say which.
fn end_sessions(state: &State, provider: &ProviderName, signed_out: &SignedOut) {
    let ended = state.sessions.end_all(|kept| kept.is_of_signed_out(provider, signed_out));
    if ended > 0 {
        tracing::info!(%provider, ended, "signed out of the pages");
    }
}

fn is_form(headers: &HeaderMap) -> bool {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let media_type = content_type.and_then(|value| value.split(';').next()).unwrap_or_default();
    media_type.trim().eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

/// The one `logout_token` of a form; what else is in it is ignored (§2.5).
fn logout_token(form: &[u8]) -> Result<Secret, &'static str> {
    let fields = form_urlencoded::parse(form);
    let mut tokens = fields.filter(|(name, _)| name == "logout_token");
    let (_, token) = tokens.next().ok_or("there is no logout_token")?;
    if tokens.next().is_some() {
        return Err("there is more than one logout_token");
    }
    Ok(Secret::from(&*token))
}

fn unknown() -> Response {
    (StatusCode::NOT_FOUND, "no such provider\n").into_response()
}

/// As OAuth 2.0 says it (RFC 6749 §5.2), which §2.8 refers to.
#[derive(Serialize)]
struct Refusal<'a> {
    error: &'static str,
    error_description: &'a str,
}

fn refusal(status: StatusCode, error: &'static str, error_description: &str) -> Response {
    (status, Json(Refusal { error, error_description })).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_has_one_token() {
        let read = |form: &str| {
            logout_token(form.as_bytes()).map(|token| token.expose().to_vec()).map_err(str::len)
        };
        assert_eq!(read("logout_token=a.b.c"), Ok(b"a.b.c".to_vec()));
        assert_eq!(read("x=1&logout_token=a%2Eb&y"), Ok(b"a.b".to_vec()));
        assert!(read("").is_err() && read("logout_tokens=a").is_err());
        assert!(read("logout_token=a&logout_token=a").is_err());
    }

    #[test]
    fn media_types() {
        let is = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_TYPE, value.parse().unwrap());
            is_form(&headers)
        };
        assert!(is("application/x-www-form-urlencoded"));
        assert!(is("Application/X-WWW-Form-Urlencoded; charset=UTF-8"));
        assert!(!is("application/json") && !is("application/x-www-form-urlencodedx"));
        assert!(!is_form(&HeaderMap::new()));
    }
}
