//! What a socket of the client protocol is for, and how it is set up.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::sasl::MechanismName;

/// What a socket of the client protocol is for.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum ListenerKind {
    /// Dovecot's login processes: a success is kept for REQUEST.
    Login,
    /// Postfix, Exim and everybody else: nothing is kept.
    Auth,
    /// As `Login`, for DOVECOT-TOKEN alone.
    TokenLogin,
    /// As `Auth`, for DOVECOT-TOKEN alone.
    Token,
}

impl ListenerKind {
    /// The minor that we announce. Some clients of `auth` sockets hang on a
    /// greeting that is sent in one piece and announces 3 or more.
    pub fn minor(self) -> u32 {
        match self {
            Self::Auth => 2,
            Self::Login | Self::TokenLogin | Self::Token => 4,
        }
    }

    /// Whether a success is kept for REQUEST.
    pub fn keeps(self) -> bool {
        matches!(self, Self::Login | Self::TokenLogin)
    }

    /// Whether DOVECOT-TOKEN is all there is.
    pub fn token_only(self) -> bool {
        matches!(self, Self::TokenLogin | Self::Token)
    }
}

/// How a client hears that we cannot tell whether a login is right.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum TemporaryFailure {
    /// By `code=temp_fail` if its minor is 1 or more; one of minor 0 (Postfix,
    /// Exim) takes every FAIL for "wrong password", so its connection is closed
    /// after the other replies that it waits for.
    #[default]
    Auto,
    /// By closing, whatever its minor.
    Close,
    /// By `code=temp_fail`, whatever its minor.
    Fail,
}

/// Settings of a listener of the client protocol.
#[derive(Clone, Debug)]
pub struct ClientSettings {
    /// What the socket is for.
    pub kind: ListenerKind,
    /// Mechanisms to offer. `token` sockets offer DOVECOT-TOKEN and nothing
    /// else, other sockets never; EXTERNAL needs `trusted_parameters`.
    pub mechanisms: Vec<MechanismName>,
    /// Whether the peer's word counts for certificates, `no-penalty` and
    /// forwarded fields.
    pub trusted_parameters: bool,
    /// How to say "we cannot tell".
    pub temporary_failure: TemporaryFailure,
    /// How long a request may wait for its next line, a verdict or its REQUEST.
    /// Dovecot's own limit is 150 s.
    pub request_timeout: Duration,
    /// Most requests that one connection may have open.
    pub max_requests: usize,
}

impl ClientSettings {
    pub(super) fn offers(&self, mechanism: MechanismName) -> bool {
        match mechanism {
            MechanismName::DovecotToken => self.kind.token_only(),
            MechanismName::External if !self.trusted_parameters => false,
            other => !self.kind.token_only() && self.mechanisms.contains(&other),
        }
    }

    pub(super) fn offered(&self) -> impl Iterator<Item = MechanismName> {
        MechanismName::ALL.into_iter().filter(|mechanism| self.offers(*mechanism))
    }
}
