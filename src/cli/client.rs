//! The one path of every command: an HTTP request to `/api/v1`. A running
//! server answers it on its admin socket; where none runs, the same router
//! answers it in this process, on the store that we open ourselves.

use std::{
    io,
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use arc_swap::ArcSwap;
use axum::{
    Router,
    body::{Body, Bytes},
    extract::Request,
    http::{Method, StatusCode, header},
};
use futures_util::StreamExt as _;
use nix::unistd::{AccessFlags, access};
use reqwest::Url;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use tower::ServiceExt as _;

use super::{
    failure::{Exit, Failure, Result},
    ownership::{self, Assumed},
};
use crate::{
    api::{self, Caller, Page, Problem},
    clock::Timestamp,
    config::Config,
    provision::Syncs,
    server,
    store::{self, SledStore, Store},
    telemetry::{self, Level, Target},
    verify::{self, Pipeline},
};

/// A little more than the router takes, so that its own message wins.
const READ_TIMEOUT: Duration = Duration::from_secs(70);
/// How long another command, which works on the state as well, is waited for.
const PATIENCE: Duration = Duration::from_secs(2);
/// Items of one page of a listing.
const PAGE: usize = 500;

/// Somebody who answers `/api/v1`.
pub(super) struct Client(Way);

enum Way {
    Server { http: reqwest::Client, socket: PathBuf },
    Own(Box<Own>),
}

/// The router on a store of our own.
struct Own {
    router: Router,
    store: Arc<dyn Store>,
    pipeline: Arc<Pipeline>,
    syncs: Arc<Syncs>,
    /// Who ran the command.
    caller: Caller,
    _assumed: Assumed,
}

/// What to do where nothing was ever stored.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Missing {
    /// It is a mistake: there is nothing to list, change or export.
    Refuse,
    /// This command makes the first thing.
    Create,
}

impl Client {
    /// The running server, else the store itself.
    pub(super) async fn open(config: &Config, missing: Missing) -> Result<Self> {
        match Self::server(config)? {
            Some(client) => Ok(client),
            None => Self::own(config, missing).await,
        }
    }

    /// The running server; `None` if none runs.
    pub(super) fn server(config: &Config) -> Result<Option<Self>> {
        let socket = config.admin_socket();
        if !answers(socket)? {
            return Ok(None);
        }
        let http = reqwest::Client::builder()
            .unix_socket(socket)
            .tls_backend_preconfigured(no_tls()?)
            .no_proxy()
            .read_timeout(READ_TIMEOUT)
            .build()
            .map_err(|error| Failure::new(Exit::Temporary, error.to_string()))?;
        Ok(Some(Self(Way::Server { http, socket: socket.to_owned() })))
    }

    async fn own(config: &Config, missing: Missing) -> Result<Self> {
        let folder = config.store_dir();
        check_folder(&folder, config.admin_socket(), missing)?;
        // Hashes are nobody else's to read, even where we make the folder.
        server::prepare_state_dir(&config.server)
            .map_err(|error| Failure::refused(error.to_string()))?;
        let caller = Caller::system(nix::unistd::getuid().as_raw());
        let assumed = ownership::assume(&config.server.state_dir)?;
        let store: Arc<dyn Store> = Arc::new(open_store(&folder, config.admin_socket())?);
        let pipeline = Pipeline::open(config.verify.clone(), store.clone())
            .await
            .map_err(|error| unavailable(&error))?;
        let pipeline = Arc::new(pipeline);
        // What a server would write into its log has nowhere else to go. Not what
        // it says of providers at its start: that has nothing to do with most
        // commands. A log that is there already is as good.
        let log = telemetry::Settings { target: Target::Stderr, level: Level::Error };
        let _there_already = telemetry::init(log, false);
        let settings = api::Settings {
            userdb: config.userdb.clone(),
            caps: config.verify.caps,
            public_url: None,
            store_dir: Some(folder.clone()),
        };
        let syncs = Arc::new(Syncs::default());
        let router = api::router(api::State {
            store: store.clone(),
            pipeline: pipeline.clone(),
            settings: Arc::new(ArcSwap::from_pointee(settings)),
            syncs: Arc::clone(&syncs),
            links: None,
            server: None,
        });
        Ok(Self(Way::Own(Box::new(Own {
            router,
            store,
            pipeline,
            syncs,
            caller,
            _assumed: assumed,
        }))))
    }

    /// Lets go of the store, with everything written.
    pub(super) async fn close(self) -> Result {
        if let Way::Own(own) = self.0 {
            own.syncs.end().await;
            let written = own.pipeline.maintain(Timestamp::now()).await;
            own.store.close().await?;
            written.map_err(|error| unavailable(&error))?;
        }
        Ok(())
    }

    /// Asks for something.
    pub(super) async fn get<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: &[(&str, String)],
    ) -> Result<T> {
        self.send(Method::GET, url(path, query), None).await?.json().await
    }

    /// Asks for a page of a listing, from behind `after`.
    pub(super) async fn page<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: &[(&str, String)],
        after: Option<String>,
    ) -> Result<Page<T>> {
        let mut query = query.to_vec();
        query.push(("limit", PAGE.to_string()));
        query.extend(after.map(|after| ("after", after)));
        self.get(path, &query).await
    }

    /// Asks for something to be done and for what came of it.
    pub(super) async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &[&str],
        body: Value,
    ) -> Result<T> {
        self.send(method, url(path, &[]), Some(to_bytes(&body))).await?.json().await
    }

    /// Asks for something to be done of which nothing comes back.
    pub(super) async fn order(&self, method: Method, path: &[&str], body: Option<Value>) -> Result {
        let body = body.as_ref().map(to_bytes);
        self.send(method, url(path, &[]), body).await.map(|_| ())
    }

    /// Sends lines of an export and asks what came of them.
    pub(super) async fn upload<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: &[(&str, String)],
        body: Bytes,
    ) -> Result<T> {
        self.send(Method::POST, url(path, query), Some(body)).await?.json().await
    }

    /// Asks for a long answer, to be read piece by piece.
    pub(super) async fn stream(&self, path: &[&str]) -> Result<Answer> {
        self.send(Method::GET, url(path, &[]), None).await
    }

    async fn send(&self, method: Method, url: Url, body: Option<Bytes>) -> Result<Answer> {
        let (status, answer) = match &self.0 {
            Way::Server { http, socket } => {
                let request = http.request(method, url).body(body.unwrap_or_default());
                let request = request.header(header::CONTENT_TYPE, "application/json");
                let answer = request.send().await.map_err(|error| broken(socket, &error))?;
                (answer.status(), Answer::Server(answer, socket.clone()))
            }
            Way::Own(own) => {
                let mut request = Request::builder()
                    .method(method)
                    .uri(url.as_str())
                    .body(Body::from(body.unwrap_or_default()))
                    .expect("a URL of ours is a URI");
                request.extensions_mut().insert(own.caller.clone());
                let Ok(answer) = own.router.clone().oneshot(request).await;
                (answer.status(), Answer::Own(answer.into_body().into_data_stream()))
            }
        };
        if status.is_success() { Ok(answer) } else { Err(answer.problem(status).await) }
    }
}

/// An answer whose body is still to be read.
pub(super) enum Answer {
    /// From a running server.
    Server(reqwest::Response, PathBuf),
    /// From the router in this process.
    Own(axum::body::BodyDataStream),
}

impl Answer {
    /// The next piece of the body.
    pub(super) async fn chunk(&mut self) -> Result<Option<Bytes>> {
        match self {
            Self::Server(answer, socket) => {
                answer.chunk().await.map_err(|error| broken(socket, &error))
            }
            Self::Own(body) => body
                .next()
                .await
                .transpose()
                .map_err(|error| Failure::new(Exit::Temporary, error.to_string())),
        }
    }

    async fn bytes(mut self) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        while let Some(chunk) = self.chunk().await? {
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes)
    }

    async fn json<T: DeserializeOwned>(self) -> Result<T> {
        serde_json::from_slice(&self.bytes().await?).map_err(|error| {
            Failure::new(Exit::Temporary, format!("the server's answer cannot be read: {error}"))
                .hint("Is the running server of another version than this command?")
        })
    }

    async fn problem(self, status: StatusCode) -> Failure {
        match self.bytes().await {
            Err(failure) => failure,
            Ok(bytes) => match serde_json::from_slice::<Problem>(&bytes) {
                Ok(problem) => problem.into(),
                Err(_) => Failure::new(Exit::Temporary, format!("the server answered {status}")),
            },
        }
    }
}

/// `reqwest` wants to know how TLS is done even where there will be none; this
/// one believes nobody, and loads nobody's certificates.
fn no_tls() -> Result<rustls::ClientConfig> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Failure::new(Exit::Temporary, error.to_string()))?;
    Ok(builder.with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth())
}

/// Whether a server listens on the socket.
fn answers(socket: &Path) -> Result<bool> {
    match UnixStream::connect(socket) {
        Ok(_) => Ok(true),
        Err(error) => match error.kind() {
            // A socket that nobody listens on is left over from a killed server.
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => Ok(false),
            io::ErrorKind::PermissionDenied => Err(denied(socket)),
            io::ErrorKind::WouldBlock => Err(Failure::new(
                Exit::Temporary,
                format!("the server at {} takes no more connections now", socket.display()),
            )),
            _ => Err(Failure::new(Exit::Temporary, format!("{}: {error}", socket.display()))),
        },
    }
}

fn unavailable(error: &verify::Error) -> Failure {
    Failure::new(Exit::Temporary, error.to_string())
}

fn denied(socket: &Path) -> Failure {
    Failure::refused(format!("you may not use the admin socket {}", socket.display())).hint(
        "Run the command as root or as the server's own user, or add your user to \
         [admin] users in dovegate.toml.",
    )
}

/// Whether there is something to open, for us.
fn check_folder(folder: &Path, socket: &Path, missing: Missing) -> Result {
    let (shown, socket) = (folder.display(), socket.display());
    let usable = match folder.try_exists() {
        Ok(true) => access(folder, AccessFlags::R_OK | AccessFlags::W_OK).is_ok(),
        Ok(false) if missing == Missing::Create => true,
        Ok(false) => {
            return Err(Failure::refused(format!(
                "no server answers at {socket}, and {shown} does not exist: nothing was ever \
                 stored there"
            ))
            .hint(
                "Name the place with --config FILE or --data DIR, or begin with \
                 \"dovegate domain add NAME\".",
            ));
        }
        Err(_) => false,
    };
    if usable {
        return Ok(());
    }
    Err(Failure::refused(format!("no server answers at {socket}, and you may not use {shown}"))
        .hint("Run the command as root or as the server's own user."))
}

fn open_store(folder: &Path, socket: &Path) -> Result<SledStore> {
    let opened = SledStore::open_within(folder, &store::Settings::default(), PATIENCE);
    opened.map_err(|error| match error {
        store::Error::Locked { .. } => Failure::new(
            Exit::Temporary,
            format!(
                "another process holds {}, but none answers at {}",
                folder.display(),
                socket.display()
            ),
        )
        .hint(
            "If a server is starting or stopping, try again. If it runs with another run_dir, name \
             its file with --config.",
        ),
        other => Failure::from(other),
    })
}

fn broken(socket: &Path, error: &reqwest::Error) -> Failure {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    let message = format!("the server at {} broke off: {cause}", socket.display());
    Failure::new(Exit::Temporary, message)
}

/// `path` below `/api/v1`, each part escaped.
fn url(path: &[&str], query: &[(&str, String)]) -> Url {
    let mut url = Url::parse("http://dovegate/api/v1").expect("a constant URL");
    url.path_segments_mut().expect("an http URL has a path").extend(path);
    if !query.is_empty() {
        url.query_pairs_mut().extend_pairs(query);
    }
    url
}

/// A request's body.
pub(super) fn to_json(body: &impl Serialize) -> Result<Value> {
    serde_json::to_value(body)
        .map_err(|error| Failure::refused(format!("cannot write JSON: {error}")))
}

fn to_bytes(body: &Value) -> Bytes {
    body.to_string().into()
}
