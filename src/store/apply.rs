//! The rules of a change, as functions of values: what a new mailbox gets, what
//! a change does to it, what counts against a domain's limits. Every engine
//! goes through here.
//!
//! **Where a value comes from.** What the caller names; else what the template
//! says; else the default. A quota that neither names stays unset in the
//! mailbox: it follows the domain's default, also when that changes later.
//!
//! **What a template does later.** Applied by hand to a mailbox that exists, it
//! sets quota and services and adds its tags. It leaves the state alone, so that
//! it cannot switch on whom an administrator has switched off.
//!
//! **Another auth source** leaves the local hash and the app passwords alone. The
//! binding goes where the new source is another provider than it names.
//!
//! **What an administrator sets stays his**, whatever a provider says later: see
//! [`Policy`].

use serde::{Deserialize, Serialize};

use super::{DomainChange, DomainUse, MailboxChange, NewMailbox};
use crate::{
    clock::Timestamp,
    mailbox::{
        AppliedTemplate, AuthSource, Domain, Mailbox, MailboxId, MailboxState, Policy, Quota,
        SetBy, Template, domain::LimitError, policy::Field,
    },
};

/// What a domain's mailboxes take, kept up to date with every change of one.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub(super) struct Tally {
    /// Mailboxes with a quota of their own.
    named: u64,
    /// Sum of those quotas.
    named_bytes: u64,
    /// Mailboxes that follow the domain's default. Kept apart so that a change
    /// of the default needs no walk over the mailboxes.
    following: u64,
}

impl Tally {
    /// Counts a mailbox in.
    pub(super) fn add(&mut self, quota: Option<Quota>) {
        match quota {
            Some(quota) => {
                self.named += 1;
                self.named_bytes = self.named_bytes.saturating_add(quota.bytes);
            }
            None => self.following += 1,
        }
    }

    /// Counts a mailbox out.
    pub(super) fn take(&mut self, quota: Option<Quota>) {
        match quota {
            Some(quota) => {
                self.named = self.named.saturating_sub(1);
                self.named_bytes = self.named_bytes.saturating_sub(quota.bytes);
            }
            None => self.following = self.following.saturating_sub(1),
        }
    }

    /// How full the domain is.
    pub(super) fn of(&self, domain: &Domain) -> DomainUse {
        let followed = self.following.saturating_mul(domain.default_quota.bytes);
        DomainUse {
            mailboxes: self.named + self.following,
            quota_bytes: self.named_bytes.saturating_add(followed),
        }
    }
}

/// Whether one more mailbox with `quota` fits into the domain.
pub(super) fn check_room(
    domain: &Domain,
    tally: &Tally,
    quota: Option<Quota>,
) -> Result<(), LimitError> {
    let taken = tally.of(domain);
    let quota = quota.unwrap_or(domain.default_quota);
    domain.check_limits(taken.mailboxes, taken.quota_bytes, quota)
}

/// Whether a mailbox may change its quota. To take less is always allowed, also
/// in a domain whose limits were lowered under what is taken already.
pub(super) fn check_quota_change(
    domain: &Domain,
    tally: &Tally,
    old: Option<Quota>,
    new: Option<Quota>,
) -> Result<(), LimitError> {
    let (before, after) =
        (old.unwrap_or(domain.default_quota), new.unwrap_or(domain.default_quota));
    if before == after || (!after.is_unlimited() && after < before) {
        return Ok(());
    }
    let mut others = *tally;
    others.take(old);
    check_quota(domain, &others, after)
}

/// Whether the domain may change as it is to: a raised default must fit all
/// mailboxes that follow it. Other limits may be lowered under what is taken;
/// they bind from then on.
pub(super) fn check_domain_change(
    old: &Domain,
    new: &Domain,
    tally: &Tally,
) -> Result<(), LimitError> {
    if tally.following == 0 || old.default_quota == new.default_quota {
        return Ok(());
    }
    let mut others = *tally;
    others.take(None);
    check_quota(new, &others, new.default_quota)
}

/// Whether a quota fits beside the others, however many they are.
fn check_quota(domain: &Domain, others: &Tally, quota: Quota) -> Result<(), LimitError> {
    let any_number = Domain { max_mailboxes: None, ..domain.clone() };
    any_number.check_limits(0, others.of(domain).quota_bytes, quota)
}

/// A domain after a change.
pub(super) fn change_domain(old: &Domain, change: DomainChange, now: Timestamp) -> Domain {
    let mut new = old.clone();
    set(&mut new.active, change.active);
    set(&mut new.provider, change.provider);
    set(&mut new.max_mailboxes, change.max_mailboxes);
    set(&mut new.default_quota, change.default_quota);
    set(&mut new.max_quota, change.max_quota);
    set(&mut new.total_quota, change.total_quota);
    if new != *old {
        new.generation += u64::from(new.active != old.active);
        new.modified = now;
    }
    new
}

/// A template that replaces `old`, or is new.
pub(super) fn next_template(old: Option<&Template>, mut new: Template) -> Template {
    if let Some(old) = old {
        new.created = old.created;
    }
    new.revision = old.map_or(1, |old| old.revision + 1);
    new
}

/// A new mailbox.
pub(super) fn new_mailbox(
    id: MailboxId,
    new: NewMailbox,
    template: Option<&Template>,
    now: Timestamp,
) -> Mailbox {
    let template_tags = template.map_or_else(Vec::new, |template| template.tags.clone());
    let mut tags = template_tags.clone();
    add_tags(&mut tags, new.tags);
    let adopted = new.set_by == SetBy::Provider;
    Mailbox {
        id,
        address: new.address,
        display_name: new.display_name,
        state: new.state.or(template.map(|template| template.state)).unwrap_or_default(),
        state_set_by: new.set_by,
        auth_source: new.auth_source,
        local_hash: new.local_hash,
        generation: 0,
        bound: new.bound,
        services: new.services.or(template.map(|template| template.services)).unwrap_or_default(),
        quota: new.quota.or(template.and_then(|template| template.quota)),
        tags,
        template: template.map(applied),
        uid: new.uid,
        gid: new.gid,
        home: new.home,
        mail: new.mail,
        extra_fields: new.extra_fields,
        created: now,
        modified: now,
        policy: Policy { template_tags, adopted, ..Policy::default() },
        has_imported_app_passwords: false,
    }
}

/// A mailbox after a change; equal to `old` if nothing changes.
pub(super) fn change_mailbox(
    old: &Mailbox,
    change: MailboxChange,
    template: Option<&Template>,
    now: Timestamp,
) -> Mailbox {
    let mut new = old.clone();
    if let Some(template) = template {
        new.quota = template.quota;
        new.services = template.services;
        add_tags(&mut new.tags, template.tags.clone());
        new.template = Some(applied(template));
        new.policy.template_tags.clone_from(&template.tags);
    }
    take_over(&mut new.policy, old, &change, template.is_some());
    if let Some((state, set_by)) = change.state {
        new.state = state;
        new.state_set_by = set_by;
    }
    if change.release.contains(&Field::State) {
        new.state_set_by = SetBy::Provider;
    }
    set(&mut new.display_name, change.display_name);
    if let Some(source) = change.auth_source.filter(|source| *source != old.auth_source) {
        switch_source(&mut new, source);
    }
    set(&mut new.bound, change.bound);
    set(&mut new.local_hash, change.local_hash);
    set(&mut new.services, change.services);
    set(&mut new.quota, change.quota);
    set(&mut new.tags, change.tags);
    set(&mut new.uid, change.uid);
    set(&mut new.gid, change.gid);
    set(&mut new.home, change.home);
    set(&mut new.mail, change.mail);
    set(&mut new.extra_fields, change.extra_fields);
    if new != *old {
        new.generation += u64::from(outdates_verified(old, &new));
        new.modified = now;
    }
    new
}

/// Another auth source. Whose the mailbox is at a provider outlives the time in
/// which the store itself says who may log in, so that the way back finds the same
/// person; but at another provider nobody has that id. That somebody was missing
/// was said of those who followed the old source.
fn switch_source(mailbox: &mut Mailbox, source: AuthSource) {
    if let AuthSource::Provider(name) = &source
        && mailbox.bound.as_ref().is_some_and(|bound| bound.provider != *name)
    {
        mailbox.bound = None;
    }
    mailbox.policy.missing = None;
    mailbox.auth_source = source;
}

/// Writes down which values are the administrator's from now on. A template that
/// he applies brings its values back to it. `active` gives the state back to the
/// provider, but for a mailbox that the provider has switched off: then it is meant
/// against the provider.
fn take_over(policy: &mut Policy, old: &Mailbox, change: &MailboxChange, by_template: bool) {
    if by_template {
        policy.overrides.retain(|field| matches!(field, Field::DisplayName | Field::State));
    }
    let set = [
        (Field::DisplayName, change.display_name.is_some()),
        (Field::Services, change.services.is_some()),
        (Field::Quota, change.quota.is_some()),
        (Field::Tags, change.tags.is_some()),
    ];
    policy.overrides.extend(set.into_iter().filter(|(_, set)| *set).map(|(field, _)| field));
    if let Some((state, SetBy::Administrator)) = change.state {
        let against = state != MailboxState::Active || old.policy.withdrawn.is_some();
        policy.withdrawn = None;
        policy.missing = None;
        policy.overrides.remove(&Field::State);
        policy.overrides.extend(against.then_some(Field::State));
    }
    policy.overrides.retain(|field| !change.release.contains(field));
}

/// Whether passwords verified before the change must be verified again.
pub(super) fn outdates_verified(old: &Mailbox, new: &Mailbox) -> bool {
    old.state != new.state
        || old.auth_source != new.auth_source
        || old.local_hash != new.local_hash
        || old.services != new.services
}

fn applied(template: &Template) -> AppliedTemplate {
    AppliedTemplate { name: template.name.clone(), revision: template.revision }
}

fn add_tags(tags: &mut Vec<String>, further: Vec<String>) {
    for tag in further {
        if !tags.contains(&tag) {
            tags.push(tag);
        }
    }
}

fn set<T>(place: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *place = value;
    }
}
