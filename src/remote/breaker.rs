//! Stops asking a server that failed again and again, and asks once in a while
//! whether it is back.

use std::time::{Duration, Instant};

/// Failures in a row after which it is not asked any more.
const TOLERATED: u32 = 5;

/// The breaker. Time is handed in.
#[derive(Debug)]
pub struct Breaker {
    failures: u32,
    /// Until when nobody asks, once it opened.
    open_until: Option<Instant>,
    /// Somebody asks whether the server is back.
    probing: bool,
    pause: Duration,
}

/// Whether a server is asked.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum BreakerState {
    /// It is.
    #[default]
    Closed,
    /// It is not, since it failed again and again.
    Open,
    /// It failed so, and the next request finds out whether it is back.
    HalfOpen,
}

/// What a request came to, as far as the breaker goes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// The provider answered.
    Answered,
    /// It did not.
    Failed,
    /// Nobody knows: the request was given up, or the answer was to this one alone.
    GivenUp,
}

impl Breaker {
    /// One that pauses for `pause` when it opens.
    pub fn new(pause: Duration) -> Self {
        Self { failures: 0, open_until: None, probing: false, pause }
    }

    /// Whether the server is asked.
    pub fn state(&self, now: Instant) -> BreakerState {
        match self.open_until {
            None => BreakerState::Closed,
            Some(until) if now < until => BreakerState::Open,
            Some(_) => BreakerState::HalfOpen,
        }
    }

    /// Whether nobody may ask at present.
    pub fn is_open(&self, now: Instant) -> bool {
        self.open_until.is_some_and(|until| now < until || self.probing)
    }

    /// Whether one more request may go out. Each that may is told to
    /// [`Breaker::ended`] in the end.
    pub fn admits(&mut self, now: Instant) -> bool {
        if self.is_open(now) {
            return false;
        }
        self.probing = self.open_until.is_some();
        true
    }

    /// A request that was admitted came to an end.
    pub fn ended(&mut self, outcome: Outcome, now: Instant) {
        self.probing = false;
        match outcome {
            Outcome::Answered => {
                self.failures = 0;
                self.open_until = None;
            }
            Outcome::Failed => {
                self.failures = self.failures.saturating_add(1);
                if self.failures >= TOLERATED {
                    self.open_until = Some(now + self.pause);
                }
            }
            Outcome::GivenUp => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAUSE: Duration = Duration::from_secs(5);

    fn opened(now: Instant) -> Breaker {
        let mut breaker = Breaker::new(PAUSE);
        for _ in 0..TOLERATED {
            assert!(breaker.admits(now));
            breaker.ended(Outcome::Failed, now);
        }
        breaker
    }

    #[test]
    fn opens_after_failures_in_a_row_alone() {
        let now = Instant::now();
        let mut breaker = Breaker::new(PAUSE);
        for _ in 0..3 {
            for _ in 1..TOLERATED {
                breaker.ended(Outcome::Failed, now);
            }
            assert!(breaker.admits(now));
            breaker.ended(Outcome::Answered, now);
        }
        assert_eq!(breaker.state(now), BreakerState::Closed);
        let mut breaker = opened(now);
        assert_eq!(breaker.state(now), BreakerState::Open);
        assert_eq!(breaker.state(now + PAUSE), BreakerState::HalfOpen);
        assert!(!breaker.admits(now));
    }

    #[test]
    fn one_asks_whether_it_is_back() {
        let now = Instant::now();
        let mut breaker = opened(now);
        let later = now + PAUSE;
        assert!(breaker.admits(later), "the one");
        assert!(!breaker.admits(later), "nobody beside it");
        breaker.ended(Outcome::Failed, later);
        assert!(!breaker.admits(later), "still down");
        assert!(breaker.admits(later + PAUSE));
        breaker.ended(Outcome::Answered, later + PAUSE);
        assert!(breaker.admits(later + PAUSE) && breaker.admits(later + PAUSE), "all, at once");
    }

    #[test]
    fn a_probe_that_was_given_up_makes_room_for_the_next() {
        let now = Instant::now();
        let mut breaker = opened(now);
        assert!(breaker.admits(now + PAUSE));
        breaker.ended(Outcome::GivenUp, now + PAUSE);
        assert!(breaker.admits(now + PAUSE));
    }
}
