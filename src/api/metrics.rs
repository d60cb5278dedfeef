//! `/metrics`: the numbers of all rooms, gathered when somebody asks for them.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use axum::{
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};

use super::{Internal, Settings, status};
use crate::{
    clock::Timestamp,
    telemetry::{
        exposition::{CONTENT_TYPE, Exposition},
        metrics as table,
    },
};

/// Where the numbers come from.
#[derive(Clone)]
pub struct Sources {
    /// For the store's folder.
    pub settings: Arc<ArcSwap<Settings>>,
    /// The running server.
    pub server: Reporter,
}

/// Asks the running server for its numbers.
pub type Reporter = Arc<dyn Fn() -> Figures + Send + Sync>;

/// Numbers of the running server.
#[derive(Clone, Debug)]
pub struct Figures {
    /// Since when it runs.
    pub started: Timestamp,
    /// Its sockets.
    pub listeners: Vec<status::ListenerReport>,
    /// Connections of mail servers that are served in full.
    pub connections_limit: usize,
    /// Logins that have occurred.
    pub logins: Vec<LoginCount>,
    /// What let people in.
    pub verified: Vec<VerifiedCount>,
    /// How long decisions took.
    pub login_times: Vec<LoginTimes>,
}

/// Logins of one outcome, service and mechanism; all words are ours.
#[derive(Clone, Copy, Debug)]
pub struct LoginCount {
    /// `verified`, `rejected` or `unavailable`.
    pub verdict: &'static str,
    /// The log's word, `-` for who was let in.
    pub reason: &'static str,
    /// `imap` …, or `other`.
    pub service: &'static str,
    /// `PLAIN` …, or `other`.
    pub mechanism: &'static str,
    /// How many.
    pub count: u64,
}

/// Logins that something convinced us of.
#[derive(Clone, Copy, Debug)]
pub struct VerifiedCount {
    /// The log's word for it.
    pub verifier: &'static str,
    /// `new`, `cached` or `stale`.
    pub answer: &'static str,
    /// How many.
    pub count: u64,
}

/// Times of decisions with one verdict.
#[derive(Clone, Debug)]
pub struct LoginTimes {
    /// The verdict.
    pub verdict: &'static str,
    /// Upper bounds, in seconds.
    pub bounds: Vec<f64>,
    /// How many ended below each bound and above the one before; one more for
    /// those above all.
    pub counts: Vec<u64>,
    /// All of them together.
    pub sum: Duration,
}

pub(super) async fn show(State(internal): State<Internal>) -> Response {
    let sources = internal.metrics;
    let store_dir = sources.settings.load().store_dir.clone();
    let store_bytes = match store_dir {
        Some(folder) => status::size_of(folder).await,
        None => None,
    };
    ([(header::CONTENT_TYPE, CONTENT_TYPE)], gather(&sources, store_bytes)).into_response()
}

fn gather(sources: &Sources, store_bytes: Option<u64>) -> String {
    let mut out = Exposition::default();
    let figures = (sources.server)();
    out.family(&table::BUILD).sample(&[env!("CARGO_PKG_VERSION")], true);
    out.family(&table::START_TIME).sample(&[], figures.started.seconds());
    logins(&mut out, &figures);
    connections(&mut out, &figures);
    let store = out.family(&table::STORE_BYTES);
    if let Some(bytes) = store_bytes {
        store.sample(&[], bytes);
    }
    out.finish()
}

fn logins(out: &mut Exposition, figures: &Figures) {
    let family = out.family(&table::LOGINS);
    for one in &figures.logins {
        family.sample(&[one.verdict, one.reason, one.service, one.mechanism], one.count);
    }
    let family = out.family(&table::LOGINS_VERIFIED);
    for one in &figures.verified {
        family.sample(&[one.verifier, one.answer], one.count);
    }
    let family = out.family(&table::LOGIN_SECONDS);
    for LoginTimes { verdict, bounds, counts, sum } in &figures.login_times {
        family.histogram(&[verdict], bounds, counts, sum.as_secs_f64());
    }
}

fn connections(out: &mut Exposition, figures: &Figures) {
    let mut open = BTreeMap::<&str, u64>::new();
    for listener in &figures.listeners {
        *open.entry(&listener.kind).or_default() += listener.connections;
    }
    let family = out.family(&table::CONNECTIONS);
    for (kind, connections) in open {
        family.sample(&[kind], connections);
    }
    out.family(&table::CONNECTIONS_LIMIT).sample(&[], figures.connections_limit);
}
