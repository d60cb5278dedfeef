//! Dialogues as state machines, without any I/O: lines and verdicts in, replies
//! and actions out. Time is handed in.
//!
//! [`ClientSession`] talks to login processes and SMTP servers, [`MasterSession`]
//! to mail processes, LMTP and `doveadm`. A login that succeeded on a login
//! socket waits at the [`Desk`] until a mail process claims it on a master socket.

pub mod client;
pub mod desk;
pub mod master;

use std::{
    collections::HashMap,
    fmt,
    time::{Duration, Instant},
};

pub use self::{
    client::{Action, ClientSession, ClientSettings, ConnectionIds, TemporaryFailure},
    desk::{Desk, Kept, Refused},
    master::{
        Answer, MasterAction, MasterKind, MasterSession, MasterSettings, PeerCredentials,
        TokenRequest,
    },
};

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

/// Names one request of one connection. The client may use an id again once it
/// is free; a ticket is never used again, so that a late verdict meets nobody.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Ticket {
    id: u32,
    serial: u64,
}

impl Ticket {
    /// The client's own number for the request, for logs.
    pub fn id(self) -> u32 {
        self.id
    }
}

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

/// The open requests of one connection, each with its time limit.
#[derive(Debug)]
struct Requests<T> {
    open: HashMap<u32, Request<T>>,
    timeout: Duration,
    last_serial: u64,
    /// When to look for requests that are over time. Never later than the
    /// earliest limit; may be earlier, which costs one needless look.
    sweep_at: Option<Instant>,
}

#[derive(Debug)]
struct Request<T> {
    serial: u64,
    deadline: Instant,
    stage: T,
}

impl<T> Requests<T> {
    fn new(timeout: Duration) -> Self {
        Self { open: HashMap::new(), timeout, last_serial: 0, sweep_at: None }
    }

    fn len(&self) -> usize {
        self.open.len()
    }

    fn contains(&self, id: u32) -> bool {
        self.open.contains_key(&id)
    }

    fn stages(&self) -> impl Iterator<Item = &T> {
        self.open.values().map(|request| &request.stage)
    }

    fn insert(&mut self, id: u32, stage: T, now: Instant) -> Ticket {
        self.last_serial += 1;
        let serial = self.last_serial;
        let deadline = now + self.timeout;
        self.sweep_at.get_or_insert(deadline);
        self.open.insert(id, Request { serial, deadline, stage });
        Ticket { id, serial }
    }

    fn get(&self, ticket: Ticket) -> Option<&T> {
        let request = self.open.get(&ticket.id)?;
        (request.serial == ticket.serial).then_some(&request.stage)
    }

    /// Takes out the very request that the ticket was given for.
    fn take(&mut self, ticket: Ticket) -> Option<T> {
        self.get(ticket)?;
        self.remove(ticket.id)
    }

    fn remove(&mut self, id: u32) -> Option<T> {
        self.open.remove(&id).map(|request| request.stage)
    }

    /// Takes out what is over time, each with its id.
    fn expire(&mut self, now: Instant) -> Vec<(u32, T)> {
        if self.sweep_at.is_none_or(|at| now < at) {
            return Vec::new();
        }
        let over = self.open.extract_if(|_, request| request.deadline <= now);
        let over = over.map(|(id, request)| (id, request.stage)).collect();
        self.sweep_at = self.open.values().map(|request| request.deadline).min();
        over
    }
}
