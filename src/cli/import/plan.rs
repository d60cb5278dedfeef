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

use crate::{
    api::{
        Page,
        arrivals::{Arrived, Outcome},
        domains::View,
    },
    cli::{Client, Failure, Result, text::clean},
    clock::Timestamp,
    mailbox::{Address, Domain, DomainName, Quota},
};

/// Most mailboxes of one file: of each a few bytes are kept.
const MAX_MAILBOXES: usize = 1_000_000;
/// Lines that cannot be taken over, until it is said that this is another file.
const MAX_PROBLEMS: usize = 10_000;
/// Of these that are shown.
const SHOWN_PROBLEMS: usize = 20;
/// Most domains of one file.
const MAX_DOMAINS: usize = 100_000;

/// What an import would do.
pub(super) struct Plan {
    pub(super) problems: Problems,
    /// To be said beside it.
    pub(super) notes: Vec<String>,
    /// By domain.
    pub(super) domains: BTreeMap<DomainName, DomainPlan>,
    /// Mailboxes by scheme and the setting that this needs.
    pub(super) schemes: BTreeMap<(String, Option<String>), u64>,
    counts: Counts,
    create_domains: bool,
    /// Digests of addresses, and their lines.
    seen: HashMap<[u8; 16], u64>,
}

/// What becomes of a domain.
pub(super) struct DomainPlan {
    /// As it is, or would be made.
    domain: Domain,
    exists: bool,
    mailboxes: u64,
    quota_bytes: u64,
    pub(super) counts: Counts,
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

/// The domains that are there.
pub(super) async fn domains(client: &Client) -> Result<BTreeMap<DomainName, DomainPlan>> {
    let mut found = BTreeMap::new();
    let mut after = None;
    loop {
        let page: Page<View> = client.page(&["domains"], &[], after).await?;
        found.extend(page.items.into_iter().map(|view| (view.name.clone(), DomainPlan::of(view))));
        after = page.next;
        if after.is_none() {
            return Ok(found);
        }
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
        Self { domain, exists: true, mailboxes, quota_bytes, counts: Counts::default() }
    }

    /// One that is not there, and has no limits.
    fn missing(name: DomainName) -> Self {
        let domain = Domain {
            name,
            active: true,
            generation: 0,
            provider: None,
            max_mailboxes: None,
            default_quota: Quota::UNLIMITED,
            max_quota: Quota::UNLIMITED,
            total_quota: Quota::UNLIMITED,
            created: Timestamp(0),
            modified: Timestamp(0),
        };
        Self { domain, exists: false, mailboxes: 0, quota_bytes: 0, counts: Counts::default() }
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
    pub(super) fn new(
        domains: BTreeMap<DomainName, DomainPlan>,
        create_domains: bool,
        file: &str,
    ) -> Self {
        Self {
            problems: Problems::new(file),
            notes: Vec::new(),
            domains,
            schemes: BTreeMap::new(),
            counts: Counts::default(),
            create_domains,
            seen: HashMap::new(),
        }
    }

    /// Counts what the server says of a line, and refuses what it cannot know.
    pub(super) fn judge(
        &mut self,
        line: u64,
        quota: Option<Quota>,
        arrived: &mut Arrived,
    ) -> Result {
        if let Err(why) = self.fits(line, quota, arrived)? {
            arrived.outcome = Outcome::Refused;
            arrived.reason = Some(why);
        }
        self.counts.add(arrived.outcome);
        if arrived.outcome == Outcome::Refused {
            return self.problems.add(line, arrived.reason.as_deref().unwrap_or("refused"));
        }
        let scheme = arrived.scheme.clone().unwrap_or_else(|| "none".to_owned());
        *self.schemes.entry((scheme, arrived.needs.clone())).or_default() += 1;
        Ok(())
    }

    fn fits(
        &mut self,
        line: u64,
        quota: Option<Quota>,
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
        let known = self.domains.contains_key(&name);
        if !known && !self.create_domains {
            self.problems.domain_missing = true;
            return Ok(Err(format!("domain {name} does not exist")));
        }
        if !known && self.domains.len() >= MAX_DOMAINS {
            return Err(Failure::usage(format!("more than {MAX_DOMAINS} domains in one file")));
        }
        let plan =
            self.domains.entry(name).or_insert_with_key(|name| DomainPlan::missing(name.clone()));
        if arrived.outcome == Outcome::Created
            && let Err(why) = plan.take_room(quota)
        {
            return Ok(Err(why));
        }
        plan.counts.add(arrived.outcome);
        Ok(Ok(()))
    }

    /// The line of the same address further up.
    fn first_line(&mut self, address: &Address, line: u64) -> Result<Option<u64>> {
        let digest = blake3::hash(address.as_str().as_bytes());
        let mut key = [0; 16];
        key.copy_from_slice(&digest.as_bytes()[..16]);
        if self.seen.len() >= MAX_MAILBOXES && !self.seen.contains_key(&key) {
            let most = format!("more than {MAX_MAILBOXES} mailboxes in one file");
            return Err(Failure::usage(most).hint("Split the file."));
        }
        let first = *self.seen.entry(key).or_insert(line);
        Ok((first != line).then_some(first))
    }

    /// What the import should come to.
    pub(super) fn expected(&self) -> Counts {
        self.counts
    }

    /// Domains that mailboxes need and that are not there.
    pub(super) fn missing_domains(&self) -> impl Iterator<Item = &DomainName> {
        let missing = self.domains.values().filter(|plan| !plan.exists && plan.counts.created > 0);
        missing.map(|plan| &plan.domain.name)
    }

    /// Why not everything was taken over.
    pub(super) fn failure(&self, some: bool) -> Failure {
        self.problems.failure(some)
    }
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
