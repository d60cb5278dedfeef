//! Pages of listings. Every listing is bounded.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Most items of one page.
pub const MAX_PAGE: usize = 1000;
const DEFAULT_PAGE: usize = 100;

/// Which page a caller asks for.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Paging {
    /// `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// Most items; 100 if absent, [`MAX_PAGE`] at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
}

/// The number of items to answer with.
pub(super) fn bounded(limit: Option<usize>) -> usize {
    limit.unwrap_or(DEFAULT_PAGE).clamp(1, MAX_PAGE)
}

/// One page of a listing.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[schemars(rename = "{T}Page")]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// `after` of the next page; absent on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

impl<T> Page<T> {
    /// A page that was asked for with `limit`: if it is full, there may be
    /// another one behind its last item.
    pub(super) fn of(items: Vec<T>, limit: usize, name: impl Fn(&T) -> String) -> Self {
        let next = items.last().filter(|_| items.len() >= limit).map(name);
        Self { items, next }
    }

    /// A listing that fits on one page by its nature.
    pub(super) fn whole(items: Vec<T>) -> Self {
        Self { items, next: None }
    }
}
