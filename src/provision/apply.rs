//! What a provider's word on a person means for his mailbox: the one place that
//! decides to make, change, rename, switch off or switch on a mailbox by it.
//!
//! Decided here from values, carried out by the store, which takes a change only
//! of the mailbox that was looked at. Nothing is written that is so already, and
//! nothing that an administrator has set is changed.
//!
//! **Whose a mailbox is.** First by the provider's id of the person, else by his
//! address, which must be verified then. Who has a mailbox gets no second one,
//! whatever his address is now.

use std::{collections::BTreeMap, sync::Arc};

use super::{Source, mapping, own};
use crate::{
    clock::Timestamp,
    mailbox::{
        Address, AppliedTemplate, AuthSource, Domain, DomainName, Mailbox, MailboxState, NameRules,
        Profile, SetBy, Template, TemplateName,
        policy::{self, Field, Missing, Withdrawn, WithdrawnWhy},
        provider::{Renames, UnverifiedEmail},
        userdb,
    },
    store::{self, Account, MailboxWrite, NewMailbox, Store, SyncAction, SyncLine, SyncStep},
};

/// Complete listings in a row that somebody must be missing from.
pub const MISSING_RUNS: u32 = 2;
/// As long as one that an administrator gives.
const MAX_NAME_CHARS: usize = 200;

/// By which rules people become mailboxes.
pub struct Rules {
    /// Whose people.
    pub source: Arc<Source>,
    /// All templates.
    pub templates: BTreeMap<TemplateName, Arc<Template>>,
    /// How texts become addresses.
    pub names: NameRules,
    /// Pattern of a new mailbox's home.
    pub home: String,
    /// Whether mailboxes are made for people who have none.
    pub makes: bool,
}

/// What a provider's word on somebody comes to, for one mailbox.
#[derive(Clone, Debug)]
pub enum Finding {
    /// The mailbox is as it should be.
    Unchanged,
    /// There is something to write.
    Step(SyncStep),
    /// Something is left out, and why.
    Skipped(Refusal, SyncLine),
    /// Something is left out that needs no line of its own.
    Counted(Refusal),
    /// The mailbox is to be switched off, since the person is.
    Disabled(Address),
}

/// Why nothing, or not everything, is done.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Refusal {
    /// The person has no address.
    NoAddress,
    /// What should be one is none.
    BadAddress(String),
    /// There is no such domain here.
    DomainUnknown,
    /// The provider does not speak for the domain.
    DomainElsewhere,
    /// The domain is switched off.
    DomainInactive(DomainName),
    /// The address is not verified.
    Unverified,
    /// The mailbox is another person's.
    Reassigned,
    /// The mailbox does not follow this provider.
    SourceElsewhere,
    /// The person is disabled, and has no mailbox.
    Disabled,
    /// The settings make no mailboxes.
    NotImported,
    /// No entry of the mapping fits, and there is no default.
    NoTemplate(Vec<String>),
    /// The template does not exist.
    TemplateMissing(TemplateName),
    /// The person has another address now, and mailboxes do not follow.
    Renamed(Address),
    /// The new address is not verified.
    RenameUnverified(Address),
    /// It is in another domain.
    RenameElsewhere(Address),
    /// It is somebody's.
    RenameTaken(Address),
}

impl Refusal {
    /// The stable word.
    pub fn name(&self) -> &'static str {
        match self {
            Self::NoAddress => "no_address",
            Self::BadAddress(_) => "bad_address",
            Self::DomainUnknown => "domain_unknown",
            Self::DomainElsewhere => "domain_elsewhere",
            Self::DomainInactive(_) => "domain_inactive",
            Self::Unverified => "unverified_email",
            Self::Reassigned => "address_reassigned",
            Self::SourceElsewhere => "auth_source",
            Self::Disabled => "disabled",
            Self::NotImported => "not_imported",
            Self::NoTemplate(_) => "no_template",
            Self::TemplateMissing(_) => "template_missing",
            Self::Renamed(_) => "renamed",
            Self::RenameUnverified(_) => "rename_unverified",
            Self::RenameElsewhere(_) => "rename_domain",
            Self::RenameTaken(_) => "rename_taken",
        }
    }

    /// In words.
    pub fn detail(&self) -> String {
        match self {
            Self::NoAddress => "the person has no address".to_owned(),
            Self::BadAddress(why) => why.clone(),
            Self::DomainUnknown => "the domain does not exist here".to_owned(),
            Self::DomainElsewhere => "the provider does not speak for the domain".to_owned(),
            Self::DomainInactive(domain) => format!("domain {domain} is disabled"),
            Self::Unverified => "the provider has not verified the address".to_owned(),
            Self::Reassigned => "the mailbox belongs to another person".to_owned(),
            Self::SourceElsewhere => "the mailbox has another auth source".to_owned(),
            Self::Disabled => "the person is disabled".to_owned(),
            Self::NotImported => "import_users is off".to_owned(),
            Self::NoTemplate(values) if values.is_empty() => {
                "the person's attribute names no template, and there is no default".to_owned()
            }
            Self::NoTemplate(values) => {
                let values: Vec<String> = values.iter().take(5).map(|one| shown(one)).collect();
                format!("no template for {}, and there is no default", values.join(", "))
            }
            Self::TemplateMissing(name) => format!("template {name} does not exist"),
            Self::Renamed(to) => {
                format!("the person's address is {to} now, and renames are only reported")
            }
            Self::RenameUnverified(to) => format!("the new address {to} is not verified"),
            Self::RenameElsewhere(to) => format!("the new address {to} is in another domain"),
            Self::RenameTaken(to) => format!("the new address {to} is another mailbox's"),
        }
    }

    /// Whether it is only counted: it says nothing of a mailbox of ours, and may
    /// hold for everybody.
    fn is_only_counted(&self) -> bool {
        matches!(
            self,
            Self::NoAddress
                | Self::DomainUnknown
                | Self::DomainElsewhere
                | Self::Disabled
                | Self::NotImported
        )
    }

    fn found(self, address: Option<&Address>, person: &Profile) -> Finding {
        if self.is_only_counted() {
            return Finding::Counted(self);
        }
        let line = SyncLine {
            action: SyncAction::Skipped,
            cause: Some(self.name().to_owned()),
            address: address.cloned(),
            subject: person.subject.clone(),
            detail: self.detail(),
        };
        Finding::Skipped(self, line)
    }
}

/// Why a person's word does not reach a mailbox.
enum Stop {
    Refused(Refusal),
    Store(store::Error),
}

impl From<store::Error> for Stop {
    fn from(error: store::Error) -> Self {
        Self::Store(error)
    }
}

impl Rules {
    /// The rules of `source` as they are now.
    ///
    /// # Errors
    /// The store failed.
    pub async fn of(
        source: Arc<Source>,
        store: &dyn Store,
        names: &NameRules,
        home: String,
        makes: bool,
    ) -> Result<Self, store::Error> {
        let templates = store.templates().await?.into_iter();
        // An address there is a whole one, or in its own default domain.
        let names = names.completing_with(source.default_domain.clone());
        let templates = templates.map(|one| (one.name.clone(), one)).collect();
        Ok(Self { source, templates, names, home, makes })
    }

    /// What the provider's word on `person` means.
    ///
    /// # Errors
    /// The store failed.
    pub async fn person(
        &self,
        store: &dyn Store,
        person: &Profile,
    ) -> Result<Vec<Finding>, store::Error> {
        let mine = store.mailboxes_of(&self.source.binding(&person.subject)).await?;
        let mut accounts = Vec::new();
        for address in &mine {
            accounts.extend(store.account(address).await?);
        }
        if !accounts.is_empty() {
            return self.of_the_bound(store, person, &accounts).await;
        }
        let address = self.address(person);
        let found = match &address {
            Ok(address) => self.by_address(store, person, address).await,
            Err(refusal) => Err(Stop::Refused(refusal.clone())),
        };
        match found {
            Ok(findings) => Ok(findings),
            Err(Stop::Refused(refusal)) => Ok(vec![refusal.found(address.ok().as_ref(), person)]),
            Err(Stop::Store(error)) => Err(error),
        }
    }

    fn address(&self, person: &Profile) -> Result<Address, Refusal> {
        let email = person.email.as_deref().filter(|email| !email.is_empty());
        let email = email.ok_or(Refusal::NoAddress)?;
        self.names
            .canonical(email.as_bytes())
            .map_err(|why| Refusal::BadAddress(format!("{} is no address: {why}", shown(email))))
    }

    /// Whether the address is another one of his.
    fn has_further(&self, person: &Profile, address: &Address) -> bool {
        let mut further = person.further_emails.iter();
        further.any(|one| self.names.canonical(one.as_bytes()).is_ok_and(|one| one == *address))
    }

    fn may_bind(&self, person: &Profile) -> bool {
        person.email_is_verified || self.source.unverified_email == UnverifiedEmail::Accept
    }

    async fn of_the_bound(
        &self,
        store: &dyn Store,
        person: &Profile,
        accounts: &[Account],
    ) -> Result<Vec<Finding>, store::Error> {
        let mut findings = Vec::new();
        for account in accounts {
            let mailbox = &account.mailbox;
            if !self.source.speaks_for(&account.domain) {
                findings.push(Finding::Counted(Refusal::DomainElsewhere));
            } else if !self.source.is_followed_by(mailbox) {
                findings.push(Finding::Counted(Refusal::SourceElsewhere));
            } else if person.enabled {
                let renamed = match accounts {
                    [_] => self.renamed(store, person, mailbox).await?,
                    // Nobody can say which of several is meant.
                    _ => Ok(None),
                };
                findings.extend(self.updated(person, mailbox, renamed));
            } else {
                findings.push(disabled(mailbox));
            }
        }
        Ok(findings)
    }

    /// The address that the mailbox shall have, if it is another one.
    async fn renamed(
        &self,
        store: &dyn Store,
        person: &Profile,
        mailbox: &Mailbox,
    ) -> Result<Result<Option<Address>, Refusal>, store::Error> {
        // Whoever lost his address keeps his mailbox.
        let Ok(address) = self.address(person) else { return Ok(Ok(None)) };
        if address == mailbox.address || self.has_further(person, &mailbox.address) {
            return Ok(Ok(None));
        }
        Ok(if self.source.provisioning.renames == Renames::Report {
            Err(Refusal::Renamed(address))
        } else if address.domain() != mailbox.address.domain() {
            Err(Refusal::RenameElsewhere(address))
        } else if !self.may_bind(person) {
            Err(Refusal::RenameUnverified(address))
        } else if let Some(why) = self.names.unfit_for_mailbox(&address) {
            Err(Refusal::BadAddress(why))
        } else if store.account(&address).await?.is_some() {
            Err(Refusal::RenameTaken(address))
        } else {
            Ok(Some(address))
        })
    }

    fn updated(
        &self,
        person: &Profile,
        old: &Arc<Mailbox>,
        renamed: Result<Option<Address>, Refusal>,
    ) -> Vec<Finding> {
        let mut findings = Vec::new();
        let mut refuse = |refusal: Refusal| {
            findings.push(refusal.found(Some(&old.address), person));
        };
        let rules = &self.source.provisioning;
        let template = mapping::template(rules, person, false);
        let template = template.and_then(|name| {
            let template = self.templates.get(name);
            if template.is_none() {
                refuse(Refusal::TemplateMissing(name.clone()));
            }
            template
        });
        let renamed = renamed.unwrap_or_else(|refusal| {
            refuse(refusal);
            None
        });
        let mut new = self.following(old);
        new.address = renamed.unwrap_or_else(|| old.address.clone());
        new.bound = Some(self.source.binding(&person.subject));
        show(&mut new, &person.name);
        restore(&mut new);
        if let Some(template) = template {
            give(&mut new, template);
        }
        if let Some(own) = &person.own {
            own::give(&mut new, own);
        }
        findings.push(replaced(old, new, &person.subject));
        findings
    }

    /// The mailbox with its administrator's values written down as his: nobody did
    /// so before a provider had a say.
    fn following(&self, old: &Mailbox) -> Mailbox {
        let mut new = old.clone();
        if !new.policy.adopted {
            let applied = old.template.as_ref().and_then(|one| self.templates.get(&one.name));
            new.policy.overrides.extend(policy::own_values(old, applied.map(Arc::as_ref)));
            new.policy.adopted = true;
        }
        new
    }

    async fn by_address(
        &self,
        store: &dyn Store,
        person: &Profile,
        address: &Address,
    ) -> Result<Vec<Finding>, Stop> {
        let refused = |refusal| Err(Stop::Refused(refusal));
        let Some(domain) = store.domain(&address.domain()).await? else {
            return refused(Refusal::DomainUnknown);
        };
        if !self.source.speaks_for(&domain) {
            return refused(Refusal::DomainElsewhere);
        }
        let Some(account) = store.account(address).await? else {
            let created = self.created(person, address, &domain);
            return created.map(|finding| vec![finding]).map_err(Stop::Refused);
        };
        if !self.source.is_followed_by(&account.mailbox) {
            return refused(Refusal::SourceElsewhere);
        }
        if account.mailbox.bound.is_some() {
            return refused(Refusal::Reassigned);
        }
        if !self.may_bind(person) {
            return refused(Refusal::Unverified);
        }
        if person.enabled {
            return Ok(self.updated(person, &account.mailbox, Ok(None)));
        }
        let old = &account.mailbox;
        let bound = Some(self.source.binding(&person.subject));
        let new = Mailbox { bound, ..Mailbox::clone(old) };
        Ok(vec![replaced(old, new, &person.subject), disabled(old)])
    }

    fn created(
        &self,
        person: &Profile,
        address: &Address,
        domain: &Domain,
    ) -> Result<Finding, Refusal> {
        let rules = &self.source.provisioning;
        if !self.makes {
            return Err(Refusal::NotImported);
        }
        if !person.enabled {
            return Err(Refusal::Disabled);
        }
        if !domain.active {
            return Err(Refusal::DomainInactive(domain.name.clone()));
        }
        if !self.may_bind(person) {
            return Err(Refusal::Unverified);
        }
        if let Some(why) = self.names.unfit_for_mailbox(address) {
            return Err(Refusal::BadAddress(why));
        }
        let name = mapping::template(rules, person, true);
        match name {
            Some(name) if !self.templates.contains_key(name) => {
                return Err(Refusal::TemplateMissing(name.clone()));
            }
            None if !rules.makes_without_template() => {
                let values = person.template_values.clone().unwrap_or_default();
                return Err(Refusal::NoTemplate(values));
            }
            _ => {}
        }
        let mut new = NewMailbox {
            address: address.clone(),
            display_name: display_name(&person.name),
            template: name.cloned(),
            state: None,
            set_by: SetBy::Provider,
            auth_source: AuthSource::Provider(self.source.name.clone()),
            bound: Some(self.source.binding(&person.subject)),
            local_hash: None,
            services: None,
            quota: None,
            tags: Vec::new(),
            home: Some(userdb::expand(&self.home, address)),
            uid: None,
            gid: None,
            mail: None,
            extra_fields: BTreeMap::new(),
        };
        if let Some(own) = &person.own {
            own::give_new(&mut new, own);
        }
        let detail =
            name.map_or_else(|| "no template".to_owned(), |name| format!("template {name}"));
        let line = SyncLine {
            action: SyncAction::Created,
            cause: None,
            address: Some(address.clone()),
            subject: person.subject.clone(),
            detail,
        };
        Ok(Finding::Step(SyncStep { write: Some(MailboxWrite::Create(Box::new(new))), line }))
    }
}

/// Whether a provider's word can switch the mailbox off.
pub fn can_be_withdrawn(mailbox: &Mailbox) -> bool {
    mailbox.state == MailboxState::Active && !mailbox.is_overridden(Field::State)
}

/// The mailbox of somebody who is disabled, or of whom the provider has not heard
/// often enough, is switched off; else the time is counted.
pub fn withdrawn(old: &Arc<Mailbox>, why: WithdrawnWhy, now: Timestamp) -> SyncStep {
    let mut new = Mailbox::clone(old);
    let before = old.policy.missing;
    let missing = Missing {
        runs: before.map_or(1, |missing| missing.runs.saturating_add(1)),
        since: before.map_or(now, |missing| missing.since),
    };
    let (action, detail) = if why == WithdrawnWhy::Missing && missing.runs < MISSING_RUNS {
        new.policy.missing = Some(missing);
        let detail =
            format!("the provider has nobody of this id; {MISSING_RUNS} runs say so in the end");
        (SyncAction::Missing, detail)
    } else {
        new.policy.missing = None;
        new.policy.withdrawn = Some(Withdrawn { why, was: old.state, since: now });
        new.state = MailboxState::ReceiveOnly;
        new.state_set_by = SetBy::Provider;
        let detail = match why {
            WithdrawnWhy::Missing => format!("missing in {} complete runs", missing.runs),
            WithdrawnWhy::Disabled => "disabled at the provider".to_owned(),
        };
        (SyncAction::Withdrawn, detail)
    };
    let line = SyncLine {
        action,
        cause: None,
        address: Some(old.address.clone()),
        subject: old.bound.as_ref().map(|bound| bound.subject.clone()).unwrap_or_default(),
        detail,
    };
    let write = MailboxWrite::Replace { old: Arc::clone(old), new: Box::new(new) };
    SyncStep { write: Some(write), line }
}

/// One that is back from being missing, and disabled, stays off for that reason.
fn disabled(old: &Arc<Mailbox>) -> Finding {
    if can_be_withdrawn(old) {
        return Finding::Disabled(old.address.clone());
    }
    let mut new = Mailbox::clone(old);
    new.policy.missing = None;
    if let Some(withdrawn) = &mut new.policy.withdrawn {
        withdrawn.why = WithdrawnWhy::Disabled;
    }
    let subject = old.bound.as_ref().map(|bound| bound.subject.as_str());
    replaced(old, new, subject.unwrap_or_default())
}

/// Gives back what being missing or disabled took.
fn restore(mailbox: &mut Mailbox) {
    mailbox.policy.missing = None;
    if let Some(withdrawn) = mailbox.policy.withdrawn.take() {
        mailbox.state = withdrawn.was;
        mailbox.state_set_by = SetBy::Provider;
    }
}

fn show(mailbox: &mut Mailbox, name: &str) {
    if !name.is_empty() && !mailbox.is_overridden(Field::DisplayName) {
        mailbox.display_name = display_name(name);
    }
}

/// Gives the mailbox the template's values, but for those that an administrator
/// holds.
fn give(mailbox: &mut Mailbox, template: &Template) {
    if !mailbox.is_overridden(Field::State) && mailbox.state != template.state {
        mailbox.state = template.state;
        mailbox.state_set_by = SetBy::Provider;
    }
    if !mailbox.is_overridden(Field::Services) {
        mailbox.services = template.services;
    }
    if !mailbox.is_overridden(Field::Quota) {
        mailbox.quota = template.quota;
    }
    if !mailbox.is_overridden(Field::Tags) {
        let before = &mailbox.policy.template_tags;
        mailbox.tags.retain(|tag| !before.contains(tag) || template.tags.contains(tag));
        for tag in &template.tags {
            if !mailbox.tags.contains(tag) {
                mailbox.tags.push(tag.clone());
            }
        }
    }
    mailbox.policy.template_tags.clone_from(&template.tags);
    let (name, revision) = (template.name.clone(), template.revision);
    mailbox.template = Some(AppliedTemplate { name, revision });
}

fn replaced(old: &Arc<Mailbox>, new: Mailbox, subject: &str) -> Finding {
    if new == **old {
        return Finding::Unchanged;
    }
    let action = if new.address != old.address {
        SyncAction::Renamed
    } else if old.policy.withdrawn.is_some() && new.policy.withdrawn.is_none() {
        SyncAction::Restored
    } else {
        SyncAction::Updated
    };
    let line = SyncLine {
        action,
        cause: None,
        address: Some(new.address.clone()),
        subject: subject.to_owned(),
        detail: differences(old, &new),
    };
    let write = MailboxWrite::Replace { old: Arc::clone(old), new: Box::new(new) };
    Finding::Step(SyncStep { write: Some(write), line })
}

/// What a change comes to, in words.
fn differences(old: &Mailbox, new: &Mailbox) -> String {
    let mut said = Vec::new();
    let mut from_to = |what: &str, old: String, new: String| {
        if old != new {
            said.push(format!("{what} {old} → {new}"));
        }
    };
    let applied = |mailbox: &Mailbox| match &mailbox.template {
        Some(applied) => format!("{} ({})", applied.name, applied.revision),
        None => "none".to_owned(),
    };
    let quota = |mailbox: &Mailbox| match mailbox.quota {
        Some(quota) => quota.to_string(),
        None => "default".to_owned(),
    };
    from_to("address", old.address.to_string(), new.address.to_string());
    from_to("state", old.state.to_string(), new.state.to_string());
    from_to("template", applied(old), applied(new));
    from_to("quota", quota(old), quota(new));
    from_to("services", old.services.to_string(), new.services.to_string());
    from_to("tags", format!("[{}]", old.tags.join(", ")), format!("[{}]", new.tags.join(", ")));
    from_to("name", shown(&old.display_name), shown(&new.display_name));
    let places = |mailbox: &Mailbox| {
        let Mailbox { uid, gid, home, mail, extra_fields, .. } = mailbox;
        (*uid, *gid, home.clone(), mail.clone(), extra_fields.clone())
    };
    if places(old) != places(new) {
        said.push("its userdb fields".to_owned());
    }
    if old.bound.is_none() {
        said.push("bound to the person".to_owned());
    }
    if old.policy.adopted != new.policy.adopted {
        said.push("follows the provider from now on".to_owned());
    }
    if old.policy.missing.is_some() && new.policy.missing.is_none() {
        said.push("is listed again".to_owned());
    }
    said.join("; ")
}

fn display_name(name: &str) -> String {
    name.chars().filter(|character| !character.is_control()).take(MAX_NAME_CHARS).collect()
}

/// What somebody at the provider wrote, short and harmless enough for a log.
fn shown(text: &str) -> String {
    let short: String = text.chars().take(80).collect();
    format!("{short:?}")
}

#[cfg(test)]
mod tests;
