//! `/templates`.

use std::collections::BTreeMap;

use axum::{Json, extract::State as Shared, response::NoContent};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Caller, Error, Moment, Page, State, answer,
    extract::{Body, Named, given, shown},
    text,
};
use crate::{
    clock::Timestamp,
    mailbox::{MailboxState, Quota, Services, Template, TemplateName, template::check_further},
};

/// A template as the API shows it.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[schemars(rename = "Template")]
pub struct View {
    /// Unique name.
    pub name: TemplateName,
    /// Counts the changes.
    pub revision: u64,
    /// Storage limit; null leaves it to the domain, 0 is no limit.
    pub quota_bytes: Option<Quota>,
    /// State of a new mailbox.
    pub state: MailboxState,
    /// Services of the main password.
    pub services: Services,
    /// Labels that a mailbox gets.
    pub tags: Vec<String>,
    /// Whether people may make app passwords.
    pub app_passwords_allowed: bool,
    /// Whether a local password must be changed at the next sign-in on the web.
    pub force_password_change: bool,
    /// Further fields that were set.
    pub further: BTreeMap<String, String>,
    /// Every further field, mailcow's with their defaults where nothing was set.
    #[serde(default)]
    pub handed_out: BTreeMap<String, String>,
    /// When it was made.
    pub created: Moment,
    /// When it was changed last.
    pub modified: Moment,
}

impl From<&Template> for View {
    fn from(template: &Template) -> Self {
        Self {
            name: template.name.clone(),
            revision: template.revision,
            quota_bytes: template.quota,
            state: template.state,
            services: template.services,
            tags: template.tags.clone(),
            app_passwords_allowed: template.app_passwords_allowed,
            force_password_change: template.force_password_change,
            further: template.further.clone(),
            handed_out: template.handed_out(),
            created: template.created.into(),
            modified: template.modified.into(),
        }
    }
}

/// Values of a template to be made or changed. Absent leaves alone (in a new
/// one: the default), null takes away.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "TemplateChange")]
pub struct Change {
    /// Storage limit.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub quota_bytes: Option<Option<Quota>>,
    /// State of a new mailbox.
    #[schemars(with = "MailboxState")]
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub state: Option<MailboxState>,
    /// Services of the main password.
    #[schemars(with = "Services")]
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub services: Option<Services>,
    /// All labels.
    #[schemars(with = "Vec<String>")]
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub tags: Option<Vec<String>>,
    /// Whether people may make app passwords.
    #[schemars(with = "bool")]
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub app_passwords_allowed: Option<bool>,
    /// Whether a local password must be changed at the next sign-in on the web.
    #[schemars(with = "bool")]
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub force_password_change: Option<bool>,
    /// Further fields to set; one with null is taken away.
    #[schemars(with = "BTreeMap<String, Option<String>>")]
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub further: Option<BTreeMap<String, Option<String>>>,
}

/// A template to be made: its name beside its values in one object.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(try_from = "serde_json::Map<String, serde_json::Value>")]
#[schemars(!try_from, deny_unknown_fields, rename = "NewTemplate")]
pub struct New {
    /// Its name.
    #[schemars(with = "TemplateName")]
    pub name: String,
    /// Its values.
    #[serde(flatten)]
    pub values: Change,
}

/// `flatten` would let unknown fields pass.
impl TryFrom<serde_json::Map<String, serde_json::Value>> for New {
    type Error = serde_json::Error;

    fn try_from(
        mut fields: serde_json::Map<String, serde_json::Value>,
    ) -> serde_json::Result<Self> {
        let name = serde_json::from_value(fields.remove("name").unwrap_or_default())?;
        Ok(Self { name, values: serde_json::from_value(fields.into())? })
    }
}

impl Change {
    fn apply(self, template: &mut Template) -> Result<(), Error> {
        if let Some(quota) = self.quota_bytes {
            template.quota = quota;
        }
        if let Some(state) = self.state {
            template.state = state;
        }
        if let Some(services) = self.services {
            template.services = services;
        }
        if let Some(tags) = self.tags {
            text::tags(&tags)?;
            template.tags = tags;
        }
        if let Some(allowed) = self.app_passwords_allowed {
            template.app_passwords_allowed = allowed;
        }
        if let Some(force) = self.force_password_change {
            template.force_password_change = force;
        }
        for (key, value) in self.further.unwrap_or_default() {
            match value {
                Some(value) => {
                    check_further(&key, &value)
                        .map_err(|why| Error::bad_request(format!("further: {why}")))?;
                    template.further.insert(key, value)
                }
                None => template.further.remove(&key),
            };
        }
        text::fields(&template.further)
    }
}

fn template_name(text: &str) -> Result<TemplateName, Error> {
    text.parse().map_err(|why| Error::bad_request(format!("{}: {why}", shown(text))))
}

pub(super) async fn list(Shared(state): Shared<State>) -> Result<Json<Page<View>>, Error> {
    let templates = state.store.templates().await?;
    Ok(Json(Page::whole(templates.iter().map(|template| template.as_ref().into()).collect())))
}

pub(super) async fn show(
    Shared(state): Shared<State>,
    Named(name): Named<String>,
) -> Result<Json<View>, Error> {
    let template = state.store.template(&template_name(&name)?).await?;
    let template = template.ok_or_else(|| Error::not_found("template", name))?;
    Ok(Json(template.as_ref().into()))
}

pub(super) async fn create(
    Shared(state): Shared<State>,
    caller: Caller,
    Body(new): Body<New>,
) -> Result<answer::Created<View>, Error> {
    let name = template_name(&new.name)?;
    if state.store.template(&name).await?.is_some() {
        return Err(Error::exists("template", name.as_str()));
    }
    let now = Timestamp::now();
    let mut template = Template {
        name: name.clone(),
        revision: 0,
        quota: None,
        state: MailboxState::Active,
        services: Services::ALL,
        tags: Vec::new(),
        app_passwords_allowed: true,
        force_password_change: false,
        further: BTreeMap::new(),
        created: now,
        modified: now,
    };
    new.values.apply(&mut template)?;
    let kept = state.store.put_template(template).await?;
    caller.changed("template add", &name);
    Ok(answer::Created(kept.as_ref().into()))
}

pub(super) async fn change(
    Shared(state): Shared<State>,
    caller: Caller,
    Named(name): Named<String>,
    Body(change): Body<Change>,
) -> Result<Json<View>, Error> {
    let name = template_name(&name)?;
    let found = state.store.template(&name).await?;
    let found = found.ok_or_else(|| Error::not_found("template", name.as_str()))?;
    let mut template = Template::clone(&found);
    change.apply(&mut template)?;
    template.modified = Timestamp::now();
    let kept = state.store.put_template(template).await?;
    caller.changed("template set", &name);
    Ok(Json(kept.as_ref().into()))
}

pub(super) async fn remove(
    Shared(state): Shared<State>,
    caller: Caller,
    Named(name): Named<String>,
) -> Result<NoContent, Error> {
    let name = template_name(&name)?;
    state.store.remove_template(&name).await?;
    caller.changed("template remove", &name);
    Ok(NoContent)
}
