//! `dovegate explain`.

use std::{fmt::Write as _, net::IpAddr};

use axum::http::Method;
use clap::Args;
use serde_json::json;

use super::{
    Exit, Failure, Missing, Output, Result,
    output::Tone,
    secret_input::{self, PasswordArgs, TokenArgs},
    text::{clean, padded, wrapped},
    with_client,
};
use crate::{
    api::explain::{Conclusion, Step, StepOutcome, View},
    config::Config,
};

#[derive(Args, Debug)]
#[command(
    long_about = "Say step by step why a login is accepted or refused.\n\nIt takes the very way that \
        a login takes, and has no effect: nothing is counted, cached or recorded. Without a password \
        or token it says what can be said before one is checked. With a token the provider is \
        asked, and each of its checks is a step; the token itself is shown nowhere.\n\nExit status: 0 the login would succeed \
        (or nothing stands in its way before the password), 1 it would be refused, 75 it would get a \
        temporary failure.",
    after_help = "Examples:\n  dovegate explain ann@example.org --service imap\n  \
        dovegate explain ann@example.org --service smtp --rip 192.0.2.1 --password-stdin < secret\n  \
        dovegate explain ann@example.org --token-stdin < token"
)]
pub(super) struct Explain {
    /// The login name, as the mail program sends it
    #[arg(value_name = "ADDRESS")]
    address: String,

    /// Protocol as the mail server names it: imap, pop3, smtp, submission, sieve, managesieve …
    #[arg(long, value_name = "PROTOCOL", default_value = "imap")]
    service: String,

    /// The address that the person logs in from
    #[arg(long, value_name = "IP")]
    rip: Option<IpAddr>,

    #[command(flatten)]
    password: PasswordArgs,

    #[command(flatten)]
    token: TokenArgs,
}

impl Explain {
    pub(super) async fn run(self, config: &Config, output: &Output) -> Result {
        let mut body = json!({
            "address": self.address,
            "protocol": self.service,
            "rip": self.rip,
        });
        match (self.password.given()?, self.token.given()?) {
            (Some(_), Some(_)) => {
                return Err(Failure::usage("either a password or a token, not both of them"));
            }
            (Some(password), None) => body["password"] = json!(secret_input::text(&password)?),
            (None, Some(token)) => body["token"] = json!(secret_input::text(&token)?),
            (None, None) => {}
        }
        let view = with_client(config, Missing::Refuse, async |client| {
            client.call::<View>(Method::POST, &["explain"], body).await
        })
        .await?;
        if output.json {
            output.value(&view)?;
        } else {
            output.show(rendered(&view, output))?;
        }
        match view.verdict {
            Conclusion::Verified | Conclusion::Undecided => Ok(()),
            // What there is to say was said.
            Conclusion::Rejected => Err(Failure::new(Exit::Refused, "")),
            Conclusion::Unavailable => Err(Failure::new(Exit::Temporary, "")),
        }
    }
}

fn rendered(view: &View, output: &Output) -> String {
    let width = output.width().min(80);
    let head = format!("{} · {}", clean(&view.address), clean(&view.protocol));
    let (word, tone) = match view.verdict {
        Conclusion::Verified => ("ACCEPTED", Tone::Good),
        Conclusion::Rejected => ("REFUSED", Tone::Bad),
        Conclusion::Unavailable => ("UNAVAILABLE", Tone::Doubtful),
        Conclusion::Undecided => ("OPEN", Tone::Doubtful),
    };
    let room = width.saturating_sub(word.chars().count());
    let mut text =
        format!("{}{}", output.paint(Tone::Strong, &padded(&head, room)), output.paint(tone, word));
    for (number, step) in (1..).zip(&view.steps) {
        let _ = write!(text, "\n{}", step_lines(number, step, width, output));
    }
    for line in wrapped(&view.sentence, width - 2) {
        let _ = write!(text, "\n  {line}");
    }
    text
}

const NAME_WIDTH: usize = 12;
const OUTCOME_WIDTH: usize = 8;

/// `  1  name          what was found          ok`; a long finding goes on below.
fn step_lines(number: usize, step: &Step, width: usize, output: &Output) -> String {
    let (mark, tone) = match step.outcome {
        StepOutcome::Ok => ("ok", Tone::Good),
        StepOutcome::Refused => ("✗", Tone::Bad),
        StepOutcome::NotApplicable => ("–", Tone::Faint),
    };
    let indent = 5 + NAME_WIDTH + 2;
    let room = width.saturating_sub(indent + OUTCOME_WIDTH).max(20);
    let mut lines = wrapped(&clean(&step.detail), room).into_iter();
    let first = padded(&lines.next().unwrap_or_default(), room + 1);
    let mark = output.paint(tone, mark);
    let mut text =
        format!("{number:>3}  {}{first}{mark}", padded(&clean(&step.name), NAME_WIDTH + 2));
    for line in lines {
        let _ = write!(text, "\n{:indent$}{line}", "");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(width: usize, expected: &str) {
        let step = |name: &str, detail: &str, outcome| Step {
            name: name.to_owned(),
            detail: detail.to_owned(),
            outcome,
        };
        let view = View {
            address: "ann@example.org".to_owned(),
            protocol: "imap".to_owned(),
            verdict: Conclusion::Rejected,
            reason: Some("receive_only".to_owned()),
            steps: vec![
                step("name", "ann@example.org", StepOutcome::Ok),
                step("app password", "no\u{1b}[2J", StepOutcome::NotApplicable),
                step(
                    "mailbox",
                    "receives only since a day long ago, so nobody logs in",
                    StepOutcome::Refused,
                ),
            ],
            sentence: "She cannot log in because her mailbox only receives.".to_owned(),
        };
        assert_eq!(rendered(&view, &Output::plain(width)), expected);
    }

    #[test]
    fn as_a_person_reads_it() {
        check(
            80,
            "\
ann@example.org · imap                                                   REFUSED
  1  name          ann@example.org                                       ok
  2  app password  no\\u{1b}[2J                                           –
  3  mailbox       receives only since a day long ago, so nobody logs in ✗
  She cannot log in because her mailbox only receives.",
        );
        check(
            50,
            "\
ann@example.org · imap                     REFUSED
  1  name          ann@example.org         ok
  2  app password  no\\u{1b}[2J             –
  3  mailbox       receives only since a   ✗
                   day long ago, so nobody
                   logs in
  She cannot log in because her mailbox only
  receives.",
        );
    }
}
