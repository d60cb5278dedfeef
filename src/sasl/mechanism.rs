//! What a mechanism is, and what all of them end with.

use crate::secret::Secret;

/// What a dialogue ends with: something that can be checked. Names are as the
/// client sent them, not canonical yet.
#[derive(Clone, Debug)]
pub enum Credentials {
    /// A name and a password (PLAIN, LOGIN).
    Password {
        /// Whose password it is.
        authcid: Vec<u8>,
        /// Whom to act as, if that is somebody else.
        authzid: Option<Vec<u8>>,
        /// The password.
        password: Secret,
    },
    /// A name that the mail server took from a verified client certificate
    /// (EXTERNAL, on trusted listeners alone).
    Certificate {
        /// Name in the certificate.
        name: Vec<u8>,
        /// Whom to act as, if the client named somebody.
        authzid: Option<Vec<u8>>,
    },
    /// A token that we gave out with an earlier login (DOVECOT-TOKEN).
    AuthToken {
        /// Service that was logged in to ("imap").
        service: Vec<u8>,
        /// Process id of that session, decimal.
        session_pid: Vec<u8>,
        /// Name that was logged in.
        user: Vec<u8>,
        /// Session id of that login; may be empty.
        session: Vec<u8>,
        /// The token itself, hexadecimal.
        token: Secret,
    },
}

/// What a mechanism makes of a message.
#[derive(Debug)]
pub enum Step {
    /// Send this challenge (raw bytes) and wait for the answer.
    Challenge(Vec<u8>),
    /// The dialogue is over; check these.
    Done(Credentials),
    /// The message breaks the mechanism's grammar, for the reason given (for
    /// the log; it holds nothing of the message).
    Malformed(&'static str),
}

/// One running dialogue. Made for one AUTH, dropped at its end.
pub trait Mechanism: Send {
    /// Begins. `initial` is the initial response: `None` where the client sent
    /// none, which is not the same as an empty one.
    fn start(&mut self, initial: Option<&[u8]>) -> Step;

    /// Goes on with the answer to the last challenge.
    fn answer(&mut self, response: &[u8]) -> Step;
}
