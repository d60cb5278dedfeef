//! `idp` against a provider that answers, misbehaves and lies: what comes back
//! is the right one of three answers, whichever method asked.

mod by_id;
mod discovery;
mod events;
mod faults;
mod keycloak;
mod limits;
mod logout;
mod people;
mod sign_in;
mod signatures;
mod tls;
mod tokens;

use dovegate::{
    clock::{Span, Timestamp},
    idp::{self, Answer, Checked, OutageCause, Refused, Settings, StepOutcome},
    mailbox::{
        NamedProvider, Provider,
        provider::{Kind, Method},
    },
    secret::Secret,
};

use crate::support::provider::{CLIENT_ID, CLIENT_SECRET, FakeProvider};

const METHODS: [Method; 3] = [Method::Introspection, Method::Userinfo, Method::Jwt];

/// Settings for `fake` with our client's credentials, changed by `change`.
fn settings(fake: &FakeProvider, change: impl FnOnce(&mut Provider)) -> Settings {
    let mut provider = Provider::new(Kind::Oidc);
    provider.server_url = Some(fake.url());
    provider.client_id = Some(CLIENT_ID.to_owned());
    provider.client_secret = Some(CLIENT_SECRET.to_owned().into());
    change(&mut provider);
    let name = "corp".parse().expect("a name");
    Settings::mean(&NamedProvider { name, provider }).expect("good settings")
}

/// A provider at `fake`.
fn provider(fake: &FakeProvider, change: impl FnOnce(&mut Provider)) -> idp::Provider {
    idp::Provider::new(settings(fake, change)).expect("TLS can be set up")
}

/// One that asks by `method` alone.
fn by(fake: &FakeProvider, method: Method) -> idp::Provider {
    provider(fake, |provider| provider.methods = vec![method])
}

/// Gives up quickly: where an answer is not to be expected.
fn impatient(provider: &mut Provider) {
    provider.timeout = Some(Span(std::time::Duration::from_millis(600)));
}

/// Requests for `endpoint` that were sent.
fn sent(provider: &idp::Provider, endpoint: &str) -> u64 {
    provider.status().requests[endpoint].values().map(|times| times.count).sum()
}

async fn check(provider: &idp::Provider, token: &str) -> Checked {
    let checked = provider.check_token(&Secret::from(token), Timestamp::now()).await;
    // Nothing that comes out of a check shows what went into it.
    let shown = format!("{checked:?} {provider:?} {:?}", provider.status());
    assert!(!shown.contains(CLIENT_SECRET), "the client secret shows: {shown}");
    assert!(token.len() < 12 || !shown.contains(token), "the token shows: {shown}");
    checked
}

#[track_caller]
fn active(checked: &Checked) -> &idp::Token {
    match &checked.answer {
        Answer::Active(token) => token,
        other => panic!("not active: {other:?} after {:#?}", checked.steps),
    }
}

#[track_caller]
fn refused(checked: &Checked, why: Refused) -> &str {
    match &checked.answer {
        Answer::Refused(refusal) if refusal.why == why => &refusal.detail,
        other => panic!("not refused as {why:?}: {other:?} after {:#?}", checked.steps),
    }
}

#[track_caller]
fn outage(checked: &Checked, cause: OutageCause) -> &str {
    match &checked.answer {
        Answer::Unavailable(outage) if outage.cause == cause => &outage.detail,
        other => panic!("no outage {cause:?}: {other:?} after {:#?}", checked.steps),
    }
}

/// Outcome of the step of this name.
#[track_caller]
fn step(checked: &Checked, name: &str) -> StepOutcome {
    let step = checked.steps.iter().find(|step| step.name == name);
    step.unwrap_or_else(|| panic!("no step {name} in {:#?}", checked.steps)).outcome
}
