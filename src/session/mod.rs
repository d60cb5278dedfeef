//! Dialogues as state machines, without any I/O: lines and verdicts in, replies
//! and actions out. Time is handed in.
//!
//! [`ClientSession`] talks to login processes and SMTP servers, [`MasterSession`]
//! to mail processes, LMTP and `doveadm`. A login that succeeded on a login
//! socket waits at the [`Desk`] until a mail process claims it on a master socket.

mod action;
pub mod client;
pub mod desk;
pub mod listener;
pub mod master;
mod requests;

use std::fmt;

pub use self::{
    action::Action,
    client::{ClientSession, ConnectionIds},
    desk::{Desk, Kept, Refused},
    listener::{ClientSettings, ListenerKind, TemporaryFailure},
    master::{
        Answer, MasterAction, MasterKind, MasterSession, MasterSettings, PeerCredentials,
        TokenRequest,
    },
    requests::Ticket,
};

/// Why a session ends its connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CloseReason {
    /// The peer broke the protocol, and no reply could tell it so.
    Protocol(&'static str),
    /// The only way to tell this client of a temporary failure.
    TemporaryFailure,
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Protocol(why) => f.write_str(why),
            Self::TemporaryFailure => f.write_str("temporary failure, told by closing"),
        }
    }
}
