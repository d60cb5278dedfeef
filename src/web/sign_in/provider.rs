//! Signing in at a provider: the browser is sent there, and comes back.
//!
//! Which answers count, `idp` says, and whom they let in, `verify`. Here it is held
//! together which browser began what (`pending`), and what its person is told.

use std::{collections::HashMap, sync::Arc};

use axum::{
    extract::{Path, Query, RawQuery, State as Shared},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse as _, Redirect, Response},
};
use serde::Deserialize;
use tokio::time::Instant;
use url::{Url, form_urlencoded};

use super::{
    Wanted, cookie,
    pending::{Begun, LIFETIME},
    waiting::network,
    way_out::{Leave, leave},
};
use crate::{
    api::{Caller, caller::PersonThere},
    clock::Timestamp,
    idp::Return,
    mailbox::{Address, ProviderName},
    secret::Secret,
    verify::{Administers, Comeback, Decision, Guest, NotSentOff, Reason, Verdict, Welcomed},
    web::{
        SeenSignIn, State,
        page::{Frame, Section, render},
        sessions::{NewSession, Own, SignedInBy, random_text},
        texts::Texts,
        trouble::Trouble,
        visit::{self, SESSION_COOKIE, Visit},
    },
};

/// The cookie with the secret of a browser that is on its way.
const COOKIE: &str = "__Host-dovegate-sign-in";
/// How it is called in the log, beside the mechanisms of mail programs.
const MECHANISM: &str = "OIDC";
/// Longest id token that is kept for the way out.
const MAX_ID_TOKEN_BYTES: usize = 8 << 10;

/// How one signs in at the provider of an address.
#[derive(Clone)]
pub(super) struct ByProvider {
    pub(super) name: ProviderName,
    /// What leads there.
    pub(super) href: String,
}

/// That of the address's domain, whoever has the address.
pub(super) async fn by_provider(state: &State, typed: &str, next: &str) -> Option<ByProvider> {
    let address = state.pipeline.names().canonical(typed.as_bytes()).ok()?;
    let pipeline = Arc::clone(&state.pipeline);
    let domain = address.domain();
    let asked = state.logins.spawn(async move { pipeline.signs_in_for(&domain).await });
    let name = asked.await.ok().flatten()?;
    let query = form_urlencoded::Serializer::new(String::new())
        .append_pair("address", address.as_str())
        .append_pair("next", next)
        .finish();
    Some(ByProvider { href: format!("/sign-in/{name}?{query}"), name })
}

/// What leads to a provider.
#[derive(Deserialize)]
pub(super) struct Asked {
    /// The address that was typed.
    address: Option<String>,
    next: Option<String>,
}

/// `GET /sign-in/{provider}`: off to the provider. A link and no form, since browsers hold
/// a form's page to every address that its provider sends them on to. It changes nothing
/// but what we keep of this browser for ten minutes.
pub(super) async fn begin(
    Shared(state): Shared<State>,
    visit: Visit,
    headers: HeaderMap,
    Path(name): Path<String>,
    Query(asked): Query<Asked>,
) -> Result<Response, Trouble> {
    let provider: ProviderName = name.parse().map_err(|_| Trouble::NotFound)?;
    let redirect = callback(&visit, &provider)?;
    let names = state.pipeline.names();
    let hint = asked.address.and_then(|typed| names.canonical(typed.trim().as_bytes()).ok());
    let (pipeline, asked_of) = (Arc::clone(&state.pipeline), provider.clone());
    let sent = state
        .logins
        .spawn(async move { pipeline.send_off(&asked_of, &redirect, hint.as_ref()).await });
    let (url, departure) = match sent.await.map_err(|_| Trouble::Internal)? {
        Ok(sent) => sent,
        Err(NotSentOff::UnknownProvider) => return Err(Trouble::NotFound),
        Err(NotSentOff::Unavailable(why)) => {
            tracing::warn!(%provider, why, "nobody can be sent there to sign in");
            let why = Texts::english().with("sign-in-why-unavailable", "provider", &provider);
            return Ok(refused(&visit, StatusCode::SERVICE_UNAVAILABLE, why, None));
        }
    };
    let browser = visit::cookie(&headers, COOKIE).filter(|secret| secret.len() == 43);
    let browser = browser.map_or_else(random_text, Secret::from);
    let next = Wanted { next: asked.next }.path();
    let begun = Begun { provider, departure, next };
    state.pending.keep(begun, browser.expose(), network(visit.rip), Timestamp::now());
    let kept = cookie::set(COOKIE, &browser, Some(LIFETIME.as_secs()));
    Ok(([kept], Redirect::to(url.as_str())).into_response())
}

/// Where the provider sends browsers back to.
pub(super) fn callback(visit: &Visit, provider: &ProviderName) -> Result<Url, Trouble> {
    let url = visit.settings.public_url.as_ref().ok_or(Trouble::NotFound)?;
    Url::parse(&url.page(&format!("/sign-in/{provider}/callback"))).map_err(|_| Trouble::Internal)
}

/// `GET /sign-in/{provider}/callback`: back from there.
pub(super) async fn end(
    Shared(state): Shared<State>,
    visit: Visit,
    headers: HeaderMap,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, Trouble> {
    let provider: ProviderName = name.parse().map_err(|_| Trouble::NotFound)?;
    let Some(mut brought) = brought(&query.unwrap_or_default()) else { return Ok(over(&visit)) };
    let Some(state_text) = brought.remove("state") else {
        // Back from signing out there; or somebody who typed the address.
        return Ok(Redirect::to("/sign-in").into_response());
    };
    let browser = visit::cookie(&headers, COOKIE).unwrap_or_default();
    let secret = Secret::from(&*state_text);
    let begun = state.pending.take(&secret, browser.as_bytes(), Timestamp::now());
    let Some(begun) = begun else { return Ok(over(&visit)) };
    if begun.provider != provider {
        tracing::warn!(
            %provider, sent_to = %begun.provider, rip = %visit.rip,
            "a browser came back from another provider than it was sent to"
        );
        return Ok(over(&visit));
    }
    let mut one = |name: &str| brought.remove(name);
    let returned = Return {
        code: one("code").map(|code| Secret::from(&*code)),
        issuer: one("iss"),
        error: one("error"),
        error_description: one("error_description"),
    };
    let comeback = Comeback {
        provider: provider.clone(),
        departure: begun.departure,
        returned,
        rip: Some(visit.rip),
        arrived: Timestamp::now(),
    };
    let Welcomed { decision, guest } = welcome(&state, &visit, comeback).await?;
    let session = guest.as_ref().and_then(|guest| session(guest, &decision));
    let Some(new) = session else {
        return Ok(why_not(&state, &visit, &provider, &decision, guest).await);
    };
    if let Some(id) = visit::cookie(&headers, SESSION_COOKIE) {
        state.sessions.end(id.as_bytes());
    }
    let is_home = begun.next == "/" && new.mailbox.is_none();
    let next = if is_home { "/admin" } else { &begun.next };
    let id = state.sessions.begin(new, visit.settings.limits(), Timestamp::now());
    Ok(([cookie::set(SESSION_COOKIE, &id, None)], Redirect::to(next)).into_response())
}

/// What stands in the address of the way back; nothing if it says something twice
/// (RFC 6749 §3.1).
fn brought(query: &str) -> Option<HashMap<String, String>> {
    let mut all = HashMap::new();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        if all.insert(name.into_owned(), value.into_owned()).is_some() {
            return None;
        }
    }
    Some(all)
}

/// What `verify` says. Whoever leaves before he has his answer stands in the log all the
/// same.
async fn welcome(state: &State, visit: &Visit, comeback: Comeback) -> Result<Welcomed, Trouble> {
    let (pipeline, witness) = (Arc::clone(&state.pipeline), Arc::clone(&state.witness));
    let (arrived, rip) = (Instant::now(), visit.rip);
    let welcoming = state.logins.spawn(async move {
        let welcomed = pipeline.welcome(comeback).await;
        let guest = welcomed.guest.as_ref();
        let name = guest.and_then(|guest| guest.address.as_ref());
        let administers = guest.filter(|guest| guest.administers != Administers::Nothing);
        witness(&SeenSignIn {
            name: name.map(Address::as_str),
            mechanism: MECHANISM,
            rip,
            arrived,
            decision: &welcomed.decision,
            administrator_of: administers.map(|guest| &guest.provider),
        });
        welcomed
    });
    welcoming.await.map_err(|_| Trouble::Internal)
}

/// The session of somebody who may go on: to his mailbox, to what he administers, or both.
fn session(guest: &Guest, decision: &Decision) -> Option<NewSession> {
    let mailbox = match &decision.verdict {
        Verdict::Verified(verified) => {
            let mailbox = &verified.account().mailbox;
            Some(Own { address: mailbox.address.clone(), id: mailbox.id, generation: None })
        }
        Verdict::Rejected(_) => None,
        // Whether he has one is not known.
        Verdict::Unavailable(_) => return None,
    };
    // What he can write himself is not what the log calls him.
    let address = guest.address.as_ref().map(ToString::to_string);
    let known_as = address.unwrap_or_else(|| guest.subject.clone());
    let (name, provider) = (known_as.clone(), guest.provider.clone());
    let administrator = match guest.administers {
        Administers::Nothing => None,
        Administers::ItsDomains => Some(Caller::domain_administrator(name, provider)),
        Administers::Everything => Some(Caller::global_administrator(name, provider)),
    };
    let person = PersonThere { issuer: guest.issuer.clone(), subject: guest.subject.clone() };
    let administrator = administrator.map(|caller| caller.known_there_as(person));
    if mailbox.is_none() && administrator.is_none() {
        return None;
    }
    let is_kept = guest.id_token.len() <= MAX_ID_TOKEN_BYTES;
    let by = SignedInBy::Provider {
        provider: guest.provider.clone(),
        subject: guest.subject.clone(),
        session: guest.session.clone(),
        id_token: if is_kept { guest.id_token.clone() } else { Secret::default() },
    };
    let name = if guest.name.is_empty() { known_as } else { guest.name.clone() };
    Some(NewSession { mailbox, name, by, administrator })
}

#[derive(askama::Template)]
#[template(path = "sign_in/refused.html")]
struct Refused {
    frame: Frame,
    why: String,
    leave: Option<Leave>,
}

/// What its person is told; the log has the reason.
fn refused(visit: &Visit, status: StatusCode, why: String, leave: Option<Leave>) -> Response {
    let title = Texts::english().s("sign-in-refused");
    let headers = leave.as_ref().map(Leave::header);
    let page = Refused { frame: Frame::new(visit, title, Section::None), why, leave };
    let mut response = render(&page);
    *response.status_mut() = status;
    if let Some(leads_to) = headers {
        response.extensions_mut().insert(leads_to);
    }
    response
}

/// What the browser brings belongs to no sign-in that it began here.
fn over(visit: &Visit) -> Response {
    refused(visit, StatusCode::BAD_REQUEST, Texts::english().s("sign-in-why-over"), None)
}

/// The page for somebody who is not signed in. Who is at the provider as somebody else than
/// he wants to be can sign out there.
async fn why_not(
    state: &State,
    visit: &Visit,
    provider: &ProviderName,
    decision: &Decision,
    guest: Option<Guest>,
) -> Response {
    let (status, key) = match &decision.verdict {
        Verdict::Rejected(rejected) => (StatusCode::FORBIDDEN, key(rejected.reason)),
        Verdict::Verified(_) | Verdict::Unavailable(_) => {
            (StatusCode::SERVICE_UNAVAILABLE, "sign-in-why-unavailable")
        }
    };
    let address = guest.as_ref().and_then(|guest| guest.address.as_ref());
    let values = [
        ("provider", provider.to_string()),
        ("address", address.map(ToString::to_string).unwrap_or_default()),
    ];
    let why = Texts::english().of(key, &values);
    let leave = match &guest {
        Some(guest) => leave(state, visit, provider, &guest.id_token, false).await,
        None => None,
    };
    refused(visit, status, why, leave)
}

/// What somebody is told who is refused for this reason. His provider has said who he is,
/// so it may be told how his own mailbox stands.
fn key(reason: Reason) -> &'static str {
    match reason {
        Reason::SignInDeclined => "sign-in-why-declined",
        Reason::SignInCode | Reason::SignInNonce => "sign-in-why-over",
        Reason::HeldBack => "sign-in-why-held-back",
        Reason::UnknownUser
        | Reason::ProvisionLimit
        | Reason::ProvisionNoTemplate
        | Reason::ProvisionTemplateMissing
        | Reason::ProvisionState
        | Reason::ProvisionService
        | Reason::ProvisionOtherMailbox => "sign-in-why-no-mailbox",
        Reason::DomainDisabled
        | Reason::MailboxDisabled
        | Reason::ReceiveOnly
        | Reason::DisabledAtProvider => "sign-in-why-off",
        Reason::ServiceNotAllowed => "sign-in-why-service",
        Reason::UnverifiedEmail => "sign-in-why-unverified",
        Reason::AddressReassigned => "sign-in-why-reassigned",
        Reason::ProviderDomain | Reason::TokenUser | Reason::TokenSource | Reason::NoProvider => {
            "sign-in-why-elsewhere"
        }
        _ => "sign-in-why-other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_said_twice() {
        let read = |query: &str| brought(query).map(|all| all.len());
        assert_eq!(read("code=a&state=b&iss=c"), Some(3));
        assert_eq!(read(""), Some(0));
        for twice in ["code=a&code=b", "state=a&state=a", "iss=a&x=b&iss="] {
            assert_eq!(read(twice), None, "{twice}");
        }
    }

    #[test]
    fn every_refusal_has_its_text() {
        let t = Texts::english();
        for reason in Reason::ALL {
            let (key, said) = (key(*reason), t.s(key(*reason)));
            assert!(said != key && !said.is_empty(), "{key}");
        }
    }
}
