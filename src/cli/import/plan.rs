//! What an import would do, found out before it does anything.
//!
//! The server judges mailboxes one by one. What they come to together is kept
//! here: a name that stands in the file twice, domains that are missing, limits
//! of domains. All of it is bounded, however long the file is.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt::Write as _,
};

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::{
    api::{
        Page,
        arrivals::{Arrived, Outcome},
        domains::View,
        providers, templates,
    },
    cli::{Client, Failure, Result, text::clean},
    clock::Timestamp,
    mailbox::{Address, Domain, DomainName, ProviderName, Quota},
    provision::import::{Difference, Wanted, mailcow::WantedDomain},
    store::MAX_IMPORTED_APP_PASSWORDS,
};

/// Most mailboxes of one file: of each a few bytes are kept.
const MAX_MAILBOXES: usize = 1_000_000;
/// Lines that cannot be taken over, until it is said that this is another file.
const MAX_PROBLEMS: usize = 10_000;
/// Of these that are shown.
const SHOWN_PROBLEMS: usize = 20;
/// Most domains of one file.
const MAX_DOMAINS: usize = 100_000;

/// Most templates of one file.
const MAX_TEMPLATES: usize = 1000;
/// Remarks that are shown.
const SHOWN_NOTES: usize = 20;

/// What is there before an import.
pub(super) struct Present {
    domains: BTreeMap<DomainName, DomainPlan>,
    providers: BTreeSet<String>,
    templates: BTreeSet<String>,
}

/// What an import would do.
pub(super) struct Plan {
    pub(super) problems: Problems,
    /// To be said beside it, and how many more there are.
    pub(super) notes: Vec<String>,
    pub(super) more_notes: u64,
    present: Present,
    /// Providers and templates to be made, as the API takes them.
    pub(super) providers: Vec<Map<String, Value>>,
    pub(super) templates: Vec<Map<String, Value>>,
    /// Passwords by scheme and the setting that this needs: of mailboxes and of
    /// their app passwords.
    pub(super) schemes: BTreeMap<(String, Option<String>), [u64; 2]>,
    pub(super) counts: [Counts; 2],
    create_domains: bool,
    update: bool,
    /// Whose app passwords were looked at last, and how many of them.
    app_passwords_of: Option<(Address, usize)>,
    /// Digests of addresses, and their lines.
    seen: HashMap<[u8; 16], u64>,
}

/// What becomes of a domain.
pub(super) struct DomainPlan {
    /// As it is, or would be.
    domain: Domain,
    becomes: Becomes,
    mailboxes: u64,
    quota_bytes: u64,
    in_file: bool,
}

/// What is to be done with a domain.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Becomes {
    /// Nothing: it is there.
    Present,
    /// It is made.
    Made,
    /// It is changed.
    Changed,
}

/// Mailboxes by what becomes of them.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(super) struct Counts {
    pub(super) created: u64,
    pub(super) unchanged: u64,
    pub(super) different: u64,
    pub(super) updated: u64,
    pub(super) refused: u64,
}

impl Counts {
    pub(super) fn add(&mut self, outcome: Outcome) {
        let count = match outcome {
            Outcome::Created => &mut self.created,
            Outcome::Unchanged => &mut self.unchanged,
            Outcome::Different => &mut self.different,
            Outcome::Updated => &mut self.updated,
            Outcome::Refused => &mut self.refused,
        };
        *count += 1;
    }
}

impl Present {
    /// Asks for it.
    pub(super) async fn ask(client: &Client) -> Result<Self> {
        let mut domains = BTreeMap::new();
        let mut after = None;
        loop {
            let page: Page<View> = client.page(&["domains"], &[], after).await?;
            let views = page.items.into_iter();
            domains.extend(views.map(|view| (view.name.clone(), DomainPlan::of(view))));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        let providers: Page<providers::View> = client.get(&["providers"], &[]).await?;
        let providers = providers.items.iter().map(|view| view.name.to_string()).collect();
        let templates: Page<templates::View> = client.get(&["templates"], &[]).await?;
        let templates = templates.items.iter().map(|view| view.name.to_string()).collect();
        Ok(Self { domains, providers, templates })
    }
}

impl DomainPlan {
    fn of(view: View) -> Self {
        let domain = Domain {
            name: view.name,
            active: view.active,
            generation: 0,
            provider: view.provider,
            max_mailboxes: view.max_mailboxes,
            default_quota: view.default_quota_bytes,
            max_quota: view.max_quota_bytes,
            total_quota: view.total_quota_bytes,
            created: view.created.0,
            modified: view.modified.0,
        };
        let (mailboxes, quota_bytes) = (view.mailboxes, view.used_quota_bytes);
        Self { domain, becomes: Becomes::Present, mailboxes, quota_bytes, in_file: false }
    }

    /// One that is made.
    fn made(domain: Domain) -> Self {
        Self { domain, becomes: Becomes::Made, mailboxes: 0, quota_bytes: 0, in_file: false }
    }

    /// One that is not there, and has no limits.
    fn missing(name: DomainName) -> Self {
        Self::made(Domain::new(name, Timestamp(0)))
    }

    /// What of it is not as `there`, and what is to be done. A provider that the
    /// file does not name says nothing.
    fn compare(&mut self, there: Domain, update: bool) -> (Outcome, Vec<Difference>) {
        self.in_file = true;
        let provider = there.provider.clone().or_else(|| self.domain.provider.clone());
        let there = Domain { provider, ..there };
        let differences = differences(&self.domain, &there);
        let outcome = match (differences.is_empty(), update) {
            (true, _) => Outcome::Unchanged,
            (false, false) => Outcome::Different,
            (false, true) => {
                self.domain = there;
                self.becomes = Becomes::Changed;
                Outcome::Updated
            }
        };
        (outcome, differences)
    }

    /// Whether this auth source may stand in its mailboxes.
    fn has_source(&self, source: Option<&str>) -> std::result::Result<(), String> {
        let Some(source) = source.filter(|source| *source != "local") else { return Ok(()) };
        if self.domain.provider.as_ref().is_some_and(|provider| provider.as_str() == source) {
            return Ok(());
        }
        let name = &self.domain.name;
        Err(format!(
            "provider {source} does not speak for domain {name}; \"dovegate domain set {name} \
             --provider {source}\" says that it does"
        ))
    }

    /// Whether there is room for one more mailbox; if so, it is taken.
    fn take_room(&mut self, quota: Option<Quota>) -> std::result::Result<(), String> {
        let quota = quota.unwrap_or(self.domain.default_quota);
        let room = self.domain.check_limits(self.mailboxes, self.quota_bytes, quota);
        room.map_err(|error| error.to_string())?;
        self.mailboxes += 1;
        self.quota_bytes = self.quota_bytes.saturating_add(quota.bytes);
        Ok(())
    }
}

impl Plan {
    pub(super) fn new(present: Present, create_domains: bool, update: bool, file: &str) -> Self {
        Self {
            problems: Problems::new(file),
            notes: Vec::new(),
            more_notes: 0,
            present,
            providers: Vec::new(),
            templates: Vec::new(),
            schemes: BTreeMap::new(),
            counts: [Counts::default(); 2],
            create_domains,
            update,
            app_passwords_of: None,
            seen: HashMap::new(),
        }
    }

    /// Something to be said beside it.
    pub(super) fn note(&mut self, note: impl Into<String>) {
        if self.notes.len() < SHOWN_NOTES {
            self.notes.push(clean(&note.into()));
        } else {
            self.more_notes += 1;
        }
    }

    /// The identity provider of the file; `left` are settings without a counterpart.
    pub(super) fn provider(&mut self, keys: Map<String, Value>, left: &[String]) {
        let name = named(&keys);
        if !left.is_empty() {
            self.note(format!("provider {name} comes without {}", left.join(", ")));
        }
        if self.present.providers.insert(name.clone()) {
            self.providers.push(keys);
        } else {
            self.note(format!("provider {name} is there already, and stays as it is"));
        }
    }

    /// A template of the file.
    pub(super) fn template(&mut self, values: Map<String, Value>) -> Result {
        let name = named(&values);
        if self.templates.len() >= MAX_TEMPLATES {
            return Err(Failure::usage(format!("more than {MAX_TEMPLATES} templates in one file")));
        }
        if self.present.templates.insert(name.clone()) {
            self.templates.push(values);
        } else {
            self.note(format!("template {name} is there already, and stays as it is"));
        }
        Ok(())
    }

    /// A domain of the file, for which `provider` speaks if there is such a one.
    pub(super) fn domain(
        &mut self,
        line: u64,
        wanted: WantedDomain,
        provider: &ProviderName,
    ) -> Result<(Outcome, Vec<Difference>)> {
        let known = self.present.providers.contains(provider.as_str());
        let provider = known.then(|| provider.clone());
        let made = meant(wanted, provider);
        let name = made.name.clone();
        let number = self.present.domains.len();
        match self.present.domains.get_mut(&name) {
            Some(plan) if plan.in_file => {
                self.problems.add(line, &format!("domain {name} stands there twice"))?;
                Ok((Outcome::Refused, Vec::new()))
            }
            Some(plan) => Ok(plan.compare(made, self.update)),
            None if !self.create_domains => {
                self.problems.domain_missing = true;
                self.problems.add(line, &format!("domain {name} does not exist"))?;
                Ok((Outcome::Refused, Vec::new()))
            }
            None if number >= MAX_DOMAINS => {
                Err(Failure::usage(format!("more than {MAX_DOMAINS} domains in one file")))
            }
            None => {
                let plan = DomainPlan { in_file: true, ..DomainPlan::made(made) };
                self.present.domains.insert(name, plan);
                Ok((Outcome::Created, Vec::new()))
            }
        }
    }

    /// Counts what the server says of a mailbox, and refuses what it cannot know.
    pub(super) fn judge(&mut self, line: u64, wanted: &Wanted, arrived: &mut Arrived) -> Result {
        if let Err(why) = self.fits(line, wanted, arrived)? {
            arrived.outcome = Outcome::Refused;
            arrived.reason = Some(why);
        }
        self.count(0, line, arrived)
    }

    /// The same of an app password. Those of a mailbox stand together.
    pub(super) fn judge_app_password(&mut self, line: u64, arrived: &mut Arrived) -> Result {
        if let Some(why) = self.app_password_problem(arrived) {
            arrived.outcome = Outcome::Refused;
            arrived.reason = Some(why);
        }
        self.count(1, line, arrived)
    }

    fn app_password_problem(&mut self, arrived: &Arrived) -> Option<String> {
        let address = arrived.address.clone();
        let address = address.filter(|_| arrived.outcome != Outcome::Refused)?;
        let before = self.app_passwords_of.take().filter(|(before, _)| *before == address);
        let number = before.map_or(0, |(_, number)| number) + 1;
        let why = if arrived.no_mailbox && !self.seen.contains_key(&digest(&address)) {
            Some(format!("there is no mailbox {address}"))
        } else if number > MAX_IMPORTED_APP_PASSWORDS {
            let most = MAX_IMPORTED_APP_PASSWORDS;
            Some(format!("{address} has more than {most} app passwords"))
        } else {
            None
        };
        self.app_passwords_of = Some((address, number));
        why
    }

    fn count(&mut self, kind: usize, line: u64, arrived: &Arrived) -> Result {
        self.counts[kind].add(arrived.outcome);
        if arrived.outcome == Outcome::Refused {
            return self.problems.add(line, arrived.reason.as_deref().unwrap_or("refused"));
        }
        let scheme = arrived.scheme.clone().unwrap_or_else(|| "none".to_owned());
        self.schemes.entry((scheme, arrived.needs.clone())).or_default()[kind] += 1;
        Ok(())
    }

    fn fits(
        &mut self,
        line: u64,
        wanted: &Wanted,
        arrived: &Arrived,
    ) -> Result<std::result::Result<(), String>> {
        let Some(address) =
            arrived.address.as_ref().filter(|_| arrived.outcome != Outcome::Refused)
        else {
            return Ok(Ok(()));
        };
        if let Some(before) = self.first_line(address, line)? {
            return Ok(Err(format!("{address} stands in line {before} already")));
        }
        let name = address.domain();
        let domains = &mut self.present.domains;
        let known = domains.contains_key(&name);
        if !known && !self.create_domains {
            self.problems.domain_missing = true;
            return Ok(Err(format!("domain {name} does not exist")));
        }
        if !known && domains.len() >= MAX_DOMAINS {
            return Err(Failure::usage(format!("more than {MAX_DOMAINS} domains in one file")));
        }
        let plan = domains.entry(name).or_insert_with_key(|name| DomainPlan::missing(name.clone()));
        let judged = plan.has_source(wanted.auth_source.as_deref()).and_then(|()| {
            let new = arrived.outcome == Outcome::Created;
            if new { plan.take_room(wanted.quota_bytes) } else { Ok(()) }
        });
        Ok(judged)
    }

    /// The line of the same address further up.
    fn first_line(&mut self, address: &Address, line: u64) -> Result<Option<u64>> {
        let key = digest(address);
        if self.seen.len() >= MAX_MAILBOXES && !self.seen.contains_key(&key) {
            let most = format!("more than {MAX_MAILBOXES} mailboxes in one file");
            return Err(Failure::usage(most).hint("Split the file."));
        }
        let first = *self.seen.entry(key).or_insert(line);
        Ok((first != line).then_some(first))
    }

    /// Domains that are to be made (or changed), as the API takes them.
    pub(super) fn domains(&self) -> impl Iterator<Item = (&DomainName, bool, Value)> {
        let wanted = self.present.domains.values().filter(|plan| plan.becomes != Becomes::Present);
        wanted.map(|plan| (&plan.domain.name, plan.becomes == Becomes::Made, body(&plan.domain)))
    }

    /// Names of domains that are made.
    pub(super) fn made_domains(&self) -> Vec<String> {
        let made = self.domains().filter(|(_, made, _)| *made);
        made.map(|(name, _, _)| name.to_string()).collect()
    }

    /// Why not everything was taken over.
    pub(super) fn failure(&self, some: bool) -> Failure {
        self.problems.failure(some)
    }
}

/// Sixteen bytes for an address.
fn digest(address: &Address) -> [u8; 16] {
    let digest = blake3::hash(address.as_str().as_bytes());
    let mut key = [0; 16];
    key.copy_from_slice(&digest.as_bytes()[..16]);
    key
}

/// The name of what the API is to make.
pub(super) fn named(keys: &Map<String, Value>) -> String {
    keys.get("name").and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn meant(wanted: WantedDomain, provider: Option<ProviderName>) -> Domain {
    Domain {
        active: wanted.active,
        provider,
        max_mailboxes: wanted.max_mailboxes,
        default_quota: wanted.default_quota,
        max_quota: wanted.max_quota,
        total_quota: wanted.total_quota,
        ..Domain::new(wanted.name, Timestamp(0))
    }
}

fn body(domain: &Domain) -> Value {
    json!({
        "active": domain.active,
        "provider": domain.provider,
        "max_mailboxes": domain.max_mailboxes,
        "default_quota_bytes": domain.default_quota,
        "max_quota_bytes": domain.max_quota,
        "total_quota_bytes": domain.total_quota,
    })
}

/// What a domain has otherwise.
fn differences(here: &Domain, there: &Domain) -> Vec<Difference> {
    let number =
        |most: Option<u64>| most.map_or_else(|| "unlimited".to_owned(), |most| most.to_string());
    let name = |provider: Option<&ProviderName>| {
        provider.map_or_else(|| "none".to_owned(), ToString::to_string)
    };
    let values = [
        ("active", here.active.to_string(), there.active.to_string()),
        ("provider", name(here.provider.as_ref()), name(there.provider.as_ref())),
        ("mailboxes", number(here.max_mailboxes), number(there.max_mailboxes)),
        ("default quota", here.default_quota.to_string(), there.default_quota.to_string()),
        ("largest quota", here.max_quota.to_string(), there.max_quota.to_string()),
        ("total quota", here.total_quota.to_string(), there.total_quota.to_string()),
    ];
    let differ = values.into_iter().filter(|(_, here, there)| here != there);
    differ.map(|(field, here, there)| Difference { field: field.to_owned(), here, there }).collect()
}

/// Lines that cannot be taken over.
pub(super) struct Problems {
    file: String,
    lines: BTreeSet<u64>,
    elsewhere: usize,
    shown: Vec<String>,
    domain_missing: bool,
}

impl Problems {
    fn new(file: &str) -> Self {
        Self {
            file: file.to_owned(),
            lines: BTreeSet::new(),
            elsewhere: 0,
            shown: Vec::new(),
            domain_missing: false,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn len(&self) -> usize {
        self.lines.len() + self.elsewhere
    }

    /// Whether this line is one of them.
    pub(super) fn has(&self, line: u64) -> bool {
        self.lines.contains(&line)
    }

    /// Adds a line of the file.
    pub(super) fn add(&mut self, line: u64, why: &str) -> Result {
        self.lines.insert(line);
        let place = format!("{}:{line}", self.file);
        self.show(&place, why)
    }

    /// Adds a line of another file.
    pub(super) fn add_elsewhere(&mut self, place: &str, why: &str) -> Result {
        self.elsewhere += 1;
        self.show(place, why)
    }

    fn show(&mut self, place: &str, why: &str) -> Result {
        if self.shown.len() < SHOWN_PROBLEMS {
            self.shown.push(clean(&format!("{place}: {why}")));
        }
        if self.len() <= MAX_PROBLEMS {
            return Ok(());
        }
        let failure = self.failure(false);
        Err(failure.hint(format!("It was read no further after {MAX_PROBLEMS} such lines.")))
    }

    /// All of them, as one failure; `some` if the rest was taken over.
    fn failure(&self, some: bool) -> Failure {
        let number = self.len();
        let lines = if number == 1 { "1 line" } else { &format!("{number} lines") };
        let end = if some { "the others were" } else { "so nothing is" };
        let mut message = format!("{lines} cannot be taken over, {end}:");
        for problem in &self.shown {
            message.push_str("\n  ");
            message.push_str(problem);
        }
        if number > self.shown.len() {
            let _ = write!(message, "\n  and {} more", number - self.shown.len());
        }
        let failure = Failure::refused(message);
        match (some, self.domain_missing) {
            (_, true) => failure.hint("--create-domains makes the domains that are missing."),
            (false, false) => failure.hint("--partial takes over the others and names these."),
            (true, false) => failure,
        }
    }
}
