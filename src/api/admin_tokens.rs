//! `/admin-tokens`: with what programs use this API.

use std::{collections::BTreeSet, net::IpAddr, time::Duration};

use axum::{Json, extract::State as Shared, response::NoContent};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Caller, Error, Moment, Page, State, answer, bearer,
    error::Code,
    extract::{Body, Named, given},
    text,
};
use crate::{
    clock::Timestamp,
    mailbox::{AdminToken, AdminTokenId, AdminTokenUse, DomainName, Scope},
};

/// How long one is good if nothing is said.
pub const DEFAULT_LIFETIME: Duration = Duration::from_secs(90 * 24 * 60 * 60);
const MAX_DOMAINS: usize = 1000;

/// An admin token as the API shows it: never its secret.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[schemars(rename = "AdminToken")]
pub struct View {
    /// Its number, which stands in the token.
    pub id: AdminTokenId,
    /// What its maker calls it.
    pub name: String,
    /// What it may be used for.
    pub scopes: BTreeSet<Scope>,
    /// What it reaches; null is everything.
    pub domains: Option<BTreeSet<DomainName>>,
    /// From when on it is refused; null is never.
    pub expires: Option<Moment>,
    /// Whether it is refused by now.
    pub expired: bool,
    /// When it was made.
    pub created: Moment,
    /// Who made it.
    pub created_by: String,
    /// Its last use, a minute less or more.
    pub last_used: Option<LastUse>,
}

/// The last use of an admin token.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, Serialize)]
#[schemars(rename = "AdminTokenUse")]
pub struct LastUse {
    /// When.
    pub at: Moment,
    /// From where.
    pub rip: IpAddr,
}

impl From<AdminTokenUse> for LastUse {
    fn from(AdminTokenUse { at, rip }: AdminTokenUse) -> Self {
        Self { at: at.into(), rip }
    }
}

impl View {
    fn of(token: AdminToken, now: Timestamp) -> Self {
        Self {
            id: token.id,
            name: token.name,
            scopes: token.scopes,
            domains: token.domains,
            expires: token.expires.map(Moment),
            expired: token.expires.is_some_and(|expires| expires <= now),
            created: token.created.into(),
            created_by: token.created_by,
            last_used: token.last_used.map(LastUse::from),
        }
    }
}

/// A new admin token with its text, which nothing shows again.
#[derive(Clone, Deserialize, JsonSchema, Serialize)]
#[schemars(rename = "NewAdminToken")]
pub struct Created {
    /// The text to send as `Authorization: Bearer …`.
    pub token: String,
    /// What is kept of it.
    #[serde(flatten)]
    pub view: View,
}

/// An admin token to be made.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[schemars(rename = "CreateAdminToken")]
#[serde(deny_unknown_fields)]
pub struct New {
    /// A name for it ("Panel").
    pub name: String,
    /// What it may be used for.
    pub scopes: BTreeSet<Scope>,
    /// What it reaches; everything if absent.
    #[serde(default)]
    pub domains: Option<BTreeSet<DomainName>>,
    /// From when on it is refused: in 90 days if absent, never if null.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub expires: Option<Option<Moment>>,
}

impl New {
    fn check(&self, now: Timestamp) -> Result<(), Error> {
        if self.name.trim().is_empty() {
            return Err(Error::bad_request("name: an admin token needs one"));
        }
        text::label("name", &self.name)?;
        if self.scopes.is_empty() {
            return Err(Error::bad_request("scopes: an admin token without any opens nothing"));
        }
        let unfit = self.scopes.iter().find(|scope| !Scope::OF_TOKENS.contains(scope));
        if let Some(scope) = unfit {
            let why = format!("scopes: no admin token has {scope}");
            return Err(Error::bad_request(why));
        }
        self.check_domains()?;
        if self.expires.flatten().is_some_and(|expires| expires.0 <= now) {
            return Err(Error::bad_request("expires: lies in the past"));
        }
        Ok(())
    }

    fn check_domains(&self) -> Result<(), Error> {
        let Some(domains) = &self.domains else { return Ok(()) };
        if domains.is_empty() || domains.len() > MAX_DOMAINS {
            let why = format!("domains: 1 to {MAX_DOMAINS} of them, or absent for everything");
            return Err(Error::bad_request(why));
        }
        let useless = self.scopes.iter().find(|scope| !Scope::OF_DOMAINS.contains(scope));
        useless.map_or(Ok(()), |scope| {
            let why = format!("scopes: {scope} is of the whole server, not of some domains");
            Err(Error::bad_request(why))
        })
    }
}

pub(super) async fn list(Shared(state): Shared<State>) -> Result<Json<Page<View>>, Error> {
    let now = Timestamp::now();
    let tokens = state.store.admin_tokens().await?.into_iter();
    Ok(Json(Page::whole(tokens.map(|token| View::of(token, now)).collect())))
}

pub(super) async fn create(
    Shared(state): Shared<State>,
    caller: Caller,
    Body(new): Body<New>,
) -> Result<answer::Created<Created>, Error> {
    let now = Timestamp::now();
    new.check(now)?;
    for domain in new.domains.iter().flatten() {
        let found = state.store.domain(domain).await?;
        found.ok_or_else(|| Error::not_found("domain", domain.as_str()))?;
    }
    let (id, text, digest) = bearer::generate().map_err(|error| {
        Error::new(Code::Unavailable, "the system gives no random bytes").log(error.to_string())
    })?;
    let in_90_days = || Some(Moment(now.after(DEFAULT_LIFETIME)));
    let kept = AdminToken {
        id: id.clone(),
        name: new.name,
        digest,
        scopes: new.scopes,
        domains: new.domains,
        expires: new.expires.unwrap_or_else(in_90_days).map(|expires| expires.0),
        created: now,
        created_by: caller.who().to_string(),
        last_used: None,
    };
    state.store.create_admin_token(kept.clone()).await?;
    caller.changed("admin-token create", &id);
    let token = String::from_utf8_lossy(text.expose()).into_owned();
    Ok(answer::Created(Created { token, view: View::of(kept, now) }))
}

pub(super) async fn revoke(
    Shared(state): Shared<State>,
    caller: Caller,
    Named(id): Named<String>,
) -> Result<NoContent, Error> {
    let id: AdminTokenId = id.parse().map_err(Error::bad_request)?;
    state.store.remove_admin_token(&id).await?;
    caller.changed("admin-token revoke", &id);
    Ok(NoContent)
}
