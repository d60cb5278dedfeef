//! A second real provider, by the library oidc-provider: opaque tokens, and no
//! address in what introspection says. `tests/real/oidc` has its few lines.

use std::{
    net::TcpStream,
    process::{Child, Command, Stdio},
    time::Duration,
};

use super::{
    http,
    place::{cache, free_ports},
    skip, wait_for,
};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/real/oidc/provider.mjs");
/// The version stands in `contrib/test-setup`, too.
const BUILT: &str = "oidc-provider@8.8.1/node_modules";

/// One instance. Its people are at example.net.
#[derive(Debug)]
pub struct Provider {
    child: Child,
    port: u16,
}

impl Provider {
    /// Starts one; `None`, with a line that says so, where it cannot run.
    pub fn start() -> Option<Self> {
        let modules = cache().join(BUILT);
        let node = Command::new("node").arg("--version").stdout(Stdio::null()).status();
        if !modules.exists() || node.is_err() {
            skip("Node or oidc-provider is not installed");
            return None;
        }
        let [port] = free_ports();
        let child = Command::new("node")
            .args([SCRIPT, &port.to_string()])
            .env("NODE_MODULES", modules)
            // It ends when this does, so also when this process does.
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("node is installed");
        wait_for("oidc-provider", Duration::from_secs(60), || {
            TcpStream::connect(("127.0.0.1", port)).ok()
        });
        Some(Self { child, port })
    }

    /// Its root, and what its tokens name as their issuer.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// A person signs in at a client: access token and refresh token.
    pub fn tokens(&self, person: &str, client: &str, scope: &str) -> (String, String) {
        let form = [("person", person), ("client", client), ("scope", scope), ("lifetime", "300")];
        let answer = http::post(&format!("{}/test/tokens", self.url()), &form);
        let text = |key| answer.text(key).unwrap_or_else(|| panic!("{answer:?}"));
        (text("access_token"), text("refresh_token"))
    }

    /// Takes an access token of a client back.
    pub fn revoke(&self, token: &str, client: &str) {
        let secret = format!("secret-of-{client}");
        let form = [("client_id", client), ("client_secret", &secret), ("token", token)];
        http::post(&format!("{}/token/revocation", self.url()), &form).good();
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
