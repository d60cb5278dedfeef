//! What abuse has to do with a login: whether it is held back, when a check may
//! begin, and that others hear of it before it is over.

use tokio::time::{Instant, timeout_at};

use super::{
    Cause, Pipeline, Reason,
    case::{Case, Stop},
    penalty::Standing,
    trace::Outcome,
};
use crate::{mailbox::Address, secret::Secret};

impl Pipeline {
    /// Whether the main password is held back; a held-back network ends it all.
    /// `other` where it may be something else that logs in.
    pub(super) fn main_password_held(
        &self,
        case: &mut Case<'_>,
        user: &Address,
        other: bool,
    ) -> Result<bool, Stop> {
        if case.attempt.no_penalty {
            case.trace.note("held back", Outcome::NotApplicable, || {
                "the mail server asks not to count".to_owned()
            });
            return Ok(false);
        }
        if !self.penalty.holds_anybody() && !case.trace.is_on() {
            return Ok(false);
        }
        let (now, abuse) = (case.attempt.arrived, &case.current.settings.abuse);
        case.held_back(self.penalty.standing(case.rip, user, now, abuse), other)
    }

    /// Whether the network is held back, of somebody who has not said yet who he is.
    pub(super) fn network_held(&self, case: &mut Case<'_>) -> Result<(), Stop> {
        if !self.penalty.holds_anybody() {
            return Ok(());
        }
        let (now, abuse) = (case.attempt.arrived, &case.current.settings.abuse);
        let network = self.penalty.network_standing(case.rip, now, abuse);
        case.held_back(Standing { network, ..Standing::default() }, true).map(drop)
    }

    /// Waits for a place among the slow hashes of the network, which may be
    /// held back by then.
    pub(super) async fn pass_gate<'a>(
        &'a self,
        case: &mut Case<'a>,
        user: &Address,
        deadline: Instant,
    ) -> Result<(), Stop> {
        let settings = &case.current.settings;
        let rip = case.rip.filter(|_| !case.trace.is_on() && !case.attempt.no_penalty);
        let Some(gate) = rip.and_then(|rip| self.penalty.gate(rip, &settings.abuse)) else {
            return Ok(());
        };
        let place = timeout_at(deadline, gate.acquire_owned()).await;
        let place = place.map_err(|_| Stop::Unavailable(Cause::Overloaded))?;
        case.gate = Some(place.expect("gates are never closed"));
        if !self.penalty.holds_anybody() {
            return Ok(());
        }
        let standing = self.penalty.standing(case.rip, user, case.attempt.arrived, &settings.abuse);
        match standing.network.held_until {
            Some(_) => Err(Stop::Rejected(Reason::HeldBack)),
            None => Ok(()),
        }
    }

    /// Makes the guess known before it is checked.
    pub(super) fn announce<'a>(
        &'a self,
        case: &mut Case<'a>,
        user: &Address,
        password: &Secret,
    ) -> Result<(), Stop> {
        if case.trace.is_on() || case.attempt.no_penalty {
            return Ok(());
        }
        if case.announced.is_some() {
            return Ok(());
        }
        let guess = self.guess(user.as_str().as_bytes(), password);
        let abuse = &case.current.settings.abuse;
        let (known, now) = (case.account.is_some(), case.attempt.arrived);
        case.announced = self.penalty.announce(user, known, guess, now, abuse);
        if case.announced.is_some() { Ok(()) } else { Err(Stop::Rejected(Reason::HeldBack)) }
    }
}
