//! A domain and its limits.

use serde::{Deserialize, Serialize};

use super::{DomainName, ProviderName, Quota};
use crate::clock::Timestamp;

/// One domain, as stored.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Domain {
    /// Canonical name; the store's key.
    pub name: DomainName,
    /// Whether its mailboxes may log in, and mail is taken for them.
    pub active: bool,
    /// Bumped with `active`, like a mailbox's generation: verified passwords of
    /// the whole domain fall away.
    pub generation: u64,
    /// The identity provider that speaks for it.
    pub provider: Option<ProviderName>,
    /// Most mailboxes; `None` is no limit.
    pub max_mailboxes: Option<u64>,
    /// Quota of a mailbox that names none.
    pub default_quota: Quota,
    /// Largest quota that one mailbox may have.
    pub max_quota: Quota,
    /// Sum of all mailboxes' quotas.
    pub total_quota: Quota,
    /// When it was made.
    pub created: Timestamp,
    /// When it was changed last.
    pub modified: Timestamp,
}

/// A limit that a change would break.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum LimitError {
    /// The domain is full.
    #[error("domain {domain} has {taken} of at most {limit} mailboxes (max_mailboxes)")]
    Mailboxes {
        /// The domain.
        domain: DomainName,
        /// How many it has.
        taken: u64,
        /// Its limit.
        limit: u64,
    },
    /// One mailbox would get too much.
    #[error(
        "domain {domain} gives one mailbox at most {limit}, and quota {asked} is more (max_quota)"
    )]
    MailboxQuota {
        /// The domain.
        domain: DomainName,
        /// What was asked for.
        asked: Quota,
        /// What is allowed.
        limit: Quota,
    },
    /// All mailboxes together would get too much.
    #[error(
        "domain {domain} has given {} of at most {limit} to its mailboxes, and {asked} more is too \
         much (total_quota)",
        amount(*.taken)
    )]
    TotalQuota {
        /// The domain.
        domain: DomainName,
        /// What was asked for.
        asked: Quota,
        /// What the others have, in bytes.
        taken: u64,
        /// What there is.
        limit: Quota,
    },
}

/// A quota of nothing is none, but nothing is an amount.
fn amount(bytes: u64) -> String {
    if bytes == 0 { "0".to_owned() } else { Quota { bytes }.to_string() }
}

impl Domain {
    /// An active one without provider and limits.
    pub fn new(name: DomainName, now: Timestamp) -> Self {
        Self {
            name,
            active: true,
            generation: 0,
            provider: None,
            max_mailboxes: None,
            default_quota: Quota::UNLIMITED,
            max_quota: Quota::UNLIMITED,
            total_quota: Quota::UNLIMITED,
            created: now,
            modified: now,
        }
    }

    /// Whether a mailbox with `quota` fits beside `others` that hold
    /// `others_quota_bytes` together. An unlimited mailbox counts as zero bytes
    /// but is refused where a limit stands: mailcow lets it pass, which makes
    /// the limit empty.
    pub fn check_limits(
        &self,
        others: u64,
        others_quota_bytes: u64,
        quota: Quota,
    ) -> Result<(), LimitError> {
        let domain = || self.name.clone();
        if let Some(limit) = self.max_mailboxes.filter(|limit| others >= *limit) {
            return Err(LimitError::Mailboxes { domain: domain(), taken: others, limit });
        }
        let too_large = |limit: Quota| {
            !limit.is_unlimited() && (quota.is_unlimited() || quota.bytes > limit.bytes)
        };
        if too_large(self.max_quota) {
            let limit = self.max_quota;
            return Err(LimitError::MailboxQuota { domain: domain(), asked: quota, limit });
        }
        let taken = others_quota_bytes;
        let free = self.total_quota.bytes.saturating_sub(taken);
        if !self.total_quota.is_unlimited() && (quota.is_unlimited() || quota.bytes > free) {
            let limit = self.total_quota;
            return Err(LimitError::TotalQuota { domain: domain(), asked: quota, taken, limit });
        }
        Ok(())
    }
}

#[cfg(test)]
impl Domain {
    /// For tests.
    pub(crate) fn for_test(name: &str) -> Self {
        Self::new(DomainName::parse(name).expect("a domain name"), Timestamp(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn domain() -> Domain {
        Domain {
            max_mailboxes: Some(2),
            default_quota: Quota { bytes: 10 },
            max_quota: Quota { bytes: 50 },
            total_quota: Quota { bytes: 100 },
            ..Domain::for_test("example.org")
        }
    }

    #[test]
    fn limits_hold() {
        let check =
            |others, used, quota| domain().check_limits(others, used, Quota { bytes: quota });
        assert_eq!(check(0, 0, 50), Ok(()));
        assert_eq!(check(1, 50, 50), Ok(()));
        assert!(matches!(check(2, 0, 10), Err(LimitError::Mailboxes { taken: 2, limit: 2, .. })));
        assert!(matches!(check(0, 0, 51), Err(LimitError::MailboxQuota { .. })));
        assert!(matches!(check(0, 0, 0), Err(LimitError::MailboxQuota { .. })));
        assert!(matches!(check(1, 60, 50), Err(LimitError::TotalQuota { taken: 60, .. })));
    }

    #[test]
    fn without_limits_all_fits() {
        let open = Domain::for_test("example.org");
        assert_eq!(open.check_limits(1_000_000, u64::MAX, Quota::UNLIMITED), Ok(()));
    }
}
