//! The harness: a built Dovegate in a folder of its own, clients for its
//! sockets, and a proxy that spoils what passes.

pub(crate) mod client;
pub(crate) mod daemon;
pub(crate) mod http;
pub(crate) mod provider;
pub(crate) mod proxy;
pub(crate) mod spoil;
pub(crate) mod visitor;
pub(crate) mod wire;
pub(crate) mod world;

use base64::{Engine as _, engine::general_purpose::STANDARD};

/// Base64 as it stands in `resp=` and `CONT`.
pub(crate) fn b64(bytes: impl AsRef<[u8]>) -> String {
    STANDARD.encode(bytes)
}

/// What stands in `CONT` or `resp=`.
pub(crate) fn from_b64(text: &str) -> Vec<u8> {
    STANDARD.decode(text).expect("base64")
}

/// Initial response of PLAIN without authzid.
pub(crate) fn plain(user: &str, password: &str) -> String {
    b64(format!("\0{user}\0{password}"))
}
