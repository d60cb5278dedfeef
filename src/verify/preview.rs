//! What somebody would get: his provider or directory is asked, and the rules of
//! `provision` say what it comes to. Nothing is kept, and nothing is done.

use std::time::Duration;

use tokio::time::timeout;

use super::{
    Error, Pipeline,
    people::{NoPerson, SaidOf},
};
use crate::{
    clock::Timestamp,
    mailbox::{Address, Profile, ProviderName},
    provision::preview::Preview,
};

/// Longest wait for all answers together: a person sits before the page.
const PATIENCE: Duration = Duration::from_secs(20);

/// Who has an address, and what he would get.
#[derive(Debug)]
pub enum Previewed {
    /// Nobody has it.
    Nobody,
    /// More than one person has it.
    Several,
    /// It cannot be asked now, or not at all: why, in words.
    NotAsked(String),
    /// This person.
    Person(Box<Foreseen>),
}

/// What somebody would get.
#[derive(Debug)]
pub struct Foreseen {
    /// Who he is.
    pub person: Profile,
    /// What he would get.
    pub preview: Preview,
    /// A first login makes mailboxes.
    pub at_login: bool,
    /// A sync does.
    pub at_sync: bool,
}

impl Pipeline {
    /// What whoever has `address` at this provider or directory would get. As if it made
    /// mailboxes: whether it does, is said beside it.
    ///
    /// # Errors
    /// The store failed.
    pub async fn preview(
        &self,
        source: &ProviderName,
        address: &Address,
        now: Timestamp,
    ) -> Result<Previewed, Error> {
        let connected = match self.registry.find(source) {
            Ok(connected) => connected,
            Err(obstacle) => return Ok(Previewed::NotAsked(obstacle.detail())),
        };
        if connected.provider().is_some_and(|provider| provider.settings().admin.is_none()) {
            let why = format!(
                "{source} cannot be asked about people: that needs kind keycloak, client_id and \
                 client_secret"
            );
            return Ok(Previewed::NotAsked(why));
        }
        let asked = async {
            let person = match connected.look_up(address, &self.names()).await {
                SaidOf::Good(person) => person.profile.clone(),
                SaidOf::Refused(why) => return Ok(Err(*why)),
                SaidOf::Unavailable(outage) => return Err(outage.detail.clone()),
            };
            match connected.provider() {
                Some(provider) => {
                    provider.complete(person).await.map(Ok).map_err(|outage| outage.detail)
                }
                None => Ok(Ok(person)),
            }
        };
        let person = match timeout(PATIENCE, asked).await {
            Ok(Ok(Ok(person))) => person,
            Ok(Ok(Err(NoPerson::Nobody))) => return Ok(Previewed::Nobody),
            Ok(Ok(Err(NoPerson::Several))) => return Ok(Previewed::Several),
            Ok(Err(why)) => return Ok(Previewed::NotAsked(why)),
            Err(_) => return Ok(Previewed::NotAsked(format!("{source} does not answer in time"))),
        };
        let follower = self.follower(&connected.source, true).await?;
        let preview = follower.preview(&person, address, now).await?;
        let rules = &connected.source.provisioning;
        let (at_login, at_sync) = (rules.login_provisioning, rules.import_users);
        Ok(Previewed::Person(Foreseen { person, preview, at_login, at_sync }.into()))
    }
}
