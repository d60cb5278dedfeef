//! What goes on beside the connections as long as the server runs: a fault of ours
//! there must not end it unnoticed.

use std::{future::Future, panic::AssertUnwindSafe, time::Duration};

use futures_util::FutureExt as _;
use tokio::time::sleep;

/// Before it begins anew: a fault that comes again and again must not fill the log.
const PAUSE: Duration = Duration::from_secs(1);

/// The end of the work that `begin` begins. Where it panics, it begins anew.
pub(super) async fn lasting<F: Future>(what: &'static str, begin: impl Fn() -> F) -> F::Output {
    loop {
        // Each shares nothing with the next but what bears a panic anywhere.
        if let Ok(end) = AssertUnwindSafe(begin()).catch_unwind().await {
            return end;
        }
        tracing::error!(what, "broken off by a fault of ours, and begun anew");
        sleep(PAUSE).await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test]
    async fn a_panic_ends_nothing() {
        let begun = AtomicUsize::new(0);
        let work = || {
            let times = begun.fetch_add(1, Ordering::Relaxed);
            async move {
                assert!(times >= 1, "a fault");
                times
            }
        };
        assert_eq!(lasting("a test", work).await, 1);
    }
}
