//! The dialogue with a master client: a mail process that claims a login, LMTP
//! or `doveadm` that ask for users.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::BytesMut;

use super::{CloseReason, Desk, Kept, Refused, Ticket, requests::Requests};
use crate::{
    protocol::{
        AuthRequest, Error, MAJOR, Version,
        master::{self, Command, Line, Lookup, Request},
        reply,
    },
    verify::VerifiedBy,
};

/// The minor that we announce. Keys of the userdb follow the client's.
const MINOR: u32 = 4;

/// What a socket of the master protocol is for.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum MasterKind {
    /// Everything, with REQUEST and the cache.
    Master,
    /// USER, PASS and LIST alone.
    Userdb,
}

/// Settings of a listener of the master protocol.
#[derive(Clone, Debug)]
pub struct MasterSettings {
    /// What the socket is for.
    pub kind: MasterKind,
    /// How long a request may wait for its answer. Clients give up after 155 s;
    /// Dovecot's own limit is 150 s.
    pub request_timeout: Duration,
    /// Most requests that one connection may have open.
    pub max_requests: usize,
    /// Whether `session_pid` of a REQUEST must be the peer's process id. Between
    /// containers the kernel reports another, or none.
    pub check_session_pid: bool,
}

/// Who is at the other end, by the kernel's word (`SO_PEERCRED`).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct PeerCredentials {
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
    /// Process id; 0 if it lies in a namespace that we cannot see.
    pub pid: u32,
}

/// The session wants an auth token.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TokenRequest {
    /// Process of the session, part of what the token is made from.
    pub session_pid: u32,
}

/// What is to be done about a line, besides sending what was appended to `out`.
/// Answers go to [`MasterSession::answer`] with the ticket.
#[derive(Debug)]
pub enum MasterAction {
    /// A claimed login: what does the userdb say of its user? Answer `Found`,
    /// with `auth_token` among the fields if `token` asks for it.
    Login {
        /// To answer with.
        ticket: Ticket,
        /// The login.
        kept: Box<Kept>,
        /// Whether to make a token.
        token: Option<TokenRequest>,
    },
    /// What does the userdb say of this name?
    User {
        /// To answer with.
        ticket: Ticket,
        /// The name.
        name: Vec<u8>,
        /// What is known of the connection it is asked for.
        request: Box<AuthRequest>,
    },
    /// What does the passdb say of this name?
    Pass {
        /// To answer with.
        ticket: Ticket,
        /// The name.
        name: Vec<u8>,
        /// What is known of the connection it is asked for.
        request: Box<AuthRequest>,
    },
    /// Who is there? Answer `ListUser` for each, then `ListDone`.
    List {
        /// To answer with.
        ticket: Ticket,
        /// Mask with `*` and `?`; none means everybody.
        mask: Option<String>,
    },
    /// Forget what is cached of these; of all, if none is named. Answer `Count`.
    CacheFlush {
        /// To answer with.
        ticket: Ticket,
        /// Names or masks.
        masks: Vec<String>,
    },
    /// How is the cache? Answer `Figures`.
    CacheStatus {
        /// To answer with.
        ticket: Ticket,
        /// Whether to begin to count anew.
        reset: bool,
    },
    /// A REQUEST was refused, and the client told so: for the log.
    Refused(Refused),
    /// Send what was appended, then close.
    Close(CloseReason),
}

/// The answer to a [`MasterAction`].
#[derive(Clone, Debug)]
pub enum Answer {
    /// The user is there.
    Found {
        /// The canonical name.
        name: String,
        /// What is known of it.
        fields: Vec<(String, String)>,
    },
    /// There is no such user. Never for a fault of ours.
    NotFound,
    /// We cannot tell, or will not.
    Fail {
        /// May be shown to mail users.
        reason: Option<String>,
    },
    /// One user of a LIST; more may follow.
    ListUser(String),
    /// The end of a LIST.
    ListDone {
        /// Whether all were sent.
        complete: bool,
    },
    /// So many entries were flushed.
    Count(u64),
    /// How the cache is; no figures if there is none.
    Figures(Vec<(&'static str, u64)>),
}

/// One connection with a master client.
pub struct MasterSession {
    settings: Arc<MasterSettings>,
    spid: u32,
    peer: PeerCredentials,
    restricted: bool,
    desk: Arc<Desk>,
    /// The lower of both minors, once the client has said its own.
    minor: Option<u32>,
    requests: Requests<Question>,
}

type Fields = Vec<(&'static str, String)>;

/// What a client waits for.
enum Question {
    /// What the userdb says, with these fields added.
    User(Fields),
    Pass,
    List,
    Cache,
}

#[expect(clippy::unnecessary_wraps, reason = "the form in which every step returns it")]
fn close(why: &'static str) -> Option<MasterAction> {
    Some(MasterAction::Close(CloseReason::Protocol(why)))
}

impl MasterSession {
    /// A connection that was just accepted. A `restricted` peer may ask for
    /// itself alone: USER is answered only if the user's uid is its own.
    pub fn new(
        settings: Arc<MasterSettings>,
        spid: u32,
        peer: PeerCredentials,
        restricted: bool,
        desk: Arc<Desk>,
    ) -> Self {
        let requests = Requests::new(settings.request_timeout);
        Self { settings, spid, peer, restricted, desk, minor: None, requests }
    }

    /// VERSION and SPID; clients take nothing else here.
    pub fn greeting(&self, out: &mut BytesMut) {
        reply::version(out, MINOR);
        reply::spid(out, self.spid);
    }

    /// One line from the client, without its end.
    pub fn line(&mut self, line: &[u8], now: Instant, out: &mut BytesMut) -> Option<MasterAction> {
        match (master::parse(line), self.minor) {
            (Ok(Line::Version(version)), None) => self.version(version),
            (Ok(Line::Version(_)), Some(_)) => close("second VERSION"),
            (Ok(Line::Command(command)), Some(_)) => self.command(command, now, out),
            (Err(Error::Request { id, why }), Some(_)) => self.refuse_line(id, why, out),
            (Err(Error::Line(why)), _) => close(why),
            (Err(Error::TooLong { .. }), _) => close("overlong line"),
            (_, None) => close("first line is not VERSION"),
        }
    }

    /// The answer to an action; one for a request that is no longer open is
    /// ignored.
    pub fn answer(&mut self, ticket: Ticket, answer: Answer, out: &mut BytesMut) {
        let id = ticket.id();
        let Some(question) = self.requests.get(ticket) else { return };
        match answer {
            Answer::Found { name, fields } => self.found(question, id, &name, &fields, out),
            Answer::NotFound => reply::not_found(out, id),
            Answer::Fail { reason } => fail(question, id, reason.as_deref(), out),
            Answer::ListUser(name) => {
                // A name that fits no line is none that any client could use.
                let _too_long = reply::list(out, id, &name);
                return;
            }
            Answer::ListDone { complete } => reply::list_done(out, id, complete),
            Answer::Count(count) => reply::count(out, id, count),
            Answer::Figures(figures) => reply::figures(out, id, &figures),
        }
        self.requests.remove(id);
    }

    /// When to call [`MasterSession::expire`].
    pub fn next_deadline(&self) -> Option<Instant> {
        self.requests.next_deadline()
    }

    /// Answers what is over time, before the client gives up the connection.
    pub fn expire(&mut self, now: Instant, out: &mut BytesMut) {
        for (id, question) in self.requests.expire(now) {
            fail(&question, id, None, out);
        }
    }

    /// The lower of both minors; 0 before the client has said its own.
    pub fn minor(&self) -> u32 {
        self.minor.unwrap_or(0)
    }

    /// Number of requests that wait for an answer.
    pub fn pending(&self) -> usize {
        self.requests.len()
    }

    fn is_listing(&self) -> bool {
        self.requests.stages().any(|question| matches!(question, Question::List))
    }

    fn version(&mut self, version: Version) -> Option<MasterAction> {
        if version.major != MAJOR {
            return close("unknown major version");
        }
        self.minor = Some(version.minor.min(MINOR));
        None
    }

    fn command(
        &mut self,
        command: Command,
        now: Instant,
        out: &mut BytesMut,
    ) -> Option<MasterAction> {
        if self.settings.kind == MasterKind::Userdb && command.needs_master() {
            return close("command that only a master socket takes");
        }
        let id = command.id();
        if self.requests.contains(id) {
            return close("id that is in use");
        }
        if self.refuses(&command) {
            match command {
                Command::List { .. } => reply::list_done(out, id, false),
                _ => reply::master_fail(out, id, None),
            }
            return None;
        }
        Some(match command {
            Command::Request(request) => self.request(&request, now, out),
            Command::User(Lookup { name, request, .. }) => {
                let ticket = self.requests.insert(id, Question::User(local_name(&request)), now);
                MasterAction::User { ticket, name, request: Box::new(request) }
            }
            Command::Pass(Lookup { name, request, .. }) => {
                let ticket = self.requests.insert(id, Question::Pass, now);
                MasterAction::Pass { ticket, name, request: Box::new(request) }
            }
            Command::List { mask, .. } => {
                // `doveadm -A` works on each user before it reads on: for hours.
                let ticket = self.requests.insert_without_limit(id, Question::List);
                MasterAction::List { ticket, mask }
            }
            Command::CacheFlush { masks, .. } => {
                let ticket = self.requests.insert(id, Question::Cache, now);
                MasterAction::CacheFlush { ticket, masks }
            }
            Command::CacheStatus { reset, .. } => {
                let ticket = self.requests.insert(id, Question::Cache, now);
                MasterAction::CacheStatus { ticket, reset }
            }
        })
    }

    /// Whether the command fails without being asked: for want of room, of the
    /// right, or because one LIST runs already.
    fn refuses(&self, command: &Command) -> bool {
        self.requests.len() >= self.settings.max_requests
            || match command {
                Command::Pass(_) => self.restricted,
                Command::List { .. } => self.restricted || self.is_listing(),
                _ => false,
            }
    }

    /// A line that names a request and is broken fails that request.
    fn refuse_line(&mut self, id: u32, why: &str, out: &mut BytesMut) -> Option<MasterAction> {
        if self.requests.contains(id) {
            return close("id that is in use");
        }
        reply::fail_with_reason(out, id, why);
        None
    }

    /// Claims a login. The desk consumes it before `session_pid` is looked at, so
    /// that nobody can try process ids one by one.
    fn request(&mut self, request: &Request, now: Instant, out: &mut BytesMut) -> MasterAction {
        let claimed = self.desk.claim(request, now).and_then(|kept| {
            if self.accepts_session_pid(request) { Ok(kept) } else { Err(Refused::SessionPid) }
        });
        match claimed {
            Ok(kept) => {
                let token = request
                    .session_pid
                    .filter(|_| request.auth_token)
                    .map(|session_pid| TokenRequest { session_pid });
                let ticket = self.requests.insert(request.id, Question::User(kept.fields()), now);
                MasterAction::Login { ticket, kept: Box::new(kept), token }
            }
            Err(refused) => {
                reply::master_fail(out, request.id, None);
                MasterAction::Refused(refused)
            }
        }
    }

    fn accepts_session_pid(&self, request: &Request) -> bool {
        let vouched = request.session_pid_trusted && !self.restricted;
        !self.settings.check_session_pid
            || vouched
            || request.session_pid.is_none_or(|pid| pid == self.peer.pid)
    }

    fn found(
        &self,
        question: &Question,
        id: u32,
        name: &str,
        fields: &[(String, String)],
        out: &mut BytesMut,
    ) {
        if self.restricted && !self.is_own(fields) {
            return reply::master_fail(out, id, None);
        }
        let known = fields.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let written = match question {
            Question::Pass => reply::pass(out, id, name, known),
            Question::User(added) => {
                let added = added.iter().map(|(name, value)| (*name, value.as_str()));
                reply::user(out, id, name, known.chain(added))
            }
            Question::List | Question::Cache => reply::user(out, id, name, known),
        };
        if written.is_err() {
            reply::master_fail(out, id, Some("the fields of this user are too long"));
        }
    }

    fn is_own(&self, fields: &[(String, String)]) -> bool {
        let uid = self.peer.uid.to_string();
        fields.iter().any(|(name, value)| name == "uid" && *value == uid)
    }
}

fn fail(question: &Question, id: u32, reason: Option<&str>, out: &mut BytesMut) {
    match question {
        Question::List => reply::list_done(out, id, false),
        _ => reply::master_fail(out, id, reason),
    }
}

/// The TLS server name that the user asked for goes on to the mail process.
fn local_name(request: &AuthRequest) -> Fields {
    request.local_name.iter().map(|name| ("local_name", name.clone())).collect()
}

impl Kept {
    /// What a login adds to its user's fields.
    fn fields(&self) -> Fields {
        let mut fields = vec![("auth_mech", self.mechanism.to_owned())];
        let original = String::from_utf8_lossy(&self.original);
        if original != self.verified.user().as_str() {
            fields.push(("auth_user", original.into_owned()));
        }
        fields.extend(local_name(&self.request));
        if let VerifiedBy::AuthToken { service } = self.verified.by() {
            fields.push(("client_service", service.clone()));
        }
        fields
    }
}

#[cfg(test)]
mod tests;
