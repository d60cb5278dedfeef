//! `/explain`: the very pipeline with a recorder and without effects.

use std::net::IpAddr;

use axum::{Json, extract::State as Shared};
use serde::{Deserialize, Serialize};

use super::{
    Error, State,
    extract::{Body, shown},
    passwords::Received,
};
use crate::{
    clock::Timestamp,
    mailbox::address::MAX_NAME_BYTES,
    sasl::Credentials,
    verify::{Attempt, HeldBack, Reason, Subject, Trace, Verdict, trace::Outcome},
};

/// A login to be explained.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
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
}

fn imap() -> String {
    "imap".to_owned()
}

/// What a login would come to.
#[derive(Clone, Debug, Deserialize, Serialize)]
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
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
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
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Step {
    /// What was checked.
    pub name: String,
    /// What was found.
    pub detail: String,
    /// What it came to.
    pub outcome: StepOutcome,
}

/// What a check came to.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
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
    Body(question): Body<Question>,
) -> Result<Json<View>, Error> {
    if question.address.len() > MAX_NAME_BYTES || question.protocol.len() > MAX_NAME_BYTES {
        return Err(Error::bad_request("a name longer than any client may send"));
    }
    let with_password = question.password.is_some();
    let protocol = question.protocol.clone();
    let (asked, rip) = (question.address.clone(), question.rip);
    let (decision, trace) = state.pipeline.explain(attempt(question)).await;
    let mut view = view(&asked, protocol, &decision.verdict, trace);
    if !with_password {
        let held = state.pipeline.held_back(Timestamp::now());
        let held = held.iter().find(|held| concerns(held, &view.address, rip));
        without_password(&mut view, held);
    }
    Ok(Json(view))
}

fn concerns(held: &HeldBack, user: &str, rip: Option<IpAddr>) -> bool {
    match &held.subject {
        Subject::Account(account) => account.as_str() == user,
        Subject::Network(network) => rip.is_some_and(|rip| network.contains(&rip.to_canonical())),
    }
}

/// Without a password the way of a certificate shows everything that does not
/// depend on one: name, mailbox, domain, services.
fn attempt(question: Question) -> Attempt {
    let name = question.address.into_bytes();
    let (credentials, mechanism) = match question.password {
        Some(Received(password)) => {
            (Credentials::Password { authcid: name, authzid: None, password }, "PLAIN")
        }
        None => (Credentials::Certificate { name, authzid: None }, "EXTERNAL"),
    };
    Attempt {
        credentials,
        mechanism,
        protocol: question.protocol,
        rip: question.rip,
        session: None,
        no_penalty: false,
        arrived: Timestamp::now(),
    }
}

fn view(asked: &str, protocol: String, verdict: &Verdict, trace: Trace) -> View {
    let (user, conclusion, reason) = match verdict {
        Verdict::Verified(verified) => (Some(verified.user()), Conclusion::Verified, None),
        Verdict::Rejected(rejected) => {
            (rejected.user.as_ref(), Conclusion::Rejected, Some(rejected.reason.name()))
        }
        Verdict::Unavailable(outage) => {
            (outage.user.as_ref(), Conclusion::Unavailable, Some(outage.cause.name()))
        }
    };
    let steps = trace.steps.into_iter().map(|step| Step {
        name: step.name.to_owned(),
        detail: step.detail,
        outcome: step.outcome.into(),
    });
    View {
        address: user.map_or_else(|| shown(asked), ToString::to_string),
        protocol,
        verdict: conclusion,
        reason: reason.map(str::to_owned),
        steps: steps.collect(),
        sentence: trace.sentence,
    }
}

/// A certificate is held back by nobody's guesses, but a password would be.
fn without_password(view: &mut View, held: Option<&HeldBack>) {
    if view.steps.is_empty() || view.reason.as_deref() == Some(Reason::BadName.name()) {
        return;
    }
    let (detail, outcome) = match held {
        None => ("no".to_owned(), StepOutcome::Ok),
        Some(held) => (format!("{}, until {}", held.subject, held.until), StepOutcome::Refused),
    };
    view.steps.insert(1, Step { name: "held back".to_owned(), detail, outcome });
    if !matches!(view.verdict, Conclusion::Verified) {
        return;
    }
    if let Some(held) = held {
        view.verdict = Conclusion::Rejected;
        view.reason = Some(Reason::HeldBack.name().to_owned());
        view.sentence = held_sentence(&held.subject);
    } else {
        view.verdict = Conclusion::Undecided;
        "Nothing stands in the way before the password is checked; ask with a password to see the \
         rest."
            .clone_into(&mut view.sentence);
    }
}

fn held_sentence(subject: &Subject) -> String {
    let who = match subject {
        Subject::Account(_) => "The main password is held back, app passwords are not",
        Subject::Network(_) => "The network is held back",
    };
    format!("{who}. Wait, or end it: dovegate held-back lift {subject}.")
}
