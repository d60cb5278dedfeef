//! [`World`]: a daemon with a domain and two mailboxes, and the target that a
//! conformance check talks to.

use std::{env, time::Duration};

use super::{client::Target, daemon::Daemon, proxy::Proxy};

/// Everybody's domain is `example.org`.
pub(crate) const ANN: &str = "ann@example.org";
/// Ann's main password.
pub(crate) const ANN_PASSWORD: &str = "wonderland";
/// The other mailbox.
pub(crate) const BOB: &str = "bob@example.org";
/// Bob's main password.
pub(crate) const BOB_PASSWORD: &str = "looking glass";

/// Names a fault of `support/proxy.rs`: the whole suite then runs through it.
const FAULT: &str = "DOVEGATE_CONFORMANCE_FAULT";

/// How long to wait for what must come from an honest server, so that a slow
/// machine fails nothing.
const PATIENCE: Duration = Duration::from_secs(60);

/// And how long where something is known to be wrong.
const SPOILT_PATIENCE: Duration = Duration::from_secs(5);

/// A daemon and the way to it.
pub(crate) struct World {
    pub(crate) daemon: Daemon,
    pub(crate) target: Target,
    _proxy: Option<Proxy>,
}

impl World {
    /// With the harness's settings.
    pub(crate) fn new() -> Self {
        Self::with(&[])
    }

    /// With `settings` as well, dotted lines of `dovegate.toml`.
    pub(crate) fn with(settings: &[&str]) -> Self {
        let daemon = Daemon::start(settings);
        daemon.cli(&["domain", "add", "example.org"], "");
        daemon.add_mailbox(ANN, ANN_PASSWORD, &[]);
        daemon.add_mailbox(BOB, BOB_PASSWORD, &[]);
        if let Ok(fault) = env::var(FAULT) {
            return Self::behind(daemon, &fault);
        }
        let target = Target { sockets: daemon.sockets(), patience: PATIENCE };
        Self { daemon, target, _proxy: None }
    }

    /// Puts the proxy with this fault between test and daemon.
    fn behind(daemon: Daemon, fault: &str) -> Self {
        let folder = daemon.folder().join("proxy");
        let proxy = Proxy::start(&daemon.sockets(), &folder, fault);
        let target = Target { sockets: folder, patience: SPOILT_PATIENCE };
        Self { daemon, target, _proxy: Some(proxy) }
    }

    /// The way to the same daemon through a proxy with this fault, `"none"` for
    /// one that passes everything.
    pub(crate) fn spoilt(&self, fault: &str, patience: Duration) -> (Proxy, Target) {
        let folder = self.daemon.folder().join(format!("proxy-{fault}"));
        let proxy = Proxy::start(&self.daemon.sockets(), &folder, fault);
        (proxy, Target { sockets: folder, patience })
    }
}
