//! `/domains`.

use std::{ops::Bound, sync::Arc};

use axum::{Json, extract::State as Shared, response::NoContent};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Caller, Error, Moment, Page, Paging, State, answer,
    extract::{Body, Named, Params, domain, given},
    page::bounded,
    providers,
    rights::Territory,
};
use crate::{
    clock::Timestamp,
    mailbox::{Domain, DomainName, ProviderName, Quota},
    store::{DomainChange, DomainUse},
};

/// A domain as the API shows it.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[schemars(rename = "Domain")]
pub struct View {
    /// Canonical name.
    pub name: DomainName,
    /// Whether its mailboxes may log in.
    pub active: bool,
    /// The identity provider whose tokens open its mailboxes; null if there is
    /// none.
    #[serde(default)]
    pub provider: Option<ProviderName>,
    /// Number of mailboxes.
    pub mailboxes: u64,
    /// Most mailboxes; null is no limit.
    pub max_mailboxes: Option<u64>,
    /// Quota of a mailbox that names none; 0 is no limit, as in the next three.
    pub default_quota_bytes: Quota,
    /// Largest quota that one mailbox may have.
    pub max_quota_bytes: Quota,
    /// Sum of all mailboxes' quotas now.
    pub used_quota_bytes: u64,
    /// The most that this sum may be.
    pub total_quota_bytes: Quota,
    /// When it was made.
    pub created: Moment,
    /// When it was changed last.
    pub modified: Moment,
}

impl View {
    fn new(domain: &Domain, used: DomainUse) -> Self {
        Self {
            name: domain.name.clone(),
            active: domain.active,
            provider: domain.provider.clone(),
            mailboxes: used.mailboxes,
            max_mailboxes: domain.max_mailboxes,
            default_quota_bytes: domain.default_quota,
            max_quota_bytes: domain.max_quota,
            used_quota_bytes: used.quota_bytes,
            total_quota_bytes: domain.total_quota,
            created: domain.created.into(),
            modified: domain.modified.into(),
        }
    }
}

/// A domain to be made.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "NewDomain")]
pub struct New {
    /// Its name.
    #[schemars(with = "DomainName")]
    pub name: String,
    /// Whether its mailboxes may log in.
    #[serde(default = "yes")]
    pub active: bool,
    /// The identity provider that speaks for it.
    #[serde(default)]
    pub provider: Option<ProviderName>,
    /// Most mailboxes.
    #[serde(default)]
    pub max_mailboxes: Option<u64>,
    /// Quota of a mailbox that names none.
    #[serde(default)]
    pub default_quota_bytes: Quota,
    /// Largest quota of one mailbox.
    #[serde(default)]
    pub max_quota_bytes: Quota,
    /// Most of all quotas together.
    #[serde(default)]
    pub total_quota_bytes: Quota,
}

fn yes() -> bool {
    true
}

/// What to change. Absent leaves alone, null takes away.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "DomainChange")]
pub struct Change {
    /// Whether its mailboxes may log in.
    #[schemars(with = "bool")]
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub active: Option<bool>,
    /// The identity provider that speaks for it.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub provider: Option<Option<ProviderName>>,
    /// Most mailboxes.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub max_mailboxes: Option<Option<u64>>,
    /// Quota of a mailbox that names none.
    #[schemars(with = "Quota")]
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub default_quota_bytes: Option<Quota>,
    /// Largest quota of one mailbox.
    #[schemars(with = "Quota")]
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub max_quota_bytes: Option<Quota>,
    /// Most of all quotas together.
    #[schemars(with = "Quota")]
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub total_quota_bytes: Option<Quota>,
}

/// A default that no mailbox could take would show only at the next mailbox.
fn check_quotas(default: Quota, max: Quota) -> Result<(), Error> {
    if !max.is_unlimited() && !default.is_unlimited() && default.bytes > max.bytes {
        return Err(Error::bad_request(format!(
            "default quota {default} is over the maximum of {max} for one mailbox"
        )));
    }
    Ok(())
}

pub(super) async fn list(
    Shared(state): Shared<State>,
    territory: Territory,
    Params(paging): Params<Paging>,
) -> Result<Json<Page<View>>, Error> {
    let limit = bounded(paging.limit);
    let after = paging.after.as_deref().map(domain).transpose()?;
    let mut views = Vec::new();
    for domain in state.domains_within(&territory, after.as_ref(), limit).await? {
        let used = state.store.domain_use(&domain.name).await?;
        views.push(View::new(&domain, used));
    }
    Ok(Json(Page::of(views, limit, |view| view.name.to_string())))
}

impl State {
    /// Those of the domains that are reached, by name.
    async fn domains_within(
        &self,
        territory: &Territory,
        after: Option<&DomainName>,
        limit: usize,
    ) -> Result<Vec<Arc<Domain>>, Error> {
        let Territory::Within(within) = territory else {
            return Ok(self.store.domains(after, limit).await?);
        };
        let mut found = Vec::new();
        for name in within.domains_from(after, Bound::Excluded) {
            // An admin token may name domains that are not there.
            found.extend(self.store.domain(name).await?);
            if found.len() == limit {
                break;
            }
        }
        Ok(found)
    }
}

pub(super) async fn show(
    Shared(state): Shared<State>,
    Named(name): Named<String>,
) -> Result<Json<View>, Error> {
    let name = domain(&name)?;
    let found = state.store.domain(&name).await?;
    let found = found.ok_or_else(|| Error::not_found("domain", name.as_str()))?;
    let used = state.store.domain_use(&name).await?;
    Ok(Json(View::new(&found, used)))
}

pub(super) async fn create(
    Shared(state): Shared<State>,
    caller: Caller,
    Body(new): Body<New>,
) -> Result<answer::Created<View>, Error> {
    check_quotas(new.default_quota_bytes, new.max_quota_bytes)?;
    let _providers = providers::unchanged().await;
    new.provider.as_ref().map_or(Ok(()), |provider| state.known_provider(provider))?;
    let made = Domain {
        active: new.active,
        provider: new.provider,
        max_mailboxes: new.max_mailboxes,
        default_quota: new.default_quota_bytes,
        max_quota: new.max_quota_bytes,
        total_quota: new.total_quota_bytes,
        ..Domain::new(domain(&new.name)?, Timestamp::now())
    };
    let view = View::new(&made, DomainUse::default());
    state.store.create_domain(made).await?;
    caller.changed("domain add", &view.name);
    Ok(answer::Created(view))
}

pub(super) async fn change(
    Shared(state): Shared<State>,
    caller: Caller,
    Named(name): Named<String>,
    Body(change): Body<Change>,
) -> Result<Json<View>, Error> {
    let name = domain(&name)?;
    let found = state.store.domain(&name).await?;
    let found = found.ok_or_else(|| Error::not_found("domain", name.as_str()))?;
    check_quotas(
        change.default_quota_bytes.unwrap_or(found.default_quota),
        change.max_quota_bytes.unwrap_or(found.max_quota),
    )?;
    let _providers = providers::unchanged().await;
    change.provider.iter().flatten().try_for_each(|provider| state.known_provider(provider))?;
    let change = DomainChange {
        active: change.active,
        provider: change.provider,
        max_mailboxes: change.max_mailboxes,
        default_quota: change.default_quota_bytes,
        max_quota: change.max_quota_bytes,
        total_quota: change.total_quota_bytes,
    };
    let changed = state.store.update_domain(&name, change, Timestamp::now()).await?;
    caller.changed("domain set", &name);
    if found.active && !changed.active {
        state.pipeline.withdraw_domain(&name);
    }
    let used = state.store.domain_use(&name).await?;
    Ok(Json(View::new(&changed, used)))
}

pub(super) async fn remove(
    Shared(state): Shared<State>,
    caller: Caller,
    Named(name): Named<String>,
) -> Result<NoContent, Error> {
    let name = domain(&name)?;
    state.store.remove_domain(&name).await?;
    caller.changed("domain remove", &name);
    Ok(NoContent)
}
