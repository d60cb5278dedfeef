//! `/cache`: what is remembered of passwords, people and tokens.

use axum::{Json, extract::State as Shared};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Caller, Error, State, error::Code, extract::Body, rights::Territory};
use crate::{mailbox::DomainName, verify::CacheStatus};

const MAX_MASKS: usize = 1000;

/// What to forget.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "CacheFlush")]
pub struct Flush {
    /// Addresses, `*` and `?` allowed; everything if empty.
    #[serde(default)]
    pub masks: Vec<String>,
}

/// What was forgotten.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, Serialize)]
#[schemars(rename = "CacheFlushed")]
pub struct Flushed {
    /// Number of entries.
    pub entries: u64,
}

/// How full the caches are, and how they do.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[schemars(rename = "Caches")]
pub struct View {
    /// One for each.
    pub caches: Vec<OneCache>,
}

/// How full a cache is, and how it does.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[schemars(rename = "Cache")]
pub struct OneCache {
    /// Which: `verified`, `wrong`, `people`, `unknown`, `tokens`, `refused_tokens`.
    pub name: String,
    /// What it holds.
    pub entries: u64,
    /// What that takes, in bytes; an estimate.
    pub bytes: u64,
    /// Most entries.
    pub max_entries: u64,
    /// Most bytes.
    pub max_bytes: u64,
    /// How often it answered.
    pub hits: u64,
    /// How often what it might have answered had to be had elsewhere: by a slow hash,
    /// or from an identity provider.
    pub misses: u64,
    /// `hits` of all, from 0 to 1; none while nothing was asked for.
    pub hit_ratio: Option<f64>,
    /// How often it let in with an answer that was not fresh any more, while an
    /// identity provider could not be asked.
    pub stale: u64,
}

impl From<CacheStatus> for OneCache {
    #[expect(clippy::cast_precision_loss, reason = "a ratio is shown with two digits")]
    fn from(status: CacheStatus) -> Self {
        let CacheStatus { name, entries, bytes, max_entries, max_bytes, hits, misses, stale } =
            status;
        let all = hits + misses;
        let hit_ratio = (all > 0).then(|| hits as f64 / all as f64);
        let name = name.to_owned();
        Self { name, entries, bytes, max_entries, max_bytes, hits, misses, hit_ratio, stale }
    }
}

pub(super) fn all(state: &State) -> Vec<OneCache> {
    state.pipeline.cache_status().into_iter().map(OneCache::from).collect()
}

pub(super) async fn show(Shared(state): Shared<State>) -> Json<View> {
    Json(View { caches: all(&state) })
}

/// Who reaches some domains names one of them in each mask.
fn check_reach(territory: &Territory, masks: &[String]) -> Result<(), Error> {
    if territory.is_everything() {
        return Ok(());
    }
    let one_of_his = |mask: &String| {
        let named = mask.rsplit_once('@').and_then(|(_, name)| DomainName::parse(name).ok());
        named.is_some_and(|name| territory.has_domain(&name))
    };
    if masks.is_empty() || !masks.iter().all(one_of_his) {
        let why = "each mask must name one of your domains whole, such as *@example.org";
        return Err(Error::new(Code::Forbidden, why));
    }
    Ok(())
}

pub(super) async fn flush(
    Shared(state): Shared<State>,
    caller: Caller,
    territory: Territory,
    Body(flush): Body<Flush>,
) -> Result<Json<Flushed>, Error> {
    if flush.masks.len() > MAX_MASKS {
        return Err(Error::bad_request(format!("more than {MAX_MASKS} masks")));
    }
    check_reach(&territory, &flush.masks)?;
    let entries = state.pipeline.flush_cache(&flush.masks);
    let masks = if flush.masks.is_empty() { "*".to_owned() } else { flush.masks.join(" ") };
    caller.changed("cache flush", &masks);
    Ok(Json(Flushed { entries }))
}
