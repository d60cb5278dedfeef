//! The form for a password, and the address before it.
//!
//! Whatever a password comes to, abuse control, delay and history are those of a login by
//! a mail program (`verify`), and what is refused is refused in the same words: nobody
//! learns here who has a mailbox.

use std::{fmt, sync::Arc};

use axum::{
    body::Bytes,
    extract::State as Shared,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse as _, Redirect, Response},
};
use serde::{Deserialize, Deserializer};
use tokio::time::{Instant, sleep_until};

use super::{
    Begin, Wanted, cookie, frame,
    provider::{ByProvider, by_provider},
};
use crate::{
    clock::Timestamp,
    sasl::Credentials,
    secret::Secret,
    verify::{Attempt, Decision, Reason, Verdict, Verified},
    web::{
        SeenSignIn, State,
        page::{Faults, Frame, render, render_again},
        sessions::{NewSession, Own, SignedInBy},
        texts::Texts,
        trouble::Trouble,
        visit::{self, SESSION_COOKIE, Visit},
    },
};

/// How it is called in the log, beside the mechanisms of mail programs.
const MECHANISM: &str = "FORM";

/// What is typed: an address, and in the second step a password.
#[derive(Deserialize)]
struct Form {
    address: String,
    password: Option<Typed>,
    next: Option<String>,
}

/// A password as it was typed.
pub(in crate::web) struct Typed(pub(in crate::web) Secret);

impl<'de> Deserialize<'de> for Typed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(Secret::new(text)))
    }
}

impl fmt::Debug for Typed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Typed(…)")
    }
}

/// Address and password.
#[derive(askama::Template)]
#[template(path = "sign_in/password.html")]
pub(super) struct Page {
    frame: Frame,
    faults: Faults,
    /// How one signs in with this address besides.
    by_provider: Option<ByProvider>,
    address: String,
    next: String,
}

impl Page {
    /// With nothing typed yet.
    pub(super) fn empty(visit: &Visit, next: String) -> Self {
        let (faults, address) = (Faults::default(), String::new());
        Self { frame: frame(visit), faults, by_provider: None, address, next }
    }
}

/// `POST /sign-in`: the next step, or the sign-in itself.
pub(super) async fn take(
    Shared(state): Shared<State>,
    visit: Visit,
    headers: HeaderMap,
    form: Bytes,
) -> Result<Response, Trouble> {
    let form: Form = serde_html_form::from_bytes(&form).map_err(|_| Trouble::BadForm)?;
    let address = form.address.trim().to_owned();
    let next = Wanted { next: form.next }.path();
    let t = Texts::english();
    let mut faults = Faults::default();
    if state.pipeline.names().canonical(address.as_bytes()).is_err() {
        faults.add("address", t.s("sign-in-no-address"));
    }
    let by_provider = by_provider(&state, &address, &next).await;
    let Some(Typed(password)) = form.password else {
        let frame = frame(&visit);
        if faults.is_empty() {
            return Ok(render(&Page { frame, faults, by_provider, address, next }));
        }
        return Ok(render_again(&Begin { frame, faults, address, next }));
    };
    if password.expose().is_empty() {
        faults.add("password", t.s("sign-in-no-password"));
    }
    let again = |faults| Page {
        frame: frame(&visit),
        faults,
        by_provider: by_provider.clone(),
        address: address.clone(),
        next: next.clone(),
    };
    if !faults.is_empty() {
        return Ok(render_again(&again(faults)));
    }
    let Some(_place) = state.waiting.enter(visit.rip, &visit.settings.trusted_networks) else {
        return Ok(later(&again(Faults::one("", t.s("sign-in-busy")))));
    };
    match judge(&state, &visit, &address, password).await? {
        Verdict::Verified(verified) => {
            if let Some(id) = visit::cookie(&headers, SESSION_COOKIE) {
                state.sessions.end(id.as_bytes());
            }
            Ok(begin_session(&state, &visit, &verified, &next))
        }
        Verdict::Rejected(rejected) => {
            Ok(render_again(&again(Faults::one("password", why_not(t, rejected.reason)))))
        }
        Verdict::Unavailable(_) => Ok(later(&again(Faults::one("", t.s("sign-in-unavailable"))))),
    }
}

/// What the pipeline says, when it may be said.
async fn judge(
    state: &State,
    visit: &Visit,
    address: &str,
    password: Secret,
) -> Result<Verdict, Trouble> {
    let (arrived, rip, name) = (Instant::now(), visit.rip, address.to_owned());
    let attempt = Attempt {
        credentials: Credentials::Password {
            authcid: name.clone().into_bytes(),
            authzid: None,
            password,
        },
        mechanism: MECHANISM,
        protocol: "web".to_owned(),
        rip: Some(rip),
        session: None,
        no_penalty: false,
        arrived: Timestamp::now(),
    };
    let (pipeline, witness) = (Arc::clone(&state.pipeline), Arc::clone(&state.witness));
    let provider_passwords = visit.settings.provider_passwords;
    // Whoever leaves before he has his answer stands in the log all the same.
    let deciding = state.logins.spawn(async move {
        let decision = pipeline.decide_form(attempt, provider_passwords).await;
        let name = Some(name.as_str());
        witness(&SeenSignIn {
            name,
            mechanism: MECHANISM,
            rip,
            arrived,
            decision: &decision,
            administrator_of: None,
        });
        decision
    });
    let Decision { verdict, answer_after, .. } = deciding.await.map_err(|_| Trouble::Internal)?;
    sleep_until(arrived + answer_after).await;
    Ok(verdict)
}

/// Signed in: a new session under a new id, whatever the browser had before.
fn begin_session(state: &State, visit: &Visit, verified: &Verified, next: &str) -> Response {
    let mailbox = &verified.account().mailbox;
    let new = NewSession {
        mailbox: Some(Own {
            address: mailbox.address.clone(),
            id: mailbox.id,
            generation: Some(mailbox.generation),
        }),
        name: mailbox.address.to_string(),
        by: SignedInBy::Password,
        administrator: None,
    };
    let id = state.sessions.begin(new, visit.settings.limits(), Timestamp::now());
    ([cookie::set(SESSION_COOKIE, &id, None)], Redirect::to(next)).into_response()
}

/// One text for all, but for who has shown a secret that is right.
fn why_not(t: &Texts, reason: Reason) -> String {
    match reason {
        Reason::AppPasswordService | Reason::AppPasswordExpired | Reason::AppPasswordNetwork => {
            t.s("sign-in-app-password")
        }
        _ => t.s("sign-in-wrong"),
    }
}

/// It is not the visitor's fault.
fn later(page: &Page) -> Response {
    let mut response = render(page);
    *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    response
}
