//! `/providers`: identity providers. Those of `dovegate.toml` are shown beside
//! those of the store and changed only there. No answer carries a secret.

use std::collections::BTreeMap;

use axum::{Json, extract::State as Shared, response::NoContent};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio::sync::{Mutex, MutexGuard};

use super::{
    Caller, Error, MAX_PAGE, Page, State, answer,
    error::Code,
    extract::{Body, Named, shown},
    provider_keys::{NewProvider, ProviderPatch, without_secret},
    rights::Territory,
    sync::Syncing,
};
use crate::{
    idp::{self, BreakerState},
    mailbox::{DomainName, NamedProvider, Provider, ProviderName},
    verify::{self, ProviderReport},
};

/// Each has connections and caches of its own.
const MAX_PROVIDERS: usize = 100;
const MAX_TEXT_BYTES: usize = 2048;
const MAX_ENTRIES: usize = 100;
/// Names of domains in one answer; how many there are is said beside them.
const MAX_DOMAINS: usize = 100;

/// A provider as the API shows it.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[schemars(rename = "Provider", transform = without_secret)]
pub struct View {
    /// Its name.
    pub name: ProviderName,
    /// Where it is declared.
    pub origin: Origin,
    /// Every key but the secret, as written; absent ones have their default.
    #[serde(flatten)]
    #[schemars(with = "Provider")]
    pub written: Map<String, Value>,
    /// Whether there is a `client_secret`.
    pub has_client_secret: bool,
    /// Domains for which it speaks, the first hundred of them.
    pub domains: Vec<DomainName>,
    /// How many these are.
    pub domain_count: usize,
    /// What is wrong with it by now; its tokens open nothing then.
    pub problems: Vec<Problem>,
    /// What works and is not safe.
    pub warnings: Vec<String>,
    /// How it goes.
    pub status: Status,
    /// How it goes with its syncs; null where its people cannot be listed.
    #[serde(default)]
    pub sync: Option<Syncing>,
}

/// What of a view changes by itself, or with something else.
pub(super) const VOLATILE: &[&str] =
    &["domains", "domain_count", "problems", "warnings", "status", "sync"];

/// Where a provider is declared.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// In `dovegate.toml`, which wins.
    File,
    /// In the store.
    Store,
}

impl From<verify::Origin> for Origin {
    fn from(origin: verify::Origin) -> Self {
        match origin {
            verify::Origin::File => Self::File,
            verify::Origin::Store => Self::Store,
        }
    }
}

/// One thing that is wrong with a provider.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[schemars(rename = "ProviderProblem")]
pub struct Problem {
    /// The key.
    pub key: String,
    /// What is wrong, and the way out.
    pub reason: String,
}

/// How it goes with a provider since the start.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, Serialize)]
#[schemars(rename = "ProviderStatus")]
pub struct Status {
    /// Requests by what was asked: `discovery`, `jwks`, `introspection`,
    /// `userinfo`, `token`, `users`, `events`.
    pub requests: BTreeMap<String, u64>,
    /// Requests under way.
    #[serde(default)]
    pub in_flight: usize,
    /// Requests that wait for others to end.
    #[serde(default)]
    pub waiting: usize,
    /// Requests that were not sent: no place in time, or it is left alone.
    #[serde(default)]
    pub unsent: u64,
    /// Requests that came to no usable answer.
    pub failures: u64,
    /// The last of these; null if the last request was answered.
    pub down: Option<String>,
    /// Why it is left alone for a moment: `failed` again and again, or `limited`
    /// by its own word; null where it is asked.
    #[serde(default)]
    pub left_alone: Option<String>,
    /// Whether it is heard of what happens to people: `not_asked`, `watching`,
    /// `not_recorded`, `forbidden`, `failing`.
    #[serde(default)]
    pub events: String,
}

impl From<idp::Status> for Status {
    fn from(status: idp::Status) -> Self {
        let requests = status.requests.into_iter().map(|(endpoint, times)| {
            (endpoint.to_owned(), times.values().map(|times| times.count).sum())
        });
        let left_alone = match (status.breaker, status.held) {
            (BreakerState::Open, _) => Some("failed"),
            (_, Some(_)) => Some("limited"),
            _ => None,
        };
        Self {
            requests: requests.collect(),
            in_flight: status.in_flight,
            waiting: status.waiting,
            unsent: status.unsent,
            failures: status.failures,
            down: status.down,
            left_alone: left_alone.map(str::to_owned),
            events: status.events.name().to_owned(),
        }
    }
}

/// One change at a time: each reads, checks and writes, and what speaks for a
/// domain must still be there when the domain is written.
static CHANGES: Mutex<()> = Mutex::const_new(());

/// Keeps providers as they are until the guard is gone.
pub(super) async fn unchanged() -> MutexGuard<'static, ()> {
    CHANGES.lock().await
}

impl State {
    /// Refuses the name of a provider that is declared nowhere.
    pub(super) fn known_provider(&self, name: &ProviderName) -> Result<(), Error> {
        let known = self.pipeline.providers().iter().any(|report| report.name == *name);
        if known {
            Ok(())
        } else if self.pipeline.directories().iter().any(|report| report.name == *name) {
            let why = format!("{name} is a directory: it speaks for the domains of its settings");
            Err(Error::new(Code::Conflict, why))
        } else {
            Err(Error::not_found("provider", name.as_str()))
        }
    }

    pub(super) fn report(&self, name: &ProviderName) -> Result<ProviderReport, Error> {
        let mut reports = self.pipeline.providers().into_iter();
        let report = reports.find(|report| report.name == *name);
        report.ok_or_else(|| Error::not_found("provider", name.as_str()))
    }

    /// Refuses to touch what only the file says.
    fn not_in_file(&self, name: &ProviderName) -> Result<(), Error> {
        match self.report(name) {
            Ok(report) if report.origin == verify::Origin::File => Err(Error::new(
                Code::Conflict,
                format!("provider {name} is declared in dovegate.toml, and is changed only there"),
            )),
            _ => Ok(()),
        }
    }

    /// For each provider its domains.
    pub(super) async fn domains_by_provider(
        &self,
    ) -> Result<BTreeMap<ProviderName, Vec<DomainName>>, Error> {
        let mut found: BTreeMap<ProviderName, Vec<DomainName>> = BTreeMap::new();
        let mut after = None;
        loop {
            let page = self.store.domains(after.as_ref(), MAX_PAGE).await?;
            for domain in &page {
                if let Some(provider) = &domain.provider {
                    found.entry(provider.clone()).or_default().push(domain.name.clone());
                }
            }
            match page.last() {
                Some(last) if page.len() == MAX_PAGE => after = Some(last.name.clone()),
                _ => return Ok(found),
            }
        }
    }

    async fn views(&self, reports: Vec<ProviderReport>) -> Result<Vec<View>, Error> {
        let mut domains = self.domains_by_provider().await?;
        let mut views = Vec::new();
        for report in reports {
            let written = match &report.settings {
                Ok(settings) => Some(settings.written.clone()),
                Err(_) => self.store.provider(&report.name).await?.map(|named| named.provider),
            };
            let domains = domains.remove(&report.name).unwrap_or_default();
            let sync = self.syncing(&report.name).await?;
            views.push(View { sync, ..view(report, written.as_ref(), domains) });
        }
        Ok(views)
    }

    /// Refuses where mailboxes still have the provider as their auth source, or
    /// belong to people there: another provider of the same name would be taken for
    /// it. Whoever takes it behind our back needs a domain that names it.
    async fn nobody_follows(&self, name: &ProviderName) -> Result<(), Error> {
        let found = self.store.followers(name).await?;
        let Some(first) = &found.first else { return Ok(()) };
        let domain = first.domain_str();
        Err(Error::new(
            Code::Conflict,
            format!(
                "provider {name} is the auth source of {} mailboxes, and {} belong to people there \
                 ({first} is one of them): \"dovegate domain auth-source {domain} local --unbind\" \
                 makes those of {domain} local and nobody's",
                found.mailboxes, found.bound
            ),
        ))
    }

    /// The same after it was made, or asks another server by now: whose ids there
    /// are the old one's is not known.
    async fn new_provider_view(&self, name: &ProviderName) -> Result<View, Error> {
        let mut view = self.provider_view(name).await?;
        let bound = self.store.followers(name).await?.bound;
        if bound > 0 {
            view.warnings.push(format!(
                "{bound} mailboxes belong to people of a provider of this name as it was before. \
                 If its ids are another server's now, these people are refused, or others are \
                 taken for them: \"dovegate domain auth-source DOMAIN {name} --unbind\" makes the \
                 mailboxes of a domain nobody's until the next login"
            ));
        }
        Ok(view)
    }

    async fn provider_view(&self, name: &ProviderName) -> Result<View, Error> {
        let views = self.views(vec![self.report(name)?]).await?;
        views.into_iter().next().ok_or_else(|| Error::not_found("provider", name.as_str()))
    }
}

fn view(report: ProviderReport, written: Option<&Provider>, mut domains: Vec<DomainName>) -> View {
    let domain_count = domains.len();
    domains.truncate(MAX_DOMAINS);
    let (warnings, problems) = match report.settings {
        Ok(settings) => (settings.warnings(), Vec::new()),
        Err(problems) => (Vec::new(), problems),
    };
    let problems = problems.into_iter();
    let mut keys = written.map(keys_of).unwrap_or_default();
    keys.remove("client_secret");
    View {
        name: report.name,
        origin: report.origin.into(),
        written: keys,
        has_client_secret: written.is_some_and(|provider| provider.client_secret.is_some()),
        domains,
        domain_count,
        problems: problems
            .map(|idp::Problem { key, reason }| Problem { key: key.to_owned(), reason })
            .collect(),
        warnings,
        status: report.status.into(),
        sync: None,
    }
}

fn keys_of(provider: &Provider) -> Map<String, Value> {
    match serde_json::to_value(provider) {
        Ok(Value::Object(keys)) => keys,
        _ => Map::new(),
    }
}

pub(super) fn name_of(text: &str) -> Result<ProviderName, Error> {
    text.parse().map_err(|why| Error::bad_request(format!("{}: {why}", shown(text))))
}

/// `keys` with a merge patch applied (RFC 7396 §2): null takes away, anything
/// else replaces. No key holds an object, so there is no deeper level.
fn merged(mut keys: Map<String, Value>, patch: Map<String, Value>) -> Map<String, Value> {
    for (key, value) in patch {
        match value {
            Value::Null => keys.remove(&key),
            value => keys.insert(key, value),
        };
    }
    keys
}

/// The provider that these keys describe.
fn read(keys: Map<String, Value>) -> Result<Provider, Error> {
    for (key, value) in &keys {
        bounded(key, value)?;
    }
    if !keys.contains_key("kind") {
        return Err(Error::bad_request("kind: expected \"keycloak\" or \"oidc\""));
    }
    let wrong = keys.clone();
    serde_json::from_value(Value::Object(keys))
        .map_err(|error| Error::bad_request(blamed(wrong, &error)))
}

/// The reader names unknown and missing keys, and not those with a wrong value.
fn blamed(keys: Map<String, Value>, error: &serde_json::Error) -> String {
    for (key, value) in keys {
        let mut alone = Map::from_iter([("kind".to_owned(), Value::from("oidc"))]);
        let known = key.clone();
        alone.insert(key, value);
        if let Err(error) = serde_json::from_value::<Provider>(Value::Object(alone)) {
            return format!("{}: {error}", shown(&known).trim_matches('"'));
        }
    }
    error.to_string()
}

fn bounded(key: &str, value: &Value) -> Result<(), Error> {
    match value {
        Value::String(text) if text.len() > MAX_TEXT_BYTES => {
            Err(Error::bad_request(format!("{key}: longer than {MAX_TEXT_BYTES} bytes")))
        }
        Value::String(text) if text.chars().any(char::is_control) => {
            Err(Error::bad_request(format!("{key}: has a control character")))
        }
        Value::Array(values) if values.len() > MAX_ENTRIES => {
            Err(Error::bad_request(format!("{key}: more than {MAX_ENTRIES} entries")))
        }
        Value::Array(values) => values.iter().try_for_each(|value| bounded(key, value)),
        Value::Object(members) => members.values().try_for_each(|value| bounded(key, value)),
        _ => Ok(()),
    }
}

/// Refuses what could not be used: by its keys, the files that it names and the
/// certificates in them.
async fn check(named: &NamedProvider) -> Result<(), Error> {
    let named = named.clone();
    let checked = tokio::task::spawn_blocking(move || {
        let settings = idp::Settings::mean(&named).map_err(|problems| said(&problems))?;
        idp::Provider::new(settings).map(|_| ()).map_err(|outage| format!("ca_file: {outage}"))
    });
    match checked.await {
        Ok(checked) => checked.map_err(Error::bad_request),
        Err(panic) => Err(Error::new(Code::Internal, "a fault of ours").log(panic.to_string())),
    }
}

fn said(problems: &[idp::Problem]) -> String {
    let lines: Vec<String> =
        problems.iter().map(|idp::Problem { key, reason }| format!("{key}: {reason}")).collect();
    lines.join("\n")
}

pub(super) async fn list(
    Shared(state): Shared<State>,
    territory: Territory,
) -> Result<Json<Page<View>>, Error> {
    let mut reports = state.pipeline.providers();
    reports.retain(|report| territory.has_provider(&report.name));
    let views = state.views(reports).await?;
    Ok(Json(Page::whole(views)))
}

pub(super) async fn show(
    Shared(state): Shared<State>,
    Named(name): Named<String>,
) -> Result<Json<View>, Error> {
    Ok(Json(state.provider_view(&name_of(&name)?).await?))
}

pub(super) async fn create(
    Shared(state): Shared<State>,
    caller: Caller,
    Body(NewProvider(mut new)): Body<NewProvider>,
) -> Result<answer::Created<View>, Error> {
    let name = match new.remove("name") {
        Some(Value::String(name)) => name_of(&name)?,
        Some(_) => return Err(Error::bad_request("name: expected a string")),
        None => return Err(Error::bad_request("missing field `name`")),
    };
    names_no_file(&caller, &new)?;
    let _only_us = unchanged().await;
    state.not_in_file(&name)?;
    if state.pipeline.directories().iter().any(|report| report.name == name) {
        return Err(Error::exists("directory", name.as_str()));
    }
    if state.store.provider(&name).await?.is_some() {
        return Err(Error::exists("provider", name.as_str()));
    }
    if state.store.providers().await?.len() >= MAX_PROVIDERS {
        let most = format!("there are {MAX_PROVIDERS} providers, and may be no more");
        return Err(Error::new(Code::Conflict, most));
    }
    let provider = read(merged(Map::new(), new))?;
    let named = NamedProvider { name: name.clone(), provider };
    check(&named).await?;
    state.store.create_provider(named).await?;
    caller.changed("provider add", &name);
    state.pipeline.load_providers().await?;
    Ok(answer::Created(state.new_provider_view(&name).await?))
}

pub(super) async fn change(
    Shared(state): Shared<State>,
    caller: Caller,
    Named(name): Named<String>,
    Body(ProviderPatch(patch)): Body<ProviderPatch>,
) -> Result<Json<View>, Error> {
    let name = name_of(&name)?;
    names_no_file(&caller, &patch)?;
    let _only_us = unchanged().await;
    state.not_in_file(&name)?;
    let found = state.store.provider(&name).await?;
    let found = found.ok_or_else(|| Error::not_found("provider", name.as_str()))?;
    let is_given = patch.get("client_secret").is_some_and(Value::is_string);
    let provider = read(merged(keys_of(&found.provider), patch))?;
    if !is_given && goes_to(&provider) != goes_to(&found.provider) {
        keeps_its_secret(&caller, &provider)?;
    }
    let moves = whose_people(&provider) != whose_people(&found.provider);
    let named = NamedProvider { name: name.clone(), provider };
    check(&named).await?;
    state.store.replace_provider(named).await?;
    caller.changed("provider set", &name);
    state.pipeline.load_providers().await?;
    let view =
        if moves { state.new_provider_view(&name).await } else { state.provider_view(&name).await };
    Ok(Json(view?))
}

/// Refuses keys that name a file, from who might have the server read and send what he
/// may not read himself.
fn names_no_file(caller: &Caller, keys: &Map<String, Value>) -> Result<(), Error> {
    let named = Provider::FILE_KEYS
        .into_iter()
        .find(|key| keys.get(*key).is_some_and(|value| !value.is_null()));
    named.map_or(Ok(()), |key| caller.check_file(key))
}

/// What says where our client's secret goes, and whether it is seen on the way.
fn goes_to(provider: &Provider) -> impl PartialEq + use<> {
    let urls = [&provider.server_url, &provider.introspection_url, &provider.token_url];
    (urls.map(Clone::clone), provider.realm.clone(), provider.ignore_ssl_errors)
}

/// Refuses to send a secret that is not given anew to another server, for who could not
/// read it here: he would have it from there.
fn keeps_its_secret(caller: &Caller, provider: &Provider) -> Result<(), Error> {
    if provider.client_secret_file.is_some() {
        return caller.check_file("client_secret_file");
    }
    if provider.client_secret.is_none() || caller.may_name_files() {
        return Ok(());
    }
    let why = "client_secret: give it again, since it would be sent to another server than before";
    Err(Error::bad_request(why))
}

/// What says whose people these are.
fn whose_people(provider: &Provider) -> impl PartialEq + use<> {
    let urls = [
        &provider.server_url,
        &provider.issuer,
        &provider.introspection_url,
        &provider.userinfo_url,
    ];
    (provider.kind, urls.map(Clone::clone), provider.realm.clone())
}

pub(super) async fn remove(
    Shared(state): Shared<State>,
    caller: Caller,
    Named(name): Named<String>,
) -> Result<NoContent, Error> {
    let name = name_of(&name)?;
    let _only_us = unchanged().await;
    state.not_in_file(&name)?;
    state.nobody_follows(&name).await?;
    state.store.remove_provider(&name).await?;
    caller.changed("provider remove", &name);
    state.pipeline.load_providers().await?;
    Ok(NoContent)
}
