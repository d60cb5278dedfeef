//! What a client session wants done, besides the replies that it appends.

use std::sync::Arc;

use super::{CloseReason, Ticket};
use crate::{protocol::AuthRequest, sasl::Credentials};

/// What is to be done about a line, besides sending what was appended to `out`.
#[derive(Debug)]
pub enum Action {
    /// Decide on these and come back with [`ClientSession::verdict`].
    ///
    /// [`ClientSession::verdict`]: super::ClientSession::verdict
    Verify {
        /// To come back with.
        ticket: Ticket,
        /// What the mail server said about the user's connection.
        request: Arc<AuthRequest>,
        /// What is to be checked.
        credentials: Credentials,
        /// Name of the mechanism.
        mechanism: &'static str,
    },
    /// The dialogue broke its mechanism's grammar. Delay and log it as any other
    /// rejection, and come back with `Verdict::Rejected`: an immediate answer
    /// would tell which check failed.
    Malformed {
        /// To come back with.
        ticket: Ticket,
        /// What the mail server said about the user's connection.
        request: Arc<AuthRequest>,
        /// Name of the mechanism.
        mechanism: &'static str,
        /// What is wrong, for the log.
        why: &'static str,
    },
    /// A response was no base64, and FAIL was appended. For the log: a token that
    /// the mail server cut looks like this.
    NotBase64 {
        /// What the mail server said about the user's connection.
        request: Arc<AuthRequest>,
        /// Name of the mechanism.
        mechanism: &'static str,
        /// How long the response is.
        characters: usize,
    },
    /// Another connection has this client's process id. It may be dead without
    /// our knowing yet: hand in no line, and call [`ClientSession::retry_cpid`]
    /// for a second before closing.
    ///
    /// [`ClientSession::retry_cpid`]: super::ClientSession::retry_cpid
    AwaitCpid,
    /// Send what was appended, then close.
    Close(CloseReason),
}
