//! `/providers/{name}/test`: a provider is tried out step by step.

use std::time::Duration;

use axum::{Json, extract::State as Shared};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Error, State,
    explain::MAX_TOKEN_BYTES,
    extract::{Body, Named},
    passwords::Received,
    providers::name_of,
};
use crate::{
    clock::Timestamp,
    idp::{self, probe},
    mailbox::ProviderName,
};

/// What trying a provider out found, step by step.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[schemars(rename = "TestReport")]
pub struct Report {
    /// The provider.
    pub name: ProviderName,
    /// The steps, in their order.
    pub steps: Vec<Step>,
}

impl Report {
    /// Whether a step failed.
    pub fn failed(&self) -> bool {
        self.steps.iter().any(|step| step.outcome == StepOutcome::Failed)
    }
}

/// One step.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[schemars(rename = "TestStep")]
pub struct Step {
    /// What was tried.
    pub name: String,
    /// What it came to.
    pub outcome: StepOutcome,
    /// What was found.
    pub detail: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// How long it took; null where nothing was asked.
    pub milliseconds: Option<u64>,
}

/// What a step came to.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "TestOutcome")]
pub enum StepOutcome {
    /// Good.
    Ok,
    /// Works, and an administrator should know something of it.
    Warning,
    /// Does not work.
    Failed,
    /// Nothing could be asked, or there is nothing to ask.
    NotTried,
}

impl From<probe::Tried> for Step {
    fn from(tried: probe::Tried) -> Self {
        let outcome = match tried.outcome {
            probe::TriedOutcome::Ok => StepOutcome::Ok,
            probe::TriedOutcome::Warning => StepOutcome::Warning,
            probe::TriedOutcome::Failed => StepOutcome::Failed,
            probe::TriedOutcome::NotTried => StepOutcome::NotTried,
        };
        let millis = |took: Duration| u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        Self {
            name: tried.name,
            outcome,
            detail: tried.detail,
            hint: tried.hint,
            milliseconds: tried.took.map(millis),
        }
    }
}

/// A key that is wrong by now leaves nothing to ask.
impl From<idp::Problem> for Step {
    fn from(idp::Problem { key, reason }: idp::Problem) -> Self {
        Self {
            name: "settings".to_owned(),
            outcome: StepOutcome::Failed,
            detail: format!("{key}: {reason}"),
            hint: None,
            milliseconds: None,
        }
    }
}

/// How to try a provider out.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ProviderTest")]
pub(super) struct Try {
    /// A token to check with it.
    #[serde(default)]
    token: Option<Received>,
}

pub(super) async fn test(
    Shared(state): Shared<State>,
    Named(name): Named<String>,
    Body(asked): Body<Try>,
) -> Result<Json<Report>, Error> {
    let token = asked.token.map(|Received(token)| token);
    if token.as_ref().is_some_and(|token| token.len() > MAX_TOKEN_BYTES) {
        return Err(Error::bad_request("token: longer than any mail server passes on"));
    }
    let report = state.report(&name_of(&name)?)?;
    let steps = match report.settings {
        Err(problems) => problems.into_iter().map(Step::from).collect(),
        Ok(settings) => {
            let settings = idp::Settings::clone(&settings);
            let tried = probe::probe(settings, token.as_ref(), Timestamp::now()).await;
            tried.into_iter().map(Step::from).collect()
        }
    };
    Ok(Json(Report { name: report.name, steps }))
}
