//! Lines of `/providers/{name}/sync`: of a run, of a plan, and of what was done
//! outside of runs.

use axum::{Json, extract::State as Shared};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Error, MAX_PAGE, Moment, Page, State,
    error::Code,
    extract::{Named, Params, shown},
    page::bounded,
    providers::name_of,
};
use crate::{
    mailbox::Address,
    store::{Mask, SyncAction, SyncLine},
};

/// A line of a run's record, of a plan, or of what was done outside of runs.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[schemars(rename = "SyncLine")]
pub struct Line {
    /// Its number.
    pub number: u64,
    /// When it was written, outside of runs; null in a run, which has its own times.
    #[serde(default)]
    pub at: Option<Moment>,
    /// What was done, or would be; `skipped` with a cause.
    pub action: String,
    /// Why not.
    pub cause: Option<String>,
    /// The mailbox.
    pub address: Option<Address>,
    /// The provider's id of the person.
    pub person: String,
    /// In words.
    pub detail: String,
}

/// Which lines: those that meet all that is said.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "SyncLineFilter")]
pub(super) struct Wanted {
    /// `next` of the page before.
    #[serde(default)]
    after: Option<String>,
    /// Most lines.
    #[serde(default)]
    limit: Option<usize>,
    /// Only this was done, or `skipped`.
    #[serde(default)]
    action: Option<SyncAction>,
    /// Only for this cause.
    #[serde(default)]
    cause: Option<String>,
    /// Only of mailboxes whose address matches this mask.
    #[serde(default)]
    mask: Option<String>,
}

impl Wanted {
    fn has(&self, line: &SyncLine) -> bool {
        let mask = self.mask.as_deref().map(Mask::new);
        let address = line.address.as_ref().map(Address::as_str);
        self.action.is_none_or(|action| action == line.action)
            && self.cause.as_ref().is_none_or(|cause| Some(cause) == line.cause.as_ref())
            && mask.is_none_or(|mask| address.is_some_and(|address| mask.matches(address)))
    }

    /// The number of the first line that may be on the page, and how many may.
    fn place(&self) -> Result<(u64, usize), Error> {
        let wrong = |after: &str| {
            let why = format!("after: expected the number of a line, not {}", shown(after));
            Error::bad_request(why)
        };
        let first = match &self.after {
            None => 0,
            Some(after) => {
                let number = after.parse::<u64>().ok().and_then(|number| number.checked_add(1));
                number.ok_or_else(|| wrong(after))?
            }
        };
        Ok((first, bounded(self.limit)))
    }
}

fn line(number: u64, at: Option<Moment>, line: &SyncLine) -> Line {
    Line {
        number,
        at,
        action: line.action.name().to_owned(),
        cause: line.cause.clone(),
        address: line.address.clone(),
        person: line.subject.clone(),
        detail: line.detail.clone(),
    }
}

/// A page of all lines that are there.
fn page<'l>(
    wanted: &Wanted,
    lines: impl Iterator<Item = (Option<Moment>, &'l SyncLine)>,
) -> Result<Page<Line>, Error> {
    let (first, limit) = wanted.place()?;
    let skip = usize::try_from(first).unwrap_or(usize::MAX);
    let rest = (0..).zip(lines).skip(skip).filter(|(_, (_, one))| wanted.has(one));
    let lines = rest.take(limit).map(|(number, (at, one))| line(number, at, one)).collect();
    Ok(Page::of(lines, limit, |line: &Line| line.number.to_string()))
}

/// Lines of one run.
pub(super) async fn run(
    Shared(state): Shared<State>,
    Named((name, run)): Named<(String, u64)>,
    Params(wanted): Params<Wanted>,
) -> Result<Json<Page<Line>>, Error> {
    let name = name_of(&name)?;
    state.known_source(&name)?;
    if !state.store.sync_runs(&name).await?.iter().any(|one| one.number == run) {
        let why = format!("there is no run {run} of provider {name}, or it is not kept any more");
        return Err(Error::new(Code::NotFound, why));
    }
    let (mut first, limit) = wanted.place()?;
    let mut found = Vec::new();
    loop {
        let lines = state.store.sync_lines(&name, run, first, MAX_PAGE).await?;
        let room = limit - found.len();
        let numbered = (first..).zip(&lines).filter(|(_, one)| wanted.has(one));
        found.extend(numbered.take(room).map(|(number, one)| line(number, None, one)));
        if lines.len() < MAX_PAGE || found.len() == limit {
            return Ok(Json(Page::of(found, limit, |line: &Line| line.number.to_string())));
        }
        first += lines.len() as u64;
    }
}

/// Lines outside of runs, by logins and events, latest first.
pub(super) async fn logins(
    Shared(state): Shared<State>,
    Named(name): Named<String>,
    Params(wanted): Params<Wanted>,
) -> Result<Json<Page<Line>>, Error> {
    let name = name_of(&name)?;
    state.known_source(&name)?;
    let notes = state.store.sync_notes(&name).await?;
    let lines = notes.iter().map(|note| (Some(note.at.into()), &note.line));
    Ok(Json(page(&wanted, lines)?))
}

/// Lines of the last run that was only planned.
pub(super) async fn plan(
    Shared(state): Shared<State>,
    Named(name): Named<String>,
    Params(wanted): Params<Wanted>,
) -> Result<Json<Page<Line>>, Error> {
    let name = name_of(&name)?;
    let planned = state.syncs.progress(&name).filter(|progress| progress.dry_run);
    let planned = planned.ok_or_else(|| {
        let why = format!("the last sync of provider {name}, if there was one, was no dry run");
        Error::new(Code::NotFound, why)
    })?;
    Ok(Json(page(&wanted, planned.plan.iter().map(|one| (None, one)))?))
}
