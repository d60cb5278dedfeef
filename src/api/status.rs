//! `/status`: how the server is.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use axum::{Json, extract::State as Shared};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Error, Moment, State, cache, directories,
    providers::{self, Origin},
    sync::Syncing,
};
use crate::{
    clock::Timestamp,
    mailbox::ProviderName,
    verify::{ProviderReport, WithdrawalFigures},
};

/// Asks the running server for its part of the status.
pub type Reporter = Arc<dyn Fn() -> ServerReport + Send + Sync>;

/// What the running server says of itself.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
pub struct ServerReport {
    /// Since when it runs.
    pub started: Moment,
    /// Its sockets.
    pub listeners: Vec<ListenerReport>,
    /// Logins since then.
    pub logins: LoginCounts,
}

/// One socket.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[schemars(rename = "Listener")]
pub struct ListenerReport {
    /// Type: `login`, `auth` … or `http`, `http.internal`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Path or address.
    pub address: String,
    /// The Dovecot that it belongs to; `-` for none.
    pub instance: String,
    /// Open connections.
    pub connections: u64,
}

/// Logins by verdict.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, Serialize)]
pub struct LoginCounts {
    /// Let in.
    pub verified: u64,
    /// Refused.
    pub rejected: u64,
    /// Could not be told.
    pub unavailable: u64,
}

/// All of it.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
pub struct Status {
    /// Version of Dovegate.
    pub version: String,
    /// Process id.
    pub pid: u32,
    /// What the running server says of itself.
    #[serde(flatten)]
    pub server: Option<ServerReport>,
    /// How full the caches are, and how they do.
    pub caches: Vec<cache::OneCache>,
    /// Mailboxes that nobody may use any more, and whether their open sessions were
    /// ended.
    #[serde(default)]
    pub withdrawals: Withdrawals,
    /// Size of the store's folder, where it is known.
    pub store_bytes: Option<u64>,
    /// Accounts and networks that are held back now.
    pub held_back: usize,
    /// How it goes with each identity provider.
    #[serde(default)]
    pub providers: Vec<ProviderFigures>,
    /// How it goes with each directory.
    #[serde(default)]
    pub directories: Vec<directories::View>,
}

/// How it goes with withdrawals.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, Serialize)]
pub struct Withdrawals {
    /// Mailboxes withdrawn since the start.
    pub withdrawn: u64,
    /// Those for which `on_withdrawal` is still to be run.
    pub waiting: u64,
    /// Those for which it was run, and ended well.
    pub done: u64,
    /// Those for which it failed.
    pub failed: u64,
    /// Those for which it was not run, since too many were waiting.
    pub dropped: u64,
}

impl From<WithdrawalFigures> for Withdrawals {
    fn from(figures: WithdrawalFigures) -> Self {
        let WithdrawalFigures { withdrawn, waiting, done, failed, dropped } = figures;
        Self { withdrawn, waiting, done, failed, dropped }
    }
}

/// How it goes with an identity provider.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
pub struct ProviderFigures {
    /// Its name.
    pub name: ProviderName,
    /// Where it is declared.
    pub origin: Origin,
    /// Number of its settings that are wrong: it is not asked then.
    pub problems: usize,
    /// Requests, failures, whether it is down.
    #[serde(flatten)]
    pub status: providers::Status,
    /// How it goes with its syncs; null where its people cannot be listed.
    #[serde(default)]
    pub sync: Option<Syncing>,
}

pub(super) async fn show(Shared(state): Shared<State>) -> Result<Json<Status>, Error> {
    let mut providers = Vec::new();
    for report in state.pipeline.providers() {
        let sync = state.syncing(&report.name).await?;
        providers.push(ProviderFigures { sync, ..report.into() });
    }
    let store_bytes = match state.settings.load().store_dir.clone() {
        Some(folder) => size_of(folder).await,
        None => None,
    };
    Ok(Json(Status {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        pid: std::process::id(),
        server: state.server.as_ref().map(|report| report()),
        caches: cache::all(&state),
        withdrawals: state.pipeline.withdrawals().figures().into(),
        store_bytes,
        held_back: state.pipeline.held_back(Timestamp::now()).len(),
        providers,
        directories: state.pipeline.directories().into_iter().map(From::from).collect(),
    }))
}

impl From<ProviderReport> for ProviderFigures {
    fn from(report: ProviderReport) -> Self {
        Self {
            name: report.name,
            origin: report.origin.into(),
            problems: report.settings.map_or_else(|problems| problems.len(), |_| 0),
            status: report.status.into(),
            sync: None,
        }
    }
}

pub(super) async fn size_of(folder: PathBuf) -> Option<u64> {
    tokio::task::spawn_blocking(move || folder_bytes(&folder)).await.ok()
}

/// Bytes of all files below `folder`; what vanishes meanwhile counts nothing.
fn folder_bytes(folder: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    entries
        .flatten()
        .map(|entry| match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => folder_bytes(&entry.path()),
            Ok(metadata) => metadata.len(),
            Err(_) => 0,
        })
        .sum()
}
