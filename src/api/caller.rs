//! Who sends a request, and what he may do. Whoever serves the router says so;
//! what a route needs stands beside it (`router`), and `rights` compares the two.

use std::{collections::BTreeSet, fmt};

use nix::unistd::Uid;

use super::{Error, error::Code};
pub use crate::mailbox::Scope;
use crate::mailbox::{Address, AdminTokenId, DomainName, MailboxId, ProviderName};

/// Who sent a request, with the rights that he has in it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Caller {
    who: Who,
    rights: Rights,
}

/// Who sent a request.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Who {
    /// The system user at the other end of the admin socket, or of the command
    /// that works without a server.
    System {
        /// Numeric user id.
        uid: u32,
    },
    /// A program, by an admin token.
    Token {
        /// The token's id.
        id: AdminTokenId,
        /// What its maker calls it.
        name: String,
    },
    /// The owner of a mailbox, in a web session.
    Person {
        /// His address.
        address: Address,
    },
    /// Somebody whom an identity provider calls an administrator, in a web session.
    Administrator {
        /// What the provider calls him.
        name: String,
        /// The provider.
        provider: ProviderName,
        /// Who he is there, which outlives no other server behind the same name.
        person: Option<PersonThere>,
    },
    /// An administrator who came by a one-time address, in a web session.
    Link {
        /// The system user who had it made.
        made_by: u32,
    },
}

/// A person as his provider tells him from all others.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PersonThere {
    /// The provider's issuer.
    pub issuer: String,
    /// Its id of him.
    pub subject: String,
}

/// What somebody may do, and with what.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Rights {
    /// What.
    pub scopes: BTreeSet<Scope>,
    /// With what.
    pub reach: Reach,
}

/// What somebody reaches. All else looks to him as if it were not there.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Reach {
    /// The whole server.
    Everything,
    /// These domains with their mailboxes, and providers that speak for no others.
    Domains(BTreeSet<DomainName>),
    /// A provider, and the domains that name it when the request is made.
    Provider(ProviderName),
    /// One mailbox, as long as it is this one and may log in.
    Own {
        /// Its address.
        address: Address,
        /// Its identity: another one may get the address.
        mailbox: MailboxId,
        /// How often its password, state, services and auth source had changed when he
        /// showed his password; none where he showed something else.
        generation: Option<u64>,
    },
}

impl Caller {
    /// A user of the machine: everything.
    pub fn system(uid: u32) -> Self {
        Self::over_everything(Who::System { uid }, Scope::ALL)
    }

    /// A program with an admin token. Without `domains` it reaches everything.
    pub fn token(
        id: AdminTokenId,
        name: String,
        scopes: impl IntoIterator<Item = Scope>,
        domains: Option<BTreeSet<DomainName>>,
    ) -> Self {
        let scopes = scopes.into_iter().filter(|scope| Scope::OF_TOKENS.contains(scope)).collect();
        let reach = domains.map_or(Reach::Everything, Reach::Domains);
        Self { who: Who::Token { id, name }, rights: Rights { scopes, reach } }
    }

    /// The owner of a mailbox: what routes leave to him of just this one.
    pub fn person(address: Address, mailbox: MailboxId) -> Self {
        let who = Who::Person { address: address.clone() };
        let scopes = [Scope::Read, Scope::Mailboxes].into();
        Self {
            who,
            rights: Rights { scopes, reach: Reach::Own { address, mailbox, generation: None } },
        }
    }

    /// The same, until password or state of the mailbox are others than they were.
    #[must_use]
    pub fn as_of(mut self, now: Option<u64>) -> Self {
        if let Reach::Own { generation, .. } = &mut self.rights.reach {
            *generation = now;
        }
        self
    }

    /// The same, as long as the provider is the one that calls him so, and has not
    /// switched him off.
    #[must_use]
    pub fn known_there_as(mut self, known: PersonThere) -> Self {
        if let Who::Administrator { person, .. } = &mut self.who {
            *person = Some(known);
        }
        self
    }

    /// An administrator by `provider`'s word, of the domains that name it.
    pub fn domain_administrator(name: String, provider: ProviderName) -> Self {
        let reach = Reach::Provider(provider.clone());
        let rights = Rights { scopes: Scope::OF_DOMAINS.into(), reach };
        Self { who: Who::Administrator { name, provider, person: None }, rights }
    }

    /// An administrator by the word of a provider with `administrators = true`.
    pub fn global_administrator(name: String, provider: ProviderName) -> Self {
        let who = Who::Administrator { name, provider, person: None };
        Self::over_everything(who, Scope::ALL).without(Scope::Links)
    }

    /// An administrator who came by a one-time address that user `made_by` of the
    /// machine had made.
    pub fn link(made_by: u32) -> Self {
        Self::over_everything(Who::Link { made_by }, Scope::ALL).without(Scope::Links)
    }

    fn over_everything(who: Who, scopes: impl IntoIterator<Item = Scope>) -> Self {
        let scopes = scopes.into_iter().collect();
        Self { who, rights: Rights { scopes, reach: Reach::Everything } }
    }

    fn without(mut self, scope: Scope) -> Self {
        self.rights.scopes.remove(&scope);
        self
    }

    /// Who it is.
    pub fn who(&self) -> &Who {
        &self.who
    }

    /// What he may do.
    pub fn rights(&self) -> &Rights {
        &self.rights
    }

    /// Refuses `key`, which names a file, from who could not read it anyway.
    pub(super) fn check_file(&self, key: &str) -> Result<(), Error> {
        if self.may_name_files() {
            return Ok(());
        }
        let why = format!(
            "{key}: a file is named by root or the server's own user alone, at the admin socket; \
             or name it in dovegate.toml"
        );
        Err(Error::new(Code::Forbidden, why))
    }

    /// Whether he may have the server read files that he names.
    pub(super) fn may_name_files(&self) -> bool {
        let Who::System { uid } = self.who else { return false };
        uid == 0 || uid == Uid::effective().as_raw()
    }

    /// Writes the line that every change leaves in the log.
    pub(super) fn changed(&self, action: &'static str, subject: &dyn fmt::Display) {
        match &self.who {
            Who::System { uid } => tracing::info!(uid, action, %subject, "administration"),
            by => tracing::info!(%by, action, %subject, "administration"),
        }
    }
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::System { uid } => write!(f, "user {uid} of this machine"),
            Self::Token { id, name } => write!(f, "token {id} ({})", name.escape_debug()),
            Self::Person { address } => address.fmt(f),
            Self::Administrator { name, provider, .. } => {
                write!(f, "{} of {provider}", name.escape_debug())
            }
            Self::Link { made_by } => write!(f, "link made by user {made_by} of this machine"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_token_makes_tokens_or_links() {
        let caller =
            Caller::token(AdminTokenId::from_bits(7), "Panel".to_owned(), Scope::ALL, None);
        assert_eq!(caller.rights().scopes, Scope::OF_TOKENS.into());
        for caller in [
            Caller::link(0),
            Caller::global_administrator("ann".to_owned(), "corp".parse().unwrap()),
        ] {
            assert!(caller.rights().scopes.contains(&Scope::Tokens));
            assert!(!caller.rights().scopes.contains(&Scope::Links));
        }
    }

    #[test]
    fn files_are_named_by_who_could_read_them() {
        let ours = Uid::effective().as_raw();
        assert!(Caller::system(0).may_name_files() && Caller::system(ours).may_name_files());
        assert!(!Caller::system(ours + 1).may_name_files());
        assert!(!Caller::link(0).may_name_files());
    }

    #[test]
    fn a_name_breaks_no_line() {
        let name = "Ann\nverdict=ok \u{1b}[2J".to_owned();
        let caller = Caller::domain_administrator(name, "corp".parse().unwrap());
        assert!(!caller.who().to_string().chars().any(char::is_control));
    }
}
