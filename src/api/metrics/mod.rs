//! `/metrics`: the numbers of all rooms, gathered when somebody asks for them.

mod gather;
mod process;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use axum::{
    body::Bytes,
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use tokio::sync::Mutex;

use super::{Internal, Settings, health::Health, status};
use crate::{
    clock::Timestamp,
    provision::Syncs,
    store::{Store, SyncOutcome},
    telemetry::exposition::CONTENT_TYPE,
    verify::Pipeline,
};

/// How long a text is given out again: whoever scrapes without end, or reads
/// slowly with many connections, makes us neither gather nor keep one for each.
const LASTS: Duration = Duration::from_secs(1);

/// Where the numbers come from.
#[derive(Clone)]
pub struct Sources {
    /// For the store's folder.
    pub settings: Arc<ArcSwap<Settings>>,
    /// Caches, hashes, providers.
    pub pipeline: Arc<Pipeline>,
    /// The record of syncs.
    pub store: Arc<dyn Store>,
    /// What is counted of them.
    pub syncs: Arc<Syncs>,
    /// The running server.
    pub server: Reporter,
    /// What was given out last.
    pub last: LastText,
}

/// The last text, and when it was gathered.
#[derive(Clone, Default)]
pub struct LastText(Arc<Mutex<Option<(Instant, Bytes)>>>);

/// Asks the running server for its numbers.
pub type Reporter = Arc<dyn Fn() -> Figures + Send + Sync>;

/// Numbers of the running server.
#[derive(Clone, Debug)]
pub struct Figures {
    /// Since when it runs.
    pub started: Timestamp,
    /// How it is.
    pub health: Health,
    /// Whether counters and history cannot be written to the store.
    pub store_fails: bool,
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
    let text = internal.metrics.text().await;
    ([(header::CONTENT_TYPE, CONTENT_TYPE)], text).into_response()
}

impl Sources {
    async fn text(&self) -> Bytes {
        // Whoever asks meanwhile waits for the same text.
        let mut last = self.last.0.lock().await;
        let now = Instant::now();
        match &*last {
            Some((at, text)) if now.duration_since(*at) < LASTS => text.clone(),
            _ => {
                let folder = self.settings.load().store_dir.clone();
                let store_bytes = match folder {
                    Some(folder) => status::size_of(folder).await,
                    None => None,
                };
                let synced = self.synced().await;
                let text = Bytes::from(gather::text(self, store_bytes, &synced));
                *last = Some((now, text.clone()));
                text
            }
        }
    }
    /// What is kept of everybody's syncs; nothing where the store fails, which its
    /// own metric says.
    async fn synced(&self) -> Vec<gather::Synced> {
        let mut all = Vec::new();
        for source in self.pipeline.sources().into_iter().take(gather::MOST_PROVIDERS) {
            let mut runs = self.store.sync_runs(&source.name).await.unwrap_or_default();
            let under_way = self.syncs.is_under_way(&source.name);
            runs.pop_if(|run| under_way && run.outcome == SyncOutcome::Running);
            all.push(gather::Synced { source, runs });
        }
        all
    }
}
