//! Bearer tokens, asked about at a small provider on loopback.

mod answers;
mod person;
mod turns;
mod whose;

use serde_json::json;

use super::{
    provider::{FakeProvider, bearer, later, name},
    *,
};

/// ann's token, good without a known end.
async fn ann() -> (Rig, FakeProvider) {
    let (rig, corp) = Rig::with_provider().await;
    corp.gives("anns", "ann@example.org", json!({}));
    (rig, corp)
}

fn anns() -> Attempt {
    bearer("ann@example.org", "anns")
}

fn verified(verdict: Verdict) -> Verified {
    let Verdict::Verified(verified) = verdict else { panic!("{verdict:?}") };
    verified
}
