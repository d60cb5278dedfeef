//! `/mailboxes/{address}/app-passwords`.

use std::net::IpAddr;

use axum::{Json, extract::State as Shared, response::NoContent};
use ipnet::IpNet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Caller, Error, MAX_PAGE, Moment, Page, State, answer,
    error::Code,
    extract::{Body, Named},
    mailboxes,
    rights::Territory,
    text,
};
use crate::{
    clock::Timestamp,
    mailbox::{
        Address, AppPassword, AppPasswordId, ImportedAppPassword, Mailbox, MailboxId, Services,
    },
    password::AppPasswordText,
    store::{self, MAX_APP_PASSWORDS, UseFilter, UseRow},
};

/// An app password as the API shows it: never its secret.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[schemars(rename = "AppPassword")]
pub struct View {
    /// Number within the mailbox: the first four characters.
    pub id: String,
    /// The owner's name for it.
    pub name: String,
    /// What it opens.
    pub services: Services,
    /// Where it may be used from; empty is everywhere.
    #[schemars(with = "Vec<String>")]
    pub networks: Vec<IpNet>,
    /// From when on it is refused.
    pub expires: Option<Moment>,
    /// When it was made.
    pub created: Moment,
    /// The last login with it.
    pub last_used: Option<LastUse>,
    /// Scheme of its hash, if it came along from another mail system.
    #[serde(default)]
    pub imported: Option<String>,
}

/// The last login with an app password.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
pub struct LastUse {
    /// When.
    pub at: Moment,
    /// For which protocol.
    pub protocol: String,
    /// From where.
    pub rip: Option<IpAddr>,
}

/// A new app password with its text, which nothing shows again.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[schemars(rename = "CreatedAppPassword")]
pub struct Created {
    /// Whose.
    pub address: Address,
    /// The text to type into a mail program.
    pub password: String,
    /// What is kept of it.
    #[serde(flatten)]
    pub view: View,
}

/// An app password to be made.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "NewAppPassword")]
pub struct New {
    /// A name for it ("Phone").
    pub name: String,
    /// What it opens; all if absent.
    #[serde(default)]
    pub services: Services,
    /// Where it may be used from.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub networks: Vec<IpNet>,
    /// From when on it is refused.
    #[serde(default)]
    pub expires: Option<Moment>,
}

const MAX_NETWORKS: usize = 50;

impl New {
    fn check(&self, now: Timestamp) -> Result<(), Error> {
        if self.name.trim().is_empty() {
            return Err(Error::bad_request("an app password needs a name"));
        }
        text::label("the name", &self.name)?;
        if self.services == Services::NONE {
            return Err(Error::bad_request("an app password without services opens nothing"));
        }
        if self.networks.len() > MAX_NETWORKS {
            return Err(Error::bad_request(format!("more than {MAX_NETWORKS} networks")));
        }
        if self.expires.is_some_and(|expires| expires.0 <= now) {
            return Err(Error::bad_request("the expiry lies in the past"));
        }
        Ok(())
    }
}

fn last_use(id: AppPasswordId, made: Timestamp, uses: &[UseRow]) -> Option<LastUse> {
    let last = uses
        .iter()
        .filter(|row| row.app_password == Some(id) && row.outcome == "ok")
        // A revoked one may have had the same id.
        .filter(|row| row.last >= made)
        .max_by_key(|row| row.last)?;
    Some(LastUse { at: last.last.into(), protocol: last.protocol.clone(), rip: last.rip })
}

fn imported_view(one: &ImportedAppPassword, uses: &[UseRow]) -> View {
    View {
        id: one.id.to_string(),
        name: one.name.clone(),
        services: one.services,
        networks: Vec::new(),
        expires: None,
        created: one.created.into(),
        last_used: last_use(one.id, one.created, uses),
        imported: Some(mailboxes::scheme_of(one.hash.as_str())),
    }
}

fn view(app_password: &AppPassword, uses: &[UseRow]) -> View {
    View {
        id: app_password.id.to_string(),
        name: app_password.name.clone(),
        services: app_password.services,
        networks: app_password.networks.clone(),
        expires: app_password.expires.map(Moment),
        created: app_password.created.into(),
        last_used: last_use(app_password.id, app_password.created, uses),
        imported: None,
    }
}

pub(super) async fn list(
    Shared(state): Shared<State>,
    Named(address): Named<String>,
) -> Result<Json<Page<View>>, Error> {
    let mailbox = state.account(&address).await?.mailbox;
    let uses = state.store.uses(&UseFilter::of(mailbox.id), MAX_PAGE).await?;
    let found = state.store.app_passwords(mailbox.id).await?;
    let imported = state.store.imported_app_passwords(mailbox.id).await?;
    let imported = imported.iter().map(|one| imported_view(one, &uses));
    let views = found.iter().map(|one| view(one, &uses)).chain(imported);
    Ok(Json(Page::whole(views.collect())))
}

/// Twice as many attempts as a full mailbox has app passwords: among 2^20 ids
/// even three collisions in a row mean broken randomness.
const MAX_ATTEMPTS: usize = 2 * MAX_APP_PASSWORDS;

pub(super) async fn create(
    Shared(state): Shared<State>,
    caller: Caller,
    territory: Territory,
    Named(address): Named<String>,
    Body(new): Body<New>,
) -> Result<answer::Created<Created>, Error> {
    let now = Timestamp::now();
    new.check(now)?;
    let mailbox = state.account(&address).await?.mailbox;
    if let Territory::Own(_) = territory {
        state.may_make_own(&mailbox).await?;
    }
    for _ in 0..MAX_ATTEMPTS {
        let (text, app_password) = generate(mailbox.id, &new, now)?;
        match state.store.add_app_password(&mailbox.address, app_password.clone()).await {
            Err(store::Error::Exists { .. }) => {}
            Err(error) => return Err(error.into()),
            Ok(()) => {
                let address = mailbox.address.clone();
                let subject = format!("{address} {}", app_password.id);
                caller.changed("app-password create", &subject);
                let view = view(&app_password, &[]);
                let created = Created { address, password: text, view };
                return Ok(answer::Created(created));
            }
        }
    }
    Err(Error::new(Code::Internal, "no free id for an app password").log("random ids repeat"))
}

impl State {
    /// Refuses an owner whose template leaves app passwords to administrators.
    async fn may_make_own(&self, mailbox: &Mailbox) -> Result<(), Error> {
        let Some(applied) = &mailbox.template else { return Ok(()) };
        let template = self.store.template(&applied.name).await?;
        if template.is_none_or(|template| template.app_passwords_allowed) {
            return Ok(());
        }
        Err(Error::new(Code::Forbidden, "app passwords of this mailbox are made by administrators"))
    }
}

/// A text of its own and what to keep of it.
fn generate(mailbox: MailboxId, new: &New, now: Timestamp) -> Result<(String, AppPassword), Error> {
    let mut random = [0; 19];
    let mut bits = [0; 4];
    getrandom::fill(&mut random).and_then(|()| getrandom::fill(&mut bits)).map_err(|error| {
        Error::new(Code::Unavailable, "the system gives no random bytes").log(error.to_string())
    })?;
    let id = AppPasswordId::from_bits(u32::from_le_bytes(bits));
    let secret = AppPasswordText::generate(id, &random);
    let text = String::from_utf8_lossy(secret.text().expose()).into_owned();
    let kept = AppPassword {
        id,
        name: new.name.clone(),
        digest: secret.digest(mailbox),
        services: new.services,
        networks: new.networks.clone(),
        expires: new.expires.map(|expires| expires.0),
        created: now,
    };
    Ok((text, kept))
}

/// How many were revoked.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, Serialize)]
#[schemars(rename = "RevokedAppPasswords")]
pub struct Revoked {
    /// Number of app passwords.
    pub revoked: u64,
}

pub(super) async fn revoke_all(
    Shared(state): Shared<State>,
    caller: Caller,
    Named(address): Named<String>,
) -> Result<Json<Revoked>, Error> {
    let mailbox = state.account(&address).await?.mailbox;
    let own = state.store.app_passwords(mailbox.id).await?;
    let imported = state.store.imported_app_passwords(mailbox.id).await?;
    let ids = own.iter().map(|one| one.id).chain(imported.iter().map(|one| one.id));
    let mut revoked = 0;
    for id in ids {
        match state.store.remove_app_password(&mailbox.address, id).await {
            Ok(()) => revoked += 1,
            // Somebody else was quicker.
            Err(store::Error::NotFound { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    caller.changed("app-password revoke", &format!("{} all {revoked}", mailbox.address));
    Ok(Json(Revoked { revoked }))
}

pub(super) async fn revoke(
    Shared(state): Shared<State>,
    caller: Caller,
    Named((address, id)): Named<(String, String)>,
) -> Result<NoContent, Error> {
    let id: AppPasswordId = id.parse().map_err(Error::bad_request)?;
    let mailbox = state.account(&address).await?.mailbox;
    state.store.remove_app_password(&mailbox.address, id).await?;
    caller.changed("app-password revoke", &format!("{} {id}", mailbox.address));
    Ok(NoContent)
}
