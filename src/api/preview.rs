//! `/providers/{name}/preview`: which mailbox somebody would get by the provider's
//! mapping as it is now. The provider is asked; nothing is changed.

use axum::{Json, extract::State as Shared};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Error, State,
    error::Code,
    extract::{Body, Named},
    providers::name_of,
    rights::Territory,
};
use crate::{
    clock::Timestamp,
    mailbox::{Address, MailboxState, Profile, Quota, Services, TemplateName},
    store::Account,
    verify::{Foreseen, Previewed},
};

/// Most values of one kind that are shown of somebody.
const MAX_VALUES: usize = 100;

/// Who is looked for.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "PreviewQuestion")]
pub(super) struct Question {
    /// His address.
    address: String,
}

/// What somebody would get.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[schemars(rename = "Preview")]
pub struct View {
    /// The address, canonical.
    pub address: Address,
    /// What it would come to.
    pub outcome: Outcome,
    /// What the provider says of him; null if nobody, or more than one, has the address.
    pub person: Option<Person>,
    /// Place in `attribute_mapping` of the entry that fits, counted from 0; null where
    /// none does, and the default stands in.
    pub entry: Option<usize>,
    /// The mailbox as it would be then; null if there would be none.
    pub mailbox: Option<Mailbox>,
    /// What would change of a mailbox that is there, in words.
    pub change: Option<String>,
    /// What would be left out, and why.
    pub refused: Vec<Refused>,
    /// His first login makes a mailbox.
    pub at_login: bool,
    /// A sync makes one.
    pub at_sync: bool,
}

/// What it would come to.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "PreviewOutcome")]
pub enum Outcome {
    /// Nobody has this address.
    Nobody,
    /// More than one person has it.
    Several,
    /// A mailbox would be made.
    Created,
    /// His mailbox would be changed.
    Changed,
    /// His mailbox is as it should be.
    Unchanged,
    /// There would be no mailbox.
    Refused,
}

/// What the provider says of somebody.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
pub struct Person {
    /// The provider's own id of him.
    pub id: String,
    /// First and last name.
    pub name: String,
    /// His address there.
    pub email: Option<String>,
    /// Whether it is verified.
    pub email_is_verified: bool,
    /// Whether he may log in there.
    pub enabled: bool,
    /// Values of the attribute that names his template; null where that was not said.
    pub template_values: Option<Vec<String>>,
    /// Groups that he is in; null where nobody asked.
    pub groups: Option<Vec<String>>,
    /// Roles that he has; null where nobody asked.
    pub roles: Option<Vec<String>>,
}

/// A mailbox as it would be.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[schemars(rename = "PreviewedMailbox")]
pub struct Mailbox {
    /// Its address.
    pub address: Address,
    /// The template that was applied last.
    pub template: Option<TemplateName>,
    /// Storage limit, where it has none of its own the domain's; 0 is no limit.
    pub quota_bytes: Quota,
    /// Its state.
    pub state: MailboxState,
    /// Services of the main password.
    pub services: Services,
}

/// What would be left out.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[schemars(rename = "PreviewRefusal")]
pub struct Refused {
    /// Stable word.
    pub cause: String,
    /// In words.
    pub detail: String,
}

impl From<Profile> for Person {
    fn from(person: Profile) -> Self {
        let bounded = |values: Option<Vec<String>>| {
            values.map(|mut values| {
                values.truncate(MAX_VALUES);
                values
            })
        };
        Self {
            id: person.subject,
            name: person.name,
            email: person.email,
            email_is_verified: person.email_is_verified,
            enabled: person.enabled,
            template_values: bounded(person.template_values),
            groups: bounded(person.groups),
            roles: bounded(person.roles),
        }
    }
}

impl From<Account> for Mailbox {
    fn from(Account { mailbox, domain }: Account) -> Self {
        Self {
            address: mailbox.address.clone(),
            template: mailbox.template.as_ref().map(|applied| applied.name.clone()),
            quota_bytes: mailbox.quota.unwrap_or(domain.default_quota),
            state: mailbox.state,
            services: mailbox.services,
        }
    }
}

impl View {
    fn empty(address: Address, outcome: Outcome) -> Self {
        Self {
            address,
            outcome,
            person: None,
            entry: None,
            mailbox: None,
            change: None,
            refused: Vec::new(),
            at_login: false,
            at_sync: false,
        }
    }

    fn of(address: Address, Foreseen { person, preview, at_login, at_sync }: Foreseen) -> Self {
        let outcome = match (&preview.account, preview.is_new, &preview.change) {
            (None, ..) => Outcome::Refused,
            (Some(_), true, _) => Outcome::Created,
            (Some(_), false, Some(_)) => Outcome::Changed,
            // Another one's mailbox, or one that follows somebody else.
            (Some(_), false, None) if !preview.refused.is_empty() => Outcome::Refused,
            (Some(_), false, None) => Outcome::Unchanged,
        };
        let refused = preview.refused.into_iter();
        Self {
            outcome,
            person: Some(person.into()),
            entry: preview.entry,
            mailbox: preview.account.map(Mailbox::from),
            change: preview.change,
            refused: refused
                .map(|(cause, detail)| Refused { cause: cause.to_owned(), detail })
                .collect(),
            at_login,
            at_sync,
            ..Self::empty(address, outcome)
        }
    }
}

pub(super) async fn show(
    Shared(state): Shared<State>,
    territory: Territory,
    Named(name): Named<String>,
    Body(Question { address }): Body<Question>,
) -> Result<Json<View>, Error> {
    let name = name_of(&name)?;
    state.known_source(&name)?;
    let address = state.address(&address)?;
    territory.check_domain(&address.domain())?;
    let previewed = state.pipeline.preview(&name, &address, Timestamp::now()).await?;
    Ok(Json(match previewed {
        Previewed::Nobody => View::empty(address, Outcome::Nobody),
        Previewed::Several => View::empty(address, Outcome::Several),
        Previewed::Person(foreseen) => View::of(address, *foreseen),
        Previewed::NotAsked(why) => return Err(Error::new(Code::Unavailable, why)),
    }))
}
