//! The recorder of `explain`: what each check found, in the order in which the
//! pipeline asked. A login runs the same code with the recorder off.

use serde::Serialize;

/// What a check came to.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Passed.
    Ok,
    /// The login ended here.
    Refused,
    /// It had nothing to say.
    NotApplicable,
}

/// One check.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Step {
    /// What was checked: "name", "held back", "mailbox" …
    pub name: &'static str,
    /// What was found. Holds no secret.
    pub detail: String,
    /// What it came to.
    pub outcome: Outcome,
}

/// All checks of one attempt.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Trace {
    /// In the order in which they were made.
    pub steps: Vec<Step>,
    /// The result in a sentence or two, with the way out where there is one.
    pub sentence: String,
}

/// A trace that is being written, or nothing at all.
#[derive(Debug)]
pub(super) struct Recorder(Option<Trace>);

impl Recorder {
    pub(super) fn off() -> Self {
        Self(None)
    }

    pub(super) fn on() -> Self {
        Self(Some(Trace::default()))
    }

    /// Whether this is a question and no login: then nothing may be counted,
    /// kept or recorded either.
    pub(super) fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Notes a check; `detail` is made only where somebody will read it.
    pub(super) fn note(
        &mut self,
        name: &'static str,
        outcome: Outcome,
        detail: impl FnOnce() -> String,
    ) {
        if let Some(trace) = &mut self.0 {
            trace.steps.push(Step { name, detail: detail(), outcome });
        }
    }

    /// The last check, if it is this one, did not end the way.
    pub(super) fn passes_over(&mut self, name: &'static str) {
        let last = self.0.as_mut().and_then(|trace| trace.steps.last_mut());
        if let Some(step) = last.filter(|step| step.name == name) {
            step.outcome = Outcome::NotApplicable;
        }
    }

    pub(super) fn into_trace(self, sentence: String) -> Trace {
        Trace { sentence, ..self.0.unwrap_or_default() }
    }
}
