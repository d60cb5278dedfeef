//! Other sources of people than identity providers: whoever stands in a
//! passwd-file or in an LDAP server has a mailbox, and his main password is checked
//! by it. A directory is declared in `dovegate.toml` alone, speaks for the domains
//! that stand there, and shares its names with the providers.
//!
//! [`Directory::find`] and [`Directory::bind`] serve logins, [`Directory::list`] and
//! [`Directory::look_up`] syncs; the latter app passwords as well, which go by whether
//! their owner is there and enabled.

mod ldap;
pub mod lines;
mod passwd_file;
pub mod settings;
pub mod written;

use std::fmt;

use self::{ldap::Ldap, passwd_file::PasswdFile, settings::Kind};
pub use self::{
    settings::{Problem, Settings},
    written::Written,
};
pub use crate::remote::{Outage, OutageCause};
use crate::{
    clock::Timestamp,
    mailbox::{Address, PasswordHash, Profile},
    secret::Secret,
};

/// One directory, ready to be asked.
pub struct Directory {
    settings: Settings,
    asked: Asked,
}

/// Where it keeps its people.
enum Asked {
    PasswdFile(Box<PasswdFile>),
    Ldap(Box<Ldap>),
}

/// Whom an address belongs to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Found {
    /// This person.
    Entry(Box<Entry>),
    /// Nobody.
    Nobody,
    /// More than one: nobody can say whose it is.
    Several,
}

/// A person, and how his main password is checked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Entry {
    /// What is told of him. The address is the one that was asked for, and verified:
    /// who can write it looks after the directory.
    pub profile: Profile,
    /// How his password is checked.
    pub password: Password,
}

/// How a main password is checked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Password {
    /// Against this hash.
    Hash(PasswordHash),
    /// The directory does it, for this entry of its own.
    Bind(Dn),
    /// There is none.
    Missing,
}

/// The name of an entry at an LDAP server. Only who was found has one.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Dn(String);

impl Dn {
    /// As it stands there.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// How a directory does.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Status {
    /// How many people it has, as far as that is known.
    pub entries: Option<u64>,
    /// When it was read, or answered, last.
    pub read: Option<Timestamp>,
    /// Why it could not be since, if it could not.
    pub failure: Option<Failure>,
}

/// Why a directory could not be read or asked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Failure {
    /// Since when.
    pub since: Timestamp,
    /// What is wrong, the first of it.
    pub problems: Vec<String>,
    /// How much more there is.
    pub more: u64,
}

/// What a change of a directory comes to.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Changes {
    /// Ids of those who may not log in any more.
    pub lost: Vec<String>,
}

/// Where somebody is in the list of everybody; begins empty.
#[derive(Default)]
pub struct Listing {
    at: Option<Place>,
}

enum Place {
    PasswdFile(passwd_file::Place),
    Ldap(Box<ldap::Place>),
}

impl Directory {
    /// Makes it ready. It need not be there yet: until it is, it is [`Outage`].
    ///
    /// # Errors
    /// Settings that only show to be wrong when they are used.
    pub fn open(settings: Settings) -> Result<Self, Problem> {
        let asked = match &settings.kind {
            Kind::PasswdFile(file) => Asked::PasswdFile(PasswdFile::open(&settings, file).into()),
            Kind::Ldap(ldap) => Asked::Ldap(Ldap::open(&settings, ldap)?.into()),
        };
        Ok(Self { settings, asked })
    }

    /// Its settings.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Whether it is to be looked at now and then ([`Directory::poll`]).
    pub fn is_polled(&self) -> bool {
        matches!(self.asked, Asked::PasswdFile(_))
    }

    /// Looks whether it has changed, and what by that; nothing where it has not, or
    /// cannot be read. Blocks.
    pub fn poll(&self) -> Option<Changes> {
        match &self.asked {
            Asked::PasswdFile(file) => file.poll(),
            Asked::Ldap(_) => None,
        }
    }

    /// How it does.
    pub fn status(&self) -> Status {
        match &self.asked {
            Asked::PasswdFile(file) => file.status(),
            Asked::Ldap(ldap) => ldap.status(),
        }
    }

    /// Whose the address is.
    ///
    /// # Errors
    /// It could not say.
    pub async fn find(&self, address: &Address) -> Result<Found, Outage> {
        match &self.asked {
            Asked::PasswdFile(file) => file.find(address),
            Asked::Ldap(ldap) => ldap.find(address).await,
        }
    }

    /// Whether the password is that of the entry, by the directory's own word.
    ///
    /// # Errors
    /// It could not say.
    pub async fn bind(&self, dn: &Dn, password: &Secret) -> Result<bool, Outage> {
        match &self.asked {
            Asked::PasswdFile(_) => Ok(false),
            Asked::Ldap(ldap) => ldap.bind(dn, password).await,
        }
    }

    /// The next of its people; `None` at the end.
    ///
    /// # Errors
    /// It could not say.
    pub async fn list(&self, listing: &mut Listing) -> Result<Option<Vec<Profile>>, Outage> {
        match &self.asked {
            Asked::PasswdFile(file) => {
                let mut place = match listing.at.take() {
                    Some(Place::PasswdFile(place)) => place,
                    _ => file.begin()?,
                };
                let page = file.next(&mut place);
                listing.at = Some(Place::PasswdFile(place));
                Ok(page)
            }
            Asked::Ldap(ldap) => {
                let mut place = match listing.at.take() {
                    Some(Place::Ldap(place)) => place,
                    _ => ldap.begin().await?.into(),
                };
                let page = ldap.next(&mut place).await?;
                listing.at = Some(Place::Ldap(place));
                Ok(page)
            }
        }
    }

    /// The person of this id, if there is one.
    ///
    /// # Errors
    /// It could not say.
    pub async fn look_up(&self, subject: &str) -> Result<Option<Profile>, Outage> {
        match &self.asked {
            Asked::PasswdFile(file) => file.look_up(subject),
            Asked::Ldap(ldap) => ldap.look_up(subject).await,
        }
    }
}

impl fmt::Debug for Directory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Directory").field("name", &self.settings.name).finish_non_exhaustive()
    }
}
