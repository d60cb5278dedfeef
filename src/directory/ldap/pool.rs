//! Connections to the servers of a directory: in which order they are asked, what is
//! kept open, how many there are, and when a server is left alone.
//!
//! There are two of these: connections that our own account is known by, for
//! searches, and others for the binds of people, which are never used for anything
//! else.

use std::{
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, Instant},
};

use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::timeout_at,
};

use super::{
    super::{Outage, OutageCause, settings::Account},
    connection::{Connection, Place, Reply, Request},
    said,
};
use crate::remote::breaker::{Breaker, Outcome};

/// Connections for searches, and as many for binds.
const MAX_CONNECTIONS: usize = 16;
/// Shorter than servers and firewalls keep a connection that nobody uses.
const MAX_IDLE: Duration = Duration::from_secs(60);
/// So that a server which comes back, or a new address of its name, is used again;
/// and `ldap3` keeps four bytes for each search that it has ever made.
const MAX_AGE: Duration = Duration::from_secs(600);
/// How long a server that refuses our own account is not asked again: it may lock
/// the account after a few failures.
const REFUSED: Duration = Duration::from_secs(10);

/// One server.
#[derive(Debug)]
pub(super) struct Server {
    place: Arc<Place>,
    breaker: Mutex<Breaker>,
    /// It refused our own account then.
    refused: Mutex<Option<(Instant, Outage)>>,
}

/// Connections of one kind to the servers of a directory.
pub(super) struct Pool {
    servers: Arc<[Server]>,
    account: Option<Account>,
    connect_timeout: Duration,
    kept: Mutex<Vec<(usize, Connection)>>,
    places: Semaphore,
}

/// A connection for more than one question, such as the pages of a list. It is in
/// nobody's way, and not given back.
pub(super) struct Own {
    connection: Connection,
    servers: Arc<[Server]>,
    server: usize,
}

/// A question that a server may be asked. Tells the breaker how it ended, also where
/// nobody waited for that.
struct Admitted<'s> {
    server: &'s Server,
    outcome: Outcome,
}

impl Server {
    pub(super) fn new(place: Place, pause: Duration) -> Self {
        Self { place: place.into(), breaker: Breaker::new(pause).into(), refused: Mutex::default() }
    }

    fn admits(&self) -> Option<Admitted<'_>> {
        let admitted = lock(&self.breaker).admits(Instant::now());
        admitted.then_some(Admitted { server: self, outcome: Outcome::GivenUp })
    }

    /// What it said of our own account a moment ago.
    fn refused(&self) -> Option<Outage> {
        let now = Instant::now();
        let mut refused = lock(&self.refused);
        refused.take_if(|(at, _)| now.saturating_duration_since(*at) >= REFUSED);
        refused.as_ref().map(|(_, outage)| outage.clone())
    }
}

impl Pool {
    pub(super) fn new(
        servers: Arc<[Server]>,
        account: Option<Account>,
        connect_timeout: Duration,
    ) -> Self {
        Self {
            servers,
            account,
            connect_timeout,
            kept: Mutex::default(),
            places: Semaphore::new(MAX_CONNECTIONS),
        }
    }

    /// Asks the first server that can be asked. A connection that was kept and turns
    /// out to be closed costs nothing but a new one.
    pub(super) async fn ask(
        &self,
        request: &Request<'_>,
        deadline: Instant,
    ) -> Result<Reply, Outage> {
        let _place = self.place(deadline).await?;
        if let Some((at, mut connection)) = self.kept()
            && let Some(mut admitted) = self.servers[at].admits()
        {
            let asked = connection.ask(request, deadline).await;
            if !matches!(&asked, Err(gone) if gone.cause == OutageCause::Unreachable) {
                admitted.take_in(&asked);
                return self.ended(at, connection, asked);
            }
        }
        let (at, mut connection, mut admitted) = self.connect(deadline).await?;
        let asked = connection.ask(request, deadline).await;
        admitted.take_in(&asked);
        self.ended(at, connection, asked)
    }

    /// A connection for oneself.
    pub(super) async fn own(&self, deadline: Instant) -> Result<Own, Outage> {
        let (server, connection, mut admitted) = self.connect(deadline).await?;
        admitted.outcome = Outcome::Answered;
        Ok(Own { connection, servers: Arc::clone(&self.servers), server })
    }

    async fn place(&self, deadline: Instant) -> Result<SemaphorePermit<'_>, Outage> {
        let waited = timeout_at(deadline.into(), self.places.acquire()).await;
        let Ok(place) = waited else {
            let detail = format!("{MAX_CONNECTIONS} questions are under way already");
            return Err(Outage::new(OutageCause::Busy, detail));
        };
        Ok(place.expect("nobody closes it"))
    }

    fn kept(&self) -> Option<(usize, Connection)> {
        let now = Instant::now();
        let mut kept = lock(&self.kept);
        kept.retain_mut(|(_, connection)| is_good(connection, now));
        kept.pop()
    }

    fn ended(
        &self,
        at: usize,
        mut connection: Connection,
        asked: Result<Reply, Outage>,
    ) -> Result<Reply, Outage> {
        let asked = asked.map_err(|why| self.servers[at].place.fault_of(why))?;
        if is_good(&mut connection, Instant::now()) {
            lock(&self.kept).push((at, connection));
        }
        Ok(asked)
    }

    async fn connect(
        &self,
        deadline: Instant,
    ) -> Result<(usize, Connection, Admitted<'_>), Outage> {
        let mut last = None;
        for (at, server) in self.servers.iter().enumerate() {
            let until = deadline.min(Instant::now() + self.connect_timeout);
            if until <= Instant::now() {
                break;
            }
            if self.account.is_some()
                && let Some(refused) = server.refused()
            {
                last = Some(refused);
                continue;
            }
            let Some(mut admitted) = server.admits() else { continue };
            match self.open(server, until).await {
                Ok(connection) => return Ok((at, connection, admitted)),
                Err(outage) => {
                    admitted.outcome = outcome_of(&outage);
                    last = Some(outage);
                }
            }
        }
        Err(last.unwrap_or_else(|| {
            Outage::new(
                OutageCause::Down,
                "it failed again and again, and is not asked for a moment",
            )
        }))
    }

    async fn open(&self, server: &Server, until: Instant) -> Result<Connection, Outage> {
        let mut connection = Connection::open(&server.place, until).await?;
        let Some(Account { dn, password }) = &self.account else { return Ok(connection) };
        let password = std::str::from_utf8(password.expose()).expect("checked when it was opened");
        let asked = connection.ask(&Request::Bind { dn, password }, until).await;
        let reply = asked.map_err(|why| server.place.fault_of(why))?;
        if reply.code == 0 {
            return Ok(connection);
        }
        let outage = server.place.fault_of(said::of_account(&reply));
        if outage.cause == OutageCause::Credentials {
            let (server, dn) = (server.place.name(), dn.as_str());
            tracing::error!(server, dn, "the LDAP server refuses our own account: {outage}");
        }
        *lock(&server.refused) = Some((Instant::now(), outage.clone()));
        Err(outage)
    }
}

impl Own {
    pub(super) async fn ask(
        &mut self,
        request: &Request<'_>,
        deadline: Instant,
    ) -> Result<Reply, Outage> {
        let asked = self.connection.ask(request, deadline).await;
        asked.map_err(|why| self.servers[self.server].place.fault_of(why))
    }
}

impl Admitted<'_> {
    fn take_in(&mut self, asked: &Result<Reply, Outage>) {
        self.outcome = match asked {
            Ok(reply) if said::is_out_of_order(reply) => Outcome::Failed,
            Ok(_) => Outcome::Answered,
            Err(outage) => outcome_of(outage),
        };
    }
}

impl Drop for Admitted<'_> {
    fn drop(&mut self) {
        lock(&self.server.breaker).ended(self.outcome, Instant::now());
    }
}

fn outcome_of(outage: &Outage) -> Outcome {
    match outage.cause {
        OutageCause::Credentials | OutageCause::Status | OutageCause::Busy => Outcome::Answered,
        _ => Outcome::Failed,
    }
}

fn is_good(connection: &mut Connection, now: Instant) -> bool {
    let idle = now.saturating_duration_since(connection.used);
    let age = now.saturating_duration_since(connection.opened);
    connection.is_open() && idle < MAX_IDLE && age < MAX_AGE
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().expect("no holder panics")
}
