//! How many connections there may be, and what the system must allow for that.
//! A limit that would bite later, under load, is named at start.

use std::{num::NonZero, sync::Arc};

use nix::sys::resource::{Resource, getrlimit, rlim_t, setrlimit};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{Error, http, settings::Limits};

/// Open files beside the connections: the store, standard streams, timers,
/// look-ups of the administrators' HTTP.
const OTHER_FILES: usize = 64;

/// Strangers get one in so many seats.
const STRANGERS_SHARE: usize = 8;

/// Seats for connections.
#[derive(Clone, Debug)]
pub(super) struct Seats {
    full: Arc<Semaphore>,
    reserve: Arc<Semaphore>,
    /// What strangers may take of them together: anybody on the machine may
    /// connect to a `userdb` socket, and must not leave a mail server without.
    strangers: Arc<Semaphore>,
    connections: usize,
}

/// The place of one connection, given back when dropped.
#[derive(Debug)]
pub(super) struct Seat {
    seats: Seats,
    permit: OwnedSemaphorePermit,
    is_full: bool,
    _stranger: Option<OwnedSemaphorePermit>,
}

impl Seats {
    /// So many of each.
    pub(super) fn new(connections: usize, reserve: usize) -> Self {
        let of = |seats: usize| Arc::new(Semaphore::new(seats.min(Semaphore::MAX_PERMITS)));
        let strangers = (connections / STRANGERS_SHARE).max(1);
        Self { full: of(connections), reserve: of(reserve), strangers: of(strangers), connections }
    }

    /// How many connections are served in full.
    pub(super) fn connections(&self) -> usize {
        self.connections
    }

    /// Waits for a seat; a full one is taken first.
    pub(super) async fn take(&self) -> Seat {
        let full = self.full.clone().acquire_owned();
        let reserve = self.reserve.clone().acquire_owned();
        let (permit, is_full) = tokio::select! {
            biased;
            permit = full => (permit, true),
            permit = reserve => (permit, false),
        };
        let permit = permit.expect("the semaphores are never closed");
        Seat { seats: self.clone(), permit, is_full, _stranger: None }
    }
}

impl Seat {
    /// The seat for a stranger; `None` if strangers have all that they may.
    pub(super) fn for_stranger(self) -> Option<Self> {
        let share = self.seats.strangers.clone().try_acquire_owned().ok()?;
        Some(Self { _stranger: Some(share), ..self })
    }

    /// Whether this connection is served in full. One from the reserve moves up
    /// as soon as there is room.
    pub(super) fn is_full(&mut self) -> bool {
        if !self.is_full
            && let Ok(permit) = self.seats.full.clone().try_acquire_owned()
        {
            self.permit = permit;
            self.is_full = true;
        }
        self.is_full
    }
}

/// Makes the seats that settings, Dovecot's master (`client_limit`) and the
/// system allow, or says which line to change.
pub(super) fn seats(
    limits: Limits,
    listeners: usize,
    client_limit: Option<usize>,
) -> Result<Seats, Error> {
    let files = raise_open_files()?;
    let others = OTHER_FILES + http::MAX_FILES + 2 * listeners + limits.reserve;
    let room = files.saturating_sub(others);
    if room == 0 {
        return Err(Error::OpenFiles { needed: others + 1, files });
    }
    let connections = match (limits.connections, client_limit) {
        (None, limit) => limit.unwrap_or(usize::MAX).min(room),
        (Some(wanted), Some(limit)) if wanted > limit => {
            return Err(Error::ClientLimit { wanted, limit });
        }
        (Some(wanted), _) if wanted > room => {
            return Err(Error::OpenFiles { needed: wanted + others, files });
        }
        (Some(wanted), _) => wanted,
    };
    Ok(Seats::new(connections, limits.reserve))
}

/// Takes as many open files as the system lets us have.
fn raise_open_files() -> Result<usize, Error> {
    let limit = |error: nix::Error| Error::Limit(error.into());
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).map_err(limit)?;
    if soft < hard {
        setrlimit(Resource::RLIMIT_NOFILE, hard, hard).map_err(limit)?;
    }
    Ok(usize::try_from(hard).unwrap_or(usize::MAX))
}

/// Address space below which the store or the threads that hash would fail
/// under load: a store of a million mailboxes takes 1.3 GiB of it
/// (`benches/store_scale.rs`), and glibc reserves 64 MiB for each of up to eight
/// arenas a core. Hardly any of it is memory in use. Debian's Dovecot gives a
/// service 256 MiB.
fn least_address_space() -> rlim_t {
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    (2 << 30) + 8 * (64 << 20) * cores as rlim_t
}

/// Whether Dovecot's master leaves us the address space that we need.
pub(super) fn check_address_space() -> Result<(), Error> {
    let (soft, _) = getrlimit(Resource::RLIMIT_AS).map_err(|error| Error::Limit(error.into()))?;
    if soft < least_address_space() {
        return Err(Error::AddressSpace { mebibytes: soft >> 20 });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_reserve_is_used_last_and_left_first() {
        let seats = Seats::new(1, 1);
        let mut first = seats.take().await;
        assert!(first.is_full());
        let mut second = seats.take().await;
        assert!(!second.is_full());
        let third = tokio::time::timeout(std::time::Duration::from_millis(20), seats.take()).await;
        assert!(third.is_err());
        drop(first);
        assert!(second.is_full());
        assert!(!seats.take().await.is_full());
    }

    #[tokio::test]
    async fn strangers_leave_seats_for_others() {
        let seats = Seats::new(16, 1);
        let first = seats.take().await.for_stranger().unwrap();
        let _second = seats.take().await.for_stranger().unwrap();
        assert!(seats.take().await.for_stranger().is_none());
        assert!(seats.take().await.is_full());
        drop(first);
        assert!(seats.take().await.for_stranger().is_some());
    }

    #[test]
    fn limits_name_the_line_to_change() {
        let limits = |connections| Limits { connections, reserve: 64 };
        assert!(seats(limits(None), 7, None).is_ok());
        let error = seats(limits(Some(2000)), 7, Some(1000)).unwrap_err().to_string();
        assert!(error.contains("service auth { client_limit = 2000 }"), "{error}");
        let error = seats(limits(Some(1 << 40)), 7, None).unwrap_err().to_string();
        assert!(error.contains("LimitNOFILE="), "{error}");
    }
}
