//! From bound sockets to the end: opens the store, serves, reloads, drains.
//!
//! The order is what makes a hand-over lossless. Sockets of logins and
//! look-ups are accepted at once, and their lines wait for the store; `master`
//! sockets are accepted only after it, so that as long as the process before us
//! finishes, every REQUEST reaches the one that knows the login.

use std::{os::fd::OwnedFd, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use tokio::{
    task::JoinHandle,
    time::{Instant, MissedTickBehavior, interval, sleep, timeout, timeout_at},
};
use tokio_util::sync::CancellationToken;

use super::{
    Error, admin,
    doors::{DoorList, Doors},
    hub::{Core, HAND_OVER, Hub},
    listener::{Bound, bind},
    settings::{Kind, Origin, Rooms},
    shutdown::{Order, Orders},
};
use crate::{
    api,
    clock::Timestamp,
    store::{self, Store, sled::SledStore},
    verify::{self, Pipeline},
};

/// How long a daemon waits for the store. Somebody else who holds it holds our
/// sockets as well, and was found there already.
const PATIENCE: Duration = Duration::from_secs(3);
const STORE_RETRY: Duration = Duration::from_millis(50);
/// How long an administrator's request may go on while we stop.
const ADMIN_LIMIT: Duration = Duration::from_secs(2);
/// How often counters and uses are written to the store.
const MAINTENANCE: Duration = Duration::from_secs(1);

/// A server that is about to run.
pub(super) struct Supervisor<O> {
    pub(super) hub: Arc<Hub>,
    pub(super) origin: O,
    pub(super) verify: verify::Settings,
    pub(super) bound: Vec<Bound>,
    pub(super) parent: Option<OwnedFd>,
    pub(super) under_dovecot: bool,
    pub(super) handed_over: bool,
}

impl<O: Origin> Supervisor<O> {
    pub(super) async fn run(mut self) -> Result<(), Error> {
        let mut orders = Orders::new(self.parent.take(), self.under_dovecot)?;
        let mut doors = Doors::new(Arc::clone(&self.hub));
        let mut later = Vec::new();
        let mut admin = None;
        for bound in std::mem::take(&mut self.bound) {
            match bound.settings.kind {
                Kind::Admin => admin = Some(bound),
                Kind::Master => later.push(bound),
                _ => doors.open(bound)?,
            }
        }
        let core = tokio::select! {
            core = self.open_core() => core?,
            order = stop_order(&mut orders) => {
                tracing::info!(order, "stopped before the store was open");
                doors.abort().await;
                return Ok(());
            }
        };
        self.hub.open(Arc::clone(&core));
        for bound in later {
            doors.open(bound)?;
        }
        let api_settings = Arc::new(ArcSwap::from_pointee(self.api_settings(&self.verify)));
        let router = api::router(api::State {
            store: Arc::clone(&core.store),
            pipeline: Arc::clone(&core.pipeline),
            settings: Arc::clone(&api_settings),
            server: Some(self.reporter(doors.list().clone())),
        });
        let stop_admin = CancellationToken::new();
        let admin = self.admin_socket(admin)?;
        let admin =
            tokio::spawn(admin::serve(Arc::clone(&self.hub), admin, router, stop_admin.clone()));
        let stop_maintenance = CancellationToken::new();
        let maintenance = tokio::spawn(maintain(Arc::clone(&core), stop_maintenance.clone()));
        tracing::info!(listeners = doors.list().names(), "ready");
        notify(&[sd_notify::NotifyState::Ready]);
        self.serve(&mut orders, &mut doors, &core, &api_settings).await;
        notify(&[sd_notify::NotifyState::Stopping]);
        stop_admin.cancel();
        self.drain(&mut doors).await;
        end(admin, "administration", ADMIN_LIMIT).await;
        stop_maintenance.cancel();
        end(maintenance, "maintenance", PATIENCE).await;
        close(&core).await
    }

    /// Opens the store as soon as nobody else has it, and the pipeline on it.
    async fn open_core(&self) -> Result<Arc<Core>, Error> {
        let folder = self.hub.settings.load().store_dir();
        let patience = if self.handed_over { HAND_OVER } else { PATIENCE };
        let give_up = Instant::now() + patience;
        let store: Arc<dyn Store> = loop {
            let folder = folder.clone();
            let open = move || SledStore::open(folder, &store::sled::Settings::default());
            match tokio::task::spawn_blocking(open).await {
                Ok(Ok(store)) => break Arc::new(store),
                Ok(Err(store::Error::Locked { .. })) if Instant::now() < give_up => {
                    sleep(STORE_RETRY).await;
                }
                Ok(Err(error)) => return Err(error.into()),
                Err(error) => return Err(Error::Runtime(error.into())),
            }
        };
        let pipeline = Pipeline::open(self.verify.clone(), Arc::clone(&store)).await?;
        Ok(Arc::new(Core { store, pipeline: Arc::new(pipeline) }))
    }

    fn api_settings(&self, verify: &verify::Settings) -> api::Settings {
        api::Settings {
            userdb: (**self.hub.userdb.load()).clone(),
            caps: verify.caps,
            store_dir: Some(self.hub.settings.load().store_dir()),
        }
    }

    fn reporter(&self, doors: DoorList) -> api::status::Reporter {
        let hub = Arc::clone(&self.hub);
        let started = Timestamp::now().into();
        Arc::new(move || api::status::ServerReport {
            started,
            listeners: doors.report(),
            logins: hub.logins.counts(),
        })
    }

    /// The socket for administrators. After a hand-over it is free only now.
    fn admin_socket(&self, bound: Option<Bound>) -> Result<Bound, Error> {
        let settings = self.hub.settings.load();
        let admin = settings.listeners.iter().find(|listener| listener.kind == Kind::Admin);
        match (bound, admin) {
            (Some(bound), _) => Ok(bound),
            (None, Some(admin)) => bind(admin.clone()),
            (None, None) => Err(Error::NoListener),
        }
    }

    /// Follows orders until one says stop.
    async fn serve(
        &self,
        orders: &mut Orders,
        doors: &mut Doors,
        core: &Core,
        api: &ArcSwap<api::Settings>,
    ) {
        loop {
            match orders.next().await {
                Order::Stop(order) => {
                    tracing::info!(order, "stopping");
                    return;
                }
                Order::StopIfIdle if doors.list().connections(|_| true) == 0 => {
                    tracing::info!(order = "idle", "stopping");
                    return;
                }
                Order::StopIfIdle => {}
                Order::Reload => self.reload(doors, core, api),
            }
        }
    }

    /// Takes new settings over. If they are wrong, the old ones stay in force.
    fn reload(&self, doors: &mut Doors, core: &Core, api: &ArcSwap<api::Settings>) {
        if let Ok(now) = sd_notify::NotifyState::monotonic_usec_now() {
            notify(&[sd_notify::NotifyState::Reloading, now]);
        }
        match self.origin.read_again() {
            Ok(Rooms { server, verify, userdb }) => {
                self.hub.userdb.store(Arc::new(userdb));
                self.hub.settings.store(Arc::new(server.clone()));
                api.store(Arc::new(self.api_settings(&verify)));
                core.pipeline.reload(verify);
                doors.reload(&server.listeners);
                tracing::info!(listeners = doors.list().names(), "reloaded");
            }
            Err(problems) => {
                for problem in problems.lines() {
                    tracing::error!(problem, "settings not taken over");
                }
            }
        }
        notify(&[sd_notify::NotifyState::Ready]);
    }

    /// Finishes what is under way, within the limit. `master` sockets stay open
    /// until every login was claimed: its REQUEST can be answered nowhere else.
    async fn drain(&self, doors: &mut Doors) {
        let give_up = Instant::now() + self.hub.settings.load().drain_limit;
        doors.close(|kind| kind != Kind::Master);
        self.hub.drain.cancel();
        let claimed = async {
            while self.hub.keeps_logins()
                || doors.list().connections(|kind| kind != Kind::Master) > 0
            {
                sleep(STORE_RETRY).await;
            }
        };
        let _ = timeout_at(give_up, claimed).await;
        doors.close(|_| true);
        if timeout_at(give_up, doors.join()).await.is_err() {
            tracing::warn!(connections = doors.list().connections(|_| true), "drain limit reached");
        }
        doors.abort().await;
    }
}

async fn stop_order(orders: &mut Orders) -> &'static str {
    loop {
        match orders.next().await {
            Order::Stop(order) => return order,
            Order::StopIfIdle | Order::Reload => {}
        }
    }
}

/// Writes counters and uses every second, and says once when that fails.
async fn maintain(core: Arc<Core>, stop: CancellationToken) -> Result<(), Error> {
    let mut ticks = interval(MAINTENANCE);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut fails = false;
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = stop.cancelled() => return Ok(()),
        }
        match core.pipeline.maintain(Timestamp::now()).await {
            Ok(()) => fails = false,
            Err(error) if !fails => {
                tracing::error!(%error, "counters and history are not written");
                fails = true;
            }
            Err(_) => {}
        }
    }
}

/// Waits for the end of a task, for so long.
async fn end<T>(mut task: JoinHandle<Result<T, Error>>, what: &'static str, limit: Duration) {
    match timeout(limit, &mut task).await {
        Ok(Ok(Ok(_))) => {}
        Ok(Ok(Err(error))) => tracing::error!(%error, what, "ended"),
        Ok(Err(error)) => tracing::error!(%error, what, "ended"),
        Err(_) => {
            tracing::warn!(what, "ended before it was finished");
            task.abort();
        }
    }
}

/// Writes everything out and lets go of the store: the process after us waits
/// for it.
async fn close(core: &Core) -> Result<(), Error> {
    let written = core.pipeline.maintain(Timestamp::now()).await;
    core.store.close().await?;
    tracing::info!("stopped");
    Ok(written?)
}

fn notify(states: &[sd_notify::NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "systemd was not told");
    }
}
