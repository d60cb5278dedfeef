//! What a provider or a directory said of people, for their main passwords: one request for a
//! cold login, none for a warm one, and logins go on while it is stopped. How
//! answers are kept, see `answers`; how long, the provider's settings say:
//! `mailpassword_cache`, `unknown_cache`, `recheck_interval` and `stale_limit`.

use std::sync::Arc;

use super::{
    answers::{Answer, Answers, Known, Lasts, LetsIn, Said, Tallies, Times, is_younger},
    purges::Mark,
    room::Limits,
    terms::Terms,
};
use crate::{
    clock::Timestamp,
    directory::{self, Dn, Entry},
    idp::{self, LookedUp, Mailpassword, Outage},
    mailbox::{Address, PasswordHash, Profile},
};

/// Most of what is kept of people.
const PEOPLE: Limits = Limits { entries: 100_000, bytes: 96 * 1024 * 1024 };
/// The same of addresses that are nobody's, or more than one person's.
const UNKNOWN: Limits = Limits { entries: 10_000, bytes: 8 * 1024 * 1024 };

/// The answers of one provider about people, by address.
pub(super) type PeopleCache = Answers<Person, NoPerson>;
/// What a provider says of an address.
pub(super) type SaidOf = Said<Person, NoPerson>;
/// What it said before.
pub(super) type KnownPerson = Known<Person, NoPerson>;

/// A person.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Person {
    /// Who he is.
    pub(super) profile: Profile,
    /// How his main password is checked.
    pub(super) password: Password,
}

/// How a main password is checked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Password {
    /// Against this hash. It may still be none.
    Hash(PasswordHash),
    /// The directory does it.
    Bind(Dn),
    /// There is none.
    Missing,
    /// There is more than one.
    Several,
    /// More than any hash has.
    TooLong,
}

impl From<idp::Person> for Person {
    fn from(person: idp::Person) -> Self {
        let password = match person.mailpassword {
            Mailpassword::Hash(hash) => Password::Hash(hash),
            Mailpassword::Missing => Password::Missing,
            Mailpassword::Several => Password::Several,
            Mailpassword::TooLong => Password::TooLong,
        };
        Self { profile: person.profile, password }
    }
}

impl From<Entry> for Person {
    fn from(entry: Entry) -> Self {
        let password = match entry.password {
            directory::Password::Hash(hash) => Password::Hash(hash),
            directory::Password::Bind(dn) => Password::Bind(dn),
            directory::Password::Missing => Password::Missing,
        };
        Self { profile: entry.profile, password }
    }
}

/// Why an address is no person's.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum NoPerson {
    /// Nobody has it.
    Nobody,
    /// More than one has it.
    Several,
}

impl From<Result<LookedUp, Outage>> for SaidOf {
    fn from(found: Result<LookedUp, Outage>) -> Self {
        match found {
            Ok(LookedUp::Person(person)) => Self::Good(Person::from(*person).into()),
            Ok(LookedUp::Nobody) => Self::Refused(NoPerson::Nobody.into()),
            Ok(LookedUp::Several) => Self::Refused(NoPerson::Several.into()),
            Err(outage) => Self::Unavailable(outage.into()),
        }
    }
}

impl Answer for Person {
    fn marks(&self) -> Vec<Mark<'_>> {
        vec![Mark::Person(&self.profile.subject)]
    }

    fn bytes(&self) -> usize {
        let text = match &self.password {
            Password::Hash(hash) => hash.as_str().len(),
            Password::Bind(dn) => dn.as_str().len(),
            _ => 0,
        };
        size_of::<Password>() + self.profile.bytes() + text
    }
}

impl LetsIn for Person {
    fn lasts(&self, _asked: Timestamp, times: &Times) -> Lasts {
        Lasts { fresh: times.fresh, stale: times.stale }
    }

    fn about(&self) -> Option<&Address> {
        None
    }
}

impl Answer for NoPerson {
    fn marks(&self) -> Vec<Mark<'_>> {
        vec![Mark::NobodysAddress]
    }

    fn bytes(&self) -> usize {
        size_of::<Self>()
    }
}

impl PeopleCache {
    pub(super) fn of(settings: &Terms, tallies: Arc<Tallies>) -> Self {
        let times = Times {
            fresh: settings.mailpassword_cache,
            refused: settings.unknown_cache,
            stale: settings.kept,
        };
        Self::new(settings.name.clone(), times, [PEOPLE, UNKNOWN], tallies)
    }
}

impl KnownPerson {
    /// Whether it is so young that even what does not let in need not be asked for
    /// again: somebody may have mended it.
    pub(super) fn is_of_just_now(&self, now: Timestamp, settings: &Terms) -> bool {
        let time = match self.said {
            Said::Refused(_) => settings.unknown_cache,
            Said::Good(_) | Said::Unavailable(_) => settings.recheck_interval,
        };
        is_younger(self.asked, now, time)
    }
}
