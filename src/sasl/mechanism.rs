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
        /// The password, whatever is in it: `password::unfit` says what no
        /// password may have, once the name is known and can be logged.
        password: Secret,
    },
    /// A name and a bearer token (XOAUTH2, OAUTHBEARER).
    Bearer {
        /// Whose mailbox it shall open.
        user: Vec<u8>,
        /// The token, whatever is in it.
        token: Secret,
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

impl Credentials {
    /// The name of who proves to be somebody, as it came.
    pub fn name(&self) -> &[u8] {
        match self {
            Self::Password { authcid, .. } => authcid,
            Self::Certificate { name, .. } => name,
            Self::AuthToken { user, .. } | Self::Bearer { user, .. } => user,
        }
    }
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

/// For mechanisms that are one message: what was read of it, or why nothing was.
impl From<Result<Credentials, &'static str>> for Step {
    fn from(read: Result<Credentials, &'static str>) -> Self {
        match read {
            Ok(credentials) => Self::Done(credentials),
            Err(why) => Self::Malformed(why),
        }
    }
}

/// One running dialogue. Made for one AUTH, dropped at its end.
pub trait Mechanism: Send {
    /// Begins. `initial` is the initial response: `None` where the client sent
    /// none, which is not the same as an empty one. Most mechanisms are one
    /// message of the client's, which an empty challenge asks for.
    fn start(&mut self, initial: Option<&[u8]>) -> Step {
        match initial {
            Some(message) => self.answer(message),
            None => Step::Challenge(Vec::new()),
        }
    }

    /// Goes on with the answer to the last challenge.
    fn answer(&mut self, response: &[u8]) -> Step;
}

/// The authorization identity, if it names somebody else than `authcid`. Equal
/// ones (byte for byte, before either is made canonical) are an ordinary login:
/// `doveadm auth test` sends them so.
#[expect(clippy::similar_names, reason = "the field's own words")]
pub(super) fn authzid(authzid: &[u8], authcid: &[u8]) -> Option<Vec<u8>> {
    (!authzid.is_empty() && authzid != authcid).then(|| authzid.to_vec())
}

/// Runs a whole dialogue: `initial`, then `answers`, each to its challenge.
#[cfg(test)]
pub(super) fn run(
    mut mechanism: impl Mechanism,
    initial: Option<&[u8]>,
    answers: &[&[u8]],
) -> (Vec<String>, Step) {
    let mut challenges = Vec::new();
    let mut answers = answers.iter();
    let mut step = mechanism.start(initial);
    loop {
        let Step::Challenge(challenge) = step else { return (challenges, step) };
        challenges.push(String::from_utf8(challenge.clone()).expect("our challenges are text"));
        match answers.next() {
            Some(answer) => step = mechanism.answer(answer),
            None => return (challenges, Step::Challenge(challenge)),
        }
    }
}

/// What a dialogue ended with, as text for tables.
#[cfg(test)]
pub(super) fn outcome(step: &Step) -> String {
    let text = |bytes: &[u8]| bytes.escape_ascii().to_string();
    match step {
        Step::Challenge(_) => "waits".to_owned(),
        Step::Malformed(why) => format!("malformed: {why}"),
        Step::Done(Credentials::Password { authcid, authzid, password }) => format!(
            "{} as {} with {}",
            text(authcid),
            authzid.as_deref().map_or("-".to_owned(), text),
            text(password.expose())
        ),
        Step::Done(Credentials::Bearer { user, token }) => {
            format!("{} with {}", text(user), text(token.expose()))
        }
        Step::Done(Credentials::Certificate { name, authzid }) => {
            format!("{} as {}", text(name), authzid.as_deref().map_or("-".to_owned(), text))
        }
        Step::Done(Credentials::AuthToken { service, session_pid, user, session, token }) => {
            [service, session_pid, user, session, token.expose()].map(text).join(" ")
        }
    }
}
