//! A source of people: whose mailboxes follow it, by which rules, and how it is
//! asked who there is.

use std::{collections::BTreeSet, sync::Arc};

use async_trait::async_trait;

use crate::{
    directory::{self, Directory},
    idp::{self, Listing, Memberships, Outage},
    mailbox::{
        AuthSource, Binding, Domain, DomainName, Mailbox, Profile, ProviderName, Provisioning,
        provider::UnverifiedEmail,
    },
};

/// A source of people, as far as their mailboxes go.
#[derive(Clone, Debug, PartialEq)]
pub struct Source {
    /// Its name: the auth source of the mailboxes that follow it.
    pub name: ProviderName,
    /// Domains of which it may speak.
    pub domains: Domains,
    /// How its people become mailboxes.
    pub provisioning: Provisioning,
    /// What an address counts that it has not verified.
    pub unverified_email: UnverifiedEmail,
    /// Completes an address without a domain.
    pub default_domain: Option<DomainName>,
}

/// Domains of which a source may speak.
#[derive(Clone, Debug, PartialEq)]
pub enum Domains {
    /// Those that name it as their provider.
    ThatNameIt,
    /// These.
    These(BTreeSet<DomainName>),
}

impl Source {
    /// An identity provider.
    pub fn of_provider(settings: &idp::Settings) -> Self {
        Self {
            name: settings.name.clone(),
            domains: Domains::ThatNameIt,
            provisioning: settings.provisioning.clone(),
            unverified_email: settings.unverified_email,
            default_domain: settings.default_domain.clone(),
        }
    }

    /// A directory. What stands in one was written by whoever looks after it.
    pub fn of_directory(settings: &directory::Settings) -> Self {
        Self {
            name: settings.name.clone(),
            domains: Domains::These(settings.domains.clone()),
            provisioning: settings.provisioning.clone(),
            unverified_email: UnverifiedEmail::Refuse,
            default_domain: settings.default_domain.clone(),
        }
    }

    /// Whether it speaks for the domain.
    pub fn speaks_for(&self, domain: &Domain) -> bool {
        match &self.domains {
            Domains::ThatNameIt => domain.provider.as_ref() == Some(&self.name),
            Domains::These(domains) => domains.contains(&domain.name),
        }
    }

    /// Whether the mailbox follows it.
    pub fn is_followed_by(&self, mailbox: &Mailbox) -> bool {
        mailbox.auth_source == AuthSource::Provider(self.name.clone())
    }

    /// The person of this id.
    pub fn binding(&self, subject: &str) -> Binding {
        Binding { provider: self.name.clone(), subject: subject.to_owned() }
    }
}

/// Why a source could not say who there is, in words.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub struct Unheard(pub String);

impl From<Outage> for Unheard {
    fn from(outage: Outage) -> Self {
        Self(outage.to_string())
    }
}

/// How a source is asked who there is, from the beginning to the end of its list.
#[async_trait]
pub trait People: Send + Sync {
    /// How many there are, as far as it says so.
    async fn count(&self) -> Option<u64>;
    /// The next of them; `None` at the end. Who came before, by the word of `seen`,
    /// may come again.
    ///
    /// # Errors
    /// It could not say, or may not.
    async fn next_page(
        &mut self,
        seen: &(dyn for<'s> Fn(&'s str) -> bool + Sync),
    ) -> Result<Option<Vec<Profile>>, Unheard>;
    /// Whether it has nobody of this id: asked for by itself, since a list that
    /// changes while it is read may leave somebody out.
    ///
    /// # Errors
    /// It could not say, or may not.
    async fn is_gone(&self, subject: &str) -> Result<bool, Unheard>;
}

/// The people of an identity provider.
pub struct ProvidersPeople {
    provider: Arc<idp::Provider>,
    listing: Listing,
    /// Who is in the groups and has the roles of the mapping; asked for first.
    memberships: Option<Memberships>,
}

impl ProvidersPeople {
    /// All of them.
    pub fn of(provider: Arc<idp::Provider>) -> Self {
        Self { provider, listing: Listing::default(), memberships: None }
    }
}

#[async_trait]
impl People for ProvidersPeople {
    async fn count(&self) -> Option<u64> {
        self.provider.count_people().await.ok()
    }

    async fn next_page(
        &mut self,
        seen: &(dyn for<'s> Fn(&'s str) -> bool + Sync),
    ) -> Result<Option<Vec<Profile>>, Unheard> {
        let memberships = match &mut self.memberships {
            Some(known) => known,
            unknown => unknown.insert(self.provider.memberships().await?),
        };
        let mut page = self.provider.list_people(&mut self.listing, seen).await?;
        for person in page.iter_mut().flatten() {
            memberships.tell(person);
        }
        Ok(page)
    }

    async fn is_gone(&self, subject: &str) -> Result<bool, Unheard> {
        Ok(self.provider.look_up_by_id(subject).await?.is_none())
    }
}

/// The people of a directory.
pub struct DirectorysPeople {
    directory: Arc<Directory>,
    listing: directory::Listing,
}

impl DirectorysPeople {
    /// All of them.
    pub fn of(directory: Arc<Directory>) -> Self {
        Self { directory, listing: directory::Listing::default() }
    }
}

#[async_trait]
impl People for DirectorysPeople {
    async fn count(&self) -> Option<u64> {
        self.directory.status().entries
    }

    async fn next_page(
        &mut self,
        _seen: &(dyn for<'s> Fn(&'s str) -> bool + Sync),
    ) -> Result<Option<Vec<Profile>>, Unheard> {
        Ok(self.directory.list(&mut self.listing).await?)
    }

    async fn is_gone(&self, subject: &str) -> Result<bool, Unheard> {
        Ok(self.directory.look_up(subject).await?.is_none())
    }
}
