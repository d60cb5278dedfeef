//! `/mailboxes`.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound,
    sync::Arc,
};

use axum::{Json, extract::State as Shared, response::NoContent};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Caller, Error, Moment, Page, State, answer,
    error::Code,
    extract::{Body, Named, Params, domain, given, shown},
    page::bounded,
    passwords::{NewPassword, Received},
    rights::Territory,
    text,
};
use crate::{
    clock::Timestamp,
    mailbox::{
        Address, AuthSource, Binding, Domain, Mailbox, MailboxState, OwnerState, PasswordHash,
        Quota, Services, SetBy, TemplateName,
        policy::{Field, WithdrawnWhy},
        userdb,
    },
    store::{Account, MailboxChange, MailboxFilter, NewMailbox},
    verify::WithdrawnFor,
};

/// A mailbox as the API shows it.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[schemars(rename = "Mailbox")]
pub struct View {
    /// Stable identity.
    pub id: String,
    /// Canonical address.
    pub address: Address,
    /// Name shown to people.
    pub display_name: String,
    /// Whether it may log in and receive.
    pub state: MailboxState,
    /// Who set `state`.
    pub state_set_by: SetBy,
    /// Who checks the main password: `local` or the name of a provider.
    pub auth_source: String,
    /// The person at a provider to whom it belongs; null until the first login
    /// with a token.
    #[serde(default)]
    pub bound: Option<Binding>,
    /// Scheme of the local password; null if there is none.
    pub password_scheme: Option<String>,
    /// Services that the main password opens.
    pub services: Services,
    /// Storage limit; null takes the domain's default, 0 is no limit.
    pub quota_bytes: Option<Quota>,
    /// Free labels.
    pub tags: Vec<String>,
    /// Template applied last.
    pub template: Option<TemplateName>,
    /// Its revision at that time.
    pub template_revision: Option<u64>,
    /// Numeric user id; null takes the configured one.
    pub uid: Option<u32>,
    /// Numeric group id; null takes the configured one.
    pub gid: Option<u32>,
    /// Home folder.
    pub home: Option<String>,
    /// Mail location; null takes the configured one.
    pub mail: Option<String>,
    /// Further userdb fields.
    pub extra_fields: BTreeMap<String, String>,
    /// Values that an administrator has set: its provider does not change them.
    #[serde(default)]
    pub overrides: Vec<Field>,
    /// What its provider says has switched it off, and since when.
    #[serde(default)]
    pub withdrawn: Option<Withdrawn>,
    /// When it was made.
    pub created: Moment,
    /// When it was changed last.
    pub modified: Moment,
}

/// What a provider says has switched a mailbox off.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
pub struct Withdrawn {
    /// Why: the person is `missing` or `disabled`.
    pub why: WithdrawnWhy,
    /// Since when.
    pub since: Moment,
}

impl From<&Mailbox> for View {
    fn from(mailbox: &Mailbox) -> Self {
        let auth_source = source_name(&mailbox.auth_source);
        Self {
            id: mailbox.id.to_string(),
            address: mailbox.address.clone(),
            display_name: mailbox.display_name.clone(),
            state: mailbox.state,
            state_set_by: mailbox.state_set_by,
            auth_source: auth_source.to_owned(),
            bound: mailbox.bound.clone(),
            password_scheme: mailbox.local_hash.as_ref().map(|hash| scheme_of(hash.as_str())),
            services: mailbox.services,
            quota_bytes: mailbox.quota,
            tags: mailbox.tags.clone(),
            template: mailbox.template.as_ref().map(|applied| applied.name.clone()),
            template_revision: mailbox.template.as_ref().map(|applied| applied.revision),
            uid: mailbox.uid,
            gid: mailbox.gid,
            home: mailbox.home.clone(),
            mail: mailbox.mail.clone(),
            extra_fields: mailbox.extra_fields.clone(),
            overrides: overrides(mailbox),
            withdrawn: mailbox
                .policy
                .withdrawn
                .map(|withdrawn| Withdrawn { why: withdrawn.why, since: withdrawn.since.into() }),
            created: mailbox.created.into(),
            modified: mailbox.modified.into(),
        }
    }
}

/// A mailbox that follows no provider has nothing to hold against one.
fn overrides(mailbox: &Mailbox) -> Vec<Field> {
    match mailbox.auth_source {
        AuthSource::Local => Vec::new(),
        AuthSource::Provider(_) => {
            Field::ALL.into_iter().filter(|field| mailbox.is_overridden(*field)).collect()
        }
    }
}

/// The name of an auth source.
pub(super) fn source_name(source: &AuthSource) -> &str {
    match source {
        AuthSource::Local => "local",
        AuthSource::Provider(name) => name.as_str(),
    }
}

/// The part of a hash that may be shown.
pub(super) fn scheme_of(hash: &str) -> String {
    let inner = hash.strip_prefix('{').and_then(|rest| rest.split_once('}'));
    inner.map_or_else(|| "unknown".to_owned(), |(scheme, _)| scheme.to_owned())
}

/// One mailbox with what else decides over it.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[schemars(rename = "MailboxDetail")]
pub struct Detail {
    /// The mailbox.
    #[serde(flatten)]
    pub mailbox: View,
    /// Whether the domain's mailboxes may log in.
    pub domain_active: bool,
    /// The storage limit that holds; 0 is no limit.
    pub effective_quota_bytes: Quota,
    /// Number of app passwords.
    pub app_passwords: usize,
    /// What its template, as it is now, says for other programs: mailcow's further
    /// fields. Empty where it has none.
    #[serde(default)]
    pub handed_out: BTreeMap<String, String>,
    /// What is known of the person to whom it belongs; null where it is nobody's.
    #[serde(default)]
    pub owner: Option<OwnerView>,
}

/// What of it changes by itself, or with something else.
pub(super) const VOLATILE: &[&str] =
    &["domain_active", "effective_quota_bytes", "app_passwords", "handed_out", "owner"];

/// What is known of the person to whom a mailbox belongs.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, Serialize)]
#[schemars(rename = "Owner")]
pub struct OwnerView {
    /// How he stands at his provider.
    pub state: OwnerState,
    /// As of when; null where nothing was ever said of him.
    pub asked: Option<Moment>,
}

/// A mailbox to be made.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "NewMailbox")]
pub(super) struct New {
    #[schemars(with = "Address")]
    address: String,
    #[serde(default)]
    display_name: String,
    #[serde(default)]
    template: Option<TemplateName>,
    #[serde(default)]
    state: Option<MailboxState>,
    #[serde(default)]
    auth_source: Option<String>,
    #[serde(default)]
    services: Option<Services>,
    #[serde(default)]
    quota_bytes: Option<Quota>,
    #[serde(default)]
    tags: Vec<String>,
    #[serde(default)]
    uid: Option<u32>,
    #[serde(default)]
    gid: Option<u32>,
    #[serde(default)]
    home: Option<String>,
    #[serde(default)]
    mail: Option<String>,
    #[serde(default)]
    extra_fields: BTreeMap<String, String>,
    #[serde(default)]
    password: Option<Received>,
    #[serde(default)]
    hash: Option<Received>,
}

impl New {
    fn check(&self) -> Result<(), Error> {
        text::label("display_name", &self.display_name)?;
        text::tags(&self.tags)?;
        text::fields(&self.extra_fields)?;
        check_places(self.uid, self.gid, self.home.as_deref(), self.mail.as_deref())
    }

    fn check_reach(&self, territory: &Territory) -> Result<(), Error> {
        let ids = self.uid.is_some() || self.gid.is_some();
        let folders = self.home.is_some() || self.mail.is_some();
        leaves_places(territory, ids || folders || !self.extra_fields.is_empty())
    }
}

/// Where mail lies, and as whom it is read, is for who administers the whole server:
/// the folder of another domain's mailbox would open its mail.
fn leaves_places(territory: &Territory, places: bool) -> Result<(), Error> {
    if places && !territory.is_everything() {
        let why = "uid, gid, home, mail and extra_fields are set by who administers the whole \
                   server, not some domains of it";
        return Err(Error::new(Code::Forbidden, why));
    }
    Ok(())
}

/// Ids and folders of a mailbox.
pub(super) fn check_places(
    uid: Option<u32>,
    gid: Option<u32>,
    home: Option<&str>,
    mail: Option<&str>,
) -> Result<(), Error> {
    uid.map_or(Ok(()), |id| text::numeric_id("uid", id))?;
    gid.map_or(Ok(()), |id| text::numeric_id("gid", id))?;
    home.map_or(Ok(()), text::home)?;
    mail.map_or(Ok(()), |mail| text::location("mail", mail))
}

/// What to change. Absent leaves alone, null takes away.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "MailboxChange")]
pub struct Change {
    /// Name shown to people.
    #[schemars(with = "String")]
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// Template to apply now.
    #[schemars(with = "TemplateName")]
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub template: Option<TemplateName>,
    /// Whether it may log in and receive.
    #[schemars(with = "MailboxState")]
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub state: Option<MailboxState>,
    /// Who checks the main password: `local`, or the name of the domain's
    /// provider.
    #[schemars(with = "String")]
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub auth_source: Option<String>,
    /// The person at a provider to whom it belongs; null leaves it to the next
    /// login with a token to say.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub bound: Option<Option<Binding>>,
    /// Services that the main password opens.
    #[schemars(with = "Services")]
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub services: Option<Services>,
    /// Storage limit.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub quota_bytes: Option<Option<Quota>>,
    /// All labels.
    #[schemars(with = "Vec<String>")]
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub tags: Option<Vec<String>>,
    /// Numeric user id.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub uid: Option<Option<u32>>,
    /// Numeric group id.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub gid: Option<Option<u32>>,
    /// Home folder; null makes it anew from the configured pattern.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub home: Option<Option<String>>,
    /// Mail location.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub mail: Option<Option<String>>,
    /// Further userdb fields to set; one with null is taken away.
    #[schemars(with = "BTreeMap<String, Option<String>>")]
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub extra_fields: Option<BTreeMap<String, Option<String>>>,
    /// Values that shall follow the provider again.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub release: BTreeSet<Field>,
}

impl Change {
    fn check(&self) -> Result<(), Error> {
        self.display_name.as_deref().map_or(Ok(()), |name| text::label("display_name", name))?;
        self.tags.as_deref().map_or(Ok(()), text::tags)?;
        check_places(
            self.uid.flatten(),
            self.gid.flatten(),
            self.home.as_ref().and_then(Option::as_deref),
            self.mail.as_ref().and_then(Option::as_deref),
        )
    }

    fn check_reach(&self, territory: &Territory) -> Result<(), Error> {
        if let Some(Some(bound)) = &self.bound {
            territory.check_provider(&bound.provider)?;
        }
        let ids = self.uid.is_some() || self.gid.is_some();
        let folders = self.home.is_some() || self.mail.is_some();
        leaves_places(territory, ids || folders || self.extra_fields.is_some())
    }
}

/// Which mailboxes a listing names.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "MailboxFilter")]
pub struct Filter {
    /// Only of this domain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
    /// Only addresses that match this mask (`*` and `?`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mask: Option<String>,
    /// Only those whose address or display name has this in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Only those in this state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<MailboxState>,
    /// Only those with this auth source: `local`, or the name of a provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth_source: Option<String>,
    /// `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// Most items of the page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
}

pub(super) const MAX_MASK_BYTES: usize = 320;
/// OpenID Connect Core §2 allows 255 characters.
const MAX_SUBJECT_BYTES: usize = 1024;

pub(super) async fn list(
    Shared(state): Shared<State>,
    territory: Territory,
    Params(asked): Params<Filter>,
) -> Result<Json<Page<View>>, Error> {
    if asked.mask.as_ref().is_some_and(|mask| mask.len() > MAX_MASK_BYTES) {
        return Err(mask_too_long());
    }
    if asked.text.as_ref().is_some_and(|text| text.len() > MAX_MASK_BYTES) {
        return Err(Error::bad_request("text: longer than an address can be"));
    }
    let filter = MailboxFilter {
        domain: asked.domain.as_deref().map(domain).transpose()?,
        mask: asked.mask,
        text: asked.text,
        state: asked.state,
        auth_source: asked.auth_source.as_deref().map(source_named).transpose()?,
    };
    let limit = bounded(asked.limit);
    let after = asked.after.as_deref().map(|text| state.address(text)).transpose()?;
    let found = state.mailboxes_within(&territory, filter, after.as_ref(), limit).await?;
    let views = found.iter().map(|mailbox| mailbox.as_ref().into()).collect();
    Ok(Json(Page::of(views, limit, |view: &View| view.address.to_string())))
}

/// The auth source of this name, whether there is one or not.
fn source_named(text: &str) -> Result<AuthSource, Error> {
    if text == "local" {
        return Ok(AuthSource::Local);
    }
    let bad = |why| Error::bad_request(format!("auth_source {}: {why}", shown(text)));
    text.parse().map(AuthSource::Provider).map_err(bad)
}

pub(super) fn mask_too_long() -> Error {
    Error::bad_request("the mask is longer than an address can be")
}

pub(super) async fn show(
    Shared(state): Shared<State>,
    Named(address): Named<String>,
) -> Result<Json<Detail>, Error> {
    let account = state.account(&address).await?;
    let mailbox = account.mailbox.as_ref();
    let owner = match &mailbox.bound {
        None => None,
        Some(_) => Some(state.pipeline.owner(mailbox).await?.map_or(
            OwnerView { state: OwnerState::Unknown, asked: None },
            |owner| OwnerView { state: owner.state, asked: Some(owner.asked.into()) },
        )),
    };
    let template = match &mailbox.template {
        Some(applied) => state.store.template(&applied.name).await?,
        None => None,
    };
    Ok(Json(Detail {
        mailbox: mailbox.into(),
        domain_active: account.domain.active,
        effective_quota_bytes: mailbox.quota.unwrap_or(account.domain.default_quota),
        app_passwords: state.store.app_passwords(mailbox.id).await?.len()
            + state.store.imported_app_passwords(mailbox.id).await?.len(),
        handed_out: template.map(|template| template.handed_out()).unwrap_or_default(),
        owner,
    }))
}

impl State {
    /// Those of the mailboxes that are reached, by domain and then local part.
    async fn mailboxes_within(
        &self,
        territory: &Territory,
        mut filter: MailboxFilter,
        after: Option<&Address>,
        limit: usize,
    ) -> Result<Vec<Arc<Mailbox>>, Error> {
        let Territory::Within(within) = territory else {
            return Ok(self.store.mailboxes(&filter, after, limit).await?);
        };
        if let Some(wanted) = &filter.domain {
            let is_reached = within.domains.contains(wanted);
            let limit = if is_reached { limit } else { 0 };
            return Ok(self.store.mailboxes(&filter, after, limit).await?);
        }
        let mut found = Vec::new();
        let first = after.map(Address::domain);
        for domain in within.domains_from(first.as_ref(), Bound::Included) {
            filter.domain = Some(domain.clone());
            found.extend(self.store.mailboxes(&filter, after, limit - found.len()).await?);
            if found.len() == limit {
                break;
            }
        }
        Ok(found)
    }

    /// The account that an administrator means.
    pub(super) async fn account(&self, address: &str) -> Result<Account, Error> {
        let address = self.address(address)?;
        let account = self.store.account(&address).await?;
        account.ok_or_else(|| Error::not_found("mailbox", address.as_str()))
    }

    /// The auth source that `text` names: the store itself, or the provider or
    /// directory that speaks for `domain`. All others are missing, for who does not
    /// reach everything.
    pub(super) fn auth_source(
        &self,
        text: &str,
        domain: &Domain,
        territory: &Territory,
    ) -> Result<AuthSource, Error> {
        let AuthSource::Provider(name) = source_named(text)? else { return Ok(AuthSource::Local) };
        let directory = self.directory_speaks_for(&name, domain);
        let speaks = directory.unwrap_or(domain.provider.as_ref() == Some(&name));
        if !speaks && !territory.is_everything() {
            return Err(Error::not_found("provider", name.as_str()));
        }
        match directory {
            Some(true) => return Ok(AuthSource::Provider(name)),
            Some(false) => {
                let why = format!(
                    "auth_source: directory {name} does not speak for domain {}; its domains \
                     stand in dovegate.toml",
                    domain.name
                );
                return Err(Error::new(Code::Conflict, why));
            }
            None => self.known_provider(&name)?,
        }
        match &domain.provider {
            Some(provider) if *provider == name => Ok(AuthSource::Provider(name)),
            Some(provider) => Err(Error::new(
                Code::Conflict,
                format!(
                    "auth_source: provider {provider} speaks for domain {}, and {name} does not",
                    domain.name
                ),
            )),
            None => Err(Error::new(
                Code::Conflict,
                format!(
                    "auth_source: no provider speaks for domain {}; dovegate domain set {} \
                     --provider {name} says that this one does",
                    domain.name, domain.name
                ),
            )),
        }
    }

    fn check_binding(&self, bound: &Binding) -> Result<(), Error> {
        self.known_source(&bound.provider)?;
        let subject = &bound.subject;
        if subject.is_empty() || subject.len() > MAX_SUBJECT_BYTES {
            let reason = format!("bound: a subject has 1 to {MAX_SUBJECT_BYTES} bytes");
            return Err(Error::bad_request(reason));
        }
        if subject.chars().any(char::is_control) {
            return Err(Error::bad_request("bound: the subject has a control character"));
        }
        Ok(())
    }

    /// The home folder that the configured pattern gives.
    pub(super) fn home_of(&self, address: &Address) -> String {
        userdb::expand(&self.settings.load().userdb.home, address)
    }
}

pub(super) async fn create(
    Shared(state): Shared<State>,
    caller: Caller,
    territory: Territory,
    Body(new): Body<New>,
) -> Result<answer::Created<View>, Error> {
    new.check()?;
    let address = state.address(&new.address)?;
    territory.check_domain(&address.domain())?;
    new.check_reach(&territory)?;
    if let Some(why) = state.pipeline.names().unfit_for_mailbox(&address) {
        return Err(Error::new(Code::Conflict, why));
    }
    // Hashing is the dear part: what would be refused anyhow goes first.
    if state.store.account(&address).await?.is_some() {
        return Err(Error::exists("mailbox", address.as_str()));
    }
    let domain = state.store.domain(&address.domain()).await?;
    let domain = domain.ok_or_else(|| Error::not_found("domain", address.domain_str()))?;
    let auth_source =
        new.auth_source.as_deref().map(|name| state.auth_source(name, &domain, &territory));
    let auth_source = auth_source.transpose()?.unwrap_or_default();
    let local_hash = state.local_hash(new.password, new.hash).await?;
    let home = new.home.unwrap_or_else(|| state.home_of(&address));
    let new = NewMailbox {
        address,
        display_name: new.display_name,
        template: new.template,
        state: new.state,
        set_by: SetBy::Administrator,
        auth_source,
        bound: None,
        local_hash,
        services: new.services,
        quota: new.quota_bytes,
        tags: new.tags,
        home: Some(home),
        uid: new.uid,
        gid: new.gid,
        mail: new.mail,
        extra_fields: new.extra_fields,
    };
    let account = state.store.create_mailbox_within_limits(new, Timestamp::now()).await?;
    caller.changed("mailbox add", &account.mailbox.address);
    Ok(answer::Created(account.mailbox.as_ref().into()))
}

pub(super) async fn change(
    Shared(state): Shared<State>,
    caller: Caller,
    territory: Territory,
    Named(address): Named<String>,
    Body(change): Body<Change>,
) -> Result<Json<View>, Error> {
    change.check()?;
    change.check_reach(&territory)?;
    let account = state.account(&address).await?;
    let address = &account.mailbox.address;
    let extra_fields = match change.extra_fields {
        None => None,
        Some(changes) => {
            let fields = merged(account.mailbox.extra_fields.clone(), changes);
            text::fields(&fields)?;
            Some(fields)
        }
    };
    let auth_source = change.auth_source.as_deref();
    let auth_source =
        auth_source.map(|name| state.auth_source(name, &account.domain, &territory)).transpose()?;
    change.bound.iter().flatten().try_for_each(|bound| state.check_binding(bound))?;
    let change = MailboxChange {
        display_name: change.display_name,
        state: change.state.map(|state| (state, SetBy::Administrator)),
        auth_source,
        bound: change.bound,
        local_hash: None,
        services: change.services,
        quota: change.quota_bytes,
        tags: change.tags,
        template: change.template,
        uid: change.uid,
        gid: change.gid,
        home: change.home.map(|home| Some(home.unwrap_or_else(|| state.home_of(address)))),
        mail: change.mail,
        extra_fields,
        release: change.release,
    };
    let changed = state.store.update_mailbox(address, change, Timestamp::now()).await?;
    caller.changed("mailbox set", address);
    if account.mailbox.state == MailboxState::Active
        && let Some(why) = WithdrawnFor::by_state(changed.mailbox.state)
    {
        state.pipeline.withdraw(address, why);
    }
    Ok(Json(changed.mailbox.as_ref().into()))
}

fn merged(
    mut fields: BTreeMap<String, String>,
    changes: BTreeMap<String, Option<String>>,
) -> BTreeMap<String, String> {
    for (key, value) in changes {
        match value {
            Some(value) => fields.insert(key, value),
            None => fields.remove(&key),
        };
    }
    fields
}

pub(super) async fn set_password(
    Shared(state): Shared<State>,
    caller: Caller,
    territory: Territory,
    Named(address): Named<String>,
    Body(new): Body<NewPassword>,
) -> Result<NoContent, Error> {
    let account = state.account(&address).await?;
    let is_owner = matches!(territory, Territory::Own(_));
    if is_owner && new.hash.is_some() {
        let why = "hash: administrators alone bring a password's hash";
        return Err(Error::new(Code::Forbidden, why));
    }
    if is_owner || new.current.is_some() {
        state.knows_password(&account, new.current).await?;
    }
    let local_hash = state.local_hash(new.password, new.hash).await?;
    let local_hash = local_hash.ok_or_else(|| Error::bad_request("neither password nor hash"))?;
    state.keep_hash(&caller, &account, Some(local_hash)).await
}

pub(super) async fn remove_password(
    Shared(state): Shared<State>,
    caller: Caller,
    Named(address): Named<String>,
) -> Result<NoContent, Error> {
    let account = state.account(&address).await?;
    state.keep_hash(&caller, &account, None).await
}

impl State {
    async fn keep_hash(
        &self,
        caller: &Caller,
        account: &Account,
        local_hash: Option<PasswordHash>,
    ) -> Result<NoContent, Error> {
        let address = &account.mailbox.address;
        let change = MailboxChange { local_hash: Some(local_hash), ..Default::default() };
        self.store.update_mailbox(address, change, Timestamp::now()).await?;
        caller.changed("mailbox password", address);
        Ok(NoContent)
    }
}

pub(super) async fn remove(
    Shared(state): Shared<State>,
    caller: Caller,
    Named(address): Named<String>,
) -> Result<NoContent, Error> {
    let address = state.address(&address)?;
    state.store.remove_mailbox(&address).await?;
    caller.changed("mailbox remove", &address);
    state.pipeline.withdraw(&address, WithdrawnFor::MailboxRemoved);
    Ok(NoContent)
}
