//! The listeners that are open, each with a task that accepts and owns its
//! connections. A reload opens and closes them without touching a connection.

use std::{
    io,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use super::{
    Error,
    client::{Client, client_kind, client_settings},
    connection::{self, Closed},
    hub::Hub,
    limits::Seat,
    listener::{self, Bound, SocketFile, Strangers},
    master::{Master, master_kind, master_settings},
    settings::{Endpoint, Kind, ListenerSettings},
    socketmap::Socketmap,
    stream::{Listener, Peer, Stream},
};
use crate::{
    api::status::ListenerReport,
    session::{ClientSession, MasterSession, PeerCredentials},
};

/// After an accept that failed for want of files or memory: the connection
/// stays in the queue, and asking again at once would only burn time.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// All listeners of the auth protocol.
pub(super) struct Doors {
    hub: Arc<Hub>,
    list: DoorList,
    tasks: JoinSet<()>,
}

/// The listeners, for all who want to know what is open.
#[derive(Clone, Default)]
pub(super) struct DoorList(Arc<Mutex<Vec<Door>>>);

/// One listener, open until it is told to stop.
#[derive(Clone)]
struct Door {
    /// What new connections get; a reload replaces it.
    settings: Arc<ArcSwap<ListenerSettings>>,
    /// Whether we bound it: then a reload may close it.
    is_ours: bool,
    /// See [`Bound::has_known_rights`].
    has_known_rights: bool,
    /// Ends the accepting; the connections go on.
    stop: CancellationToken,
    /// Says that the socket is free again.
    closed: CancellationToken,
    /// How many it has.
    connections: Arc<AtomicUsize>,
}

impl Doors {
    pub(super) fn new(hub: Arc<Hub>) -> Self {
        Self { hub, list: DoorList::default(), tasks: JoinSet::new() }
    }

    /// Begins to accept.
    pub(super) fn open(&mut self, bound: Bound) -> Result<(), Error> {
        let Bound { settings, socket, has_known_rights, is_ours, file } = bound;
        let listener = Listener::new(socket).map_err(Error::Runtime)?;
        let stop = CancellationToken::new();
        let settings = Arc::new(ArcSwap::from_pointee(settings));
        let (closed, connections) = <(CancellationToken, Arc<AtomicUsize>)>::default();
        let door = Door { settings, is_ours, has_known_rights, stop, closed, connections };
        let task = Task { hub: Arc::clone(&self.hub), door: door.clone() };
        self.tasks.spawn(task.run(listener, file));
        self.list.lock().push(door);
        Ok(())
    }

    /// Opens what is new, closes what is gone, and changes what stays. A
    /// listener that cannot be opened is named and left out.
    pub(super) async fn reload(&mut self, wanted: &[ListenerSettings]) {
        for door in self.list.take_unwanted(wanted) {
            door.stop.cancel();
            // Its place may be wanted for another.
            door.closed.cancelled().await;
            tracing::debug!(listener = %door.settings.load().endpoint, "closed");
        }
        for settings in wanted.iter().filter(|settings| settings.kind != Kind::Admin) {
            let outcome = match self.list.at(&settings.endpoint) {
                Some(door) => door.change(settings),
                None => listener::bind(settings.clone()).and_then(|bound| {
                    tracing::debug!(listener = %settings.endpoint, "opened");
                    self.open(bound)
                }),
            };
            if let Err(error) = outcome {
                tracing::error!(%error, "listener left as it was");
            }
        }
    }

    /// Takes no new connections on listeners of these kinds.
    pub(super) fn close(&self, closes: impl Fn(Kind) -> bool) {
        for door in self.list.lock().iter() {
            if closes(door.settings.load().kind) {
                door.stop.cancel();
            }
        }
    }

    /// What is open.
    pub(super) fn list(&self) -> &DoorList {
        &self.list
    }

    /// Waits until every connection of every closed listener has ended.
    pub(super) async fn join(&mut self) {
        while let Some(ended) = self.tasks.join_next().await {
            report(ended);
        }
    }

    /// Ends whatever is left.
    pub(super) async fn abort(&mut self) {
        self.tasks.shutdown().await;
    }
}

impl DoorList {
    fn lock(&self) -> MutexGuard<'_, Vec<Door>> {
        // Each change is made in one step; a panic elsewhere left nothing half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn at(&self, endpoint: &Endpoint) -> Option<Door> {
        let is_there = |door: &&Door| door.settings.load().endpoint.same_place(endpoint);
        self.lock().iter().find(is_there).cloned()
    }

    /// Takes out the listeners of ours that are not among these.
    fn take_unwanted(&self, wanted: &[ListenerSettings]) -> Vec<Door> {
        let is_wanted = |door: &Door| {
            let now = door.settings.load();
            let is_this = |other: &ListenerSettings| {
                other.kind == now.kind && other.endpoint.same_place(&now.endpoint)
            };
            wanted.iter().any(is_this)
        };
        self.lock().extract_if(.., |door| door.is_ours && !is_wanted(door)).collect()
    }

    /// Connections of the present listeners of these kinds.
    pub(super) fn connections(&self, counts: impl Fn(Kind) -> bool) -> usize {
        let doors = self.lock();
        let counted = doors.iter().filter(|door| counts(door.settings.load().kind));
        counted.map(|door| door.connections.load(Ordering::Relaxed)).sum()
    }

    /// For the status.
    pub(super) fn report(&self) -> Vec<ListenerReport> {
        let report = |door: &Door| {
            let settings = door.settings.load();
            ListenerReport {
                kind: settings.kind.name().to_owned(),
                address: settings.endpoint.to_string(),
                instance: settings.instance.clone(),
                connections: door.connections.load(Ordering::Relaxed) as u64,
            }
        };
        self.lock().iter().map(report).collect()
    }
}

impl Door {
    /// New connections get these settings. The socket stays, and only the rights
    /// of its file are changed.
    fn change(&self, wanted: &ListenerSettings) -> Result<(), Error> {
        if let Endpoint::Unix { path, owner, group, mode } = &wanted.endpoint
            && self.is_ours
            && self.settings.load().endpoint != wanted.endpoint
        {
            listener::set_rights(path, *owner, *group, *mode)
                .map_err(|reason| Error::Bind { endpoint: path.display().to_string(), reason })?;
        }
        self.settings.store(Arc::new(wanted.clone()));
        Ok(())
    }
}

fn report(ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        tracing::error!(%error, "a connection ended by a fault of ours");
    }
}

/// What a listener's task knows.
struct Task {
    hub: Arc<Hub>,
    door: Door,
}

impl Task {
    async fn run(self, listener: Listener, file: Option<SocketFile>) {
        let mut connections = JoinSet::new();
        // Accepted, and without a seat yet.
        let mut guest = None;
        loop {
            self.door.connections.store(connections.len(), Ordering::Relaxed);
            tokio::select! {
                () = self.door.stop.cancelled() => break,
                Some(ended) = connections.join_next() => report(ended),
                seat = self.hub.seats.take(), if guest.is_some() => {
                    if let Some(stream) = guest.take() {
                        self.serve(stream, seat, &mut connections);
                    }
                }
                accepted = listener.accept(), if guest.is_none() => match accepted {
                    Ok(stream) => guest = Some(stream),
                    Err(error) => pause_after(&error).await,
                },
            }
        }
        drop(listener);
        drop(file);
        self.door.closed.cancel();
        while let Some(ended) = connections.join_next().await {
            report(ended);
            self.door.connections.store(connections.len(), Ordering::Relaxed);
        }
    }

    fn serve(&self, stream: Stream, seat: Seat, connections: &mut JoinSet<()>) {
        let settings = self.door.settings.load_full();
        let hub = Arc::clone(&self.hub);
        let peer = match stream.peer() {
            Ok(peer) => peer,
            // It is gone already.
            Err(error) => return tracing::debug!(%error, "connection lost"),
        };
        let all = hub.settings.load();
        if let Some(kind) = client_kind(settings.kind) {
            let ids = match hub.connection_ids() {
                Ok(ids) => ids,
                Err(error) => return tracing::error!(%error, "connection refused"),
            };
            let client_settings =
                Arc::new(client_settings(kind, &settings, &all, hub.takes_tokens()));
            let session = ClientSession::new(client_settings, ids, hub.desk(&settings.instance));
            let client = Client::new(Arc::clone(&hub), session, seat, all.max_requests);
            connections.spawn(run(hub, settings, stream, client, None));
        } else if let Some(kind) = master_kind(settings.kind) {
            let peer = peer.unwrap_or(Peer { uid: u32::MAX, gid: u32::MAX, pid: 0 });
            let strangers = Strangers::of(&settings, self.door.has_known_rights);
            let restricted = strangers.include(peer);
            let seat = if restricted { seat.for_stranger() } else { Some(seat) };
            if seat.is_none() {
                return tracing::debug!(uid = peer.uid, "strangers have all seats they may have");
            }
            let peer = PeerCredentials { uid: peer.uid, gid: peer.gid, pid: peer.pid };
            let master_settings = Arc::new(master_settings(kind, &all));
            let desk = hub.desk(&settings.instance);
            let session = MasterSession::new(master_settings, hub.spid, peer, restricted, desk);
            let master = Master::new(Arc::clone(&hub), session, all.max_requests);
            connections.spawn(run(hub, settings, stream, master, seat));
        } else if settings.kind == Kind::Socketmap {
            let socketmap = Socketmap::new(Arc::clone(&hub), seat);
            connections.spawn(run(hub, settings, stream, socketmap, None));
        }
    }
}

async fn run<D: connection::Dialogue>(
    hub: Arc<Hub>,
    settings: Arc<ListenerSettings>,
    stream: Stream,
    dialogue: D,
    seat: Option<Seat>,
) {
    let closed = connection::run(stream, dialogue, &hub.drain).await;
    drop(seat);
    let listener = &settings.endpoint;
    match closed {
        Closed::Dialogue(_) | Closed::Stalled | Closed::AboveLimit => {
            tracing::warn!(%listener, reason = %closed, "connection closed");
        }
        Closed::ByPeer | Closed::Stopping | Closed::Idle | Closed::Broken(_) => {
            tracing::debug!(%listener, reason = %closed, "connection closed");
        }
    }
}

/// Lets some time pass after an accept that failed for want of something.
pub(super) async fn pause_after(error: &io::Error) {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset};
    if !matches!(error.kind(), ConnectionAborted | ConnectionReset) {
        tracing::error!(%error, "cannot accept a connection");
        tokio::time::sleep(ACCEPT_PAUSE).await;
    }
}
