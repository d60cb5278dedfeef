//! What a token shows: its size, and what a login with it would find.

use std::time::Instant;

use super::{
    super::{Answer, StepOutcome, http::Endpoint, introspection, token, words::printable},
    Probe, Tried, TriedOutcome, hints,
};
use crate::secret::Secret;

/// Postfix's default `line_length_limit`, which cuts AUTH lines, too.
const POSTFIX_LINE_BYTES: usize = 2048;
/// What Dovecot's login processes (2.3.19, 2.4.1) read of a client before they end
/// its connection; no setting changes it.
const DOVECOT_LINE_BYTES: usize = 8192;
/// A login name as long as most are, for the size of an AUTH line.
const USUAL_NAME_BYTES: usize = 40;

impl Probe<'_> {
    /// The size of a token, and what a login with it would find.
    pub(super) async fn token(&mut self, token: Option<&Secret>) {
        let Some(token) = token else {
            let tried = self.own_size().await;
            self.tried.push(tried);
            return;
        };
        self.tried.push(size(token, ""));
        if token::text(token.expose()).is_none() {
            let detail = "no token by its form (RFC 6750)".to_owned();
            self.tried.push(Tried::failed("token", detail, hints::NO_TOKEN));
            return;
        }
        let began = Instant::now();
        let asked = self.provider.check_token(token, self.now);
        let Ok(checked) = tokio::time::timeout_at(self.deadline.into(), asked).await else {
            self.skip("token", "no time is left after the steps before");
            return;
        };
        for step in checked.steps {
            let outcome = match step.outcome {
                StepOutcome::Ok => TriedOutcome::Ok,
                StepOutcome::Failed => TriedOutcome::Failed,
                StepOutcome::NotApplicable => TriedOutcome::NotTried,
            };
            self.tried.push(Tried::new(format!("token {}", step.name), outcome, step.detail));
        }
        let tried = match checked.answer {
            Answer::Active(token) => {
                let user = token.user.as_deref().map(printable);
                let user = user.unwrap_or_else(|| "nobody that it names".to_owned());
                if token.user_is_verified {
                    Tried::new("token", TriedOutcome::Ok, format!("good, for {user}"))
                } else {
                    let detail = format!("good, for {user}, not verified");
                    Tried::new("token", TriedOutcome::Warning, detail)
                        .hint(hints::unverified(self.settings()))
                }
            }
            Answer::Refused(refusal) => {
                Tried::new("token", TriedOutcome::Failed, format!("refused: {}", refusal.detail))
            }
            Answer::Unavailable(outage) => {
                self.outage("token", &outage).hint(hints::outage(&outage, self.settings()))
            }
        };
        self.tried.push(tried.since(began));
    }

    /// The size of the token that our client gets for itself, where it may.
    async fn own_size(&self) -> Tried {
        let began = Instant::now();
        if let Some(own) = self.own_token().await {
            return size(&own, "our client's own token; people's are often longer: ").since(began);
        }
        let name = &self.settings().name;
        let hint = format!(
            "Our client may get no token of its own (Keycloak: Service accounts roles). Give one to \
             measure and check: dovegate provider test {name} --token-stdin < TOKEN"
        );
        Tried::new("token size", TriedOutcome::NotTried, "not measured").hint(hint)
    }

    /// A token by our client's credentials alone (RFC 6749 §4.4).
    async fn own_token(&self) -> Option<Secret> {
        let (url, client) = (self.token_url.as_ref()?, self.settings().client.as_ref()?);
        let fields = [("grant_type", "client_credentials")];
        let request = introspection::by_client(Endpoint::Token, url, client, &fields);
        let reply = self.provider.ask(request, self.deadline).await.ok()?;
        let answer = (reply.status == 200).then(|| reply.object().ok())??;
        answer.get("access_token")?.as_str().map(Secret::from)
    }
}

/// Length of the line with which a mail program logs in at Postfix: the longer
/// one of the two mechanisms (RFC 7628 §3.1, in Base64).
fn size(token: &Secret, whose: &str) -> Tried {
    let dialogue = "n,a=,\u{1}host=\u{1}port=587\u{1}auth=Bearer \u{1}\u{1}".len();
    let response = dialogue + 2 * USUAL_NAME_BYTES + token.len();
    let line = "AUTH OAUTHBEARER ".len() + response.div_ceil(3) * 4;
    let detail = format!("{whose}{} bytes, so an AUTH line has about {line}", token.len());
    if line <= POSTFIX_LINE_BYTES {
        return Tried::new("token size", TriedOutcome::Ok, detail);
    }
    let hint = if line <= DOVECOT_LINE_BYTES { hints::LINE_LENGTH } else { hints::TOO_LONG };
    Tried::new("token size", TriedOutcome::Warning, detail).hint(hint.to_owned())
}
