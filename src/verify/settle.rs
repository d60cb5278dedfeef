//! What follows from a verdict: the history, the counters, and when the answer
//! may go out.

use std::time::Duration;

use super::{
    MAX_DELAY, Pipeline, Reason, Verified,
    case::{Case, Stop},
    penalty::{Counted, Guess},
    random::random,
};
use crate::{sasl::Credentials, secret::Secret, store::UseKey};

/// Part of [`MAX_DELAY`] that is left to chance, so that the order of answers
/// says nothing about the order of their checks.
const JITTER: Duration = Duration::from_millis(250);

impl Pipeline {
    /// Writes the history of mailboxes that exist.
    pub(super) fn record(&self, case: &Case<'_>, outcome: &Result<Verified, Stop>) {
        let outcome = match outcome {
            Ok(_) => "ok",
            Err(Stop::Rejected(reason)) => reason.name(),
            Err(Stop::Unavailable(_)) => return,
        };
        let Some(account) = &case.account else { return };
        let key = UseKey {
            mailbox: account.mailbox.id,
            protocol: case.attempt.protocol.clone(),
            rip: case.rip,
            app_password: case.app_password,
            outcome: outcome.to_owned(),
        };
        self.store.record_use(key, case.attempt.arrived);
    }

    /// When the answer may go out, and whether it refuses a new guess.
    pub(super) fn answer_after(
        &self,
        case: &Case<'_>,
        outcome: &Result<Verified, Stop>,
    ) -> (Duration, bool) {
        match outcome {
            Err(Stop::Unavailable(_)) if case.guessed => {
                self.count(case, Reason::WrongPassword);
                (Duration::ZERO, false)
            }
            Ok(_) | Err(Stop::Unavailable(_)) => (Duration::ZERO, false),
            Err(Stop::Rejected(reason)) => {
                let counted = self.count(case, *reason);
                let delay = delay(case.current.settings.failure_delay, counted.share);
                (delay, counted.is_new && reason.is_wrong())
            }
        }
    }

    /// Counts a refused password. The reason hardly matters: if some refusals
    /// grew the delay and others did not, the delay would tell them apart.
    fn count(&self, case: &Case<'_>, reason: Reason) -> Counted {
        let Credentials::Password { authcid, password, .. } = &case.attempt.credentials else {
            return Counted::default();
        };
        if case.attempt.no_penalty || case.trace.is_on() || !reason.is_guess() {
            return Counted::default();
        }
        let user = case.user.as_ref();
        let name = user.map_or(authcid.as_slice(), |user| user.as_str().as_bytes());
        let guess = self.guess(name, password);
        // What was held back was not checked: it says nothing about the account.
        let held = reason == Reason::HeldBack;
        let counted = user.filter(|_| case.domain_known && !held);
        let counted = counted.map(|user| (user, case.account.is_some()));
        let abuse = &case.current.settings.abuse;
        let counted = self.penalty.count(case.rip, counted, guess, case.attempt.arrived, abuse);
        if held { Counted { share: 1.0, ..counted } } else { counted }
    }

    pub(super) fn guess(&self, name: &[u8], password: &Secret) -> Guess {
        Guess::new(&self.guess_secret, name, password.expose())
    }
}

/// From the failure delay for a first wrong password up to [`MAX_DELAY`], plus
/// a little chance.
pub(super) fn delay(failure_delay: Duration, share: f64) -> Duration {
    let base = failure_delay.min(MAX_DELAY);
    let grown = base + MAX_DELAY.saturating_sub(JITTER + base).mul_f64(share);
    let [chance] = random::<1>();
    let jitter = JITTER.min(MAX_DELAY.saturating_sub(grown)).mul_f64(f64::from(chance) / 255.0);
    grown + jitter
}
