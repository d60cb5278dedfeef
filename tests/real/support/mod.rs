//! What the tests with real servers share: private instances, small clients,
//! and the rule for what is missing.

pub mod bearer;
pub mod between;
pub mod certificate;
pub mod client;
pub mod dovecot;
pub mod dovegate;
pub mod http;
pub mod keycloak;
pub mod mailboxes;
pub mod mariadb;
pub mod oidc;
pub mod place;
pub mod postfix;
pub mod process;
#[path = "../../it/support/provider/mod.rs"]
#[allow(dead_code, reason = "recordings need little of it")]
pub mod provider;
pub mod realm;
pub mod recorder;
pub mod slapd;
pub mod smtp;
pub mod smtp_recordings;
pub mod stored;
pub mod tokens;

use std::{
    env,
    io::{self, Write as _},
    thread,
    time::{Duration, Instant},
};

/// Says that a test cannot run here. On a user's machine it passes with a line
/// that cannot be overlooked; in CI (`CI=true`) everything must be there.
pub fn skip(why: &str) {
    let test = thread::current().name().unwrap_or("a test").to_owned();
    assert!(
        env::var("CI").as_deref() != Ok("true"),
        "{test}: {why}, and CI=true lets nothing be skipped"
    );
    // Not eprintln!, which the test harness shows for failed tests only.
    let _ = writeln!(io::stderr(), "SKIPPED: {test}: {why} (contrib/test-setup installs it)");
}

/// Asks again and again until `probe` has something.
///
/// # Panics
/// After `limit`.
pub fn wait_for<T>(what: &str, limit: Duration, mut probe: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + limit;
    loop {
        if let Some(found) = probe() {
            return found;
        }
        assert!(Instant::now() < end, "waited {limit:?} in vain for {what}");
        thread::sleep(Duration::from_millis(20));
    }
}
