//! `/explain`: the very pipeline with a recorder and without effects.

use std::net::IpAddr;

use axum::{Json, extract::State as Shared};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Error, State,
    extract::{Body, shown},
    passwords::Received,
    rights::Territory,
};
use crate::{
    clock::Timestamp,
    mailbox::address::MAX_NAME_BYTES,
    sasl::Credentials,
    verify::{Attempt, Trace, Verdict, trace::Outcome},
};

/// A login to be explained.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ExplainQuestion")]
pub(super) struct Question {
    /// The name as a client would send it.
    address: String,
    /// Protocol as a mail server names it.
    #[serde(default = "imap")]
    protocol: String,
    /// The user's own address.
    #[serde(default)]
    rip: Option<IpAddr>,
    /// Without it the explanation ends before the password.
    #[serde(default)]
    password: Option<Received>,
    /// A bearer token in its place.
    #[serde(default)]
    token: Option<Received>,
}

/// More than Dovecot's login processes take in one line.
pub(super) const MAX_TOKEN_BYTES: usize = 64 * 1024;

fn imap() -> String {
    "imap".to_owned()
}

/// What a login would come to.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[schemars(rename = "Explanation")]
pub struct View {
    /// The canonical name, or the one asked for if it has none.
    pub address: String,
    /// Protocol as a mail server names it.
    pub protocol: String,
    /// What would be answered.
    pub verdict: Conclusion,
    /// Stable word for a refusal's reason or an outage's cause.
    pub reason: Option<String>,
    /// The checks, in their order.
    pub steps: Vec<Step>,
    /// The result in a sentence or two, with the way out.
    pub sentence: String,
}

/// What a login would come to.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Conclusion {
    /// Let in.
    Verified,
    /// Refused.
    Rejected,
    /// Cannot be told now.
    Unavailable,
    /// It depends on the password, which the question did not give.
    Undecided,
}

/// One check.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[schemars(rename = "ExplanationStep")]
pub struct Step {
    /// What was checked.
    pub name: String,
    /// What was found.
    pub detail: String,
    /// What it came to.
    pub outcome: StepOutcome,
}

/// What a check came to.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "ExplanationOutcome")]
pub enum StepOutcome {
    /// Passed.
    Ok,
    /// The login ended here.
    Refused,
    /// It had nothing to say.
    NotApplicable,
}

impl From<Outcome> for StepOutcome {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Ok => Self::Ok,
            Outcome::Refused => Self::Refused,
            Outcome::NotApplicable => Self::NotApplicable,
        }
    }
}

pub(super) async fn explain(
    Shared(state): Shared<State>,
    territory: Territory,
    Body(question): Body<Question>,
) -> Result<Json<View>, Error> {
    if question.address.len() > MAX_NAME_BYTES || question.protocol.len() > MAX_NAME_BYTES {
        return Err(Error::bad_request("a name longer than any client may send"));
    }
    if !territory.is_everything() {
        territory.check_domain(&state.address(&question.address)?.domain())?;
    }
    let Question { address, protocol, rip, password, token } = question;
    if token.as_ref().is_some_and(|Received(token)| token.len() > MAX_TOKEN_BYTES) {
        return Err(Error::bad_request("token: longer than any mail server passes on"));
    }
    let now = Timestamp::now();
    let name = address.clone().into_bytes();
    let (credentials, mechanism) = match (password, token) {
        (Some(_), Some(_)) => {
            return Err(Error::bad_request("either a password or a token, not both of them"));
        }
        (Some(Received(password)), None) => {
            (Some(Credentials::Password { authcid: name, authzid: None, password }), "PLAIN")
        }
        (None, Some(Received(token))) => {
            (Some(Credentials::Bearer { user: name, token }), "XOAUTH2")
        }
        (None, None) => (None, "PLAIN"),
    };
    let (verdict, trace) = match credentials {
        None => {
            let name = address.as_bytes();
            state.pipeline.explain_without_password(name, &protocol, rip, now).await
        }
        Some(credentials) => {
            let attempt = Attempt {
                credentials,
                mechanism,
                protocol: protocol.clone(),
                rip,
                session: None,
                no_penalty: false,
                arrived: now,
            };
            let (decision, trace) = state.pipeline.explain(attempt).await;
            (Some(decision.verdict), trace)
        }
    };
    let user = state.pipeline.names().canonical(address.as_bytes());
    let address = user.map_or_else(|_| shown(&address), |user| user.to_string());
    Ok(Json(view(address, protocol, verdict.as_ref(), trace)))
}

fn view(address: String, protocol: String, verdict: Option<&Verdict>, trace: Trace) -> View {
    let (conclusion, reason) = match verdict {
        None => (Conclusion::Undecided, None),
        Some(Verdict::Verified(_)) => (Conclusion::Verified, None),
        Some(Verdict::Rejected(rejected)) => (Conclusion::Rejected, Some(rejected.reason.name())),
        Some(Verdict::Unavailable(outage)) => (Conclusion::Unavailable, Some(outage.cause.name())),
    };
    let steps = trace.steps.into_iter().map(|step| Step {
        name: step.name.to_owned(),
        detail: step.detail,
        outcome: step.outcome.into(),
    });
    View {
        address,
        protocol,
        verdict: conclusion,
        reason: reason.map(str::to_owned),
        steps: steps.collect(),
        sentence: trace.sentence,
    }
}
