//! `/cache`: passwords and tokens that were verified a while ago.

use axum::{Json, extract::State as Shared};
use serde::{Deserialize, Serialize};

use super::{Caller, Error, State, extract::Body};
use crate::verify::CacheStatus;

const MAX_MASKS: usize = 1000;

/// What to forget.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Flush {
    /// Addresses, `*` and `?` allowed; everything if empty.
    #[serde(default)]
    pub masks: Vec<String>,
}

/// What was forgotten.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub struct Flushed {
    /// Number of entries.
    pub entries: u64,
}

/// How full the cache is, and how it does.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub struct View {
    /// Right passwords kept.
    pub verified: u64,
    /// Wrong passwords kept.
    pub wrong: u64,
    /// Most right passwords that are kept.
    pub capacity: u64,
    /// Slow hashes spared.
    pub hits: u64,
    /// Slow hashes needed.
    pub misses: u64,
    /// Good tokens kept.
    pub tokens: u64,
    /// Questions to identity providers spared.
    pub token_hits: u64,
    /// Questions to identity providers needed.
    pub token_misses: u64,
    /// People kept whose main password an identity provider keeps.
    pub people: u64,
    /// Questions about people spared.
    pub people_hits: u64,
    /// Questions about people needed.
    pub people_misses: u64,
}

impl From<CacheStatus> for View {
    fn from(status: CacheStatus) -> Self {
        Self {
            verified: status.verified,
            wrong: status.wrong,
            capacity: status.capacity,
            hits: status.hits,
            misses: status.misses,
            tokens: status.tokens,
            token_hits: status.token_hits,
            token_misses: status.token_misses,
            people: status.people,
            people_hits: status.people_hits,
            people_misses: status.people_misses,
        }
    }
}

pub(super) async fn show(Shared(state): Shared<State>) -> Json<View> {
    Json(state.pipeline.cache_status().into())
}

pub(super) async fn flush(
    Shared(state): Shared<State>,
    caller: Caller,
    Body(flush): Body<Flush>,
) -> Result<Json<Flushed>, Error> {
    if flush.masks.len() > MAX_MASKS {
        return Err(Error::bad_request(format!("more than {MAX_MASKS} masks")));
    }
    let entries = state.pipeline.flush_cache(&flush.masks);
    let masks = if flush.masks.is_empty() { "*".to_owned() } else { flush.masks.join(" ") };
    caller.changed("cache flush", &masks);
    Ok(Json(Flushed { entries }))
}
