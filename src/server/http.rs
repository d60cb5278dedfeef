//! HTTP over TCP, apart from the logins: on a thread of its own, so that
//! whoever talks to these ports takes no time from them, and with few
//! connections, of which one that says nothing makes room for one that does.
//!
//! Ports are bound when the store is ours: until then the process before us
//! may have them. One that cannot be bound is an error in the log, and no
//! reason to let nobody log in.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use axum::{
    Extension, Router,
    body::{Body, to_bytes},
    http::{Request, StatusCode, header, request::Parts},
    response::{IntoResponse as _, Response},
};
use hyper::{
    body::{Body as _, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::ServerConfig;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    runtime::Runtime,
    task::{AbortHandle, JoinError, JoinHandle, JoinSet},
    time::{Instant, sleep, sleep_until, timeout},
};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use super::{
    Error,
    doors::pause_after,
    listener,
    settings::{Endpoint, HttpKind, HttpSettings, TlsFiles},
};
use crate::{
    api::status::ListenerReport,
    web::{Peer, programs},
};

/// Connections of the port for people at a time: a browser keeps some of them.
const MAX_OF_PEOPLE: usize = 256;
/// Connections of the port for figures at a time.
const MAX_OF_FIGURES: usize = 64;
/// Open files of all ports.
pub(super) const MAX_FILES: usize = MAX_OF_PEOPLE + MAX_OF_FIGURES + HttpKind::ALL.len();
/// Longest wait for a request's head, on a new connection and between two.
const HEAD_TIME: Duration = Duration::from_secs(10);
/// Longest time from a request's head until its answer is with the client.
const REQUEST_TIME: Duration = Duration::from_secs(30);
/// Longest head.
const MAX_HEAD_BYTES: usize = 16 << 10;
/// Most fields of a head.
const MAX_HEAD_FIELDS: usize = 64;
/// Longest body of a request but a program's.
const MAX_BODY_BYTES: usize = 16 << 10;
/// Before looking again for a place where every connection is being worked for.
const FULL_PAUSE: Duration = Duration::from_millis(50);
/// How long connections may go on once their port is closed.
const LAST_ANSWERS: Duration = Duration::from_secs(2);

/// The ports for HTTP.
pub(super) struct Http {
    /// There once a port was wanted.
    runtime: Option<Runtime>,
    routers: Routers,
    list: HttpList,
    /// Of open and of closed ports.
    tasks: Vec<JoinHandle<()>>,
}

/// What is served.
pub(super) struct Routers {
    /// On `[http]`.
    pub(super) public: Router,
    /// On `[http.internal]`.
    pub(super) internal: Router,
}

/// The ports that are open, for all who want to know.
#[derive(Clone, Default)]
pub(super) struct HttpList(Arc<Mutex<Vec<Port>>>);

#[derive(Clone)]
struct Port {
    kind: HttpKind,
    /// As the settings have it.
    wanted: SocketAddr,
    /// As it came to be.
    address: SocketAddr,
    /// What its connections begin with, if it is TLS.
    tls: Option<Arc<ArcSwap<ServerConfig>>>,
    connections: Arc<AtomicUsize>,
    stop: CancellationToken,
    /// Says that the port is free again.
    closed: CancellationToken,
}

impl Http {
    /// No port yet; `list` will show them.
    pub(super) fn new(routers: Routers, list: HttpList) -> Self {
        Self { runtime: None, routers, list, tasks: Vec::new() }
    }

    /// Opens what is new, and closes what is gone.
    pub(super) async fn reload(&mut self, settings: &HttpSettings) {
        for port in self.list.take_unwanted(settings) {
            port.stop.cancel();
            port.closed.cancelled().await;
        }
        self.tasks.retain(|task| !task.is_finished());
        let tls = match settings.tls.as_ref().map(TlsFiles::load).transpose() {
            Ok(tls) => tls,
            Err(error) if self.list.has(HttpKind::Public) => {
                tracing::error!(%error, "HTTP goes on with the certificate of before");
                None
            }
            Err(error) => {
                tracing::error!(%error, listener = HttpKind::Public.name(), "no HTTP there");
                return self.open_all(settings, |kind| kind != HttpKind::Public, None);
            }
        };
        if let Some(config) = &tls {
            self.list.take_certificate(config);
        }
        self.open_all(settings, |_| true, tls.as_ref());
    }

    fn open_all(
        &mut self,
        settings: &HttpSettings,
        may: fn(HttpKind) -> bool,
        tls: Option<&Arc<ServerConfig>>,
    ) {
        for (kind, wanted) in settings.wanted().filter(|(kind, _)| may(*kind)) {
            let tls = tls.filter(|_| kind == HttpKind::Public).cloned();
            if !self.list.has(kind)
                && let Err(error) = self.open(kind, wanted, tls)
            {
                tracing::error!(%error, listener = kind.name(), "no HTTP there");
            }
        }
    }

    fn open(
        &mut self,
        kind: HttpKind,
        wanted: SocketAddr,
        tls: Option<Arc<ServerConfig>>,
    ) -> Result<(), Error> {
        let listener = listener::bind_tcp(wanted)?;
        let address = listener.local_addr().map_err(Error::Runtime)?;
        let runtime = match &mut self.runtime {
            Some(runtime) => runtime,
            none => none.insert(new_runtime()?),
        };
        let port = Port {
            kind,
            wanted,
            address,
            tls: tls.map(|config| Arc::new(ArcSwap::new(config))),
            connections: Arc::default(),
            stop: CancellationToken::new(),
            closed: CancellationToken::new(),
        };
        let router = match kind {
            HttpKind::Public => self.routers.public.clone(),
            HttpKind::Internal => self.routers.internal.clone(),
        };
        self.tasks.push(runtime.spawn(serve(listener, router, port.clone())));
        self.list.lock().push(port);
        Ok(())
    }

    /// Closes every port, and lets what is under way be answered, within a limit.
    pub(super) async fn end(mut self) {
        for port in self.list.lock().drain(..) {
            port.stop.cancel();
        }
        let answered = async {
            for task in &mut self.tasks {
                report(task.await);
            }
        };
        if timeout(LAST_ANSWERS, answered).await.is_err() {
            tracing::debug!("HTTP connections are cut off");
        }
        for task in &self.tasks {
            task.abort();
        }
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// One thread, beside those that serve logins.
fn new_runtime() -> Result<Runtime, Error> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(1).max_blocking_threads(2).thread_name("http").enable_all();
    builder.build().map_err(Error::Runtime)
}

impl HttpList {
    fn lock(&self) -> MutexGuard<'_, Vec<Port>> {
        // Each change is made in one step; a panic elsewhere left nothing half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn has(&self, kind: HttpKind) -> bool {
        self.lock().iter().any(|port| port.kind == kind)
    }

    fn take_unwanted(&self, settings: &HttpSettings) -> Vec<Port> {
        let is_tls = |kind| kind == HttpKind::Public && settings.tls.is_some();
        let is_wanted = |port: &Port| {
            settings.wanted().any(|one| one == (port.kind, port.wanted))
                && port.tls.is_some() == is_tls(port.kind)
        };
        self.lock().extract_if(.., |port| !is_wanted(port)).collect()
    }

    /// Connections begin with another certificate from now on.
    fn take_certificate(&self, config: &Arc<ServerConfig>) {
        for port in self.lock().iter() {
            if let Some(tls) = &port.tls {
                tls.store(Arc::clone(config));
            }
        }
    }

    /// For the status.
    pub(super) fn report(&self) -> Vec<ListenerReport> {
        let report = |port: &Port| ListenerReport {
            kind: port.kind.name().to_owned(),
            address: Endpoint::Tcp(port.address).to_string(),
            instance: "-".to_owned(),
            connections: port.connections.load(Ordering::Relaxed) as u64,
        };
        self.lock().iter().map(report).collect()
    }
}

/// What is known of a connection.
struct Place {
    /// When it has to go.
    deadline: Mutex<Instant>,
    /// Whether a whole request of it is being worked on: it then keeps its place.
    is_working: AtomicBool,
}

impl Place {
    fn new() -> Self {
        let deadline = Mutex::new(Instant::now() + REQUEST_TIME);
        Self { deadline, is_working: AtomicBool::new(false) }
    }

    fn deadline(&self) -> Instant {
        *self.deadline.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin_request(&self) {
        let deadline = Instant::now() + REQUEST_TIME;
        *self.deadline.lock().unwrap_or_else(PoisonError::into_inner) = deadline;
    }
}

/// The connections of a port, the oldest first.
struct Places {
    most: usize,
    tasks: JoinSet<()>,
    held: Vec<(AbortHandle, Arc<Place>)>,
}

impl Places {
    fn new(kind: HttpKind) -> Self {
        let most = match kind {
            HttpKind::Public => MAX_OF_PEOPLE,
            HttpKind::Internal => MAX_OF_FIGURES,
        };
        Self { most, tasks: JoinSet::new(), held: Vec::new() }
    }

    /// Whether there is room for one more, or can be made.
    fn can_admit(&self) -> bool {
        self.held.len() < self.most || self.first_idle().is_some()
    }

    fn first_idle(&self) -> Option<usize> {
        self.held.iter().position(|(_, place)| !place.is_working.load(Ordering::Relaxed))
    }

    /// Serves a connection; where all places are taken, the one goes that has
    /// been there longest without our working for it.
    fn admit(
        &mut self,
        stream: TcpStream,
        tls: Option<TlsAcceptor>,
        router: Router,
        stop: CancellationToken,
    ) {
        if self.held.len() >= self.most
            && let Some(idle) = self.first_idle()
        {
            self.held.remove(idle).0.abort();
        }
        let place = Arc::new(Place::new());
        let task = self.tasks.spawn(begin(stream, tls, router, Arc::clone(&place), stop));
        self.held.push((task, place));
    }

    /// Waits for the end of a connection; for ever where there is none.
    async fn left(&mut self) {
        match self.tasks.join_next_with_id().await {
            Some(Ok((id, ()))) => self.held.retain(|(task, _)| task.id() != id),
            Some(Err(error)) => {
                self.held.retain(|(task, _)| task.id() != error.id());
                report(Err(error));
            }
            None => std::future::pending().await,
        }
    }
}

fn report(ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        tracing::error!(%error, "an HTTP connection ended by a fault of ours");
    }
}

async fn serve(listener: std::net::TcpListener, router: Router, port: Port) {
    let mut places = Places::new(port.kind);
    match TcpListener::from_std(listener) {
        Ok(listener) => accept(&listener, &router, &port, &mut places).await,
        Err(error) => tracing::error!(%error, listener = port.kind.name(), "no HTTP there"),
    }
    port.closed.cancel();
    while !places.tasks.is_empty() {
        port.connections.store(places.held.len(), Ordering::Relaxed);
        places.left().await;
    }
}

async fn accept(listener: &TcpListener, router: &Router, port: &Port, places: &mut Places) {
    loop {
        port.connections.store(places.held.len(), Ordering::Relaxed);
        let can_admit = places.can_admit();
        tokio::select! {
            () = port.stop.cancelled() => return,
            () = places.left() => {}
            () = sleep(FULL_PAUSE), if !can_admit => {}
            accepted = listener.accept(), if can_admit => match accepted {
                Ok((stream, peer)) => {
                    let router = router.clone().layer(Extension(Peer(peer)));
                    let tls = port.tls.as_ref().map(|tls| TlsAcceptor::from(tls.load_full()));
                    places.admit(stream, tls, router, port.stop.clone());
                }
                Err(error) => pause_after(&error).await,
            },
        }
    }
}

/// One connection, from its first byte.
async fn begin(
    stream: TcpStream,
    tls: Option<TlsAcceptor>,
    router: Router,
    place: Arc<Place>,
    stop: CancellationToken,
) {
    // Answers go out whole; if it cannot be set, they go out later.
    let _ = stream.set_nodelay(true);
    let Some(tls) = tls else { return converse(stream, router, place, stop).await };
    match timeout(HEAD_TIME, tls.accept(stream)).await {
        Ok(Ok(stream)) => converse(stream, router, place, stop).await,
        Ok(Err(error)) => tracing::debug!(%error, "no TLS with an HTTP client"),
        Err(_) => tracing::debug!("an HTTP client took too long to begin TLS"),
    }
}

/// Its requests, to its end.
async fn converse(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    router: Router,
    place: Arc<Place>,
    stop: CancellationToken,
) {
    let asked = Arc::clone(&place);
    let service = service_fn(move |request| answer(router.clone(), request, Arc::clone(&asked)));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .max_buf_size(MAX_HEAD_BYTES)
        .max_headers(MAX_HEAD_FIELDS)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let mut is_told = false;
    loop {
        let deadline = place.deadline();
        tokio::select! {
            ended = &mut connection => {
                if let Err(error) = ended {
                    tracing::debug!(%error, "HTTP connection closed");
                }
                return;
            }
            () = stop.cancelled(), if !is_told => {
                is_told = true;
                connection.as_mut().graceful_shutdown();
            }
            () = sleep_until(deadline) => {
                if place.deadline() <= Instant::now() {
                    return tracing::debug!("an HTTP connection took too long");
                }
            }
        }
    }
}

/// Whether it may be from a program with an admin token.
fn is_of_program(head: &Parts) -> bool {
    head.uri.path().starts_with("/api/v1/") && head.headers.contains_key(header::AUTHORIZATION)
}

/// Reads a request whole before anybody works on it.
async fn answer(
    router: Router,
    request: Request<Incoming>,
    place: Arc<Place>,
) -> Result<Response, Infallible> {
    place.begin_request();
    let (head, body) = request.into_parts();
    let most = if is_of_program(&head) { programs::MAX_BODY_BYTES } else { MAX_BODY_BYTES };
    let body = match body.size_hint().lower() {
        announced if announced > most as u64 => None,
        _ => to_bytes(Body::new(body), most).await.ok(),
    };
    let Some(body) = body else {
        return Ok(StatusCode::PAYLOAD_TOO_LARGE.into_response());
    };
    place.is_working.store(true, Ordering::Relaxed);
    let response = router.oneshot(Request::from_parts(head, Body::from(body))).await;
    place.is_working.store(false, Ordering::Relaxed);
    response
}
