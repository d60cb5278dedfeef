//! Logins by what they came to, by service and by mechanism: one cell for each
//! combination, so that counting is one addition to a cell that is reckoned out.
//! What a client chooses freely is counted as "other".

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use crate::{
    api::{
        metrics::{LoginCount, LoginTimes, VerifiedCount},
        status::LoginCounts,
    },
    mailbox::Service,
    sasl::MechanismName,
    verify::{Cause, Reason, Verdict, Verified, VerifiedBy},
};

/// A protocol or a mechanism that none of ours is.
const OTHER: &str = "other";
const SERVICES: usize = Service::ALL.len() + 1;
const MECHANISMS: usize = MechanismName::ALL.len() + OF_PAGES.len() + 1;
/// How people sign in to the pages: at a provider, or with a form.
const OF_PAGES: [&str; 2] = ["OIDC", "FORM"];
const OUTCOMES: usize = 1 + Reason::ALL.len() + Cause::ALL.len();

const VERDICTS: [&str; 3] = ["verified", "rejected", "unavailable"];
const VERIFIERS: [&str; 8] = [
    "app_password",
    "local_password",
    "mailpassword",
    "token",
    "certificate",
    "auth_token",
    "directory",
    "sign_in",
];
/// Place of the last one.
const SIGN_IN: usize = 7;
/// Number of the outcome that lets somebody in.
const VERIFIED: usize = 0;
/// Where the answer came from that let somebody in.
const ANSWERS: [&str; 3] = ["new", "cached", "stale"];

/// Upper bounds of the times that are counted apart.
const BOUNDS: [Duration; 12] = [
    Duration::from_micros(250),
    Duration::from_millis(1),
    Duration::from_millis(5),
    Duration::from_millis(10),
    Duration::from_millis(25),
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_millis(2500),
    Duration::from_secs(5),
];

/// Counters of all logins since the start.
pub(super) struct Tally {
    logins: Box<[AtomicU64]>,
    verified: [[AtomicU64; ANSWERS.len()]; VERIFIERS.len()],
    times: [Times; VERDICTS.len()],
}

#[derive(Default)]
struct Times {
    counts: [AtomicU64; BOUNDS.len() + 1],
    sum_micros: AtomicU64,
}

impl Default for Tally {
    fn default() -> Self {
        let cells = OUTCOMES * SERVICES * MECHANISMS;
        Self {
            logins: (0..cells).map(|_| AtomicU64::new(0)).collect(),
            verified: Default::default(),
            times: Default::default(),
        }
    }
}

impl Tally {
    /// Counts a login that took so long to decide.
    pub(super) fn count(
        &self,
        verdict: &Verdict,
        protocol: &str,
        mechanism: &str,
        elapsed: Duration,
    ) {
        if let Verdict::Verified(verified) = verdict {
            add(&self.verified[verifier(verified.by())][answer(verified)], 1);
        }
        self.add(outcome(verdict), protocol, mechanism, elapsed);
    }

    /// Counts somebody who signed in to administer, and whom no mailbox is opened.
    pub(super) fn count_administrator(&self, protocol: &str, mechanism: &str, elapsed: Duration) {
        add(&self.verified[SIGN_IN][0], 1);
        self.add(VERIFIED, protocol, mechanism, elapsed);
    }

    fn add(&self, outcome: usize, protocol: &str, mechanism: &str, elapsed: Duration) {
        add(&self.logins[cell(outcome, service(protocol), mechanism_place(mechanism))], 1);
        let times = &self.times[verdict_place(outcome)];
        let bucket = BOUNDS.partition_point(|bound| *bound < elapsed);
        add(&times.counts[bucket], 1);
        add(&times.sum_micros, u64::try_from(elapsed.as_micros()).unwrap_or(0));
    }

    /// By verdict alone.
    pub(super) fn by_verdict(&self) -> LoginCounts {
        let mut sums = [0; VERDICTS.len()];
        for (place, count) in self.logins.iter().enumerate() {
            sums[verdict_place(place / (SERVICES * MECHANISMS))] += count.load(Ordering::Relaxed);
        }
        let [verified, rejected, unavailable] = sums;
        LoginCounts { verified, rejected, unavailable }
    }

    /// Every combination that has occurred.
    pub(super) fn logins(&self) -> Vec<LoginCount> {
        let counted = self.logins.iter().enumerate();
        let counted = counted.map(|(place, count)| (place, count.load(Ordering::Relaxed)));
        let counted = counted.filter(|(_, count)| *count > 0);
        let login = |(place, count)| {
            let (rest, mechanism) = (place / MECHANISMS, place % MECHANISMS);
            let (outcome, service) = (rest / SERVICES, rest % SERVICES);
            LoginCount {
                verdict: VERDICTS[verdict_place(outcome)],
                reason: word(outcome),
                service: Service::ALL
                    .get(service)
                    .map_or(OTHER, |service: &Service| service.name()),
                mechanism: mechanisms().nth(mechanism).unwrap_or(OTHER),
                count,
            }
        };
        counted.map(login).collect()
    }

    /// What let people in.
    pub(super) fn verified(&self) -> Vec<VerifiedCount> {
        let all = VERIFIERS.iter().zip(&self.verified);
        let all = all.flat_map(|(verifier, counts)| {
            let one = move |(answer, count): (&&'static str, &AtomicU64)| VerifiedCount {
                verifier,
                answer,
                count: count.load(Ordering::Relaxed),
            };
            ANSWERS.iter().zip(counts).map(one)
        });
        all.collect()
    }

    /// How long it took to decide.
    pub(super) fn times(&self) -> Vec<LoginTimes> {
        let one = |(verdict, times): (&&'static str, &Times)| LoginTimes {
            verdict,
            bounds: BOUNDS.iter().map(Duration::as_secs_f64).collect(),
            counts: times.counts.iter().map(|count| count.load(Ordering::Relaxed)).collect(),
            sum: Duration::from_micros(times.sum_micros.load(Ordering::Relaxed)),
        };
        VERDICTS.iter().zip(&self.times).map(one).collect()
    }
}

fn add(counter: &AtomicU64, number: u64) {
    counter.fetch_add(number, Ordering::Relaxed);
}

fn cell(outcome: usize, service: usize, mechanism: usize) -> usize {
    (outcome * SERVICES + service) * MECHANISMS + mechanism
}

/// Number of an outcome: verified, then the refusals, then the outages.
fn outcome(verdict: &Verdict) -> usize {
    match verdict {
        Verdict::Verified(_) => VERIFIED,
        Verdict::Rejected(rejected) => 1 + rejected.reason as usize,
        Verdict::Unavailable(unavailable) => 1 + Reason::ALL.len() + unavailable.cause as usize,
    }
}

fn verdict_place(outcome: usize) -> usize {
    match outcome {
        0 => 0,
        refused if refused <= Reason::ALL.len() => 1,
        _ => 2,
    }
}

/// The word for an outcome, as in the log.
fn word(outcome: usize) -> &'static str {
    let refusals = Reason::ALL.len();
    match outcome {
        0 => "-",
        refused if refused <= refusals => Reason::ALL[refused - 1].name(),
        outage => Cause::ALL[outage - refusals - 1].name(),
    }
}

fn service(protocol: &str) -> usize {
    let found = Service::from_protocol(protocol);
    let place = found.and_then(|found| Service::ALL.iter().position(|one| *one == found));
    place.unwrap_or(Service::ALL.len())
}

fn mechanism_place(mechanism: &str) -> usize {
    mechanisms().position(|one| one == mechanism).unwrap_or(MECHANISMS - 1)
}

fn mechanisms() -> impl Iterator<Item = &'static str> {
    MechanismName::ALL.into_iter().map(MechanismName::name).chain(OF_PAGES)
}

fn verifier(by: &VerifiedBy) -> usize {
    match by {
        VerifiedBy::AppPassword(_) => 0,
        VerifiedBy::LocalPassword => 1,
        VerifiedBy::Mailpassword(_) => 2,
        VerifiedBy::Token(_) => 3,
        VerifiedBy::Certificate => 4,
        VerifiedBy::AuthToken { .. } => 5,
        VerifiedBy::Directory(_) => 6,
        VerifiedBy::SignIn(_) => SIGN_IN,
    }
}

fn answer(verified: &Verified) -> usize {
    match (verified.stale(), verified.cached()) {
        (true, _) => 2,
        (false, true) => 1,
        (false, false) => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::{Rejected, Unavailable};

    fn rejected(reason: Reason) -> Verdict {
        Verdict::Rejected(Rejected {
            user: None,
            reason,
            app_password: None,
            asked: None,
            fact: None,
        })
    }

    fn unavailable(cause: Cause) -> Verdict {
        Verdict::Unavailable(Unavailable { user: None, cause, asked: None })
    }

    fn told(tally: &Tally) -> Vec<String> {
        let told = |one: LoginCount| {
            let LoginCount { verdict, reason, service, mechanism, count } = one;
            format!("{verdict} {reason} {service} {mechanism} {count}")
        };
        tally.logins().into_iter().map(told).collect()
    }

    #[test]
    fn every_login_has_a_cell_of_its_own() {
        let tally = Tally::default();
        let mut verdicts: Vec<Verdict> = Reason::ALL.iter().map(|one| rejected(*one)).collect();
        verdicts.extend(Cause::ALL.iter().map(|one| unavailable(*one)));
        let verified = crate::verify::Verified::for_test("a@b.example", VerifiedBy::LocalPassword);
        verdicts.push(Verdict::Verified(verified));
        for verdict in &verdicts {
            for protocol in ["imap", "submission", "web", "gopher\"} 1\n", ""] {
                for mechanism in ["PLAIN", "DOVECOT-TOKEN", "X-NEW"] {
                    tally.count(verdict, protocol, mechanism, Duration::ZERO);
                }
            }
        }
        let told = told(&tally);
        // Two protocols are no service of ours.
        assert_eq!(told.len(), verdicts.len() * 4 * 3);
        assert!(told.contains(&"verified - smtp PLAIN 1".to_owned()));
        assert!(told.contains(&"rejected address_reassigned other other 2".to_owned()));
        assert!(told.contains(&"unavailable stopping web DOVECOT-TOKEN 1".to_owned()));
        let sums = tally.by_verdict();
        assert_eq!(sums.verified, 15);
        assert_eq!(sums.rejected, 15 * Reason::ALL.len() as u64);
        assert_eq!(sums.unavailable, 15 * Cause::ALL.len() as u64);
    }

    #[test]
    fn times_fall_into_the_bucket_that_ends_with_them() {
        let tally = Tally::default();
        for millis in [0, 1, 2, 5000, 5001] {
            let elapsed = Duration::from_millis(millis);
            tally.count(&rejected(Reason::HeldBack), "imap", "PLAIN", elapsed);
        }
        let times = tally.times();
        assert_eq!(times[1].verdict, "rejected");
        assert_eq!(times[1].counts, [1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1]);
        assert_eq!(times[1].sum, Duration::from_millis(10_004));
        assert_eq!(times[0].counts.iter().sum::<u64>(), 0);
    }
}
