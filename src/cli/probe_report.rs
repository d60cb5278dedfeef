//! What `dovegate provider test` shows.

use std::fmt::Write as _;

use super::{
    output::{Output, Tone},
    text::{clean, padded, wrapped},
};
use crate::api::provider_test::{Report, Step, StepOutcome};

/// Room for a mark and the time behind it: `not tried` and `ok  1234 ms`.
const OUTCOME_WIDTH: usize = 12;
const INDENT: usize = 2;
const HINT_INDENT: usize = 6;

/// All steps, below each other.
pub(super) fn rendered(report: &Report, output: &Output) -> String {
    let width = output.width().min(90);
    let names = report.steps.iter().map(|step| step.name.chars().count());
    let names = names.max().unwrap_or_default() + 2;
    let steps = report.steps.iter();
    steps.map(|step| lines(step, names, width, output)).collect::<Vec<_>>().join("\n")
}

/// `  name   what was found     ok    1 ms`; a long finding goes on below, and so
/// does what to do about it.
fn lines(step: &Step, names: usize, width: usize, output: &Output) -> String {
    let (mark, tone) = match step.outcome {
        StepOutcome::Ok => ("ok", Tone::Good),
        StepOutcome::Warning => ("!", Tone::Doubtful),
        StepOutcome::Failed => ("✗", Tone::Bad),
        StepOutcome::NotTried => ("not tried", Tone::Faint),
    };
    let room = width.saturating_sub(INDENT + names + OUTCOME_WIDTH).max(20);
    let mut found = wrapped(&clean(&step.detail), room).into_iter().peekable();
    let name = padded(&clean(&step.name), names);
    // A long URL stays whole, below.
    let first = found.next_if(|line| line.chars().count() <= room).unwrap_or_default();
    let first = padded(&first, room + 1);
    let mut text = format!("{:INDENT$}{name}{first}{}", "", output.paint(tone, mark));
    if let Some(milliseconds) = step.milliseconds {
        let gap = 8 - mark.chars().count();
        let _ = write!(text, "{milliseconds:>gap$} ms");
    }
    for line in found {
        let _ = write!(text, "\n{:1$}{line}", "", INDENT + names);
    }
    let mut hint = step.hint.iter().flat_map(|hint| hint.lines());
    let words = wrapped(&clean(hint.next().unwrap_or_default()), width - HINT_INDENT);
    // Commands to copy stay on lines of their own, however long.
    for line in words.into_iter().chain(hint.map(clean)) {
        let _ = write!(text, "\n{:HINT_INDENT$}{line}", "");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_a_person_reads_it() {
        let step = |name: &str, detail: &str, outcome, hint: Option<&str>, milliseconds| Step {
            name: name.to_owned(),
            detail: detail.to_owned(),
            outcome,
            hint: hint.map(str::to_owned),
            milliseconds,
        };
        let report = Report {
            name: "corp".parse().unwrap(),
            steps: vec![
                step("resolve", "keycloak.example.org → 192.0.2.7", StepOutcome::Ok, None, Some(1)),
                step(
                    "TLS",
                    "certificate of \"Example CA\u{1b}\", valid for 61 days",
                    StepOutcome::Ok,
                    None,
                    Some(1234),
                ),
                step(
                    "client",
                    "introspection at https://keycloak.example.org/realms/mail/introspect (status 401)",
                    StepOutcome::Failed,
                    Some(
                        "In Keycloak: Clients → mailgate → Credentials shows the secret. Hand it over:\ndovegate provider set",
                    ),
                    Some(9),
                ),
                step("JWKS", &"x".repeat(80), StepOutcome::Ok, None, Some(7)),
                step("userinfo", "our client is refused", StepOutcome::NotTried, None, None),
            ],
        };
        assert_eq!(
            rendered(&report, &Output::plain(80)),
            "  resolve   keycloak.example.org → 192.0.2.7                         ok     1 ms\n  \
             TLS       certificate of \"Example CA\\u{1b}\", valid for 61 days     ok  1234 ms\n  \
             client    introspection at                                         ✗      9 ms\n            \
                       https://keycloak.example.org/realms/mail/introspect\n            \
                       (status 401)\n      \
                 In Keycloak: Clients → mailgate → Credentials shows the secret. Hand it\n      \
                 over:\n      \
                 dovegate provider set\n  \
             JWKS                                                               ok     7 ms\n            \
                       xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\n  \
             userinfo  our client is refused                                    not tried"
        );
    }
}
