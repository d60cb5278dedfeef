//! Why somebody could not be asked, or not say.

use super::words::printable;

/// Why a provider or a directory could not be asked.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{detail}")]
pub struct Outage {
    /// The cause.
    pub cause: OutageCause,
    /// In words, for the log, `explain` and `provider test`: bounded, printable,
    /// without secrets.
    pub detail: String,
}

/// Causes for which nobody can be asked.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum OutageCause {
    /// Name, route or port: no connection; or a file that cannot be read.
    Unreachable,
    /// No TLS: certificate, version.
    Tls,
    /// No answer in time.
    Slow,
    /// It says itself that it cannot (5xx, 429), or something that nobody says
    /// here (a redirect, a status of its own).
    Status,
    /// What came is not what the protocol asks for.
    Malformed,
    /// It does not know our client, or not by this secret.
    Credentials,
    /// It knows our client, and does not let it see people.
    Rights,
    /// Our settings do not fit what it says of itself (another issuer, no such
    /// endpoint).
    Settings,
    /// We ask as much as we may already.
    Busy,
    /// It failed just now, and is not asked again for a moment.
    Down,
}

impl Outage {
    /// One with its cause in words, made fit for a log.
    pub fn new(cause: OutageCause, detail: impl AsRef<str>) -> Self {
        Self { cause, detail: printable(detail.as_ref()) }
    }
}
