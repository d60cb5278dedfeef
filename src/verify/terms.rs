//! How far what is said of people counts, by the settings of whoever says it: an
//! identity provider, or a directory.

use std::time::Duration;

use crate::{
    directory::{self, settings::Kind},
    idp,
    mailbox::{ProviderName, provider::UnverifiedEmail},
};

/// The terms of one of them.
#[derive(Clone, Debug)]
pub(super) struct Terms {
    /// Its name: the auth source of the mailboxes that follow it.
    pub(super) name: ProviderName,
    /// What an unverified address counts.
    pub(super) unverified_email: UnverifiedEmail,
    /// How long what it says of a person is not asked for again.
    pub(super) mailpassword_cache: Duration,
    /// The same of an address that it does not know.
    pub(super) unknown_cache: Duration,
    /// After which time an answer that does not let in is asked for again.
    pub(super) recheck_interval: Duration,
    /// How long its word counts while it cannot be asked.
    pub(super) stale_limit: Duration,
    /// How long answers are kept for that.
    pub(super) kept: Duration,
    /// How old what is known of the owner of an app password may be; none where it is
    /// not asked.
    pub(super) account_check: Option<Duration>,
}

impl Terms {
    pub(super) fn of_provider(settings: &idp::Settings) -> Self {
        Self {
            name: settings.name.clone(),
            unverified_email: settings.unverified_email,
            mailpassword_cache: settings.mailpassword_cache,
            unknown_cache: settings.unknown_cache,
            recheck_interval: settings.recheck_interval,
            stale_limit: settings.stale_limit,
            kept: settings.stale_limit,
            account_check: settings.account_check,
        }
    }

    /// A file lies in memory: it is asked each time, so that what stands there counts
    /// at once.
    pub(super) fn of_directory(settings: &directory::Settings) -> Self {
        let name = settings.name.clone();
        let unverified_email = UnverifiedEmail::Refuse;
        match &settings.kind {
            Kind::PasswdFile(_) => Self {
                name,
                unverified_email,
                mailpassword_cache: Duration::ZERO,
                unknown_cache: Duration::ZERO,
                recheck_interval: Duration::ZERO,
                // Of owners, where it could not be read since the start.
                stale_limit: Duration::from_secs(12 * 3600),
                kept: Duration::ZERO,
                account_check: Some(Duration::ZERO),
            },
            Kind::Ldap(ldap) => Self {
                name,
                unverified_email,
                mailpassword_cache: ldap.mailpassword_cache,
                unknown_cache: ldap.unknown_cache,
                recheck_interval: ldap.recheck_interval,
                stale_limit: ldap.stale_limit,
                kept: ldap.stale_limit,
                account_check: ldap.account_check,
            },
        }
    }
}
