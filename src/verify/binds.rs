//! Main passwords that a directory checks itself, by a bind. One that was right is
//! not asked about again for `mailpassword_cache`, since a phone logs in twice a
//! second, and lets in for `stale_limit` while the directory cannot be asked; one that
//! was wrong is not for `recheck_interval`. Kept are keyed digests alone.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::time::{Instant, timeout_at};

use super::{
    Pipeline,
    answers::is_younger,
    bearer::{PATIENCE, cause},
    case::{Case, Stop},
    connected::Connected,
    flight::Flights,
    random::random,
    room::{Key, Limits, Room},
    terms::Terms,
    trace::Outcome,
};
use crate::{
    clock::Timestamp,
    directory::Dn,
    idp::{Outage, OutageCause},
    secret::Secret,
    store::Account,
};

/// Most right passwords that are remembered of one directory; a quarter as many wrong
/// ones.
const RIGHT: Limits = Limits { entries: 100_000, bytes: 64 * 1024 * 1024 };

/// What a bind comes to.
type Bound = Result<bool, Arc<Outage>>;

/// What is known of binds at one directory.
pub(super) struct Binds {
    secret: [u8; 32],
    fresh: Duration,
    recheck: Duration,
    stale: Duration,
    right: Room<Timestamp>,
    wrong: Room<Timestamp>,
    /// Mailboxes with a right password, by which it shows that somebody guesses.
    guessable: Room<()>,
    flights: Flights<(Key, u64), Bound>,
    /// How often everything was forgotten.
    purges: AtomicU64,
}

impl Binds {
    pub(super) fn new(terms: &Terms) -> Self {
        Self {
            secret: random(),
            fresh: terms.mailpassword_cache,
            recheck: terms.recheck_interval,
            stale: terms.stale_limit,
            right: Room::new(RIGHT),
            wrong: Room::new(RIGHT.quarter()),
            guessable: Room::new(RIGHT),
            flights: Flights::default(),
            purges: AtomicU64::new(0),
        }
    }

    /// Everything that could make the answer another stands in the key.
    fn key(&self, account: &Account, dn: &Dn, password: &Secret) -> Key {
        let (mailbox, domain) = (&account.mailbox, &account.domain);
        let fields: [&[u8]; 6] = [
            &mailbox.id.0.to_be_bytes(),
            &mailbox.generation.to_be_bytes(),
            &domain.generation.to_be_bytes(),
            mailbox.address.as_str().as_bytes(),
            dn.as_str().as_bytes(),
            password.expose(),
        ];
        Key::new(&self.secret, &fields)
    }

    fn of_mailbox(&self, account: &Account) -> Key {
        Key::new(&self.secret, &[&account.mailbox.id.0.to_be_bytes()])
    }

    /// What counts by itself.
    fn fresh(&self, key: &Key, now: Timestamp) -> Option<bool> {
        let young = |room: &Room<Timestamp>, time| {
            room.get(key).is_some_and(|asked| is_younger(asked.value, now, time))
        };
        if young(&self.right, self.fresh) {
            return Some(true);
        }
        young(&self.wrong, self.recheck).then_some(false)
    }

    /// Whether it was right a while ago, where nobody can be asked.
    fn last(&self, key: &Key, now: Timestamp) -> bool {
        self.right.get(key).is_some_and(|asked| is_younger(asked.value, now, self.stale))
    }

    fn keep(&self, key: Key, mailbox: Key, right: bool, asked: Timestamp, purges: u64) {
        if purges != self.purges.load(Ordering::Relaxed) {
            return;
        }
        let bytes = size_of::<Timestamp>();
        if right {
            let time = self.fresh.max(self.stale);
            self.wrong.forget(&key);
            self.right.put(key, asked, &[], bytes, time);
            self.guessable.put(mailbox, (), &[], 0, time);
        } else {
            self.right.forget(&key);
            self.wrong.put(key, asked, &[], bytes, self.recheck);
        }
    }

    /// Forgets everything: what is under way, too.
    pub(super) fn forget(&self) {
        self.purges.fetch_add(1, Ordering::Relaxed);
        self.right.clear();
        self.wrong.clear();
        self.guessable.clear();
    }

    /// moka does its housekeeping when it is used; a quiet server has to ask.
    pub(super) fn tidy(&self) {
        self.right.tidy();
        self.wrong.tidy();
        self.guessable.tidy();
    }
}

impl Pipeline {
    /// Whether `password` is that of the entry, by the directory's word: of now, of a
    /// moment ago, or where it cannot be asked of a while ago.
    pub(super) async fn binds<'a>(
        &'a self,
        case: &mut Case<'a>,
        account: &Account,
        provider: &Arc<Connected>,
        dn: &Dn,
        password: &Secret,
    ) -> Result<bool, Stop> {
        let binds = &provider.binds;
        let (key, now) = (binds.key(account, dn, password), case.attempt.arrived);
        if let Some(right) = binds.fresh(&key, now).filter(|_| !case.trace.is_on()) {
            case.cached = true;
            return Ok(right);
        }
        self.pass_gate(case, &account.mailbox.address, case.current.pool.deadline()).await?;
        self.announce(case, &account.mailbox.address, password)?;
        let give_up = Instant::now() + PATIENCE;
        let asked = timeout_at(give_up, bind(case, account, provider, key, dn, password)).await;
        let asked = asked.unwrap_or_else(|_| Err(too_slow()));
        match asked {
            Ok(right) => {
                let outcome = if right { Outcome::Ok } else { Outcome::Refused };
                case.trace.note("password", outcome, || {
                    format!("{} (bind)", if right { "right" } else { "wrong" })
                });
                Ok(right)
            }
            Err(outage) => bound_before(case, account, provider, dn, password, &outage),
        }
    }
}

/// The same without asking, where nobody can be asked.
pub(super) fn bound_before(
    case: &mut Case<'_>,
    account: &Account,
    provider: &Connected,
    dn: &Dn,
    password: &Secret,
    outage: &Outage,
) -> Result<bool, Stop> {
    let binds = &provider.binds;
    let key = binds.key(account, dn, password);
    // That we ask enough already says nothing of the directory.
    if outage.cause != OutageCause::Busy && binds.last(&key, case.attempt.arrived) {
        (case.stale, case.cached) = (true, true);
        if !case.trace.is_on() {
            provider.people.count_stale();
        }
        case.trace.note("password", Outcome::Ok, || format!("right before; {outage}"));
        return Ok(true);
    }
    // It may be right by now; who tries many of them is guessing all the same.
    case.guessed = binds.guessable.get(&binds.of_mailbox(account)).is_some();
    case.trace.note("password", Outcome::Refused, || outage.detail.clone());
    Err(case.unavailable(cause(outage.cause), outage.detail.clone()))
}

/// Asks the directory, together with whoever asks the same, and keeps what it says.
async fn bind(
    case: &Case<'_>,
    account: &Account,
    provider: &Arc<Connected>,
    key: Key,
    dn: &Dn,
    password: &Secret,
) -> Bound {
    let (now, keeps) = (case.attempt.arrived, !case.trace.is_on());
    let purges = provider.binds.purges.load(Ordering::Relaxed);
    let mailbox = provider.binds.of_mailbox(account);
    let run = || {
        let (own, dn, password) = (Arc::clone(provider), dn.clone(), password.clone());
        async move {
            let Some(directory) = own.directory() else { return Ok(false) };
            let right = directory.bind(&dn, &password).await;
            let right = right.map_err(Arc::new)?;
            if keeps {
                own.binds.keep(key, mailbox, right, now, purges);
            }
            Ok(right)
        }
    };
    if keeps { provider.binds.flights.share((key, purges), run).await } else { run().await }
}

fn too_slow() -> Arc<Outage> {
    let detail = format!("no answer within {} s", PATIENCE.as_secs());
    Outage { cause: OutageCause::Slow, detail }.into()
}
