//! The desk between login sockets and master sockets: a login that succeeded is
//! kept here until a mail process claims it with REQUEST.
//!
//! The two come from two processes over two connections. The key is the login
//! process's id, the login's id, and the cookie of the login connection. One
//! desk serves one Dovecot instance: process ids are unique only there.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use crate::{
    protocol::{AuthRequest, Cookie, master::Request},
    verify::Verified,
};

/// How often the logins that nobody claimed are looked for.
const SWEEP_INTERVAL: Duration = Duration::from_secs(10);

/// A successful login that waits for its REQUEST.
#[derive(Clone, Debug)]
pub struct Kept {
    /// The proof.
    pub verified: Verified,
    /// The name as it came.
    pub original: Vec<u8>,
    /// Name of the mechanism.
    pub mechanism: &'static str,
    /// What the mail server said with the login.
    pub request: Arc<AuthRequest>,
}

/// Why a REQUEST is refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Refused {
    /// No login connection of that process.
    #[error("no login connection of this process")]
    NoConnection,
    /// Another cookie than that connection's.
    #[error("wrong cookie")]
    WrongCookie,
    /// No successful, unclaimed login of that id.
    #[error("no successful login with this id, or it was claimed before")]
    NoLogin,
    /// `session_pid` is not the process that asks.
    #[error("session_pid is not the peer's process id")]
    SessionPid,
}

/// A live connection has this process id already.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Taken;

/// Where logins wait. Every operation is short and holds one lock.
#[derive(Debug, Default)]
pub struct Desk(Mutex<Seats>);

#[derive(Debug, Default)]
struct Seats {
    /// By process id; at most one of each list is live. The others are
    /// connections that ended while logins of theirs were unclaimed: a login
    /// process may close before its REQUEST arrives.
    by_cpid: HashMap<u32, Vec<Seat>>,
    swept: Option<Instant>,
}

#[derive(Debug)]
struct Seat {
    cookie: Cookie,
    live: bool,
    kept: HashMap<u32, Waiting>,
}

/// A kept login, and how long for.
#[derive(Debug)]
struct Waiting {
    kept: Kept,
    since: Instant,
    deadline: Instant,
}

impl Desk {
    /// An empty desk.
    pub fn new() -> Self {
        Self::default()
    }

    /// A place for the login connection of process `cpid`.
    ///
    /// # Errors
    /// [`Taken`] while another live connection has that process id.
    pub fn register(
        self: &Arc<Self>,
        cpid: u32,
        cookie: Cookie,
        now: Instant,
    ) -> Result<Place, Taken> {
        let mut seats = self.seats();
        seats.sweep(now);
        let list = seats.by_cpid.entry(cpid).or_default();
        if list.iter().any(|seat| seat.live) {
            return Err(Taken);
        }
        list.push(Seat { cookie, live: true, kept: HashMap::new() });
        Ok(Place { desk: Arc::clone(self), cpid })
    }

    /// Hands out the login that `request` names, once.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn claim(&self, request: &Request, now: Instant) -> Result<Kept, Refused> {
        let mut seats = self.seats();
        let list = seats.by_cpid.get_mut(&request.cpid).ok_or(Refused::NoConnection)?;
        let seat = list.iter_mut().find(|seat| seat.cookie.ct_eq(&request.cookie));
        let seat = seat.ok_or(Refused::WrongCookie)?;
        let waiting = seat.kept.remove(&request.auth_id).ok_or(Refused::NoLogin)?;
        list.retain(Seat::is_of_use);
        if list.is_empty() {
            seats.by_cpid.remove(&request.cpid);
        }
        if now < waiting.deadline { Ok(waiting.kept) } else { Err(Refused::NoLogin) }
    }

    /// Whether a login waits for its REQUEST since less than `patience`.
    pub fn is_waiting(&self, patience: Duration, now: Instant) -> bool {
        let seats = self.seats();
        let mut kept = seats.by_cpid.values().flatten().flat_map(|seat| seat.kept.values());
        kept.any(|waiting| now < waiting.deadline && now < waiting.since + patience)
    }

    fn seats(&self) -> MutexGuard<'_, Seats> {
        // Each change is made in one step; a panic elsewhere left nothing half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seats {
    /// Now and then, forgets what nobody came for.
    fn sweep(&mut self, now: Instant) {
        if self.swept.is_some_and(|at| now < at + SWEEP_INTERVAL) {
            return;
        }
        self.swept = Some(now);
        self.by_cpid.retain(|_, list| {
            for seat in &mut *list {
                seat.forget(now);
            }
            list.retain(Seat::is_of_use);
            !list.is_empty()
        });
    }

    fn live(&mut self, cpid: u32) -> Option<&mut Seat> {
        self.by_cpid.get_mut(&cpid)?.iter_mut().find(|seat| seat.live)
    }
}

impl Seat {
    fn is_of_use(&self) -> bool {
        self.live || !self.kept.is_empty()
    }

    fn forget(&mut self, now: Instant) {
        self.kept.retain(|_, waiting| now < waiting.deadline);
    }
}

/// A login connection's place at the desk, for as long as it lives. What it kept
/// stays a while longer.
#[derive(Debug)]
pub struct Place {
    desk: Arc<Desk>,
    cpid: u32,
}

impl Place {
    /// Keeps a login for as long as `limit`.
    pub fn keep(&self, id: u32, kept: Kept, limit: Duration, now: Instant) {
        let waiting = Waiting { kept, since: now, deadline: now + limit };
        self.with(|seat| seat.kept.insert(id, waiting));
    }

    /// Gives a login up; says whether it was there.
    pub fn release(&self, id: u32) -> bool {
        self.with(|seat| seat.kept.remove(&id).is_some()).unwrap_or(false)
    }

    /// Whether a login with this id waits.
    pub fn holds(&self, id: u32, now: Instant) -> bool {
        let waits =
            |seat: &mut Seat| seat.kept.get(&id).is_some_and(|waiting| now < waiting.deadline);
        self.with(waits).unwrap_or(false)
    }

    /// Whether fewer than `max` logins wait.
    pub fn has_room(&self, max: usize, now: Instant) -> bool {
        self.with(|seat| {
            if seat.kept.len() >= max {
                seat.forget(now);
            }
            seat.kept.len() < max
        })
        .unwrap_or(false)
    }

    fn with<T>(&self, act: impl FnOnce(&mut Seat) -> T) -> Option<T> {
        self.desk.seats().live(self.cpid).map(act)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut seats = self.desk.seats();
        if let Some(list) = seats.by_cpid.get_mut(&self.cpid) {
            for seat in &mut *list {
                seat.live = false;
            }
            list.retain(Seat::is_of_use);
            if list.is_empty() {
                seats.by_cpid.remove(&self.cpid);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::VerifiedBy;

    const LIMIT: Duration = Duration::from_secs(150);

    fn cookie(byte: u8) -> Cookie {
        Cookie::new([byte; 16])
    }

    fn kept() -> Kept {
        Kept {
            verified: Verified::for_test("ann@example.org", VerifiedBy::LocalPassword),
            original: Vec::new(),
            mechanism: "PLAIN",
            request: Arc::default(),
        }
    }

    fn claim(desk: &Desk, byte: u8, auth_id: u32, now: Instant) -> Option<Refused> {
        let request = Request {
            id: 1,
            cpid: 5,
            auth_id,
            cookie: cookie(byte),
            session_pid: None,
            auth_token: false,
            session_pid_trusted: false,
        };
        desk.claim(&request, now).err()
    }

    #[test]
    fn a_process_that_connects_again_finds_both_connections_logins() {
        let (desk, now) = (Arc::new(Desk::new()), Instant::now());
        let first = desk.register(5, cookie(1), now).unwrap();
        assert_eq!(desk.register(5, cookie(2), now).err(), Some(Taken));
        first.keep(7, kept(), LIMIT, now);
        drop(first);
        let second = desk.register(5, cookie(2), now).unwrap();
        second.keep(7, kept(), LIMIT, now);
        assert_eq!(claim(&desk, 1, 7, now), None);
        assert_eq!(claim(&desk, 1, 7, now), Some(Refused::WrongCookie));
        assert_eq!(claim(&desk, 2, 7, now), None);
        assert_eq!(claim(&desk, 2, 7, now), Some(Refused::NoLogin));
    }

    #[test]
    fn what_nobody_claims_is_forgotten() {
        let (desk, now) = (Arc::new(Desk::new()), Instant::now());
        for cpid in 1..100 {
            let place = desk.register(cpid, cookie(1), now).unwrap();
            place.keep(7, kept(), LIMIT, now);
        }
        assert_eq!(desk.seats().by_cpid.len(), 99);
        let place = desk.register(100, cookie(1), now + LIMIT).unwrap();
        assert_eq!(desk.seats().by_cpid.len(), 1);
        drop(place);
        assert!(desk.seats().by_cpid.is_empty());
    }

    #[test]
    fn room_is_made_of_what_is_over_time() {
        let (desk, now) = (Arc::new(Desk::new()), Instant::now());
        let place = desk.register(5, cookie(1), now).unwrap();
        place.keep(1, kept(), LIMIT, now);
        place.keep(2, kept(), LIMIT, now);
        assert!(!place.has_room(2, now) && desk.is_waiting(LIMIT, now));
        assert!(!desk.is_waiting(LIMIT, now + LIMIT));
        assert!(!desk.is_waiting(LIMIT / 2, now + LIMIT / 2));
        assert!(place.has_room(2, now + LIMIT));
        assert!(!place.holds(1, now + LIMIT));
    }
}
