//! [`World`]: a daemon with a domain and two mailboxes, and the target that a
//! conformance check talks to.

use std::{env, time::Duration};

use serde_json::json;

use super::{client::Target, daemon::Daemon, provider::FakeProvider, proxy::Proxy};

/// Everybody's domain is `example.org`.
pub(crate) const ANN: &str = "ann@example.org";
/// Ann's main password.
pub(crate) const ANN_PASSWORD: &str = "wonderland";
/// The other mailbox.
pub(crate) const BOB: &str = "bob@example.org";
/// Bob's main password.
pub(crate) const BOB_PASSWORD: &str = "looking glass";

/// What the provider of [`World::with_providers`] takes for Ann's token.
pub(crate) const ANN_TOKEN: &str = "token-of-ann";
/// And for Bob's, whom it spells in capitals.
pub(crate) const BOB_TOKEN: &str = "token-of-bob";
/// Her domain's provider is one that nobody can ask.
pub(crate) const DORA: &str = "dora@example.net";

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
    /// The provider of `example.org`, where it has one.
    pub(crate) corp: Option<FakeProvider>,
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
        Self { daemon, target, corp: None, _proxy: None }
    }

    /// With `settings`, a provider of tokens for `example.org`, and one that is
    /// never there for `example.net`.
    pub(crate) fn with_providers(settings: &[&str]) -> Self {
        let corp = FakeProvider::start();
        for (token, claims) in [
            (ANN_TOKEN, json!({})),
            (BOB_TOKEN, json!({ "sub": "b0b", "email": "BOB@Example.ORG" })),
        ] {
            corp.know(token, claims);
        }
        let mut written = corp.config("corp");
        written.push("provider.corp.tokens_for_local = true".to_owned());
        written.push("provider.gone.kind = \"oidc\"".to_owned());
        written
            .push("provider.gone.introspection_url = \"http://127.0.0.1:1/userinfo\"".to_owned());
        written.push("provider.gone.tokens_for_local = true".to_owned());
        let written: Vec<&str> =
            written.iter().map(String::as_str).chain(settings.to_vec()).collect();
        let mut world = Self::with(&written);
        world.daemon.cli(&["domain", "add", "example.net"], "");
        world.daemon.add_mailbox(DORA, "any", &[]);
        for (domain, provider) in [("example.org", "corp"), ("example.net", "gone")] {
            world.daemon.cli(&["domain", "set", domain, "--provider", provider], "");
        }
        world.corp = Some(corp);
        world
    }

    /// Puts the proxy with this fault between test and daemon.
    fn behind(daemon: Daemon, fault: &str) -> Self {
        let folder = daemon.folder().join("proxy");
        let proxy = Proxy::start(&daemon.sockets(), &folder, fault);
        let target = Target { sockets: folder, patience: SPOILT_PATIENCE };
        Self { daemon, target, corp: None, _proxy: Some(proxy) }
    }

    /// The way to the same daemon through a proxy with this fault, `"none"` for
    /// one that passes everything.
    pub(crate) fn spoilt(&self, fault: &str, patience: Duration) -> (Proxy, Target) {
        let folder = self.daemon.folder().join(format!("proxy-{fault}"));
        let proxy = Proxy::start(&self.daemon.sockets(), &folder, fault);
        (proxy, Target { sockets: folder, patience })
    }
}
