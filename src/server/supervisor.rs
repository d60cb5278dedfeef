//! From bound sockets to the end: opens the store, serves, reloads, drains.
//!
//! The order is what makes a hand-over lossless. Sockets of logins and
//! look-ups are accepted at once, and their lines wait for the store; `master`
//! sockets are accepted only after it, so that as long as the process before us
//! finishes, every REQUEST reaches the one that knows the login.

use std::{
    os::fd::OwnedFd,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use arc_swap::ArcSwap;
use axum::Router;
use tokio::{
    runtime::Handle,
    task::JoinHandle,
    time::{Instant, MissedTickBehavior, interval, sleep, timeout, timeout_at},
};
use tokio_util::sync::CancellationToken;

use super::{
    Error, admin,
    doors::{DoorList, Doors},
    http::{Http, HttpList, Routers},
    hub::{Core, HAND_OVER, Hub, PULSE},
    lasting::lasting,
    listener::{Bound, bind},
    login::log_sign_in,
    schedule,
    settings::{Kind, Origin, Rooms, Settings},
    shutdown::{Order, Orders},
    turn::{Taken, Turn},
    withdrawal,
};
use crate::{
    api::{self, status::ListenerReport},
    clock::Timestamp,
    provision::Syncs,
    store::{self, Store, sled::SledStore},
    verify::{self, Pipeline},
    web,
};

/// How long a daemon waits for the store. Somebody else who holds it holds our
/// sockets as well, and was found there already.
const PATIENCE: Duration = Duration::from_secs(3);
const STORE_RETRY: Duration = Duration::from_millis(50);
/// How long an administrator's request or a write of the counters may go on
/// after the last connection.
const LAST_WORK: Duration = Duration::from_secs(2);
/// How often counters and uses are written to the store.
const MAINTENANCE: Duration = Duration::from_secs(1);

/// A server that is about to run.
pub(super) struct Supervisor<O> {
    pub(super) hub: Arc<Hub>,
    pub(super) origin: O,
    pub(super) verify: verify::Settings,
    pub(super) web: web::Settings,
    pub(super) bound: Vec<Bound>,
    pub(super) parent: Option<OwnedFd>,
    pub(super) under_dovecot: bool,
    pub(super) handed_over: bool,
}

/// What goes on beside the connections.
struct Attendants {
    api_settings: Arc<ArcSwap<api::Settings>>,
    web_settings: Arc<ArcSwap<web::Settings>>,
    stop: CancellationToken,
    maintenance: JoinHandle<Result<(), Error>>,
    watch: JoinHandle<Result<(), Error>>,
    withdrawals: JoinHandle<Result<(), Error>>,
    admin: JoinHandle<Result<(), Error>>,
    pulse: JoinHandle<()>,
    syncs: Arc<Syncs>,
    schedule: JoinHandle<Result<(), Error>>,
    http: Http,
    open: Listeners,
}

/// Every open listener.
#[derive(Clone)]
struct Listeners(DoorList, HttpList);

impl Listeners {
    /// For status and metrics.
    fn report(&self) -> Vec<ListenerReport> {
        [self.0.report(), self.1.report()].concat()
    }

    /// For the log.
    fn names(&self) -> String {
        let name = |report: ListenerReport| format!("{}={}", report.kind, report.address);
        self.report().into_iter().map(name).collect::<Vec<_>>().join(" ")
    }
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
        let Some((core, told_to_stop)) = self.wait_for_core(&mut orders, &mut doors).await? else {
            return Ok(());
        };
        self.hub.open(Arc::clone(&core));
        for bound in later {
            doors.open(bound)?;
        }
        let attendants = if told_to_stop {
            None
        } else {
            let mut attendants = self.attend(&mut doors, &core, admin).await;
            tracing::info!(listeners = attendants.open.names(), "ready");
            notify(&[sd_notify::NotifyState::Ready]);
            self.serve(&mut orders, &mut doors, &core, &mut attendants).await;
            notify(&[sd_notify::NotifyState::Stopping]);
            attendants.stop.cancel();
            Some(attendants)
        };
        let syncs = attendants.as_ref().map(|attendants| Arc::clone(&attendants.syncs));
        tokio::join!(self.drain(&mut doors), end_syncs(syncs));
        if let Some(attendants) = attendants {
            let Attendants {
                maintenance, watch, withdrawals, admin, pulse, schedule, http, ..
            } = attendants;
            end(schedule, "beginning syncs").await;
            end(watch, "watching providers").await;
            end(withdrawals, "on_withdrawal").await;
            end(maintenance, "maintenance").await;
            end(admin, "administration").await;
            // Before the store: the process after us binds these ports once it has it.
            http.end().await;
            pulse.abort();
        }
        close(&core).await
    }

    /// Waits for the store. An order to stop while logins wait for it as well is
    /// obeyed after they were answered; `None` if there are none.
    async fn wait_for_core(
        &self,
        orders: &mut Orders,
        doors: &mut Doors,
    ) -> Result<Option<(Arc<Core>, bool)>, Error> {
        let opening = self.open_core();
        tokio::pin!(opening);
        let core = tokio::select! {
            core = &mut opening => core.map(|core| Some((core, false))),
            order = stop_order(orders) => {
                tracing::info!(order, "stopping before the store was open");
                doors.close(|_| true);
                self.hub.drain.cancel();
                tokio::select! {
                    core = opening => core.map(|core| Some((core, true))),
                    () = doors.join() => return Ok(None),
                }
            }
        };
        if core.is_err() {
            // Nobody who waits shall hear that a password is wrong.
            self.hub.give_up();
            self.drain(doors).await;
        }
        core
    }

    /// Starts what goes on beside the connections.
    async fn attend(
        &self,
        doors: &mut Doors,
        core: &Arc<Core>,
        admin: Option<Bound>,
    ) -> Attendants {
        let settings = self.hub.settings.load_full();
        if self.handed_over {
            // Those of our own, which the process before us has let go by now.
            doors.reload(&settings.listeners).await;
        }
        let api_settings =
            Arc::new(ArcSwap::from_pointee(self.api_settings(&self.verify, &self.web)));
        let stop = CancellationToken::new();
        let (open, started) =
            (Listeners(doors.list().clone(), HttpList::default()), Timestamp::now());
        let syncs = Arc::new(Syncs::default());
        let internal = self.internal_router(open.clone(), started, core, &syncs, &api_settings);
        let links = Arc::<api::Links>::default();
        let bearers = Arc::new(api::Bearers::new(Arc::clone(&core.store)));
        let router = api::router(api::State {
            store: Arc::clone(&core.store),
            pipeline: Arc::clone(&core.pipeline),
            settings: Arc::clone(&api_settings),
            syncs: Arc::clone(&syncs),
            links: Some(Arc::clone(&links)),
            server: Some(self.reporter(open.clone(), started)),
        });
        let web_settings = Arc::new(ArcSwap::from_pointee(self.web.clone()));
        let counts = Arc::clone(&self.hub);
        let state = web::State::new(
            Arc::clone(&core.pipeline),
            router.clone(),
            Handle::current(),
            Arc::clone(&web_settings),
            Arc::new(move |seen| log_sign_in(&counts.logins, seen)),
            web::Admission { bearers, links },
        );
        let routers = Routers { public: web::router(state), internal };
        let mut http = Http::new(routers, open.1.clone());
        http.reload(&settings.http).await;
        let (hub, stop_admin) = (Arc::clone(&self.hub), stop.clone());
        let admin = admin.map_or_else(|| bind_admin(&settings), Ok);
        let admin = admin.inspect_err(|error| tracing::error!(%error, "no administration"));
        let admin =
            tokio::spawn(async move { admin::serve(hub, admin?, router, stop_admin).await });
        let with = (Arc::clone(&self.hub), Arc::clone(core), stop.clone());
        let again = with.clone();
        let maintenance = tokio::spawn(lasting("maintenance", move || {
            let (hub, core, stop) = again.clone();
            maintain(hub, core, stop)
        }));
        let again = with.clone();
        let watch = tokio::spawn(lasting("watching providers", move || {
            let (_, core, stop) = again.clone();
            watch(core, stop)
        }));
        let begun = (Arc::clone(core), Arc::clone(&syncs), stop.clone());
        let schedule = tokio::spawn(lasting("beginning syncs", move || {
            let (core, syncs, stop) = begun.clone();
            schedule::attend(core, syncs, stop)
        }));
        core.pipeline.withdrawals().follow(settings.on_withdrawal.is_some());
        let withdrawals = tokio::spawn(lasting("on_withdrawal", move || {
            let (hub, core, stop) = with.clone();
            withdrawal::attend(hub, core.pipeline.withdrawals(), stop)
        }));
        let pulse = tokio::spawn(beat(Arc::clone(&self.hub)));
        Attendants {
            api_settings,
            web_settings,
            stop,
            maintenance,
            watch,
            withdrawals,
            admin,
            pulse,
            syncs,
            schedule,
            http,
            open,
        }
    }

    /// What is served on `[http.internal]`.
    fn internal_router(
        &self,
        open: Listeners,
        started: Timestamp,
        core: &Core,
        syncs: &Arc<Syncs>,
        api_settings: &Arc<ArcSwap<api::Settings>>,
    ) -> Router {
        let (hub, asked) = (Arc::clone(&self.hub), Arc::clone(&self.hub));
        api::internal_router(api::Internal {
            health: Arc::new(move || hub.health()),
            metrics: api::metrics::Sources {
                settings: Arc::clone(api_settings),
                pipeline: Arc::clone(&core.pipeline),
                store: Arc::clone(&core.store),
                syncs: Arc::clone(syncs),
                last: api::metrics::LastText::default(),
                server: Arc::new(move || api::metrics::Figures {
                    started,
                    health: asked.health(),
                    store_fails: asked.store_fails.load(Ordering::Relaxed),
                    listeners: open.report(),
                    connections_limit: asked.seats.connections(),
                    logins: asked.logins.logins(),
                    verified: asked.logins.verified(),
                    login_times: asked.logins.times(),
                }),
            },
        })
    }

    /// Opens the store as soon as nobody else has it, and the pipeline on it.
    async fn open_core(&self) -> Result<Arc<Core>, Error> {
        let settings = self.hub.settings.load_full();
        let patience = if self.handed_over { HAND_OVER } else { PATIENCE };
        let give_up = Instant::now() + patience;
        let mut turn = None;
        let store: Arc<dyn Store> = loop {
            let is_late = Instant::now() >= give_up;
            if turn.is_none() {
                match Turn::take(&settings.state_dir) {
                    Ok(taken) => turn = taken,
                    Err(Taken) if !is_late => {
                        sleep(STORE_RETRY).await;
                        continue;
                    }
                    Err(Taken) => {}
                }
            }
            let folder = settings.store_dir();
            let open = move || SledStore::open(folder, &store::sled::Settings::default());
            match tokio::task::spawn_blocking(open).await {
                Ok(Ok(store)) => break Arc::new(store),
                Ok(Err(store::Error::Locked { .. })) if !is_late => sleep(STORE_RETRY).await,
                Ok(Err(error)) => return Err(error.into()),
                Err(error) => return Err(Error::Runtime(error.into())),
            }
        };
        drop(turn);
        let pipeline = Pipeline::open(self.verify.clone(), Arc::clone(&store)).await?;
        Ok(Arc::new(Core { store, pipeline: Arc::new(pipeline) }))
    }

    fn api_settings(&self, verify: &verify::Settings, web: &web::Settings) -> api::Settings {
        api::Settings {
            userdb: (**self.hub.userdb.load()).clone(),
            caps: verify.caps,
            public_url: web.public_url.as_ref().map(ToString::to_string),
            store_dir: Some(self.hub.settings.load().store_dir()),
        }
    }

    fn reporter(&self, open: Listeners, started: Timestamp) -> api::status::Reporter {
        let hub = Arc::clone(&self.hub);
        Arc::new(move || api::status::ServerReport {
            started: started.into(),
            listeners: open.report(),
            logins: hub.logins.by_verdict(),
        })
    }

    /// Follows orders until one says stop.
    async fn serve(
        &self,
        orders: &mut Orders,
        doors: &mut Doors,
        core: &Core,
        attendants: &mut Attendants,
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
                Order::Reload => self.reload(doors, core, attendants).await,
            }
        }
    }

    /// Takes new settings over. If they are wrong, the old ones stay in force.
    async fn reload(&self, doors: &mut Doors, core: &Core, attendants: &mut Attendants) {
        if let Ok(now) = sd_notify::NotifyState::monotonic_usec_now() {
            notify(&[sd_notify::NotifyState::Reloading, now]);
        }
        match self.origin.read_again() {
            Ok(Rooms { server, verify, userdb, web }) => {
                for setting in self.hub.settings.load().differing_until_start(&server) {
                    tracing::warn!(setting, "takes effect at the next start");
                }
                self.hub.userdb.store(Arc::new(userdb));
                self.hub.settings.store(Arc::new(server.clone()));
                core.pipeline.withdrawals().follow(server.on_withdrawal.is_some());
                attendants.api_settings.store(Arc::new(self.api_settings(&verify, &web)));
                attendants.web_settings.store(Arc::new(web));
                core.pipeline.reload(verify);
                if let Err(error) = core.pipeline.load_providers().await {
                    tracing::error!(%error, "identity providers are used as they were");
                }
                doors.reload(&server.listeners).await;
                attendants.http.reload(&server.http).await;
                tracing::info!(listeners = attendants.open.names(), "reloaded");
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

/// After a hand-over the administrators' socket is free only now.
fn bind_admin(settings: &Settings) -> Result<Bound, Error> {
    let admin = settings.listeners.iter().find(|listener| listener.kind == Kind::Admin);
    bind(admin.ok_or(Error::NoListener)?.clone())
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
async fn maintain(hub: Arc<Hub>, core: Arc<Core>, stop: CancellationToken) -> Result<(), Error> {
    let mut ticks = interval(MAINTENANCE);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = stop.cancelled() => return Ok(()),
        }
        match core.pipeline.maintain(Timestamp::now()).await {
            Ok(()) => hub.store_fails.store(false, Ordering::Relaxed),
            Err(error) => {
                if !hub.store_fails.swap(true, Ordering::Relaxed) {
                    tracing::error!(%error, "counters and history are not written");
                }
            }
        }
    }
}

/// Shows that the threads which serve logins get on with it.
async fn beat(hub: Arc<Hub>) {
    let mut ticks = interval(PULSE);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        hub.pulse.beat();
    }
}

/// Hears what happens at the providers.
async fn watch(core: Arc<Core>, stop: CancellationToken) -> Result<(), Error> {
    core.pipeline.watch(stop).await;
    Ok(())
}

/// Waits for the end of a task, not for ever.
async fn end(mut task: JoinHandle<Result<(), Error>>, what: &'static str) {
    match timeout(LAST_WORK, &mut task).await {
        // An error was logged when it happened.
        Ok(Ok(_)) => {}
        Ok(Err(error)) => tracing::error!(%error, what, "ended"),
        Err(_) => {
            tracing::warn!(what, "ended before it was finished");
            task.abort();
        }
    }
}

/// Breaks syncs off, and waits until their records say so.
async fn end_syncs(syncs: Option<Arc<Syncs>>) {
    let Some(syncs) = syncs else { return };
    if timeout(LAST_WORK, syncs.end()).await.is_err() {
        tracing::warn!("a sync ended before it could say so");
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
