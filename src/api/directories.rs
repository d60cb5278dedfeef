//! `/directories`: what `dovegate.toml` declares of them, how they do, and a trial.

use axum::{Json, extract::State as Shared};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Error, Moment, Page, State,
    extract::Named,
    provider_test::{Report, Step, StepOutcome},
    providers::name_of,
};
use crate::{
    clock::Timestamp,
    directory::{Directory, Failure, Listing, Status, settings::Kind},
    idp::{Outage, Problem},
    mailbox::{Address, Domain, DomainName, ProviderName},
    verify::DirectoryReport,
};

/// Problems of a file that are shown.
const MAX_PROBLEMS: usize = 20;
/// People that a trial looks at.
const MAX_PEOPLE: usize = 10_000;

/// A directory.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[schemars(rename = "Directory")]
pub struct View {
    /// Its name.
    pub name: ProviderName,
    /// `passwd-file` or `ldap`; null where its settings are wrong.
    pub kind: Option<String>,
    /// Domains for which it speaks.
    pub domains: Vec<DomainName>,
    /// Its file, or its first server.
    pub at: Option<String>,
    /// `answers`; `kept` where its last good state is in force; `failing` where there
    /// is none; `unread` where it was not asked yet; `wrong_settings`.
    pub state: String,
    /// How many people it has, as far as that is known.
    pub entries: Option<u64>,
    /// When it was read, or answered, last.
    pub read: Option<Moment>,
    /// Since when it cannot be read.
    pub failing_since: Option<Moment>,
    /// What is wrong, by file and line where that is known: the first of it.
    pub problems: Vec<String>,
    /// How much more there is.
    pub more_problems: u64,
}

impl From<DirectoryReport> for View {
    fn from(DirectoryReport { name, directory }: DirectoryReport) -> Self {
        match directory {
            Ok(directory) => Self::of(name, &directory),
            Err(problems) => Self {
                name,
                kind: None,
                domains: Vec::new(),
                at: None,
                state: "wrong_settings".to_owned(),
                entries: None,
                read: None,
                failing_since: None,
                problems: problems.iter().map(shown).collect(),
                more_problems: 0,
            },
        }
    }
}

fn shown(problem: &Problem) -> String {
    format!("{}: {}", problem.key, problem.reason)
}

impl View {
    fn of(name: ProviderName, directory: &Directory) -> Self {
        let settings = directory.settings();
        let status = directory.status();
        let at = match &settings.kind {
            Kind::PasswdFile(file) => Some(file.path.display().to_string()),
            Kind::Ldap(ldap) => ldap.urls.first().map(ToString::to_string),
        };
        let state = state_of(&status).to_owned();
        let Status { entries, read, failure } = status;
        let failing_since = failure.as_ref().map(|failure| failure.since.into());
        let Failure { mut problems, more, .. } =
            failure.unwrap_or(Failure { since: Timestamp(0), problems: Vec::new(), more: 0 });
        let left = problems.len().saturating_sub(MAX_PROBLEMS);
        problems.truncate(MAX_PROBLEMS);
        Self {
            name,
            kind: Some(settings.kind_name().to_owned()),
            domains: settings.domains.iter().cloned().collect(),
            at,
            state,
            entries,
            read: read.map(Moment::from),
            failing_since,
            problems,
            more_problems: more + left as u64,
        }
    }
}

fn state_of(status: &Status) -> &'static str {
    match (&status.failure, status.read) {
        (None, Some(_)) => "answers",
        (None, None) => "unread",
        (Some(_), Some(_)) => "kept",
        (Some(_), None) => "failing",
    }
}

impl State {
    pub(super) fn directory(&self, name: &ProviderName) -> Option<DirectoryReport> {
        self.pipeline.directories().into_iter().find(|report| report.name == *name)
    }

    /// Refuses the name of what is neither a provider nor a directory.
    pub(super) fn known_source(&self, name: &ProviderName) -> Result<(), Error> {
        match self.directory(name) {
            Some(_) => Ok(()),
            None => self.known_provider(name),
        }
    }

    /// Whether this directory speaks for the domain; `None` if it is no directory.
    pub(super) fn directory_speaks_for(
        &self,
        name: &ProviderName,
        domain: &Domain,
    ) -> Option<bool> {
        let directory = self.directory(name)?.directory.ok();
        let speaks = |one: &Directory| one.settings().domains.contains(&domain.name);
        Some(directory.is_some_and(|one| speaks(&one)))
    }

    fn report_of(&self, name: &str) -> Result<DirectoryReport, Error> {
        let name = name_of(name)?;
        self.directory(&name).ok_or_else(|| Error::not_found("directory", name.as_str()))
    }
}

pub(super) async fn list(Shared(state): Shared<State>) -> Json<Page<View>> {
    let views = state.pipeline.directories().into_iter().map(View::from);
    Json(Page::whole(views.collect()))
}

pub(super) async fn show(
    Shared(state): Shared<State>,
    Named(name): Named<String>,
) -> Result<Json<View>, Error> {
    Ok(Json(state.report_of(&name)?.into()))
}

pub(super) async fn test(
    Shared(state): Shared<State>,
    Named(name): Named<String>,
) -> Result<Json<Report>, Error> {
    let DirectoryReport { name, directory } = state.report_of(&name)?;
    let directory = match directory {
        Ok(directory) => directory,
        Err(problems) => {
            let detail = problems.iter().map(shown).collect::<Vec<_>>().join("; ");
            let steps = vec![step("settings", StepOutcome::Failed, detail, None)];
            return Ok(Json(Report { name, steps }));
        }
    };
    let mut steps = vec![step("settings", StepOutcome::Ok, at(&name, &directory), None)];
    let problems = directory.status().failure.map(|failure| failure.problems);
    for problem in problems.unwrap_or_default() {
        let hint = "Its last good state stays in force, if it had one; see dovegate directory list";
        steps.push(step("problem", StepOutcome::Failed, problem, Some(hint.to_owned())));
    }
    for domain in &directory.settings().domains {
        steps.push(domain_step(domain, state.store.domain(domain).await?.as_deref()));
    }
    steps.push(people(&directory).await);
    Ok(Json(Report { name, steps }))
}

fn at(name: &ProviderName, directory: &Directory) -> String {
    let View { kind, at, .. } = View::of(name.clone(), directory);
    [kind, at].into_iter().flatten().collect::<Vec<_>>().join(" ")
}

fn step(name: &str, outcome: StepOutcome, detail: String, hint: Option<String>) -> Step {
    Step { name: name.to_owned(), outcome, detail, hint, milliseconds: None }
}

fn domain_step(name: &DomainName, found: Option<&Domain>) -> Step {
    match found {
        Some(domain) if domain.active => {
            step("domain", StepOutcome::Ok, format!("{name} is there"), None)
        }
        Some(_) => step("domain", StepOutcome::Warning, format!("{name} is switched off"), None),
        None => {
            let hint = format!("Nobody of it gets a mailbox. dovegate domain add {name}");
            let detail = format!("{name} does not exist here");
            step("domain", StepOutcome::Failed, detail, Some(hint))
        }
    }
}

/// Whoever is listed, up to a bound.
async fn people(directory: &Directory) -> Step {
    let (mut listing, mut all, mut disabled, mut elsewhere) = (Listing::default(), 0, 0, 0);
    let domains = &directory.settings().domains;
    let is_ours = |email: &str| {
        Address::parse(email).is_ok_and(|address| domains.contains(&address.domain()))
    };
    while all < MAX_PEOPLE {
        let page = match directory.list(&mut listing).await {
            Ok(Some(page)) => page,
            Ok(None) => break,
            Err(Outage { detail, .. }) => {
                return step("people", StepOutcome::Failed, detail, None);
            }
        };
        all += page.len();
        disabled += page.iter().filter(|person| !person.enabled).count();
        let ours = page.iter().filter(|one| one.email.as_deref().is_some_and(is_ours));
        elsewhere += page.len() - ours.count();
        tokio::task::yield_now().await;
    }
    let more = if all < MAX_PEOPLE { "" } else { "more than " };
    let detail = format!(
        "{more}{all} people, {disabled} of them disabled, {elsewhere} outside of its domains"
    );
    let outcome = if elsewhere > 0 { StepOutcome::Warning } else { StepOutcome::Ok };
    let hint =
        (elsewhere > 0).then(|| "They are left out: see domains of the directory".to_owned());
    step("people", outcome, detail, hint)
}
