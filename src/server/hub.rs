//! What all connections of a server share.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use tokio::{
    sync::watch,
    time::{Instant, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{Error, limits::Seats, settings::Settings, tally::Tally};
use crate::{
    api::health::Health,
    mailbox::userdb,
    protocol::Cookie,
    session::{ConnectionIds, Desk},
    store::Store,
    verify::Pipeline,
};

/// How long a line may wait for the store: at a reload of Dovecot the old
/// process finishes and lets go of it meanwhile.
pub(super) const HAND_OVER: Duration = Duration::from_secs(20);

/// How long a stopping server waits for the REQUEST of a login. It comes as
/// soon as the mail process runs; one that has not come by then will not, since
/// Dovecot ends such processes when it reloads.
const CLAIM: Duration = Duration::from_secs(2);

/// The part that decides and remembers. There is none until the store is open.
pub(super) struct Core {
    pub(super) store: Arc<dyn Store>,
    pub(super) pipeline: Arc<Pipeline>,
}

/// Whether there is a core.
#[derive(Clone)]
enum Prospect {
    /// The process before us still has the store.
    Waiting,
    Open(Arc<Core>),
    /// There will be none.
    Never,
}

/// How often there is a sign of life.
pub(super) const PULSE: Duration = Duration::from_secs(1);
/// Without one for so long we count as stuck. Not too soon: whoever restarts a
/// server that is only busy makes matters worse.
const STUCK: Duration = Duration::from_secs(30);

/// Signs of life of the threads that serve logins, for other threads to see.
pub(super) struct Pulse {
    started: Instant,
    /// Milliseconds from the start to the last one.
    last: AtomicU64,
}

impl Default for Pulse {
    fn default() -> Self {
        Self { started: Instant::now(), last: AtomicU64::new(0) }
    }
}

impl Pulse {
    fn now(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Gives one.
    pub(super) fn beat(&self) {
        self.last.store(self.now(), Ordering::Relaxed);
    }

    /// Whether there was none for long.
    pub(super) fn is_stuck(&self) -> bool {
        let silence = self.now().saturating_sub(self.last.load(Ordering::Relaxed));
        Duration::from_millis(silence) > STUCK
    }
}

/// Shared by all connections.
pub(super) struct Hub {
    /// Number of this server, the same on all sockets.
    pub(super) spid: u32,
    /// Seats for connections.
    pub(super) seats: Seats,
    /// Settings that a reload replaces.
    pub(super) settings: ArcSwap<Settings>,
    /// As above, about users.
    pub(super) userdb: ArcSwap<userdb::Settings>,
    /// Called off when we stop: finish, and take nothing new.
    pub(super) drain: CancellationToken,
    /// Logins since the start.
    pub(super) logins: Tally,
    /// Whether counters and history cannot be written.
    pub(super) store_fails: AtomicBool,
    /// That what serves logins is not stuck.
    pub(super) pulse: Pulse,
    core: watch::Sender<Prospect>,
    next_cuid: AtomicU32,
    /// Hits and misses of the caches when they were last reset.
    cache_reset: Mutex<[u64; 2]>,
    desks: Mutex<HashMap<String, Arc<Desk>>>,
}

impl Hub {
    pub(super) fn new(
        settings: Settings,
        userdb: userdb::Settings,
        seats: Seats,
    ) -> Result<Self, Error> {
        Ok(Self {
            spid: random_spid()?,
            seats,
            settings: ArcSwap::from_pointee(settings),
            userdb: ArcSwap::from_pointee(userdb),
            drain: CancellationToken::new(),
            logins: Tally::default(),
            store_fails: AtomicBool::new(false),
            pulse: Pulse::default(),
            core: watch::Sender::new(Prospect::Waiting),
            next_cuid: AtomicU32::new(1),
            cache_reset: Mutex::default(),
            desks: Mutex::default(),
        })
    }

    /// What was counted since the last reset; `reset` begins anew, for whoever asks
    /// in Dovecot's protocol. Our own figures only grow.
    pub(super) fn since_reset(&self, counted: [u64; 2], reset: bool) -> [u64; 2] {
        let mut before = self.cache_reset.lock().unwrap_or_else(PoisonError::into_inner);
        let since = [0, 1].map(|figure| counted[figure].saturating_sub(before[figure]));
        if reset {
            *before = counted;
        }
        since
    }

    /// The core is there: what waits for it goes on.
    pub(super) fn open(&self, core: Arc<Core>) {
        self.core.send_replace(Prospect::Open(core));
    }

    /// There will be no core: what waits for it is told so.
    pub(super) fn give_up(&self) {
        self.core.send_replace(Prospect::Never);
    }

    /// The core; waits for it while the process before us finishes.
    pub(super) async fn core(&self) -> Option<Arc<Core>> {
        if let Prospect::Open(core) = &*self.core.borrow() {
            return Some(Arc::clone(core));
        }
        let mut changes = self.core.subscribe();
        let settled = changes.wait_for(|prospect| !matches!(prospect, Prospect::Waiting));
        match timeout(HAND_OVER, settled).await.ok()?.ok()?.clone() {
            Prospect::Open(core) => Some(core),
            Prospect::Waiting | Prospect::Never => None,
        }
    }

    /// How we are, for whoever watches us.
    pub(super) fn health(&self) -> Health {
        if self.pulse.is_stuck() {
            Health::Stuck
        } else if self.drain.is_cancelled() {
            Health::Stopping
        } else {
            Health::Ready
        }
    }

    /// Whether a bearer token could be checked; while the store is being opened,
    /// nobody knows that there is no provider.
    pub(super) fn takes_tokens(&self) -> bool {
        match &*self.core.borrow() {
            Prospect::Open(core) => core.pipeline.has_providers(),
            Prospect::Waiting | Prospect::Never => true,
        }
    }

    /// The desk of an instance.
    pub(super) fn desk(&self, instance: &str) -> Arc<Desk> {
        let mut desks = self.desks.lock().unwrap_or_else(PoisonError::into_inner);
        match desks.get(instance) {
            Some(desk) => Arc::clone(desk),
            None => Arc::clone(desks.entry(instance.to_owned()).or_default()),
        }
    }

    /// Whether logins wait for their REQUEST.
    pub(super) fn keeps_logins(&self) -> bool {
        let desks = self.desks.lock().unwrap_or_else(PoisonError::into_inner);
        let now = std::time::Instant::now();
        desks.values().any(|desk| desk.is_waiting(CLAIM, now))
    }

    /// What makes a new connection this one.
    pub(super) fn connection_ids(&self) -> Result<ConnectionIds, Error> {
        let mut cookie = [0; 16];
        getrandom::fill(&mut cookie).map_err(|_| Error::Random)?;
        let cuid = self.next_cuid.fetch_add(1, Ordering::Relaxed);
        Ok(ConnectionIds { spid: self.spid, cuid, cookie: Cookie::new(cookie) })
    }
}

/// Fits a process id, as Dovecot takes it for one; another after a restart.
fn random_spid() -> Result<u32, Error> {
    loop {
        let random = getrandom::u32().map_err(|_| Error::Random)? >> 1;
        if random != 0 {
            return Ok(random);
        }
    }
}
